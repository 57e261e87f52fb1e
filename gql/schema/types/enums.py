"""The schema's enums with a description of every value."""

from enum import Enum
from typing import TypeVar

import strawberry

from domain.calendar import SeriesInterval as SeriesInterval
from domain.classification.groups import Method as Method
from domain.classification.rfm import RfmScheme as RfmScheme
from domain.jobs.model import JobStatus as JobStatus
from domain.model import PurchaseStatus as PurchaseStatus
from domain.segments.model import ChangeKind as ChangeKind
from domain.segments.model import MembershipSource as MembershipSource
from domain.segments.model import SegmentKind as SegmentKind
from domain.store import CustomerSort as CustomerSort
from domain.store import SegmentSort as SegmentSort

E = TypeVar("E", bound=type[Enum])


def described(kind: E, name: str, description: str, **values: str) -> E:
    """The enum as the schema shows it; every value must be described."""
    made = strawberry.enum(kind, name=name, description=description)
    definition = made.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return made


# Before any type is made that uses them: a type reads its enums when it is defined.
ENUMS = (
    described(
        PurchaseStatus,
        "PurchaseStatus",
        "How far an order got. Only COMPLETED and PARTIAL count in metrics, reports and classification.",
        COMPLETED="Paid and delivered; counts.",
        PARTIAL="Paid in part; counts.",
        PENDING="Not paid yet; does not count.",
        CANCELLED="Called off; does not count.",
        REFUNDED="Paid back; does not count.",
    ),
    described(
        CustomerSort,
        "CustomerSort",
        "What a list of customers is ordered by; ties stand by id, missing values last.",
        EXTERNAL_ID="The shop's own id, by code point.",
        NAME="The name, letter case ignored.",
        TOTAL_REVENUE="Sum of the qualifying purchases.",
        ORDER_COUNT="Number of qualifying purchases.",
        LAST_PURCHASE_AT="Timestamp of the last qualifying purchase.",
    ),
    described(
        Method,
        "SegmentationMethod",
        "How customers are grouped.",
        RFM="By recency, frequency and monetary scores.",
        VALUE="By spend in the window.",
        BEHAVIOR="By category, channel and season.",
    ),
    described(
        RfmScheme,
        "RfmScheme",
        "Which set of named RFM groups.",
        EIGHT_SEGMENT="Eight groups by scores; who matches none is unclassified.",
        ELEVEN_SEGMENT="Groups by recency and the mean of frequency and monetary; everybody has one.",
    ),
    described(
        SegmentKind,
        "SegmentKind",
        "How a segment gets its members.",
        AUTOMATIC="From its definition.",
        MANUAL="By hand.",
    ),
    described(
        SegmentSort,
        "SegmentSort",
        "What a list of segments is ordered by; ties stand by id, missing values last.",
        NAME="The name, letter case ignored.",
        CREATED_AT="Timestamp of the creation.",
        LAST_CALCULATED="Timestamp of the last successful recalculation.",
        MEMBER_COUNT="Number of members.",
    ),
    described(
        JobStatus,
        "JobStatus",
        "How far a run got. The last three are final.",
        QUEUED="It waits for a worker.",
        RUNNING="It is worked on.",
        SUCCEEDED="It did all it was to do.",
        FAILED="It could not; nothing of it was kept, but the parts that succeeded.",
        CANCELLED="It was stopped; nothing of it was kept.",
    ),
    described(
        MembershipSource,
        "MembershipSource",
        "What made a customer a member of a segment.",
        RULE="The definition of the segment.",
        MANUAL="A person.",
        IMPORT="A file of customers.",
    ),
    described(
        ChangeKind,
        "MembershipChangeKind",
        "What a membership change is.",
        ENTERED="The customer became a member.",
        LEFT="The customer is no member any more.",
    ),
    described(
        SeriesInterval,
        "SeriesInterval",
        "How long one interval of a series is, in the business's time zone.",
        DAY="A day.",
        WEEK="A week from Monday.",
        MONTH="A calendar month.",
    ),
)
