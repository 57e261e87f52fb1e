"""A report as people take it away: one ReportDocument, in major units, from which every file of it is made, so that a
sheet, a table of text and a page show the same numbers. The window before is always computed, as a document shows
it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from domain.classification.groups import Meaning, Method
from domain.classification.rfm import RfmScheme
from domain.model import Business, Storefront
from domain.money import to_decimal
from domain.reports.brand import Brand, label_currency
from domain.reports.insights import Insights, describe_insights, find_insights
from domain.reports.report import Group, Report, to_score
from domain.reports.reporting import Reporting
from domain.reports.transitions import Transitions
from domain.reports.trend import Trend, build_trend

CHARTED = 12
"""Groups that a chart shows by name; the long tail stands as Other. Data are never shortened."""
OTHER = "Other"
DIMENSION_TITLES = {
    "rfm": "RFM segments",
    "value": "Value segments",
    "category": "Category preference",
    "channel": "Channel",
    "season": "Season",
}

METHODS = {Method.VALUE: "by value", Method.BEHAVIOR: "by behaviour"}
SCHEMES = {RfmScheme.EIGHT_SEGMENT: "eight segments", RfmScheme.ELEVEN_SEGMENT: "eleven segments"}
FIGURES = {
    "customers": ("Customers", False),
    "revenue": ("Revenue", True),
    "orders": ("Orders", False),
    "average_order": ("Average order", True),
    "average_spend": ("Spend per customer", True),
}
"""The headline figures by the names of Totals: what each is called, and whether it is an amount. More is better."""


TRENDED = ("pdf", "xlsx")
"""The formats that show the trend."""


class Layout(StrEnum):
    """How a report lies in CSV: with what it is about before the groups, or as a table alone, for other programs."""

    DOCUMENT = "document"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """One group. What is previous is that of the group of this name in the window before, and None where that holds no
    purchase; averages are None where the group is empty; shares are of the whole report, 0 to 1."""

    dimension: str
    name: str
    code: str
    description: str
    profile: str | None
    actions: tuple[str, ...]
    scores: tuple[int, int, int] | None
    meaning: Meaning
    customers: int
    orders: int
    revenue: Decimal
    previous_customers: int | None
    previous_orders: int | None
    previous_revenue: Decimal | None
    customer_share: float
    revenue_share: float
    average_order: Decimal | None
    average_age: float | None
    average_frequency: float | None
    average_spend: Decimal | None

    @property
    def change(self) -> int | None:
        """By how many customers the group grew."""
        return None if self.previous_customers is None else self.customers - self.previous_customers


@dataclass(frozen=True, slots=True)
class ChartSlice:
    """One bar of a chart; the change is None without a window before."""

    name: str
    meaning: Meaning
    customers: int
    revenue: Decimal
    change: int | None


@dataclass(frozen=True, slots=True)
class DocumentCell:
    """The customers of one score, and the name of the group that it belongs to."""

    recency: int
    frequency: int
    monetary: int
    name: str
    customers: int
    orders: int
    revenue: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """The headline figures of a window; averages are None where there is nothing to divide by."""

    customers: int
    orders: int
    revenue: Decimal
    average_order: Decimal | None
    average_spend: Decimal | None


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """The whole report. `groups` are those that were asked for, `unclassified` whoever no group of the eight names;
    the totals are the whole report's whatever was asked for, `previous` those of the window before, None where that
    holds no purchase; `previous_first` is None where it lies before the calendar. `sentences` say the insights in
    words. `cells` are the scores that occur, from 111 on, None for other methods than RFM."""

    business: str
    business_key: str
    currency: str
    currency_label: str
    decimals: int
    time_zone: str
    storefront: str | None
    method: Method
    scheme: RfmScheme
    days: int
    first: date
    last: date
    previous_first: date | None
    previous_last: date | None
    generated_at: datetime
    totals: Totals
    previous: Totals | None
    insights: Insights
    sentences: tuple[str, ...]
    groups: tuple[DocumentGroup, ...]
    unclassified: DocumentGroup | None
    cells: tuple[DocumentCell, ...] | None
    filtered: bool
    brand: Brand = field(default_factory=Brand)
    trend: Trend | None = None
    unfinished: bool = False
    layout: Layout = Layout.DOCUMENT

    @property
    def change(self) -> int | None:
        """By how many customers the whole grew."""
        return None if self.previous is None else self.totals.customers - self.previous.customers

    @property
    def kind(self) -> str:
        """How the customers are grouped."""
        return f"RFM, {SCHEMES[self.scheme]}" if self.method is Method.RFM else METHODS[self.method]

    @property
    def matrix(self) -> tuple[tuple[int, ...], ...] | None:
        """`matrix[r - 1][f - 1]` is the number of customers with recency r and frequency f."""
        if self.cells is None:
            return None
        counts = [[0] * 5 for _ in range(5)]
        for cell in self.cells:
            counts[cell.recency - 1][cell.frequency - 1] += cell.customers
        return tuple(map(tuple, counts))

    @property
    def rows(self) -> tuple[DocumentGroup, ...]:
        """The groups as a table lists them: by dimension, always in the same order; the unclassified last, and only
        where no group was asked for by name."""
        places = list(DIMENSION_TITLES)
        groups = tuple(sorted(self.groups, key=lambda group: places.index(group.dimension)))
        if self.unclassified is None or self.filtered:
            return groups
        return (*groups, self.unclassified)

    @property
    def dimensions(self) -> dict[str, tuple[DocumentGroup, ...]]:
        dimensions: dict[str, list[DocumentGroup]] = {}
        for group in self.rows:
            dimensions.setdefault(group.dimension, []).append(group)
        return {name: tuple(groups) for name, groups in dimensions.items()}


def build_slices(groups: Sequence[DocumentGroup], limit: int = CHARTED) -> tuple[ChartSlice, ...]:
    """What a chart of one dimension shows: the groups in their order, those beyond the limit added up as Other."""
    bars = [ChartSlice(group.name, group.meaning, group.customers, group.revenue, group.change) for group in groups]
    if len(bars) <= limit:
        return tuple(bars)
    tail = bars[limit - 1 :]
    changes = [bar.change for bar in tail if bar.change is not None]
    other = ChartSlice(
        f"{OTHER} ({len(tail)})",
        Meaning.NEUTRAL,
        sum(bar.customers for bar in tail),
        sum((bar.revenue for bar in tail), Decimal(0)),
        sum(changes) if changes else None,
    )
    return (*bars[: limit - 1], other)


@dataclass(frozen=True, slots=True)
class ReportRequest:
    method: Method = Method.RFM
    days: int = 90
    as_of: date | None = None
    storefront: Storefront | None = None
    scheme: RfmScheme = RfmScheme.EIGHT_SEGMENT
    name: str | None = None
    code: str | None = None
    layout: Layout = Layout.DOCUMENT


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Makes the documents of a business."""

    reporting: Reporting
    transitions: Transitions

    async def make_document(
        self, business: Business, asked: ReportRequest, *, trend: bool = True, patience: float | None = None
    ) -> ReportDocument:
        """The document; InvalidInput names the argument that is wrong. The trend is left out where the file shows none,
        and where it takes more seconds than the patience: then it is computed on, for whoever asks again."""
        report = await self.make_report(business, asked)
        before = await self.reporting.measure_previous(business, report)
        made = replace(build_document(business, asked.storefront, report, before), layout=asked.layout)
        if not trend:
            return made
        try:
            async with asyncio.timeout(patience):
                points = await self.transitions.load_months(business, report)
        except TimeoutError:
            return replace(made, unfinished=True)
        return replace(made, trend=build_trend(points, report.codes, report.decimals))

    async def make_report(self, business: Business, asked: ReportRequest) -> Report:
        return await self.reporting.make_report(
            business,
            method=asked.method,
            days=asked.days,
            as_of=asked.as_of,
            storefront_id=None if asked.storefront is None else asked.storefront.id,
            scheme=asked.scheme,
            name=asked.name,
            code=asked.code,
        )


def build_document(
    business: Business, storefront: Storefront | None, report: Report, before: Report | None
) -> ReportDocument:
    """The report with everything that a file of it shows."""
    window, earlier = report.window, report.window.previous
    insights, label = find_insights(report, before), label_currency(business)
    return ReportDocument(
        business=business.name,
        business_key=business.key,
        currency=business.currency,
        currency_label=label,
        decimals=report.decimals,
        time_zone=business.time_zone,
        storefront=None if storefront is None else storefront.name,
        method=report.method,
        scheme=report.scheme,
        days=window.days,
        first=window.first,
        last=window.as_of,
        previous_first=None if earlier is None else earlier.first,
        previous_last=None if earlier is None else earlier.as_of,
        generated_at=report.generated_at,
        totals=_to_totals(report),
        previous=None if before is None else _to_totals(before),
        insights=insights,
        sentences=describe_insights(report, insights, label),
        groups=tuple(_to_document_group(report, group, before) for group in report.shown),
        unclassified=None if report.other is None else _to_document_group(report, report.other, before),
        cells=_to_document_cells(report) if report.method is Method.RFM else None,
        filtered=report.filtered,
        brand=Brand.of(business.settings),
    )


def _to_totals(report: Report) -> Totals:
    return Totals(report.customers, report.orders, report.total_revenue, report.average_order, report.average_spend)


def _to_document_cells(report: Report) -> tuple[DocumentCell, ...]:
    return tuple(
        DocumentCell(
            cell.recency,
            cell.frequency,
            cell.monetary,
            report.find_kind(to_score(cell)).name,
            cell.customers,
            cell.orders,
            to_decimal(cell.spend, report.decimals),
        )
        for cell in report.cells
    )


def _to_document_group(report: Report, group: Group, before: Report | None) -> DocumentGroup:
    kind, decimals = group.kind, report.decimals
    earlier = None if before is None else before.of(kind)
    return DocumentGroup(
        dimension=kind.dimension,
        name=kind.name,
        code=kind.code,
        description=kind.description,
        profile=kind.profile,
        actions=kind.actions,
        scores=kind.scores,
        meaning=kind.meaning,
        customers=group.customers,
        orders=group.orders,
        revenue=to_decimal(group.revenue, decimals),
        previous_customers=None if earlier is None else earlier.customers,
        previous_orders=None if earlier is None else earlier.orders,
        previous_revenue=None if earlier is None else to_decimal(earlier.revenue, decimals),
        customer_share=report.compute_customer_share(group),
        revenue_share=report.compute_revenue_share(group),
        average_order=group.compute_average_order(decimals),
        average_age=group.average_age,
        average_frequency=group.average_frequency,
        average_spend=group.compute_average_spend(decimals),
    )
