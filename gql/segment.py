"""A segment: its definition as it was given, in words, and what is kept of it. Its members and its runs are nouns of
their own."""

from datetime import datetime
from decimal import Decimal

import strawberry

from domain.model import Business as BusinessEntity
from domain.rules.criteria import RfmConfig as RfmConfigEntity
from domain.rules.criteria import SegmentCriteria as SegmentCriteriaEntity
from domain.segments.model import Segment as SegmentEntity
from domain.segments.segments import words
from gql.enums import SegmentKind
from gql.ids import encode
from gql.node import Node
from gql.scalars import JSON
from gql.segment_members import SegmentMembers
from gql.segment_runs import SegmentRuns


@strawberry.type(description="A box of RFM scores, digit by digit: 344 to 555 is R 3 to 5, F 4 to 5, M 4 to 5.")
class RfmConfig:
    """A box of scores."""

    min_score: str = strawberry.field(description="Least recency, frequency and monetary score, three digits.")
    max_score: str = strawberry.field(description="Greatest recency, frequency and monetary score, three digits.")

    @classmethod
    def of(cls, entity: RfmConfigEntity) -> "RfmConfig":
        """The box."""
        return cls(min_score=entity.min_score, max_score=entity.max_score)


@strawberry.type(description="Bounds on a customer's metrics, all inclusive; what is null asks for nothing.")
class SegmentCriteria:
    """Bounds on metrics."""

    min_lifetime_value: Decimal | None = strawberry.field(description="Least revenue in the business's currency.")
    max_lifetime_value: Decimal | None = strawberry.field(description="Greatest revenue in the business's currency.")
    min_orders: int | None = strawberry.field(description="Least number of qualifying purchases.")
    max_orders: int | None = strawberry.field(description="Greatest number of qualifying purchases.")
    min_days_since_last_purchase: int | None = strawberry.field(description="Least days since the last purchase.")
    max_days_since_last_purchase: int | None = strawberry.field(description="Greatest days since the last purchase.")
    min_purchase_frequency: float | None = strawberry.field(description="Least purchases per 30 days.")
    max_purchase_frequency: float | None = strawberry.field(description="Greatest purchases per 30 days.")
    min_tenure_days: int | None = strawberry.field(description="Least days since the customer came.")
    max_tenure_days: int | None = strawberry.field(description="Greatest days since the customer came.")
    loyalty_levels: list[str] | None = strawberry.field(description="Any of these loyalty levels, exactly.")

    @classmethod
    def of(cls, entity: SegmentCriteriaEntity) -> "SegmentCriteria":
        """The bounds."""
        return cls(
            min_lifetime_value=entity.min_lifetime_value,
            max_lifetime_value=entity.max_lifetime_value,
            min_orders=entity.min_orders,
            max_orders=entity.max_orders,
            min_days_since_last_purchase=entity.min_days_since_last_purchase,
            max_days_since_last_purchase=entity.max_days_since_last_purchase,
            min_purchase_frequency=entity.min_purchase_frequency,
            max_purchase_frequency=entity.max_purchase_frequency,
            min_tenure_days=entity.min_tenure_days,
            max_tenure_days=entity.max_tenure_days,
            loyalty_levels=None if entity.loyalty_levels is None else list(entity.loyalty_levels),
        )


@strawberry.type(description="A named group of customers: by a definition, or put together by hand.")
class Segment(Node, SegmentMembers, SegmentRuns):
    """A named group."""

    key: str = strawberry.field(
        description="Unique in the business, used by rules, files and the command line; never changes."
    )
    name: str = strawberry.field(description="Name of the segment, unique in the business, letter case ignored.")
    description: str | None = strawberry.field(description="What the segment is for.")
    kind: SegmentKind = strawberry.field(description="How the segment gets its members.")
    is_dynamic: bool = strawberry.field(
        description="Whether the membership follows by itself; where not, it changes when recalculation is asked for."
    )
    is_rfm: bool = strawberry.field(description="Whether the definition uses RFM scores.")
    rfm_config: RfmConfig | None = strawberry.field(description="RFM scores that the definition asks for.")
    rules: JSON | None = strawberry.field(
        description="The rules as they were given: one JSONLogic object or a list that must all hold."
    )
    criteria: SegmentCriteria | None = strawberry.field(description="Bounds on metrics that the definition asks for.")
    schedule: str | None = strawberry.field(
        description="When the segment is recalculated: five cron fields in the business's time zone."
    )
    version: int = strawberry.field(description="Grows by one with every change of the definition.")
    created_at: datetime = strawberry.field(description="Timestamp of the creation.")
    updated_at: datetime = strawberry.field(description="Timestamp of the last change by a person.")
    created_by: str | None = strawberry.field(description="Who created the segment.")
    deleted_at: datetime | None = strawberry.field(description="Timestamp of the deletion; null while it is there.")
    next_run_at: datetime | None = strawberry.field(
        description="Timestamp of the next scheduled recalculation; null where there is none."
    )
    last_calculated: datetime | None = strawberry.field(description="Timestamp of the last successful recalculation.")
    member_count: int = strawberry.field(description="Number of members now.")
    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: SegmentEntity) -> "Segment":
        """The segment."""
        definition = entity.definition
        return cls(
            id=encode("Segment", business.id, entity.id),
            key=entity.key,
            name=entity.name,
            description=entity.description,
            kind=entity.kind,
            is_dynamic=entity.is_dynamic,
            is_rfm=entity.is_rfm,
            rfm_config=None if definition.rfm_config is None else RfmConfig.of(definition.rfm_config),
            rules=None if definition.rules is None else JSON(definition.rules),
            criteria=None if definition.criteria is None else SegmentCriteria.of(definition.criteria),
            schedule=entity.schedule,
            version=entity.version,
            created_at=entity.created_at,
            updated_at=entity.updated_at,
            created_by=entity.created_by,
            deleted_at=entity.deleted_at,
            # A manual segment is looked at, but never calculated.
            next_run_at=entity.next_run_at if entity.kind is SegmentKind.AUTOMATIC else None,
            last_calculated=entity.last_calculated,
            member_count=entity.member_count,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The definition in words; null where there is none.")
    def sentence(self) -> str | None:
        """Made anew, as the words may improve."""
        return words(self.entity.definition, self.business.currency)
