"""The segmentation report, its groups and its insights. The previous window is computed once, and only when one of
its numbers is asked for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

import strawberry

from domain.classification.groups import GroupKind
from domain.model import Business as BusinessEntity
from domain.money import to_decimal
from domain.pages import Page, PageRequest
from domain.reports.reporting import Group, Previous, Reporting, insights
from domain.reports.reporting import Report as ReportEntity
from domain.reports.transitions import Movements
from domain.store import CustomerRecord
from gql.context import Info
from gql.customer import Customer, customers_connection
from gql.enums import Method
from gql.pagination import After, Connection, First, requested, settled
from gql.viewer import Storefront


@dataclass(slots=True, eq=False)
class Source:
    """A report with what can be asked about it later."""

    business: BusinessEntity
    report: ReportEntity
    reporting: Reporting
    movements: Movements
    _previous: "asyncio.Task[Previous | None] | None" = field(default=None)

    async def previous(self) -> Previous | None:
        """Customers by group in the window before; computed once."""
        if self._previous is None:
            self._previous = asyncio.ensure_future(self.reporting.previous_counts(self.business, self.report))
        return await asyncio.shield(self._previous)

    async def pages(self, keys: Sequence[GroupKind], request: PageRequest) -> Mapping[GroupKind, Page[CustomerRecord]]:
        """A page of the customers of each group."""
        return await self.movements.customers_of(self.business, self.report, keys, request)


@strawberry.type(description="Means over the customers of a group; null where the group is empty.")
class SegmentCharacteristics:
    """Means of a group."""

    avg_days_since_last_purchase: float | None = strawberry.field(description="Mean days since the last purchase.")
    avg_purchase_frequency: float | None = strawberry.field(description="Mean number of orders in the window.")
    avg_total_spend: Decimal | None = strawberry.field(
        description="Mean spend in the window, rounded half-even to the minor unit."
    )


@strawberry.type(description="What stands out in a report; null where nothing qualifies.")
class SegmentationInsights:
    """What stands out."""

    highest_revenue_segment: str | None = strawberry.field(description="Name of the group with the most revenue.")
    largest_segment: str | None = strawberry.field(description="Name of the group with the most customers.")
    fastest_growing_segment: str | None = strawberry.field(
        description="Name of the promising group that grew most against the window before."
    )
    needs_attention: str | None = strawberry.field(description="Name of the first group that is slipping away.")


@strawberry.type(description="A named group of a report. Not to be mixed up with a stored segment.")
class ReportSegment:
    """A group of a report."""

    dimension: str = strawberry.field(description="What the group divides the customers by: rfm, value, category …")
    segment_name: str = strawberry.field(description="Name of the group.")
    segment_code: str = strawberry.field(description="Code of the group; a label, not a score.")
    description: str = strawberry.field(description="What the group is, in a few words.")
    profile: str | None = strawberry.field(description="Who is in the group, in a few words.")
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
    source: strawberry.Private[Source]

    @classmethod
    def of(cls, source: Source, group: Group) -> "ReportSegment":
        """The group as the schema shows it."""
        report, kind = source.report, group.kind
        digits = kind.scores or (None, None, None)
        return cls(
            dimension=kind.dimension,
            segment_name=kind.name,
            segment_code=kind.code,
            description=kind.description,
            profile=kind.profile,
            customer_count=group.customers,
            order_count=group.orders,
            customer_share=report.customer_share(group),
            revenue_share=report.revenue_share(group),
            total_revenue=to_decimal(group.revenue, report.decimals),
            average_order_value=group.average_order(report.decimals),
            recency_score=digits[0],
            frequency_score=digits[1],
            monetary_score=digits[2],
            characteristics=SegmentCharacteristics(
                avg_days_since_last_purchase=group.average_age,
                avg_purchase_frequency=group.average_frequency,
                avg_total_spend=group.average_spend(report.decimals),
            ),
            recommended_actions=list(kind.actions),
            group=group,
            source=source,
        )

    @strawberry.field(
        description="Customers of the group in the window before, scored within itself; null where it has no purchase."
    )
    async def previous_customer_count(self) -> int | None:
        """From the previous window, computed once for the report."""
        before = await self.source.previous()
        return None if before is None else before.of(self.group.kind)

    @strawberry.field(description="Customers of the group, by id.")
    async def customers(self, info: Info, first: First = None, after: After = None) -> Connection[Customer]:
        """A page; the pages of all groups come in one statement, and the count is the group's."""
        source = self.source
        order = f"group {self.group.kind.code}"
        request = requested(order, int, first, after)
        page = await info.context.loaders.group_pages.load((source, self.group.kind, request))
        return customers_connection(source.business, page, order, lambda: settled(self.group.customers))


@strawberry.type(description="How the customers of a window divide into named groups.")
class SegmentationReport:
    """The report."""

    method: Method = strawberry.field(description="Method of the report.")
    days: int = strawberry.field(description="Length of the window in days.")
    start_date: date = strawberry.field(description="First day of the window.")
    end_date: date = strawberry.field(description="Last day of the window, included.")
    storefront: Storefront | None = strawberry.field(description="Storefront that the report is limited to.")
    customer_count: int = strawberry.field(description="Customers with a qualifying purchase in the window.")
    total_revenue: Decimal = strawberry.field(description="Sum of the qualifying purchases in the window.")
    segments: list[ReportSegment] = strawberry.field(description="Groups of the report, largest revenue first.")
    unclassified: ReportSegment | None = strawberry.field(description="Whoever matches none of the eight groups.")
    generated_at: datetime = strawberry.field(description="Timestamp of the computation.")
    source: strawberry.Private[Source]

    @classmethod
    def of(cls, source: Source, storefront: Storefront | None) -> "SegmentationReport":
        """The report as the schema shows it."""
        report = source.report
        return cls(
            method=report.method,
            days=report.window.days,
            start_date=date.fromordinal(max(report.window.first_day, 1)),
            end_date=report.window.as_of,
            storefront=storefront,
            customer_count=report.customers,
            total_revenue=report.total_revenue,
            segments=[ReportSegment.of(source, group) for group in report.shown],
            unclassified=None if report.other is None else ReportSegment.of(source, report.other),
            generated_at=report.generated_at,
            source=source,
        )

    @strawberry.field(description="What stands out among the groups.")
    async def insights(self) -> SegmentationInsights:
        """Needs the previous window."""
        found = insights(self.source.report, await self.source.previous())
        return SegmentationInsights(
            highest_revenue_segment=found.highest_revenue,
            largest_segment=found.largest,
            fastest_growing_segment=found.fastest_growing,
            needs_attention=found.needs_attention,
        )
