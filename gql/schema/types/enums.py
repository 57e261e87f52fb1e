"""The schema's enums with a description of every value."""

from enum import Enum
from typing import TypeVar

import strawberry

from domain.businesses.setting_types import ValueType as ValueType
from domain.calendar import SeriesInterval as SeriesInterval
from domain.classification.groups import Meaning as Meaning
from domain.classification.groups import Method as Method
from domain.classification.rfm import Metric as Metric
from domain.classification.rfm import RfmScheme as RfmScheme
from domain.jobs.model import JobStatus as JobStatus
from domain.model import PurchaseStatus as PurchaseStatus
from domain.reports.document import Layout as Layout
from domain.segments.model import ChangeKind as ChangeKind
from domain.segments.model import MembershipSource as MembershipSource
from domain.segments.model import SegmentKind as SegmentKind
from domain.store import CustomerSort as CustomerSort
from domain.store import MemberSort as MemberSort
from domain.store import SegmentSort as SegmentSort

E = TypeVar("E", bound=type[Enum])


def describe_enum(kind: E, name: str, description: str, **values: str) -> E:
    """The enum as the schema shows it; every value must be described."""
    enum = strawberry.enum(kind, name=name, description=description)
    definition = enum.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return enum


# Before any type is made that uses them: a type reads its enums when it is defined.
ENUMS = (
    describe_enum(
        PurchaseStatus,
        "PurchaseStatus",
        "How far an order got. Only COMPLETED and PARTIAL count in metrics, reports and classification.",
        COMPLETED="Paid and delivered; counts.",
        PARTIAL="Paid in part; counts.",
        PENDING="Not paid yet; does not count.",
        CANCELLED="Called off; does not count.",
        REFUNDED="Paid back; does not count.",
    ),
    describe_enum(
        CustomerSort,
        "CustomerSort",
        "What a list of customers is ordered by; ties stand by id, missing values last.",
        EXTERNAL_ID="The shop's own id, by code point.",
        NAME="The name, letter case ignored.",
        TOTAL_REVENUE="Sum of the qualifying purchases.",
        ORDER_COUNT="Number of qualifying purchases.",
        LAST_PURCHASE_AT="Timestamp of the last qualifying purchase.",
    ),
    describe_enum(
        Metric,
        "RfmMetric",
        "What one of the three RFM scores is of.",
        RECENCY="Days since the last qualifying purchase.",
        FREQUENCY="Number of qualifying purchases.",
        MONETARY="Sum of the qualifying purchases.",
    ),
    describe_enum(
        MemberSort,
        "MemberSort",
        "What a list of members is ordered by; ties stand by id, missing values last.",
        ASSIGNED_AT="Timestamp since which the customer is a member.",
        EXTERNAL_ID="The shop's own id, by code point.",
        NAME="The name, letter case ignored.",
        TOTAL_REVENUE="Sum of the qualifying purchases.",
        ORDER_COUNT="Number of qualifying purchases.",
        LAST_PURCHASE_AT="Timestamp of the last qualifying purchase.",
    ),
    describe_enum(
        Method,
        "SegmentationMethod",
        "How customers are grouped.",
        RFM="By recency, frequency and monetary scores.",
        VALUE="By spend in the window.",
        BEHAVIOR="By category, channel and season.",
    ),
    describe_enum(
        RfmScheme,
        "RfmScheme",
        "Which set of named RFM groups.",
        EIGHT_SEGMENT="Eight groups by scores; who matches none is unclassified.",
        ELEVEN_SEGMENT="Groups by recency and the mean of frequency and monetary; everybody has one.",
    ),
    describe_enum(
        Meaning,
        "GroupMeaning",
        "What it says of the business that customers are in a group.",
        GOOD="More of them is better.",
        WATCH="They cool down: more of them is worse.",
        BAD="They are being lost: more of them is worse.",
        NEUTRAL="More of them is neither better nor worse.",
    ),
    describe_enum(
        Layout,
        "ReportLayout",
        "How a report lies in CSV.",
        DOCUMENT="What the report is about, the insights, and the groups with their sums.",
        TABLE="For other programs: one header, and a row a group that says its window, too.",
    ),
    describe_enum(
        SegmentKind,
        "SegmentKind",
        "How a segment gets its members.",
        AUTOMATIC="From its definition.",
        MANUAL="By hand.",
    ),
    describe_enum(
        SegmentSort,
        "SegmentSort",
        "What a list of segments is ordered by; ties stand by id, missing values last.",
        NAME="The name, letter case ignored.",
        CREATED_AT="Timestamp of the creation.",
        LAST_CALCULATED="Timestamp of the last successful recalculation.",
        MEMBER_COUNT="Number of members.",
    ),
    describe_enum(
        JobStatus,
        "JobStatus",
        "How far a run got. The last three are final.",
        QUEUED="It waits for a worker.",
        RUNNING="It is worked on.",
        SUCCEEDED="It did all it was to do.",
        FAILED="It could not; nothing of it was kept, but the parts that succeeded.",
        CANCELLED="It was stopped; nothing of it was kept.",
    ),
    describe_enum(
        MembershipSource,
        "MembershipSource",
        "What made a customer a member of a segment.",
        RULE="The definition of the segment.",
        MANUAL="A person.",
        IMPORT="A file of customers.",
    ),
    describe_enum(
        ChangeKind,
        "MembershipChangeKind",
        "What a membership change is.",
        ENTERED="The customer became a member.",
        LEFT="The customer is no member any more.",
    ),
    describe_enum(
        ValueType,
        "SettingType",
        "What kind of value a setting has, as the control says that it is set by.",
        WHOLE_NUMBER="A whole number between two bounds.",
        AMOUNT="An amount in the business's currency, 0 or more.",
        SWITCH="True or false.",
        TEXT="A text, one of `choices` where there are any.",
        SCHEDULE="Five cron fields in the business's time zone.",
        COLOUR="A colour such as #1a5fb4.",
        PICTURE="A PNG or JPEG picture in base64.",
        ORDER="A list of every one of `choices`; the first counts first.",
        PERIODS="A list of objects with `from` and `to`, both MM-DD or both YYYY-MM-DD.",
        REPORTS="A list of objects, each a report that comes at the times of its `every`.",
        LIST="A list of texts.",
        TABLE="An object of what is said by name.",
    ),
    describe_enum(
        SeriesInterval,
        "SeriesInterval",
        "How long one interval of a series is, in the business's time zone.",
        DAY="A day.",
        WEEK="A week from Monday.",
        MONTH="A calendar month.",
    ),
)
