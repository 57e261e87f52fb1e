"""Groups over time: who moved from which group to which between two dates, how the groups grew, and how many customers
have each label. Windows are those of the report: each ends with its date and is scored within itself."""

import json
from calendar import monthrange
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date, timedelta
from typing import Any, TypeVar

from domain.audit import compute_digest
from domain.calendar import Clock, SeriesInterval, Span, check_days, load_zone, to_local_date
from domain.classification.groups import GroupKind, Method
from domain.classification.labels import (
    FAMILY,
    FREQUENCIES,
    MIXED,
    SPENDINGS,
    Labelling,
    build_labelling,
)
from domain.classification.rfm import RfmScheme, Score
from domain.customers.customers import ClassifierLabels, Customers
from domain.errors import InvalidInput
from domain.model import Business, Window
from domain.money import find_exponent
from domain.pages import Page, PageRequest
from domain.reports.report import SCORES, Report, find_kind, find_kind_of_score, sort_by_table
from domain.reports.reporting import list_festive_days, list_known_groups
from domain.store import Cache, CustomerRecord, Grouping, Store, Transition, TransitionSums, TrendSums, Unit

T = TypeVar("T")
MAXIMUM_POINTS = 60
MONTHS = 12
"""Windows that a trend by month looks back on."""
MAXIMUM_ROWS = 20_000
"""Of a trend or of transitions: by behaviour there may be as many groups as a shop has categories."""
LABEL_ORDER: Mapping[str, tuple[str, ...]] = {
    "frequency": FREQUENCIES,
    "spending": SPENDINGS,
    "category": (FAMILY, MIXED),
}
"""The labels of classification that are always counted; categories come from the data."""


@dataclass(frozen=True, slots=True)
class GroupTransition:
    """The customers of one transition; None before for newcomers, None after for leavers. Money in minor units."""

    transition: Transition
    before: GroupKind | None
    after: GroupKind | None
    customers: int
    spend_before: int
    spend_after: int


@dataclass(frozen=True, slots=True)
class TransitionMatrix:
    """The transitions between two windows, by dimension, group before and group after, in table order, None last."""

    before: Span
    after: Span
    grouping: Grouping
    decimals: int
    transitions: tuple[GroupTransition, ...]


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One group in the window that ends with the date; revenue in minor units."""

    date: date
    kind: GroupKind
    customers: int
    revenue: int


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many customers have a label, and their share of all who have any."""

    dimension: str
    label: str
    customers: int
    share: float


@dataclass(frozen=True, slots=True)
class Transitions:
    """Looks at groups over time."""

    store: Store
    clock: Clock
    customers: Customers
    cache: Cache

    async def load_transitions(
        self,
        business: Business,
        method: Method,
        days: int,
        first: date,
        last: date,
        storefront_id: int | None,
        scheme: RfmScheme,
    ) -> TransitionMatrix:
        """Who moved; InvalidInput names the argument that is wrong."""
        before, after, grouping = pair_windows(business, method, days, first, last, storefront_id, scheme)

        async def sum_up(unit: Unit) -> Sequence[Sequence[object]]:
            sums = _check_number(await unit.groups.sum_transitions(before, after, grouping))
            return [(*astuple(each.transition), each.customers, each.spend_before, each.spend_after) for each in sums]

        name = f"segment_transitions:{business.id}:{first}:{last}:{_name_windows(days, storefront_id, method, scheme)}"
        rows = await self._load_kept(business, name, sum_up)
        sums = [TransitionSums(Transition(*row[:3]), *row[3:]) for row in rows]

        def kind(dimension: str, label: str | None) -> GroupKind | None:
            return None if label is None else find_kind(method, scheme, dimension, label)

        transitions = [
            GroupTransition(
                each.transition,
                kind(each.transition.dimension, each.transition.before),
                kind(each.transition.dimension, each.transition.after),
                each.customers,
                each.spend_before,
                each.spend_after,
            )
            for each in sums
        ]
        kinds = {side for each in transitions for side in (each.before, each.after) if side is not None}
        place = {kind: at for at, kind in enumerate(sort_by_table(method, scheme, kinds))}
        end = len(place)
        dimensions = list(dict.fromkeys(kind.dimension for kind in place))
        transitions.sort(
            key=lambda each: (
                dimensions.index(each.transition.dimension),
                end if each.before is None else place[each.before],
                end if each.after is None else place[each.after],
            )
        )
        return TransitionMatrix(before, after, grouping, find_exponent(business.currency), tuple(transitions))

    async def load_transition_customers(
        self, business: Business, matrix: TransitionMatrix, transitions: Sequence[Transition], request: PageRequest
    ) -> Mapping[Transition, Page[CustomerRecord]]:
        """A page of the customers of each of the transitions, by id."""
        async with self.store.read(business) as unit:
            return await unit.groups.load_transition_pages(
                matrix.before, matrix.after, matrix.grouping, transitions, request
            )

    async def load_customers(
        self, business: Business, report: Report, kinds: Sequence[GroupKind], request: PageRequest
    ) -> Mapping[GroupKind, Page[CustomerRecord]]:
        """A page of the customers of each of the groups of a report, by id."""
        span = report.span
        if len(kinds) == 1 and report.method is not Method.BEHAVIOR:
            scores = [each for each in SCORES if find_kind_of_score(report.method, report.scheme, each) == kinds[0]]
            return {kinds[0]: await self._load_scored(business, report, scores, request)}
        grouping = Grouping(report.method, report.scheme, list_festive_days(business, span))
        labels = {kind: (kind.dimension, _get_label(report.method, kind)) for kind in kinds}
        async with self.store.read(business) as unit:
            pages = await unit.groups.load_group_pages(span, grouping, list(labels.values()), request)
        return {kind: pages[label] for kind, label in labels.items()}

    async def load_cell_customers(
        self, business: Business, report: Report, scores: Sequence[Score], request: PageRequest
    ) -> Mapping[Score, Page[CustomerRecord]]:
        """A page of the customers of each of the scores of a report, by id."""
        if len(scores) == 1:
            return {scores[0]: await self._load_scored(business, report, scores, request)}
        async with self.store.read(business) as unit:
            return await unit.groups.load_score_pages(report.span, scores, request)

    async def _load_scored(
        self, business: Business, report: Report, scores: Sequence[Score], request: PageRequest
    ) -> Page[CustomerRecord]:
        """A page of the customers who have one of the scores, by id; with kept cut values reading stops when it is
        full."""
        span = report.span
        quintiles = await self.customers.load_quintiles(business, span)
        async with self.store.read(business) as unit:
            return await unit.reports.load_customers(span, quintiles, scores, request)

    async def load_trend(
        self,
        business: Business,
        method: Method,
        days: int,
        first: date,
        last: date,
        interval: SeriesInterval,
        storefront_id: int | None,
        scheme: RfmScheme,
    ) -> list[TrendPoint]:
        """Every group at every date, in table order, empty ones too; InvalidInput names the argument that is wrong."""
        check_days(days)
        check_order(first, last)
        dates = list_trend_dates(first, last, interval)
        name = f"{first}:{last}:{interval.value.lower()}"
        return await self._load_points(business, method, days, dates, name, storefront_id, scheme)

    async def load_months(self, business: Business, report: Report) -> list[TrendPoint]:
        """The same of the report's window and of those that end one to eleven months earlier; none where there would be
        more rows than an answer may have."""
        last, days, place = report.window.as_of, report.window.days, report.storefront_id
        dates = list_months_back(last)
        try:
            return await self._load_points(business, report.method, days, dates, f"{last}:back", place, report.scheme)
        except InvalidInput:
            return []

    async def _load_points(
        self,
        business: Business,
        method: Method,
        days: int,
        dates: Sequence[date],
        name: str,
        storefront_id: int | None,
        scheme: RfmScheme,
    ) -> list[TrendPoint]:
        """The points at these dates, kept under a name that says which they are."""
        spans = [build_span(day, days, storefront_id) for day in dates]
        grouping = Grouping(method, scheme, list_festive_days(business, *spans))

        async def sum_up(unit: Unit) -> Sequence[Sequence[object]]:
            return [astuple(each) for each in _check_number(await unit.groups.sum_trend(spans, grouping))]

        windows = _name_windows(days, storefront_id, method, scheme)
        key = f"segmentation_trend:{business.id}:{name}:{windows}"
        trend_sums = [TrendSums(*row) for row in await self._load_kept(business, key, sum_up)]
        sums = {
            (each.window, find_kind(method, scheme, each.dimension, each.label)): (each.customers, each.spend)
            for each in trend_sums
        }
        kinds = sort_by_table(method, scheme, {kind for _, kind in sums} | {*list_known_groups(method, scheme)})
        return [
            TrendPoint(day, kind, *sums.get((number, kind), (0, 0)))
            for number, day in enumerate(dates)
            for kind in kinds
        ]

    async def _load_kept(
        self, business: Business, name: str, sum_up: Callable[[Unit], Awaitable[Sequence[Sequence[object]]]]
    ) -> list[list[Any]]:
        """The rows that are kept under the name and the data version, or new ones. Whoever asks may go: what was begun
        is computed to its end, so that the next one finds it. As text they take a tenth of the memory."""

        async def make() -> str:
            async with self.store.read(business) as unit:
                return json.dumps(await sum_up(unit))

        kept = await self.cache.get_or_make(f"{name}:{business.data_version}", make)
        rows: list[list[Any]] = json.loads(kept.value)
        return rows

    async def count_labels(self, business: Business, as_of: date | None) -> list[LabelCount]:
        """Customers by label of classification, dimension by dimension, the most frequent first. They are kept, but not
        those of classifiers of the server's own, which may follow more than the store."""
        today = as_of or to_local_date(self.clock(), load_zone(business.time_zone))
        classifiers = self.customers.classifiers

        async def find_labelling(unit: Unit) -> Labelling:
            bounds = await unit.reports.find_day_bounds()
            return build_labelling(business, today, None if bounds is None else bounds[0])

        async def count(unit: Unit) -> Sequence[tuple[str, str, int]]:
            how = await find_labelling(unit)
            return await unit.groups.count_labels(how.span, how.settings, how.decimals)

        if classifiers.every:
            async with self.store.read(business) as unit:
                how = await find_labelling(unit)
            asked = ClassifierLabels(self.store, business, how.span, how.settings, how.decimals, classifiers)
            label_counts = await asked.count_labels()
        else:
            supposed = compute_digest(business.settings.stored)
            kept = await self._load_kept(business, f"classification_statistics:{business.id}:{today}:{supposed}", count)
            label_counts = [(dimension, label, number) for dimension, label, number in kept]
        counts = {(dimension, label): 0 for dimension, labels in LABEL_ORDER.items() for label in labels}
        counts |= {(dimension, label): count for dimension, label, count in label_counts}
        everyone = sum(count for dimension, _, count in label_counts if dimension == "frequency")
        dimensions = classifiers.dimensions
        places = {key: place for place, key in enumerate(counts) if key[1] in LABEL_ORDER.get(key[0], ())}
        rows = sorted(
            counts.items(),
            key=lambda row: (dimensions.index(row[0][0]), -row[1], places.get(row[0], -1), row[0][1]),
        )
        return [LabelCount(*key, count, count / everyone if everyone else 0.0) for key, count in rows]


def _check_number(rows: Sequence[T]) -> Sequence[T]:
    """InvalidInput where an answer would have too many rows."""
    if len(rows) > MAXIMUM_ROWS:
        message = f"method must make fewer groups: the answer would have more than {MAXIMUM_ROWS:,} rows"
        raise InvalidInput(message, ("method",))
    return rows


def _name_windows(days: int, storefront_id: int | None, method: Method, scheme: RfmScheme) -> str:
    place = "all" if storefront_id is None else storefront_id
    return f"{days}:{place}:{method.value.lower()}:{scheme.value.lower()}"


def list_trend_dates(first: date, last: date, interval: SeriesInterval) -> list[date]:
    """From the first date on, every interval later, as far as the last; in a shorter month its last day."""
    dates: list[date] = []
    while len(dates) <= MAXIMUM_POINTS:
        day = _add_intervals(first, interval, len(dates))
        if day is None or day > last:
            return dates
        dates.append(day)
    message = f"from and to must span at most {MAXIMUM_POINTS} points of the interval {interval.value}"
    raise InvalidInput(message, ("to",))


def list_months_back(last: date) -> list[date]:
    """The date and those one to eleven months before it, the earliest first; in a shorter month its last day. Before
    the calendar there are none."""
    months = range(last.year * 12 + last.month - MONTHS, last.year * 12 + last.month)
    years = [(*divmod(month, 12), last.day) for month in months if month >= 12]
    return [date(year, month + 1, min(day, monthrange(year, month + 1)[1])) for year, month, day in years]


def _add_intervals(first: date, interval: SeriesInterval, times: int) -> date | None:
    if interval is SeriesInterval.MONTH:
        years, month = divmod(first.year * 12 + first.month - 1 + times, 12)
        if years > date.max.year:
            return None
        return date(years, month + 1, min(first.day, monthrange(years, month + 1)[1]))
    step = times * (7 if interval is SeriesInterval.WEEK else 1)
    return first + timedelta(step) if step <= (date.max - first).days else None


def pair_windows(
    business: Business,
    method: Method,
    days: int,
    first: date,
    last: date,
    storefront_id: int | None,
    scheme: RfmScheme,
) -> tuple[Span, Span, Grouping]:
    """The two windows that customers move between, and how both are grouped; InvalidInput names the argument."""
    check_days(days)
    check_order(first, last)
    before, after = build_span(first, days, storefront_id), build_span(last, days, storefront_id)
    return before, after, Grouping(method, scheme, list_festive_days(business, before, after))


def check_order(first: date, last: date) -> None:
    """InvalidInput where the second date is before the first."""
    if first > last:
        raise InvalidInput("to must not be before from", ("to",))


def build_span(day: date, days: int, storefront_id: int | None) -> Span:
    """The window of so many days that ends with the day."""
    window = Window(day, days)
    return Span(window.first_day, window.last_day, storefront_id)


def _get_label(method: Method, kind: GroupKind) -> str:
    return kind.name if method is Method.BEHAVIOR else kind.code
