"""Reports: windows of purchases added up, the group of each customer of a window whatever the method, and what follows
from it: transitions between two windows, several windows at once, pages of the customers of groups. Each is one
statement over the set, and every sum is an exact integer."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Join,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import DayRanges, Span
from domain.classification.groups import Cell, LabelSums, Method
from domain.classification.labels import ClassificationFacts, ClassificationSettings, ClassificationSpan
from domain.classification.rfm import CUTS, Quintiles, Score, build_rank_conditions
from domain.pages import Page, PageRequest, build_page
from domain.reports.report import SCORES, find_kind_of_score
from domain.store import (
    CustomerRecord,
    Grouping,
    Labelled,
    Moved,
    Reported,
    Scored,
    Transition,
    TransitionSums,
    TrendSums,
    WindowTotals,
)
from persistence.customers import COLUMNS as CUSTOMER_COLUMNS
from persistence.customers import JOINED as CUSTOMERS
from persistence.customers import to_record
from persistence.database.lists import GatheredRows, MembersOf, is_among, select_numbers
from persistence.labels.sql import select_label_counts
from persistence.lake.analysis import Analysis
from persistence.reports.windows import (
    AnySpan,
    RowSpan,
    build_score,
    score_recency,
    select_behaviors,
    select_cuts,
    select_purchase_totals,
    select_score_counts,
    select_scores,
    select_window_totals,
)
from persistence.tables.customers import customer, customer_metrics
from persistence.tables.purchases import WITH_BOUGHT, purchase, purchase_line


def _join_customers(business_id: int, rows: Subquery) -> Join:
    return CUSTOMERS.join(rows, and_(customer.c.business_id == business_id, customer.c.id == rows.c.customer_id))


class ReportStore:
    """Aggregates of one business on one connection; what adds up all purchases of a window goes through `analysis`."""

    def __init__(self, connection: AsyncConnection, business_id: int, analysis: Analysis) -> None:
        self.connection = connection
        self.business_id = business_id
        self.analysis = analysis

    async def load_cells(self, span: Span) -> list[Cell]:
        """The window's customers by score, at most 125 rows; sums are exact integers."""
        cells = []
        for digits, customers, orders, spend, days in await self.analysis.run(
            select_score_counts(self.business_id, span)
        ):
            recency, frequency, monetary = digits // 100, digits // 10 % 10, digits % 10
            ages = int(customers) * span.last_day - int(days)
            cells.append(Cell(recency, frequency, monetary, int(customers), int(orders), int(spend), ages))
        return cells

    async def load_label_sums(self, span: Span, festive: DayRanges) -> list[LabelSums]:
        """The window's customers by the labels of their behaviour, dimension by dimension."""
        rows = await self.analysis.run(select_behavior_sums(self.business_id, span, festive))
        return [LabelSums(dimension, label, *(int(value) for value in sums)) for dimension, label, *sums in rows]

    async def compute_quintiles(self, span: Span) -> Quintiles:
        """The four cut values of orders and of spend, and of how many customers; no cut values where there are none."""
        [(population, *values)] = await self.analysis.run(select_quintiles(self.business_id, span))
        if population is None:
            return Quintiles((), (), 0)
        return Quintiles(tuple(map(int, values[:4])), tuple(map(int, values[4:])), int(population))

    async def load_window_totals(self, customers: Sequence[int], span: Span) -> Mapping[int, WindowTotals]:
        """Those of the customers who bought in the window."""
        statement = select_purchase_totals(self.business_id, span).where(purchase.c.customer_id.in_(customers))
        return {
            row.customer_id: WindowTotals(row.orders, int(row.spend), row.last_day)
            for row in await self.connection.execute(statement)
        }

    async def load_customers(
        self, span: Span, quintiles: Quintiles, scores: Sequence[Score], request: PageRequest
    ) -> Page[CustomerRecord]:
        """The customers who have one of the scores, by id; stops reading when the page is full."""
        key = purchase.c.customer_id
        more = [] if request.after is None else [key > request.after[1]]
        if request.before is not None:
            more.append(key < request.before[1])
        customers = (
            select_scored(self.business_id, Scored(span, quintiles, tuple(scores)), *more)
            .order_by(key.desc() if request.backward else key)
            .limit(request.size + 1)
            .subquery("found")
        )
        statement = (
            select(*CUSTOMER_COLUMNS)
            .select_from(_join_customers(self.business_id, customers))
            .order_by(customer.c.id.desc() if request.backward else customer.c.id)
        )
        rows = (await self.connection.execute(statement)).all()
        return build_page(rows, request, lambda row: (0, row.id)).map(to_record)

    async def load_classification_facts(
        self, customers: Sequence[int] | None, span: ClassificationSpan
    ) -> Mapping[int, ClassificationFacts]:
        """What classification needs of each customer with a counted purchase; None for all customers."""
        mine: list[ColumnElement[bool]] = [purchase.c.business_id == self.business_id, purchase.c.counted == 1]
        mine.append(purchase.c.local_day <= span.today)
        if customers is not None:
            mine.append(purchase.c.customer_id.in_(customers))
        day = purchase.c.local_day
        festive = is_among(day, span.festive)
        each = await self.connection.execute(
            select(
                purchase.c.customer_id,
                func.count().label("orders"),
                func.sum(purchase.c.amount).label("spend"),
                func.sum(case((day >= span.recent_from, 1), else_=0)).label("recent"),
                func.max(day).label("last_day"),
                func.sum(case((festive, 1), else_=0)).label("festive"),
            )
            .where(*mine)
            .group_by(purchase.c.customer_id)
        )
        category = purchase_line.c.category
        counted = await self.connection.execute(
            select(purchase.c.customer_id, category, func.count())
            .select_from(WITH_BOUGHT)
            .where(*mine)
            .group_by(purchase.c.customer_id, category)
        )
        lines: dict[int, dict[str | None, int]] = {}
        for key, name, count in counted:
            lines.setdefault(key, {})[name] = count
        return {
            row.customer_id: ClassificationFacts(
                row.orders, int(row.spend), int(row.recent), row.last_day, int(row.festive), lines[row.customer_id]
            )
            for row in each
        }

    async def find_day_bounds(self) -> tuple[int, int] | None:
        """First and last day number of all counted purchases."""
        row = (
            await self.connection.execute(
                select(func.min(customer_metrics.c.first_day), func.max(customer_metrics.c.last_day)).where(
                    customer_metrics.c.business_id == self.business_id
                )
            )
        ).one()
        return None if row[0] is None else (row[0], row[1])


def select_quintiles(business_id: int, span: Span) -> Select[Any]:
    """One row: how many customers the window has, and the cut values of their orders and of their spend."""
    totals = select_window_totals(business_id, span).cte("totals")
    often, much = select_cuts(totals, "orders"), select_cuts(totals, "spend")
    cuts = (kind.c[f"cut{k}"] for kind in (often, much) for k in CUTS)
    return select(often.c.n, *cuts).select_from(often.join(much, true()))


def select_behavior_sums(business_id: int, span: Span, festive: DayRanges) -> Select[Any]:
    """Dimension, label, customers, orders, spend, ages."""
    each = select_behaviors(business_id, span, festive)
    ages = func.sum(span.last_day - each.c.last_day).label("ages")
    sums = (func.count().label("customers"), func.sum(each.c.orders), func.sum(each.c.spend), ages)
    return select(each.c.dimension, each.c.label, *sums).group_by(each.c.dimension, each.c.label)


def select_scored(business_id: int, chosen: Scored, *more: ColumnElement[bool]) -> Select[Any]:
    """The window totals of the customers who have one of the scores, by the kept cut values."""
    recency = score_recency(func.max(purchase.c.local_day), chosen.span)
    often = build_score(build_rank_conditions(func.count(), chosen.quintiles.orders))
    much = build_score(build_rank_conditions(func.sum(purchase.c.amount), chosen.quintiles.spend))
    digits = 100 * recency + 10 * often + much
    return (
        select_purchase_totals(business_id, chosen.span)
        .where(*more)
        .having(digits.in_([int(score.digits) for score in chosen.scores]))
    )


FILTERED = 20
"""Up to so many groups are picked in the statement, more from its answer."""
K = TypeVar("K")


def with_group(business_id: int, span: AnySpan, grouping: Grouping) -> Subquery:
    """One row a customer of the window and dimension: label, orders, spend, last day."""
    if grouping.method is Method.BEHAVIOR:
        return select_behaviors(business_id, span, grouping.festive)
    each = select_scores(business_id, span)
    return select(*each.c, *label_scores(each.c.digits, grouping)).subquery("with_group")


def label_scores(digits: ColumnElement[int], grouping: Grouping) -> tuple[ColumnElement[str], ColumnElement[str]]:
    """Dimension and label of the group of a score, for RFM and VALUE; the score is a number of three digits."""
    codes: dict[str, list[int]] = {}
    dimension = ""
    for score in SCORES:
        kind = find_kind_of_score(grouping.method, grouping.scheme, score)
        codes.setdefault(kind.code, []).append(int(score.digits))
        dimension = kind.dimension
    label = case(*((digits.in_(cells), literal_column(f"'{code}'")) for code, cells in codes.items()))
    return literal_column(f"'{dimension}'").label("dimension"), label.label("label")


def select_label_sums(business_id: int, span: AnySpan, grouping: Grouping) -> Select[Any]:
    """The window's customers and spend by dimension and label. Scores are added up before they are labelled: there are
    at most 125, and naming each customer's takes longer than all the rest."""
    if grouping.method is Method.BEHAVIOR:
        each = select_behaviors(business_id, span, grouping.festive)
        group = (each.c.dimension, each.c.label)
        return select(*group, func.count().label("customers"), func.sum(each.c.spend).label("spend")).group_by(*group)
    scored = select_scores(business_id, span)
    sums = select(scored.c.digits, func.count().label("customers"), func.sum(scored.c.spend).label("spend"))
    by_score = sums.group_by(scored.c.digits).subquery("by_score")
    named = select(*label_scores(by_score.c.digits, grouping), by_score.c.customers, by_score.c.spend).subquery("named")
    totals = [func.sum(named.c[name]).label(name) for name in ("customers", "spend")]
    return select(named.c.dimension, named.c.label, *totals).group_by(named.c.dimension, named.c.label)


def select_transition_rows(business_id: int, before: Span, after: Span, grouping: Grouping) -> Subquery:
    """One row a customer and dimension: the labels in both windows, null where the customer is not in the window."""
    sides = []
    for side, span in enumerate((before, after)):
        each = with_group(business_id, span, grouping)
        sides.append(
            select(
                each.c.customer_id,
                each.c.dimension,
                each.c.label,
                each.c.spend,
                literal_column(str(side)).label("side"),
            )
        )
    both = union_all(*sides).subquery("both")
    first, second = both.c.side == 0, both.c.side == 1
    return (
        select(
            both.c.customer_id,
            both.c.dimension,
            func.max(case((first, both.c.label))).label("before"),
            func.max(case((second, both.c.label))).label("after"),
            func.sum(case((first, both.c.spend), else_=0)).label("spend_before"),
            func.sum(case((second, both.c.spend), else_=0)).label("spend_after"),
        )
        .group_by(both.c.customer_id, both.c.dimension)
        .subquery("transitions")
    )


def select_transition_sums(business_id: int, before: Span, after: Span, grouping: Grouping) -> Select[Any]:
    """Dimension, the labels in both windows, customers, and their spend in both."""
    each = select_transition_rows(business_id, before, after, grouping)
    key = (each.c.dimension, each.c.before, each.c.after)
    sums = (func.sum(each.c[name]).label(name) for name in ("spend_before", "spend_after"))
    return select(*key, func.count().label("customers"), *sums).group_by(*key)


def is_transition(each: Subquery, transition: Transition) -> ColumnElement[bool]:
    """Whether a row of `select_transition_rows` is of the transition."""
    return and_(
        each.c.dimension == transition.dimension,
        each.c.before.is_not_distinct_from(transition.before),
        each.c.after.is_not_distinct_from(transition.after),
    )


def select_reported(business_id: int, chosen: Reported) -> Select[int]:
    """The ids of the customers whom a report counts so."""
    match chosen:
        case Scored():
            return select(select_scored(business_id, chosen).subquery("scored").c.customer_id)
        case Labelled():
            each = with_group(business_id, chosen.span, chosen.grouping)
            held = and_(each.c.dimension == chosen.dimension, each.c.label == chosen.label)
        case Moved():
            each = select_transition_rows(business_id, chosen.before, chosen.after, chosen.grouping)
            held = is_transition(each, chosen.transition)
    return select(each.c.customer_id).where(held)


async def find_reported(analysis: Analysis, chosen: Reported) -> ColumnElement[bool]:
    """Whether the row of `customer` is one of those that a report counts so."""
    statement = select_reported(analysis.business_id, chosen)
    copied = await analysis.ask_copy(statement)
    if copied is not None:
        statement = select_numbers([row[0] for row in copied])
    return customer.c.id.in_(statement)


class GroupReportStore:
    """Groups of one business on one connection; what adds up all purchases of a window goes through `analysis`."""

    def __init__(self, connection: AsyncConnection, business_id: int, analysis: Analysis) -> None:
        self.connection = connection
        self.business_id = business_id
        self.analysis = analysis

    async def sum_transitions(self, before: Span, after: Span, grouping: Grouping) -> list[TransitionSums]:
        """How many went from where to where."""
        rows = await self.analysis.run(select_transition_sums(self.business_id, before, after, grouping))
        return [
            TransitionSums(Transition(dimension, low, high), count, int(spent), int(spends))
            for dimension, low, high, count, spent, spends in rows
        ]

    async def sum_trend(self, spans: Sequence[Span], grouping: Grouping) -> list[TrendSums]:
        """Customers and spend by label in each of the windows, which are of one length and storefront. The store's
        statement is that of one window, evaluated for each: it is the same however many there are."""
        if self.analysis.lake is not None:
            each = [
                select_label_sums(self.business_id, span, grouping).add_columns(
                    literal_column(str(place)).label("place")
                )
                for place, span in enumerate(spans)
            ]
            copied = await self.analysis.ask_copy(union_all(*each))
            if copied is not None:
                return [
                    TrendSums(place, dimension, label, int(customers), int(spend))
                    for dimension, label, customers, spend, place in copied
                ]
        days, storefront = spans[0].days, spans[0].storefront_id
        listed = MembersOf(literal(json.dumps([span.last_day for span in spans]), Text)).table_valued("value")
        ends = select(cast(listed.c.value, BigInteger).label("last_day")).subquery("ends")
        # As text: a column of the table would bring the table into the inner statement.
        last_day: ColumnElement[int] = literal_column("ends.last_day", BigInteger)
        sums = select_label_sums(self.business_id, RowSpan(last_day - (days - 1), last_day, days, storefront), grouping)
        gathered = select(GatheredRows(*sums.subquery("sums").c)).scalar_subquery()
        rows = await self.connection.execute(select(ends.c.last_day, gathered))
        windows = {span.last_day: number for number, span in enumerate(spans)}
        return [
            TrendSums(windows[last], dimension, label, customers, spend)
            for last, text in rows
            for dimension, label, customers, spend in json.loads(text or "[]")
        ]

    async def load_group_pages(
        self, span: Span, grouping: Grouping, groups: Sequence[tuple[str, str]], request: PageRequest
    ) -> Mapping[tuple[str, str], Page[CustomerRecord]]:
        """A page of each of the groups, by id."""
        each = with_group(self.business_id, span, grouping)
        return await self._load_pages(
            each,
            (each.c.dimension, each.c.label),
            {key: and_(each.c.dimension == key[0], each.c.label == key[1]) for key in groups},
            lambda *key: key,
            request,
        )

    async def load_score_pages(
        self, span: Span, scores: Sequence[Score], request: PageRequest
    ) -> Mapping[Score, Page[CustomerRecord]]:
        """A page of each of the scores, by id."""
        each = select_scores(self.business_id, span)
        wanted = {score: each.c.digits == int(score.digits) for score in scores}
        return await self._load_pages(
            each, (each.c.digits,), wanted, lambda digits: Score(*map(int, str(digits))), request
        )

    async def load_transition_pages(
        self, before: Span, after: Span, grouping: Grouping, transitions: Sequence[Transition], request: PageRequest
    ) -> Mapping[Transition, Page[CustomerRecord]]:
        """A page of each of the transitions, by id."""
        each = select_transition_rows(self.business_id, before, after, grouping)
        return await self._load_pages(
            each,
            (each.c.dimension, each.c.before, each.c.after),
            {transition: is_transition(each, transition) for transition in transitions},
            Transition,
            request,
        )

    async def _load_pages(
        self,
        each: Subquery,
        key: tuple[ColumnElement[Any], ...],
        wanted: Mapping[K, ColumnElement[bool]],
        make_key: Callable[..., K],
        request: PageRequest,
    ) -> dict[K, Page[CustomerRecord]]:
        named = [column.label(f"key_{place}") for place, column in enumerate(key)]
        rows: Select[Any] = select(
            each.c.customer_id,
            *named,
            func.row_number().over(partition_by=key, order_by=each.c.customer_id).label("place"),
        )
        if request.after is not None:
            rows = rows.where(each.c.customer_id > request.after[1])
        if len(wanted) <= FILTERED:
            rows = rows.where(or_(*wanted.values()))
        matches = rows.subquery("found")
        first = matches.c.place <= request.size + 1
        keys = [matches.c[column.name] for column in named]
        copied = await self.analysis.ask_copy(select(matches.c.customer_id, *keys).where(first))
        if copied is None:
            statement = (
                select(*CUSTOMER_COLUMNS, *keys)
                .select_from(_join_customers(self.business_id, matches))
                .where(first)
                .order_by(customer.c.id)
            )
            found = [(row, row[len(CUSTOMER_COLUMNS) :]) for row in await self.connection.execute(statement)]
        else:
            # Names of customers are in the store alone.
            ids = select_numbers(sorted({row[0] for row in copied}))
            mine = (customer.c.business_id == self.business_id, customer.c.id.in_(ids))
            rows_by_id = {
                row.id: row
                for row in await self.connection.execute(select(*CUSTOMER_COLUMNS).select_from(CUSTOMERS).where(*mine))
            }
            found = [(rows_by_id[row[0]], tuple(row[1:])) for row in sorted(copied, key=lambda row: int(row[0]))]
        listed: dict[K, list[Any]] = {one: [] for one in wanted}
        for row, key_of_row in found:
            one = make_key(*key_of_row)
            if one in listed:
                listed[one].append(row)
        return {
            one: build_page(members, request, lambda row: (0, row.id)).map(to_record) for one, members in listed.items()
        }

    async def count_labels(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label of their classification."""
        statement = select_label_counts(self.business_id, span, settings, decimals)
        return [(dimension, label, count) for dimension, label, count in await self.analysis.run(statement)]
