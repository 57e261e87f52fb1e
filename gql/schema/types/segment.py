"""A segment: its definition as it was given and in words, its members as they are, were and became, its snapshots and
its newest run. Whatever is asked of each segment of a page comes through a loader. Nouns that speak of each other
import modules, and name each other's types lazily."""

from dataclasses import fields, replace
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.calendar import build_series
from domain.errors import MAXIMUM_TEXT, InvalidInput, build_unknown_id
from domain.model import Business as BusinessEntity
from domain.money import compute_mean, find_exponent, to_decimal
from domain.rules.criteria import RfmConfig as RfmConfigEntity
from domain.rules.criteria import SegmentCriteria as SegmentCriteriaEntity
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList
from domain.segments.model import Segment as SegmentEntity
from domain.segments.segments import describe_definition
from domain.store import MemberList
from domain.texts import compose_optional
from gql.schema.context import Info
from gql.schema.types import job as jobs
from gql.schema.types import membership as memberships
from gql.schema.types.enums import MemberSort, SegmentKind, SeriesInterval
from gql.schema.types.ids import Node, encode, match
from gql.schema.types.pagination import After, Before, Connection, First, Last, build_connection, build_page_request
from gql.schema.types.scalars import JSON

if TYPE_CHECKING:
    from gql.schema.types.job import Recalculation
    from gql.schema.types.membership import MembershipChange, SegmentMemberConnection, Snapshot

SNAPSHOT_ORDER = "snapshots"
TEXT_SORTS = (MemberSort.EXTERNAL_ID, MemberSort.NAME)
JOB, MEMBERSHIP = strawberry.lazy("gql.schema.types.job"), strawberry.lazy("gql.schema.types.membership")


@strawberry.type(description="A segment at the end of an interval.")
class SizePoint:
    day: date = strawberry.field(name="date", description="First day of the interval.")
    member_count: int = strawberry.field(description="Members at the end of the interval, or now where it lasts.")
    entered: int = strawberry.field(description="Memberships that began in the interval.")
    left: int = strawberry.field(description="Memberships that ended in the interval.")


@strawberry.type(description="What the members of a segment amount to, as of today.")
class SegmentMetrics:
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
    async def snapshots(self, info: Info) -> list[Annotated["Snapshot", MEMBERSHIP]]:
        entities = await info.context.loaders.newest_snapshots.load(self.entity.id)
        return [memberships.Snapshot.of(self.business, entity) for entity in entities]


@strawberry.type
class ScoreBox:
    """What a box of scores holds, stated and answered."""

    min_score: str = strawberry.field(description="Least recency, frequency and monetary score, three digits 1 to 5.")
    max_score: str = strawberry.field(description="Greatest of the three scores, three digits 1 to 5.")


@strawberry.type(description="A box of RFM scores, digit by digit: 344 to 555 is R 3 to 5, F 4 to 5, M 4 to 5.")
class RfmConfig(ScoreBox):
    @classmethod
    def of(cls, entity: RfmConfigEntity) -> "RfmConfig":
        return cls(min_score=entity.min_score, max_score=entity.max_score)


@strawberry.type
class MetricBounds:
    """The bounds of the domain's criteria, stated and answered."""

    min_lifetime_value: Decimal | None = strawberry.field(
        default=None, description="Least revenue in the business's currency."
    )
    max_lifetime_value: Decimal | None = strawberry.field(
        default=None, description="Greatest revenue in the business's currency."
    )
    min_orders: int | None = strawberry.field(default=None, description="Least number of qualifying purchases.")
    max_orders: int | None = strawberry.field(default=None, description="Greatest number of qualifying purchases.")
    min_days_since_last_purchase: int | None = strawberry.field(
        default=None, description="Least days since the last qualifying purchase."
    )
    max_days_since_last_purchase: int | None = strawberry.field(
        default=None, description="Greatest days since the last qualifying purchase."
    )
    min_purchase_frequency: float | None = strawberry.field(default=None, description="Least purchases per 30 days.")
    max_purchase_frequency: float | None = strawberry.field(default=None, description="Greatest purchases per 30 days.")
    min_tenure_days: int | None = strawberry.field(
        default=None, description="Least days since the registration, or else the first purchase."
    )
    max_tenure_days: int | None = strawberry.field(
        default=None, description="Greatest days since the registration, or else the first purchase."
    )
    loyalty_levels: list[str] | None = strawberry.field(
        default=None, description="Any of these loyalty levels, exactly."
    )


@strawberry.type(description="Bounds on a customer's metrics, all inclusive; what is null asks for nothing.")
class SegmentCriteria(MetricBounds):
    @classmethod
    def of(cls, entity: SegmentCriteriaEntity) -> "SegmentCriteria":
        bounds = {bound.name: getattr(entity, bound.name) for bound in fields(entity)}
        levels = bounds.pop("loyalty_levels")
        return cls(**bounds, loyalty_levels=None if levels is None else list(levels))


@strawberry.type(description="A named group of customers: by a definition, or put together by hand.")
class Segment(Node):
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
    version: int = strawberry.field(
        description="Grows by one with every change of the segment, but not with its members."
    )
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
        # Made anew, as the words may improve.
        return describe_definition(self.entity.definition, self.business.currency)

    @strawberry.field(description="What the members amount to.")
    async def metrics(self, info: Info) -> SegmentMetrics:
        totals = await info.context.loaders.totals.load(self.entity.id)
        decimals = find_exponent(self.business.currency)
        return SegmentMetrics(
            total_members=totals.members,
            inactive_members=totals.inactive,
            total_revenue=to_decimal(totals.revenue, decimals),
            average_order_value=compute_mean(totals.revenue, totals.orders, decimals),
            average_days_since_last_purchase=totals.ages / totals.buyers if totals.buyers else None,
            last_calculated=self.entity.last_calculated,
            entity=self.entity,
            business=self.business,
        )

    @strawberry.field(description="The members, now or at any instant, by id of the customer or in another order.")
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
        sort: Annotated[
            MemberSort | None, strawberry.argument(description="What to order by; ids of customers where absent.")
        ] = None,
        reverse: Annotated[bool | None, strawberry.argument(description="Whether to turn the order round.")] = False,
        search: Annotated[
            str | None,
            strawberry.argument(
                description="Beginning of the external id, name, email or a word of the name; case ignored."
            ),
        ] = None,
    ) -> Annotated["SegmentMemberConnection", MEMBERSHIP]:
        order = " ".join(
            (memberships.MEMBER_ORDER, *([] if sort is None else [sort.value]), *["reverse"] * bool(reverse))
        )
        request = build_page_request(order, str if sort in TEXT_SORTS else int, first, after, last, before)
        if search is not None and (len(search) > MAXIMUM_TEXT or "\0" in search):
            raise InvalidInput(f"search must be at most {MAXIMUM_TEXT} characters, without NUL", ("search",))
        loaders, key = info.context.loaders, self.entity.id
        at = info.context.services.memberships.read_instant_argument(self.business, as_of, "as_of")
        check_reachable(self.business, at)
        moment = (await info.context.load_business()).as_of
        if at is not None and moment is not None and at >= moment:
            # What is written after the moment has no part in this operation.
            at = None
        which = MemberList(key, at, sort, bool(reverse), compose_optional(search))
        page = await loaders.members.load((which, request))

        async def count() -> int:
            if which.search:
                return await loaders.member_counts.load(replace(which, sort=None, reverse=False))
            return self.entity.member_count if at is None else await loaders.past_counts.load((key, at))

        return memberships.SegmentMemberConnection.of(self.business, page, order, count)

    @strawberry.field(description="Whether a customer is a member now.")
    async def is_member(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> bool:
        number = match(customer_id, "Customer", self.business)
        if number is None or await info.context.loaders.customers.load(number) is None:
            raise build_unknown_id("customer")
        return bool(await info.context.loaders.are_members.load((self.entity.id, number)))

    @strawberry.field(description="The snapshots, newest first.")
    async def snapshots(
        self,
        info: Info,
        first: Annotated[
            int | None, strawberry.argument(description="How many items from the beginning, 1 to 250.")
        ] = 10,
        after: After = None,
    ) -> Connection[Annotated["Snapshot", MEMBERSHIP]]:
        request = build_page_request(SNAPSHOT_ORDER, int, 10 if first is None else first, after)
        loaders, key = info.context.loaders, self.entity.id
        page = await loaders.snapshot_pages.load((key, request))
        of = partial(memberships.Snapshot.of, self.business)
        return build_connection(page, SNAPSHOT_ORDER, of, lambda: loaders.snapshot_counts.load(key))

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
        # Here, so that wrong bounds are this field's error and not the whole batch's.
        build_series(from_, to, interval, self.business.time_zone)
        return [
            SizePoint(day=point.date, member_count=point.member_count, entered=point.entered, left=point.left)
            for point in await info.context.loaders.sizes.load((self.entity.id, from_, to, interval))
        ]

    @strawberry.field(description="Entries and exits in the order in which they happened.")
    async def changes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        since: Annotated[
            datetime | None, strawberry.argument(description="Only changes at this timestamp or later.")
        ] = None,
        until: Annotated[
            datetime | None, strawberry.argument(description="Only changes before this timestamp.")
        ] = None,
    ) -> Connection[Annotated["MembershipChange", MEMBERSHIP]]:
        instant = info.context.services.memberships.read_instant_argument
        start, end = instant(self.business, since, "since"), instant(self.business, until, "until")
        if start is not None and end is not None and end < start:
            raise InvalidInput("until must not be before since", ("until",))
        changes = ChangeList(segment_id=self.entity.id, since=start, until=end)
        request = build_page_request(memberships.CHANGE_ORDER, str, first, after, last, before)
        return await memberships.load_changes_connection(info, self.business, changes, request)

    @strawberry.field(description="The newest run of the segment; null where none was ever asked for.")
    async def latest_recalculation(self, info: Info) -> Annotated["Recalculation", JOB] | None:
        job = await info.context.loaders.newest_jobs.load(self.entity.id)
        return None if job is None else jobs.Recalculation.of(self.business, job)
