"""Makes segmentation reports: what the store adds up becomes named groups. Everything that a report says follows from
one statement over its window."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from domain.calendar import Clock, DayRanges, Span, check_days, load_zone, to_local_date
from domain.classification.groups import Cell, GroupKind, LabelSums
from domain.classification.groups import Method as Method
from domain.classification.labels import read_thresholds
from domain.classification.rfm import UNCLASSIFIED, RfmScheme
from domain.model import Business, Window
from domain.money import find_exponent
from domain.reports.report import Group as Group
from domain.reports.report import Insights as Insights
from domain.reports.report import PreviousWindow as PreviousWindow
from domain.reports.report import Report as Report
from domain.reports.report import choose_groups, group_cells, group_labels, list_table_groups
from domain.reports.report import find_insights as find_insights
from domain.store import Cache, CachedValue, Store


@dataclass(frozen=True, slots=True)
class Reporting:
    """Makes reports of a business."""

    store: Store
    clock: Clock
    cache: Cache

    async def make_report(
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
        now = self.clock()
        day = as_of or to_local_date(now, load_zone(business.time_zone))
        window = Window(day, check_days(days))
        span = Span(window.first_day, window.last_day, storefront_id)
        known = list_known_groups(method, scheme)
        # Names that the data bring are known only with the data.
        codes = None if method is Method.BEHAVIOR else choose_groups(known, name, code)
        cached, cells, named, other = await self._measure_window(business, method, scheme, span)
        if method is Method.BEHAVIOR:
            codes = choose_groups([group.kind for group in named], name, code)
        decimals = find_exponent(business.currency)
        made_at = now - timedelta(seconds=cached.age)
        return Report(
            method, scheme, window, storefront_id, decimals, named, other, made_at, codes, cells, cached.hit, cached.age
        )

    async def measure_previous(self, business: Business, report: Report) -> PreviousWindow | None:
        """The window just before, scored within itself; None where it holds no purchase."""
        first, last = report.window.previous
        if last < 1:
            # Before the calendar begins.
            return None
        span = Span(first, last, report.storefront_id)
        _, cells, named, other = await self._measure_window(business, report.method, report.scheme, span)
        before = replace(report, groups=named, other=other, cells=cells)
        if not before.customers:
            return None
        return PreviousWindow(before.customers, {group.kind.code: group.customers for group in before.everyone})

    async def _measure_window(
        self, business: Business, method: Method, scheme: RfmScheme, span: Span
    ) -> tuple[CachedValue[Any], tuple[Cell, ...], tuple[Group, ...], Group | None]:
        """The window added up by the store, or as it is kept, and its groups."""
        window = Window(date.fromordinal(span.last_day), span.days)
        key = build_report_key(business, window, method, span.storefront_id, scheme)
        read = self._load_labels if method is Method.BEHAVIOR else self._load_cells
        fits = make_row_check(LabelSums if method is Method.BEHAVIOR else Cell)
        cached: CachedValue[Any] = await self.cache.get_or_make(key, lambda: read(business, span), fits)
        if method is Method.BEHAVIOR:
            return cached, (), group_labels([LabelSums(*row) for row in cached.value]), None
        cells = tuple(Cell(*row) for row in cached.value)
        return cached, cells, *group_cells(cells, scheme, method)

    async def _load_cells(self, business: Business, span: Span) -> list[list[int]]:
        """The window's customers by RFM score, as rows of Cell."""
        async with self.store.read(business) as unit:
            return [list(astuple(cell)) for cell in await unit.reports.load_cells(span)]

    async def _load_labels(self, business: Business, span: Span) -> list[list[str | int]]:
        """The window's customers by the labels of their behaviour, as rows of LabelSums."""
        async with self.store.read(business) as unit:
            return [
                list(astuple(sums))
                for sums in await unit.reports.load_label_sums(span, list_festive_days(business, span))
            ]


def make_row_check(of: type[Cell] | type[LabelSums]) -> Callable[[Any], bool]:
    """Whether a value is a list of such rows: what others wrote into a cache that is shared may be anything."""
    kinds = [one.type for one in fields(of)]
    return lambda value: (
        isinstance(value, list) and all(isinstance(row, list) and list(map(type, row)) == kinds for row in value)
    )


def list_festive_days(business: Business, *spans: Span) -> DayRanges:
    """The festive days inside the windows, as day numbers."""
    first, last = min(span.first_day for span in spans), max(span.last_day for span in spans)
    return tuple(read_thresholds(business.settings).festive.find_day_ranges(first, last))


def list_known_groups(method: Method, scheme: RfmScheme) -> tuple[GroupKind, ...]:
    """The groups that can be asked for whatever the data are."""
    known = list_table_groups(method, scheme)
    unnamed = method is Method.RFM and scheme is RfmScheme.EIGHT_SEGMENT
    return (*known, UNCLASSIFIED) if unnamed else known


def build_report_key(
    business: Business, window: Window, method: Method, storefront_id: int | None, scheme: RfmScheme
) -> str:
    """The name under which a report may be kept: another window, method, storefront, scheme or write is another name.
    Filters by name and code are no part of it, as they only choose rows."""
    first = date.fromordinal(max(window.first_day, 1))
    place = "all" if storefront_id is None else storefront_id
    report = f"{business.id}:{first}:{window.as_of}:{method.value.lower()}:{place}"
    return f"customer_segmentation:{report}:{scheme.value.lower()}:{business.data_version}"
