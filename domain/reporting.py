"""The segmentation report: scored cells from the store become named groups with exact sums. Everything that the
report says follows from the cells; the groups and Unclassified always add up to the whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from domain.calendar import checked_days, local_date, zone
from domain.errors import InvalidInput
from domain.model import Business, Window
from domain.money import exponent, mean, to_decimal
from domain.pages import Page, PageRequest
from domain.ports import Cell, Clock, CustomerRecord, Span, Store
from domain.rfm import GROWING, UNCLASSIFIED, WORRYING, RfmClass, RfmScheme, Score, group_of, groups


class Method(StrEnum):
    """How customers are grouped."""

    RFM = "RFM"
    VALUE = "VALUE"
    BEHAVIOR = "BEHAVIOR"


@dataclass(frozen=True, slots=True)
class Group:
    """One group of the report. Money in minor units; averages are asked for with the currency's exponent."""

    kind: RfmClass
    customers: int
    orders: int
    revenue: int
    ages: int

    def average_order(self, decimals: int) -> Decimal | None:
        """Revenue by orders."""
        return mean(self.revenue, self.orders, decimals)

    def average_spend(self, decimals: int) -> Decimal | None:
        """Revenue by customers."""
        return mean(self.revenue, self.customers, decimals)

    @property
    def average_age(self) -> float | None:
        """Mean days since the last purchase."""
        return self.ages / self.customers if self.customers else None

    @property
    def average_frequency(self) -> float | None:
        """Mean orders in the window."""
        return self.orders / self.customers if self.customers else None


@dataclass(frozen=True, slots=True)
class Report:
    """One window's groups, by revenue descending, then table order; `other` holds whoever no group names."""

    method: Method
    scheme: RfmScheme
    window: Window
    storefront_id: int | None
    decimals: int
    groups: tuple[Group, ...]
    other: Group | None
    generated_at: datetime
    names: frozenset[str] | None = field(default=None)

    @property
    def everyone(self) -> tuple[Group, ...]:
        """All groups and the unclassified."""
        return self.groups if self.other is None else (*self.groups, self.other)

    @property
    def customers(self) -> int:
        """Population of the window."""
        return sum(group.customers for group in self.everyone)

    @property
    def revenue(self) -> int:
        """Revenue of the window in minor units."""
        return sum(group.revenue for group in self.everyone)

    @property
    def total_revenue(self) -> Decimal:
        """Revenue of the window in major units."""
        return to_decimal(self.revenue, self.decimals)

    @property
    def shown(self) -> tuple[Group, ...]:
        """The groups that were asked for; every number beside them stays the whole report's."""
        if self.names is None:
            return self.groups
        return tuple(group for group in self.everyone if group.kind.name in self.names)

    @property
    def span(self) -> Span:
        """The window as the store reads it."""
        return Span(self.window.first_day, self.window.last_day, self.storefront_id)


@dataclass(frozen=True, slots=True)
class Insights:
    """Names of the groups that stand out; None where nothing qualifies."""

    highest_revenue: str | None
    largest: str | None
    fastest_growing: str | None
    needs_attention: str | None


@dataclass(frozen=True, slots=True)
class Reporting:
    """Makes reports of a business."""

    store: Store
    clock: Clock

    async def report(
        self,
        business: Business,
        *,
        method: Method = Method.RFM,
        days: int = 90,
        as_of: date | None = None,
        storefront_id: int | None = None,
        scheme: RfmScheme = RfmScheme.EIGHT_SEGMENT,
        name: str | None = None,
        code: str | None = None,
    ) -> Report:
        """The report; InvalidInput names the argument that is wrong."""
        if method is not Method.RFM:
            raise InvalidInput("method must be RFM: VALUE and BEHAVIOR are not there yet", ("method",))
        now = self.clock()
        day = as_of or local_date(now, zone(business.time_zone))
        window = Window(day, checked_days(days))
        names = chosen(scheme, name, code)
        async with self.store.read(business) as unit:
            cells = await unit.reports.cells(Span(window.first_day, window.last_day, storefront_id))
        named, other = grouped(cells, scheme)
        decimals = exponent(business.currency)
        return Report(method, scheme, window, storefront_id, decimals, named, other, now, names)

    async def previous_counts(self, business: Business, report: Report) -> dict[str, int] | None:
        """Customers by group in the window just before, scored within itself; None where it holds no purchase."""
        first, last = report.window.previous
        async with self.store.read(business) as unit:
            cells = await unit.reports.cells(Span(first, last, report.storefront_id))
        if not cells:
            return None
        named, other = grouped(cells, report.scheme)
        everyone = named if other is None else (*named, other)
        return {group.kind.name: group.customers for group in everyone}

    async def customers_of(
        self, business: Business, report: Report, group: RfmClass, request: PageRequest
    ) -> Page[CustomerRecord]:
        """A page of a group's customers, by id."""
        triples = [
            (r, f, m)
            for r in range(1, 6)
            for f in range(1, 6)
            for m in range(1, 6)
            if group_of(Score(r, f, m), report.scheme) is group
        ]
        async with self.store.read(business) as unit:
            cuts = await unit.reports.cuts(report.span)
            return await unit.reports.customers_of(report.span, cuts, triples, request)


def report_key(business: Business, window: Window, method: Method, storefront_id: int | None, scheme: RfmScheme) -> str:
    """The name under which a report may be kept: another window, method, storefront, scheme or write is another name.
    Filters by name and code are no part of it, as they only choose rows."""
    first = date.fromordinal(max(window.first_day, 1))
    place = "all" if storefront_id is None else storefront_id
    report = f"{business.id}:{first}:{window.as_of}:{method.value.lower()}:{place}"
    return f"customer_segmentation:{report}:{scheme.value.lower()}:{business.data_version}"


def grouped(cells: Sequence[Cell], scheme: RfmScheme) -> tuple[tuple[Group, ...], Group | None]:
    """Cells summed into the scheme's groups, empty ones too; the second part is there for EIGHT_SEGMENT only."""
    sums: dict[str, list[int]] = {}
    for cell in cells:
        kind = group_of(Score(cell.recency, cell.frequency, cell.monetary), scheme)
        row = sums.setdefault(kind.name, [0, 0, 0, 0])
        for place, value in enumerate((cell.customers, cell.orders, cell.spend, cell.ages)):
            row[place] += value
    made = [Group(kind, *sums.get(kind.name, (0, 0, 0, 0))) for kind in groups(scheme)]
    made.sort(key=lambda group: -group.revenue)
    if scheme is RfmScheme.ELEVEN_SEGMENT:
        return tuple(made), None
    return tuple(made), Group(UNCLASSIFIED, *sums.get(UNCLASSIFIED.name, (0, 0, 0, 0)))


def chosen(scheme: RfmScheme, name: str | None, code: str | None) -> frozenset[str] | None:
    """The names of the groups asked for, letter case ignored; None for all."""
    if name is None and code is None:
        return None
    known = [*groups(scheme), *([UNCLASSIFIED] if scheme is RfmScheme.EIGHT_SEGMENT else [])]
    left = known
    if name is not None:
        left = [kind for kind in left if kind.name.casefold() == name.casefold()]
        if not left:
            listed = ", ".join(kind.name for kind in known)
            raise InvalidInput(f"segmentName must be one of: {listed}", ("segmentName",))
    if code is not None:
        if code.casefold() not in {kind.code.casefold() for kind in known}:
            listed = ", ".join(kind.code for kind in known)
            raise InvalidInput(f"segmentCode must be one of: {listed}", ("segmentCode",))
        left = [kind for kind in left if kind.code.casefold() == code.casefold()]
    return frozenset(kind.name for kind in left)


def insights(report: Report, previous: dict[str, int] | None) -> Insights:
    """What stands out among the non-empty named groups; ties go to the table's order."""
    table = {kind.name: place for place, kind in enumerate(groups(report.scheme))}
    full = sorted((group for group in report.groups if group.customers), key=lambda group: table[group.kind.name])
    counts = {group.kind.name: group.customers for group in full}
    growing = [name for name in GROWING[report.scheme] if name in counts]
    grown = [(counts[name] - (previous or {}).get(name, 0), name) for name in growing] if previous else []
    best = max(grown, key=lambda pair: pair[0], default=None)
    fastest = best[1] if best is not None and best[0] > 0 else next(iter(growing), None)
    return Insights(
        max(full, key=lambda group: group.revenue).kind.name if full else None,
        max(full, key=lambda group: group.customers).kind.name if full else None,
        fastest,
        next((name for name in WORRYING[report.scheme] if name in counts), None),
    )
