"""Which group each customer of a window is in, whatever the method, and what follows from it: moves between two
windows, several windows at once, and pages of the customers of groups. Each is one statement over the set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Span
from domain.classification.groups import Method
from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classification.rfm import Score
from domain.pages import Page, PageRequest, cut
from domain.reports.report import kind_of_score
from domain.store import CustomerRecord, Grouping, Move, MoveSums, TrendSums
from persistence.customers import COLUMNS as CUSTOMER_COLUMNS
from persistence.customers import JOINED as CUSTOMERS
from persistence.customers import to_record
from persistence.label_sql import label_counts
from persistence.report_behavior import behaving
from persistence.report_window import scored
from persistence.tables import customer

FILTERED = 20
"""Up to so many groups are picked in the statement, more from its answer."""
SCORES = [Score(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
K = TypeVar("K")


def placed(business_id: int, span: Span, grouping: Grouping) -> Subquery:
    """One row a customer of the window and dimension: label, orders, spend, last day."""
    if grouping.method is Method.BEHAVIOR:
        return behaving(business_id, span, grouping.festive)
    each = scored(business_id, span)
    codes: dict[str, list[int]] = {}
    dimension = ""
    for score in SCORES:
        kind = kind_of_score(grouping.method, grouping.scheme, score)
        codes.setdefault(kind.code, []).append(int(score.digits))
        dimension = kind.dimension
    digits = 100 * each.c.r + 10 * each.c.f + each.c.m
    label = case(*((digits.in_(cells), literal_column(f"'{code}'")) for code, cells in codes.items()))
    return select(
        each.c.customer_id,
        each.c.orders,
        each.c.spend,
        each.c.last_day,
        literal_column(f"'{dimension}'").label("dimension"),
        label.label("label"),
    ).subquery("placed")


def moved(business_id: int, before: Span, after: Span, grouping: Grouping) -> Subquery:
    """One row a customer and dimension: the labels in both windows, null where the customer is not in the window."""
    sides = []
    for side, span in enumerate((before, after)):
        each = placed(business_id, span, grouping)
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
        .subquery("moved")
    )


class GroupReportStore:
    """Groups of one business on one connection."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id

    async def moves(self, before: Span, after: Span, grouping: Grouping) -> list[MoveSums]:
        """How many went from where to where."""
        each = moved(self.business_id, before, after, grouping)
        key = (each.c.dimension, each.c.before, each.c.after)
        statement = select(*key, func.count(), func.sum(each.c.spend_before), func.sum(each.c.spend_after)).group_by(
            *key
        )
        return [
            MoveSums(Move(dimension, low, high), count, int(spent), int(spends))
            for dimension, low, high, count, spent, spends in await self.connection.execute(statement)
        ]

    async def trend(self, spans: Sequence[Span], grouping: Grouping) -> list[TrendSums]:
        """Customers and spend by label in each of the windows."""
        parts = []
        for number, span in enumerate(spans):
            each = placed(self.business_id, span, grouping)
            parts.append(
                select(
                    literal(number).label("window"),
                    each.c.dimension,
                    each.c.label,
                    func.count(),
                    func.sum(each.c.spend),
                ).group_by(each.c.dimension, each.c.label)
            )
        found = await self.connection.execute(union_all(*parts))
        return [
            TrendSums(window, dimension, label, customers, int(spend))
            for window, dimension, label, customers, spend in found
        ]

    async def group_pages(
        self, span: Span, grouping: Grouping, groups: Sequence[tuple[str, str]], request: PageRequest
    ) -> Mapping[tuple[str, str], Page[CustomerRecord]]:
        """A page of each of the groups, by id."""
        each = placed(self.business_id, span, grouping)
        return await self._pages(
            each,
            (each.c.dimension, each.c.label),
            {key: and_(each.c.dimension == key[0], each.c.label == key[1]) for key in groups},
            lambda *key: key,
            request,
        )

    async def move_pages(
        self, before: Span, after: Span, grouping: Grouping, moves: Sequence[Move], request: PageRequest
    ) -> Mapping[Move, Page[CustomerRecord]]:
        """A page of each of the moves, by id."""
        each = moved(self.business_id, before, after, grouping)
        return await self._pages(
            each,
            (each.c.dimension, each.c.before, each.c.after),
            {
                move: and_(
                    each.c.dimension == move.dimension,
                    each.c.before.is_not_distinct_from(move.before),
                    each.c.after.is_not_distinct_from(move.after),
                )
                for move in moves
            },
            Move,
            request,
        )

    async def _pages(
        self,
        each: Subquery,
        key: tuple[ColumnElement[Any], ...],
        wanted: Mapping[K, ColumnElement[bool]],
        made: Callable[..., K],
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
        found = rows.subquery("found")
        statement = (
            select(*CUSTOMER_COLUMNS, *(found.c[column.name] for column in named))
            .select_from(
                CUSTOMERS.join(
                    found, and_(customer.c.business_id == self.business_id, customer.c.id == found.c.customer_id)
                )
            )
            .where(found.c.place <= request.size + 1)
            .order_by(customer.c.id)
        )
        listed: dict[K, list[Any]] = {one: [] for one in wanted}
        for row in await self.connection.execute(statement):
            one = made(*row[len(CUSTOMER_COLUMNS) :])
            if one in listed:
                listed[one].append(row)
        return {one: cut(members, request, lambda row: (0, row.id)).map(to_record) for one, members in listed.items()}

    async def label_counts(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label of their classification."""
        statement = label_counts(self.business_id, span, settings, decimals)
        return [(dimension, label, count) for dimension, label, count in await self.connection.execute(statement)]
