"""A report as people take it away: everything that a file of it shows, in major units, ready to be written. A sheet, a
table of text and a page show the same numbers because all of them are made from this one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from domain.classification.rfm import RfmScheme
from domain.reporting import Insights, Method

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


@dataclass(frozen=True, slots=True)
class DocumentGroup:
    """One group. `previous_customers` is None where the window before holds no purchase; averages are None where the
    group is empty; shares are of the whole report, 0 to 1."""

    dimension: str
    name: str
    code: str
    description: str
    profile: str | None
    actions: tuple[str, ...]
    scores: tuple[int, int, int] | None
    customers: int
    previous_customers: int | None
    orders: int
    revenue: Decimal
    customer_share: float
    revenue_share: float
    average_order: Decimal | None
    average_age: float | None
    average_frequency: float | None
    average_spend: Decimal | None


@dataclass(frozen=True, slots=True)
class ChartSlice:
    """One bar of a chart."""

    name: str
    customers: int
    revenue: Decimal
    previous_customers: int | None


@dataclass(frozen=True, slots=True)
class ReportDocument:
    """The whole report. `groups` are those that were asked for, `unclassified` whoever no group of the eight names;
    the headline figures are the whole report's whatever was asked for. `matrix[r - 1][f - 1]` is the number of
    customers with recency r and frequency f, None for other methods than RFM. `previous_first` is None where the window
    before lies before the calendar."""

    business: str
    business_key: str
    currency: str
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
    customers: int
    previous_customers: int | None
    orders: int
    revenue: Decimal
    average_order: Decimal | None
    average_spend: Decimal | None
    insights: Insights
    groups: tuple[DocumentGroup, ...]
    unclassified: DocumentGroup | None
    matrix: tuple[tuple[int, ...], ...] | None
    filtered: bool

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
        """The rows of each dimension."""
        found: dict[str, list[DocumentGroup]] = {}
        for group in self.rows:
            found.setdefault(group.dimension, []).append(group)
        return {name: tuple(groups) for name, groups in found.items()}


def slices(groups: Sequence[DocumentGroup], limit: int = CHARTED) -> tuple[ChartSlice, ...]:
    """What a chart of one dimension shows: the groups in their order, those beyond the limit added up as Other."""
    bars = [ChartSlice(group.name, group.customers, group.revenue, group.previous_customers) for group in groups]
    if len(bars) <= limit:
        return tuple(bars)
    tail = bars[limit - 1 :]
    before = [bar.previous_customers for bar in tail if bar.previous_customers is not None]
    other = ChartSlice(
        f"{OTHER} ({len(tail)})",
        sum(bar.customers for bar in tail),
        sum((bar.revenue for bar in tail), Decimal(0)),
        sum(before) if before else None,
    )
    return (*bars[: limit - 1], other)
