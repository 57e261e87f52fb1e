"""The members of a segment: who they are, were and became, what they amount to, and the snapshots."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import strawberry

from domain.calendar import series
from domain.errors import InvalidInput, NotFound
from domain.model import Business as BusinessEntity
from domain.money import exponent, mean, to_decimal
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList
from domain.segments.model import Segment as SegmentEntity
from gql.context import Info
from gql.enums import SeriesInterval
from gql.ids import numbers_of
from gql.membership import MEMBER_ORDER, MembershipChange, SegmentMemberConnection, changes_connection
from gql.pagination import After, Before, Connection, First, Last, connection, requested
from gql.snapshot import Snapshot

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
        found = await info.context.loaders.memberships.newest_snapshots.load(self.entity.id)
        return [Snapshot.of(self.business, entity) for entity in found]


@strawberry.type(description="The members of a segment.")
class SegmentMembers:
    """The members of a segment."""

    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="What the members amount to.")
    async def metrics(self, info: Info) -> SegmentMetrics:
        """Through the loader: one statement for the page of segments."""
        found = await info.context.loaders.memberships.totals.load(self.entity.id)
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
        loaders, key = info.context.loaders.memberships, self.entity.id
        at = info.context.services.memberships.instant(self.business, as_of, "asOf")
        check_reachable(self.business, at)
        moment = (await info.context.business()).as_of
        if at is not None and moment is not None and at >= moment:
            # What is written after the moment has no part in this operation.
            at = None
        page = await loaders.pages.load((key, request, at))

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
        return await info.context.loaders.memberships.are_members.load((self.entity.id, numbers[0]))

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
        loaders, key = info.context.loaders.memberships, self.entity.id
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
        found = await info.context.loaders.memberships.sizes.load((self.entity.id, from_, to, interval))
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
