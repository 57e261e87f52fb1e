"""A segment: its definition as it was given, in words, and what is kept of it. Its members and its runs are nouns of
their own.

The members of a segment: who they are, were and became, what they amount to, and the snapshots.

The runs of a segment.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from domain.calendar import series
from domain.errors import InvalidInput, NotFound
from domain.model import Business as BusinessEntity
from domain.money import exponent, mean, to_decimal
from domain.rules.criteria import RfmConfig as RfmConfigEntity
from domain.rules.criteria import SegmentCriteria as SegmentCriteriaEntity
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList
from domain.segments.model import Segment as SegmentEntity
from domain.segments.segments import words
from gql.schema.context import Info
from gql.schema.types.enums import SegmentKind, SeriesInterval
from gql.schema.types.ids import Node, encode, numbers_of
from gql.schema.types.job import Recalculation
from gql.schema.types.membership import (
    MEMBER_ORDER,
    MembershipChange,
    SegmentMemberConnection,
    Snapshot,
    changes_connection,
)
from gql.schema.types.pagination import After, Before, Connection, First, Last, connection, requested
from gql.schema.types.scalars import JSON

SNAPSHOT_ORDER = "snapshots"


@strawberry.type(description="A segment at the end of an interval.")
class SizePoint:
    """A segment at the end of an interval."""

    day: date = strawberry.field(name="date", description="First day of the interval.")
    member_count: int = strawberry.field(description="Members at the end of the interval, or now where it lasts.")
    entered: int = strawberry.field(description="Memberships that began in the interval.")
    left: int = strawberry.field(description="Memberships that ended in the interval.")


@strawberry.type(description="What the members of a segment amount to, as of today.")
class SegmentMetrics:
    """What the members amount to."""

    total_members: int = strawberry.field(description="Number of members.")
    inactive_members: int = strawberry.field(
        description="Members without a qualifying purchase in the last `inactive_days` days (90 by default)."
    )
    total_revenue: Decimal = strawberry.field(
        description="Sum of the members' qualifying purchases in the business's currency."
    )
    average_order_value: Decimal | None = strawberry.field(
        description="Mean amount of their qualifying purchases, rounded half-even to the minor unit; null without one."
    )
    average_days_since_last_purchase: float | None = strawberry.field(
        description="Mean days since the last qualifying purchase of those who have one; null where nobody has."
    )
    last_calculated: datetime | None = strawberry.field(description="Timestamp of the last successful recalculation.")
    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="The ten newest snapshots, newest first.")
    async def snapshots(self, info: Info) -> list[Snapshot]:
        """Through the loader."""
        found = await info.context.loaders.newest_snapshots.load(self.entity.id)
        return [Snapshot.of(self.business, entity) for entity in found]


@strawberry.type(description="The members of a segment.")
class SegmentMembers:
    """The members of a segment."""

    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="What the members amount to.")
    async def metrics(self, info: Info) -> SegmentMetrics:
        """Through the loader: one statement for the page of segments."""
        found = await info.context.loaders.totals.load(self.entity.id)
        decimals = exponent(self.business.currency)
        return SegmentMetrics(
            total_members=found.members,
            inactive_members=found.inactive,
            total_revenue=to_decimal(found.revenue, decimals),
            average_order_value=mean(found.revenue, found.orders, decimals),
            average_days_since_last_purchase=found.ages / found.buyers if found.buyers else None,
            last_calculated=self.entity.last_calculated,
            entity=self.entity,
            business=self.business,
        )

    @strawberry.field(description="The members, by customer, now or at any instant.")
    async def members(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        as_of: Annotated[
            datetime | None, strawberry.argument(description="Members at this timestamp; now where absent.")
        ] = None,
    ) -> SegmentMemberConnection:
        """Through the loader: one statement for the page of segments."""
        request = requested(MEMBER_ORDER, int, first, after, last, before)
        loaders, key = info.context.loaders, self.entity.id
        at = info.context.services.memberships.instant(self.business, as_of, "asOf")
        check_reachable(self.business, at)
        moment = (await info.context.business()).as_of
        if at is not None and moment is not None and at >= moment:
            # What is written after the moment has no part in this operation.
            at = None
        page = await loaders.members.load((key, request, at))

        async def count() -> int:
            return self.entity.member_count if at is None else await loaders.past_counts.load((key, at))

        return SegmentMemberConnection.of(info, self.business, page, count)

    @strawberry.field(description="Whether a customer is a member now.")
    async def is_member(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> bool:
        """Through the loaders."""
        numbers = numbers_of(customer_id, "Customer", self.business.id, 1)
        if numbers is None or await info.context.loaders.customers.load(numbers[0]) is None:
            raise NotFound("customerId must be the id of a customer of this business")
        return bool(await info.context.loaders.are_members.load((self.entity.id, numbers[0])))

    @strawberry.field(description="The snapshots, newest first.")
    async def snapshots(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description="How many items from the beginning, 1 to 250.")
        ] = 10,
        after: After = None,
    ) -> Connection[Snapshot]:
        """Through the loader: one statement for the page of segments."""
        request = requested(SNAPSHOT_ORDER, int, 10 if first is None else first, after)
        loaders, key = info.context.loaders, self.entity.id
        page = await loaders.snapshot_pages.load((key, request))
        return connection(
            page,
            SNAPSHOT_ORDER,
            lambda entity: Snapshot.of(self.business, entity),
            lambda: loaders.snapshot_counts.load(key),
        )

    @strawberry.field(
        description="Size at the end of each interval that has begun (weeks from Monday), entries and exits in it; "
        "at most 1,000 points."
    )
    async def size_series(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="A day of the first interval.")],
        to: Annotated[date, strawberry.argument(description="A day of the last interval, not before `from`.")],
        interval: Annotated[
            SeriesInterval, strawberry.argument(description="How long one interval is.")
        ] = SeriesInterval.DAY,
    ) -> list[SizePoint]:
        """Through the loader, from the log of changes."""
        # Here, so that wrong bounds are this field's error and not the whole batch's.
        series(from_, to, interval, self.business.time_zone)
        found = await info.context.loaders.sizes.load((self.entity.id, from_, to, interval))
        return [
            SizePoint(day=point.date, member_count=point.member_count, entered=point.entered, left=point.left)
            for point in found
        ]

    @strawberry.field(description="Entries and exits in the order in which they happened.")
    async def changes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        since: Annotated[
            datetime | None, strawberry.argument(description="Only changes at this timestamp or later.")
        ] = None,
        until: Annotated[
            datetime | None, strawberry.argument(description="Only changes before this timestamp.")
        ] = None,
    ) -> Connection[MembershipChange]:
        """Through the loader: one statement for the page of segments."""
        instant = info.context.services.memberships.instant
        start, end = instant(self.business, since, "since"), instant(self.business, until, "until")
        if start is not None and end is not None and end < start:
            raise InvalidInput("until must not be before since", ("until",))
        which = ChangeList(segment_id=self.entity.id, since=start, until=end)
        return await changes_connection(info, self.business, which, first, after)


@strawberry.type(description="The runs of a segment.")
class SegmentRuns:
    """What a segment says of its runs."""

    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="The newest run of the segment; null where none was ever asked for.")
    async def latest_recalculation(self, info: Info) -> Recalculation | None:
        """Through the loader: one statement for the page."""
        found = await info.context.loaders.newest_jobs.load(self.entity.id)
        return None if found is None else Recalculation.of(self.business, found)


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
