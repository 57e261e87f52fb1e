"""Makes segmentation reports: what the store adds up becomes named groups. Everything that a report says follows from
one statement over its window."""

from collections.abc import Callable
from dataclasses import astuple, dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from domain.calendar import Clock, DayRanges, Span, check_days, load_zone, to_local_date
from domain.classification.groups import Cell, GroupKind, LabelSums, Method
from domain.classification.labels import read_thresholds
from domain.classification.rfm import UNCLASSIFIED, RfmScheme
from domain.model import Business, Window
from domain.money import find_exponent
from domain.reports.report import Report, choose_groups, group_cells, group_labels, list_table_groups
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
        day = as_of or to_local_date(self.clock(), load_zone(business.time_zone))
        window = Window(day, check_days(days))
        # Names that the data bring are known only with the data.
        early = method is not Method.BEHAVIOR
        codes = choose_groups(list_known_groups(method, scheme), name, code) if early else None
        report = await self._measure_window(business, method, scheme, window, storefront_id)
        if not early:
            codes = choose_groups([group.kind for group in report.groups], name, code)
        return replace(report, codes=codes)

    async def measure_previous(self, business: Business, report: Report) -> Report | None:
        """The same of the window just before, scored within itself; None where it holds no purchase."""
        window = report.window.previous
        if window is None:
            return None
        before = await self._measure_window(business, report.method, report.scheme, window, report.storefront_id)
        return before if before.customers else None

    async def _measure_window(
        self, business: Business, method: Method, scheme: RfmScheme, window: Window, storefront_id: int | None
    ) -> Report:
        """The window added up by the store, or as it is kept."""
        span = Span(window.first_day, window.last_day, storefront_id)
        key = build_report_key(business, window, method, storefront_id, scheme)
        by_label = method is Method.BEHAVIOR
        read = self._load_labels if by_label else self._load_cells
        fits = make_row_check(LabelSums if by_label else Cell)
        kept: CachedValue[Any] = await self.cache.get_or_make(key, lambda: read(business, span), fits)
        cells = () if by_label else tuple(Cell(*row) for row in sorted(kept.value))
        groups, other = (
            (group_labels([LabelSums(*row) for row in kept.value]), None)
            if by_label
            else group_cells(cells, scheme, method)
        )
        return Report(
            method,
            scheme,
            window,
            storefront_id,
            find_exponent(business.currency),
            groups,
            other,
            self.clock() - timedelta(seconds=kept.age),
            cells=cells if method is Method.RFM else (),
            was_kept=kept.hit,
            age=kept.age,
        )

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
    place = "all" if storefront_id is None else storefront_id
    report = f"{business.id}:{window.first}:{window.as_of}:{method.value.lower()}:{place}"
    return f"customer_segmentation:{report}:{scheme.value.lower()}:{business.data_version}"
