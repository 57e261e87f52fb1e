"""The segmentation report with its groups and insights, and groups over time: transitions, trend and label counts. What
is dear, such as the previous window, is computed once and only when one of its numbers is asked for."""

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Protocol

import strawberry

from domain.classification.groups import Cell, GroupKind
from domain.classification.rfm import Score
from domain.model import Business as BusinessEntity
from domain.money import to_decimal
from domain.pages import Mapped, Page, PageRequest
from domain.reports.brand import label_currency
from domain.reports.insights import describe_insights, find_insights
from domain.reports.report import Group, to_score
from domain.reports.report import Report as ReportEntity
from domain.reports.reporting import Reporting
from domain.reports.transitions import GroupTransition, TransitionMatrix, Transitions
from domain.reports.transitions import LabelCount as LabelCountEntity
from domain.reports.transitions import TrendPoint as TrendPointEntity
from domain.store import CustomerRecord, Transition
from gql.schema.context import Info
from gql.schema.types.business import Storefront
from gql.schema.types.customer import Customer
from gql.schema.types.enums import Meaning, Method
from gql.schema.types.pagination import After, Connection, First, build_connection, build_page_request, read_order


@dataclass(slots=True, eq=False)
class ReportSource:
    """A report with what can be asked about it later."""

    business: BusinessEntity
    report: ReportEntity
    reporting: Reporting
    movements: Transitions
    _previous: "asyncio.Task[ReportEntity | None] | None" = field(default=None)

    async def load_previous(self) -> ReportEntity | None:
        """The window before; computed once."""
        if self._previous is None:
            self._previous = asyncio.ensure_future(self.reporting.measure_previous(self.business, self.report))
        return await asyncio.shield(self._previous)

    async def load_pages(
        self, keys: Sequence[GroupKind], request: PageRequest
    ) -> Mapping[GroupKind, Page[CustomerRecord]]:
        """A page of the customers of each group."""
        return await self.movements.load_customers(self.business, self.report, keys, request)


@strawberry.type(description="Means over the customers of a group; null where the group is empty.")
class SegmentCharacteristics:
    avg_days_since_last_purchase: float | None = strawberry.field(description="Mean days since the last purchase.")
    avg_purchase_frequency: float | None = strawberry.field(description="Mean number of orders in the window.")
    avg_total_spend: Decimal | None = strawberry.field(
        description="Mean spend in the window, rounded half-even to the minor unit."
    )


@strawberry.type(description="What stands out in a report; null where nothing qualifies.")
class SegmentationInsights:
    highest_revenue_segment: str | None = strawberry.field(description="Name of the group with the most revenue.")
    largest_segment: str | None = strawberry.field(description="Name of the group with the most customers.")
    fastest_growing_segment: str | None = strawberry.field(
        description="Name of the promising group that grew most against the window before; where none grew, of the"
        " first of them that has customers."
    )
    fastest_growing_change: int | None = strawberry.field(
        description="By how many customers that group grew, or shrank; null without a window before."
    )
    needs_attention: str | None = strawberry.field(description="Name of the first group that is slipping away.")
    sentences: list[str] = strawberry.field(
        description="The same in words, with what is unclassified, as the files of the report say it."
    )


@strawberry.type(description="A named group of a report. Not to be mixed up with a stored segment.")
class ReportSegment:
    dimension: str = strawberry.field(description="What the group divides the customers by: rfm, value, category …")
    segment_name: str = strawberry.field(description="Name of the group.")
    segment_code: str = strawberry.field(description="Code of the group; a label, not a score.")
    description: str = strawberry.field(description="What the group is, in a few words.")
    profile: str | None = strawberry.field(description="Who is in the group, in a few words.")
    meaning: Meaning = strawberry.field(description="What it says that customers are in it, as files colour it.")
    customer_count: int = strawberry.field(description="Number of customers in the group.")
    order_count: int = strawberry.field(description="Number of qualifying purchases in the window.")
    customer_share: float = strawberry.field(description="Share of the report's customers, 0 to 1.")
    revenue_share: float = strawberry.field(description="Share of the report's revenue, 0 to 1.")
    total_revenue: Decimal = strawberry.field(description="Revenue of the group in the business's currency.")
    average_order_value: Decimal | None = strawberry.field(
        description="Revenue by orders, rounded half-even to the minor unit; null without orders."
    )
    recency_score: int | None = strawberry.field(description="Recency digit of the code.")
    frequency_score: int | None = strawberry.field(description="Frequency digit of the code.")
    monetary_score: int | None = strawberry.field(description="Monetary digit of the code.")
    characteristics: SegmentCharacteristics = strawberry.field(description="Means over the customers of the group.")
    recommended_actions: list[str] = strawberry.field(description="What to do about the group.")
    group: strawberry.Private[Group]
    source: strawberry.Private[ReportSource]

    @classmethod
    def of(cls, source: ReportSource, group: Group) -> "ReportSegment":
        report, kind = source.report, group.kind
        digits = kind.scores or (None, None, None)
        return cls(
            dimension=kind.dimension,
            segment_name=kind.name,
            segment_code=kind.code,
            description=kind.description,
            profile=kind.profile,
            meaning=kind.meaning,
            customer_count=group.customers,
            order_count=group.orders,
            customer_share=report.compute_customer_share(group),
            revenue_share=report.compute_revenue_share(group),
            total_revenue=to_decimal(group.revenue, report.decimals),
            average_order_value=group.compute_average_order(report.decimals),
            recency_score=digits[0],
            frequency_score=digits[1],
            monetary_score=digits[2],
            characteristics=SegmentCharacteristics(
                avg_days_since_last_purchase=group.average_age,
                avg_purchase_frequency=group.average_frequency,
                avg_total_spend=group.compute_average_spend(report.decimals),
            ),
            recommended_actions=list(kind.actions),
            group=group,
            source=source,
        )

    @strawberry.field(
        description="Customers of the group in the window before, scored within itself; null where it has no purchase."
    )
    async def previous_customer_count(self) -> int | None:
        before = await self._load_before()
        return None if before is None else before.customers

    @strawberry.field(
        description="Qualifying purchases of those customers in the window before; null where it has no purchase."
    )
    async def previous_order_count(self) -> int | None:
        before = await self._load_before()
        return None if before is None else before.orders

    @strawberry.field(description="Revenue from those customers in the window before; null where it has no purchase.")
    async def previous_total_revenue(self) -> Decimal | None:
        before = await self._load_before()
        return None if before is None else to_decimal(before.revenue, self.source.report.decimals)

    async def _load_before(self) -> Group | None:
        before = await self.source.load_previous()
        return None if before is None else before.of(self.group.kind)

    @strawberry.field(description="Customers of the group, by id.")
    async def customers(self, info: Info, first: First = None, after: After = None) -> Connection[Customer]:
        source = self.source
        order = f"group {self.group.kind.code}"
        request = build_page_request(order, int, first, after)
        page = await info.context.loaders.group_pages.load((source, self.group.kind, request))
        return build_connection(page, order, partial(Customer.of, source.business), self.group.customers)


class ManyCells(Protocol):
    """What has cells of customers that are all given one cursor; `orders` are those that their cursors are made in."""

    @property
    def orders(self) -> frozenset[str]: ...
    async def load_pages(self, keys: Sequence[Any], request: PageRequest) -> Mapping[Any, Page[CustomerRecord]]: ...


async def load_cell_page(
    info: Info, source: ManyCells, key: Hashable, order: str, first: int | None, after: str | None
) -> Page[CustomerRecord]:
    """The next page of the cell that the cursor is of, and an empty one of the others."""
    if after is not None and read_order(after) in source.orders - {order}:
        return Page([], [], has_next=False, has_previous=False)
    request = build_page_request(order, int, first, after)
    return await info.context.loaders.group_pages.load((source, key, request))


@dataclass(slots=True, eq=False)
class CellSource:
    """The scores of a report with their customers."""

    source: ReportSource
    orders: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.orders = frozenset(build_score_order(to_score(cell)) for cell in self.source.report.cells)

    async def load_pages(self, keys: Sequence[Score], request: PageRequest) -> Mapping[Score, Page[CustomerRecord]]:
        """A page of the customers of each score."""
        source = self.source
        return await source.movements.load_cell_customers(source.business, source.report, keys, request)


def build_score_order(score: Score) -> str:
    """The order that cursors of the customers of the score are made in."""
    return f"score {score.digits}"


@strawberry.type(description="The customers of a report who have the same three scores.")
class RfmCell:
    recency: int = strawberry.field(description="Recency score, 1 (long ago) to 5 (just now).")
    frequency: int = strawberry.field(description="Frequency score, 1 (fewest orders) to 5 (most).")
    monetary: int = strawberry.field(description="Monetary score, 1 (least spend) to 5 (most).")
    segment_name: str = strawberry.field(description="Name of the group that the score is in.")
    customer_count: int = strawberry.field(description="Number of customers who have the score.")
    order_count: int = strawberry.field(description="Number of their qualifying purchases in the window.")
    total_revenue: Decimal = strawberry.field(description="What they spent in the window.")
    source: strawberry.Private[CellSource]
    score: strawberry.Private[Score]

    @classmethod
    def of(cls, source: CellSource, entity: Cell) -> "RfmCell":
        report, score = source.source.report, to_score(entity)
        return cls(
            recency=score.recency,
            frequency=score.frequency,
            monetary=score.monetary,
            segment_name=report.find_kind(score).name,
            customer_count=entity.customers,
            order_count=entity.orders,
            total_revenue=to_decimal(entity.spend, report.decimals),
            source=source,
            score=score,
        )

    @strawberry.field(
        description="The customers who have the score, by id. One cursor goes to all cells: the one that it is of"
        " answers with its next page, the others with an empty one."
    )
    async def customers(self, info: Info, first: First = None, after: After = None) -> Connection[Customer]:
        order = build_score_order(self.score)
        page = await load_cell_page(info, self.source, self.score, order, first, after)
        return build_connection(page, order, partial(Customer.of, self.source.source.business), self.customer_count)


@strawberry.type(description="What all customers of a window come to.")
class ReportTotals:
    start_date: date = strawberry.field(description="First day of the window.")
    end_date: date = strawberry.field(description="Last day of the window, included.")
    customer_count: int = strawberry.field(description="Customers with a qualifying purchase in the window.")
    order_count: int = strawberry.field(description="Number of qualifying purchases in the window.")
    total_revenue: Decimal = strawberry.field(description="Sum of the qualifying purchases in the window.")
    average_order_value: Decimal | None = strawberry.field(
        description="Revenue by orders, rounded half-even to the minor unit; null without orders."
    )

    @classmethod
    def of(cls, report: ReportEntity) -> "ReportTotals":
        return cls(
            start_date=report.window.first,
            end_date=report.window.as_of,
            customer_count=report.customers,
            order_count=report.orders,
            total_revenue=report.total_revenue,
            average_order_value=report.average_order,
        )


@strawberry.type(description="How the customers of a window divide into named groups.")
class SegmentationReport:
    method: Method = strawberry.field(description="Method of the report.")
    days: int = strawberry.field(description="Length of the window in days.")
    start_date: date = strawberry.field(description="First day of the window.")
    end_date: date = strawberry.field(description="Last day of the window, included.")
    storefront: Storefront | None = strawberry.field(description="Storefront that the report is limited to.")
    customer_count: int = strawberry.field(description="Customers with a qualifying purchase in the window.")
    order_count: int = strawberry.field(description="Number of qualifying purchases in the window.")
    total_revenue: Decimal = strawberry.field(description="Sum of the qualifying purchases in the window.")
    average_order_value: Decimal | None = strawberry.field(
        description="Revenue by orders, rounded half-even to the minor unit; null without orders."
    )
    unclassified: ReportSegment | None = strawberry.field(description="Whoever matches none of the eight groups.")
    generated_at: datetime = strawberry.field(description="Timestamp of the computation.")
    source: strawberry.Private[ReportSource]

    @classmethod
    def of(cls, source: ReportSource, storefront: Storefront | None) -> "SegmentationReport":
        report = source.report
        return cls(
            method=report.method,
            days=report.window.days,
            start_date=report.window.first,
            end_date=report.window.as_of,
            storefront=storefront,
            customer_count=report.customers,
            order_count=report.orders,
            total_revenue=report.total_revenue,
            average_order_value=report.average_order,
            unclassified=None if report.other is None else ReportSegment.of(source, report.other),
            generated_at=report.generated_at,
            source=source,
        )

    @strawberry.field(description="The window of the same length just before; null where it has no purchase.")
    async def previous(self) -> ReportTotals | None:
        before = await self.source.load_previous()
        return None if before is None else ReportTotals.of(before)

    @strawberry.field(description="Groups of the report, largest revenue first.")
    def segments(
        self,
        dimension: Annotated[
            str | None,
            strawberry.argument(description="Only the groups of this dimension; all where absent. BEHAVIOR has three."),
        ] = None,
    ) -> list[ReportSegment]:
        return [ReportSegment.of(self.source, group) for group in self.source.report.list_shown(dimension)]

    @strawberry.field(
        description="The customers by score, those that occur, from 111 on; null for other methods than RFM."
    )
    def cells(self) -> list[RfmCell] | None:
        if self.method is not Method.RFM:
            return None
        source = CellSource(self.source)
        return [RfmCell.of(source, cell) for cell in self.source.report.cells]

    @strawberry.field(
        description="Every group in this window and in those that end one to eleven months earlier, the earliest first,"
        " as the files of the report have them; empty where they are more than 20,000."
    )
    async def trend(self) -> list["TrendPoint"]:
        source = self.source
        points = await source.movements.load_months(source.business, source.report)
        return [TrendPoint.of(point, source.report.decimals) for point in points]

    @strawberry.field(description="What stands out among the groups.")
    async def insights(self) -> SegmentationInsights:
        source = self.source
        entity = find_insights(source.report, await source.load_previous())
        return SegmentationInsights(
            highest_revenue_segment=entity.highest_revenue,
            largest_segment=entity.largest,
            fastest_growing_segment=entity.fastest_growing,
            fastest_growing_change=entity.fastest_growing_change,
            needs_attention=entity.needs_attention,
            sentences=list(describe_insights(source.report, entity, label_currency(source.business))),
        )


@dataclass(slots=True, eq=False)
class TransitionsSource:
    """Transitions with what can be asked about them later."""

    business: BusinessEntity
    transitions: TransitionMatrix
    movements: Transitions
    orders: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.orders = frozenset(map(build_cell_order, self.transitions.transitions))

    async def load_pages(
        self, keys: Sequence[Transition], request: PageRequest
    ) -> Mapping[Transition, Page[CustomerRecord]]:
        """A page of the customers of each move."""
        return await self.movements.load_transition_customers(self.business, self.transitions, keys, request)


def build_cell_order(entity: GroupTransition) -> str:
    """The order that cursors of the cell are made in; short however long the names of its groups are."""
    codes = [find_code(group) for group in (entity.before, entity.after)]
    return f"move {sha256(repr((entity.transition.dimension, *codes)).encode()).hexdigest()[:32]}"


@strawberry.type(description="The customers who went from one group to another between two windows.")
class TransitionCell:
    dimension: str = strawberry.field(description="What the groups divide the customers by: rfm, value, category …")
    from_segment: str | None = strawberry.field(
        description="Name of the group in the first window; null for customers who were not in it."
    )
    from_code: str | None = strawberry.field(description="Code of the group in the first window.")
    to_segment: str | None = strawberry.field(
        description="Name of the group in the second window; null for customers who are not in it."
    )
    to_code: str | None = strawberry.field(description="Code of the group in the second window.")
    customer_count: int = strawberry.field(description="Number of customers who went this way.")
    from_revenue: Decimal = strawberry.field(description="What they spent in the first window.")
    to_revenue: Decimal = strawberry.field(description="What they spent in the second window.")
    entity: strawberry.Private[GroupTransition]
    source: strawberry.Private[TransitionsSource]

    @classmethod
    def of(cls, source: TransitionsSource, entity: GroupTransition) -> "TransitionCell":
        decimals = source.transitions.decimals
        before, after = entity.before, entity.after
        return cls(
            dimension=entity.transition.dimension,
            from_segment=None if before is None else before.name,
            from_code=find_code(before),
            to_segment=None if after is None else after.name,
            to_code=find_code(after),
            customer_count=entity.customers,
            from_revenue=to_decimal(entity.spend_before, decimals),
            to_revenue=to_decimal(entity.spend_after, decimals),
            entity=entity,
            source=source,
        )

    @strawberry.field(
        description="The customers who went this way, by id. One cursor goes to all cells: the one that it is of"
        " answers with its next page, the others with an empty one."
    )
    async def customers(self, info: Info, first: First = None, after: After = None) -> Connection[Customer]:
        order = build_cell_order(self.entity)
        page = await load_cell_page(info, self.source, self.entity.transition, order, first, after)
        return build_connection(page, order, partial(Customer.of, self.source.business), self.customer_count)


@strawberry.type(
    description="Who went from which group to which between two windows. In each dimension the rows add up to the"
    " customers of the first window, and the columns to those of the second."
)
class SegmentTransitions:
    from_: date = strawberry.field(name="from", description="Last day of the first window.")
    to: date = strawberry.field(description="Last day of the second window.")
    source: strawberry.Private[TransitionsSource]

    @classmethod
    def of(cls, source: TransitionsSource) -> "SegmentTransitions":
        transitions = source.transitions
        return cls(
            from_=date.fromordinal(transitions.before.last_day),
            to=date.fromordinal(transitions.after.last_day),
            source=source,
        )

    @strawberry.field(
        description="Every move that a customer made, by dimension and group; newcomers last, leavers after the others."
    )
    def cells(
        self,
        dimension: Annotated[
            str | None, strawberry.argument(description="Only moves between groups of this dimension.")
        ] = None,
        from_code: Annotated[
            str | None,
            strawberry.argument(description="Only moves from the group of this code; where null, only of newcomers."),
        ] = strawberry.UNSET,
        to_code: Annotated[
            str | None,
            strawberry.argument(description="Only moves to the group of this code; where null, only of leavers."),
        ] = strawberry.UNSET,
    ) -> Sequence[TransitionCell]:
        moves = [
            each
            for each in self.source.transitions.transitions
            if dimension in (None, each.transition.dimension)
            and from_code in (strawberry.UNSET, find_code(each.before))
            and to_code in (strawberry.UNSET, find_code(each.after))
        ]
        return Mapped(moves, partial(TransitionCell.of, self.source))


def find_code(group: GroupKind | None) -> str | None:
    return None if group is None else group.code


@strawberry.type(description="A group of the report whose window ends with the date.")
class TrendPoint:
    day: date = strawberry.field(name="date", description="Last day of the window.")
    dimension: str = strawberry.field(description="What the group divides the customers by: rfm, value, category …")
    segment_name: str = strawberry.field(description="Name of the group.")
    segment_code: str = strawberry.field(description="Code of the group.")
    customer_count: int = strawberry.field(description="Number of customers in the group.")
    total_revenue: Decimal = strawberry.field(description="Revenue of the group in the business's currency.")

    @classmethod
    def of(cls, entity: TrendPointEntity, decimals: int) -> "TrendPoint":
        return cls(
            day=entity.date,
            dimension=entity.kind.dimension,
            segment_name=entity.kind.name,
            segment_code=entity.kind.code,
            customer_count=entity.customers,
            total_revenue=to_decimal(entity.revenue, decimals),
        )


@strawberry.type(description="How many customers have a label of classification.")
class LabelCount:
    dimension: str = strawberry.field(description="What the label is of: frequency, spending or category.")
    label: str = strawberry.field(description="The label.")
    customer_count: int = strawberry.field(description="Number of customers who have it.")
    share: float = strawberry.field(description="Share of the customers with a qualifying purchase, 0 to 1.")

    @classmethod
    def of(cls, entity: LabelCountEntity) -> "LabelCount":
        return cls(
            dimension=entity.dimension,
            label=entity.label,
            customer_count=entity.customers,
            share=entity.share,
        )
