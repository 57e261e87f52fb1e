"""Lists of the members of segments: pages in every order and counts, now or at an instant, also of those only who are
found by what a search begins with. A page is the same however it is found: along an index of its order where one
customer in so many is a member, else among the members, and whatever the number of lists by as many statements."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, FromClause, Select, and_, false, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.pages import Page, PageRequest, Position, build_page
from domain.store import Member, MemberKey, MemberList, MemberSort
from persistence.customers import SORT_COLUMNS
from persistence.database.lists import Columns, gather_lists
from persistence.database.pages import begins_with
from persistence.segments.memberships import (
    MEMBERSHIP,
    build_present_conditions,
    covers,
    covers_micros,
    is_of_segment,
    load_records,
    to_membership,
)
from persistence.tables.businesses import business
from persistence.tables.columns import is_storable, to_optional_micros
from persistence.tables.customers import customer, customer_metrics, customer_term
from persistence.tables.segments import membership, segment

SORTS: Mapping[MemberSort, ColumnElement[Any]] = {
    MemberSort.ASSIGNED_AT: membership.c.entered_at,
    **{MemberSort(sort): column for sort, column in SORT_COLUMNS.items()},
}
KEYS: Mapping[FromClause, ColumnElement[int]] = {
    membership: membership.c.customer_id,
    customer: customer.c.id,
    customer_metrics: customer_metrics.c.customer_id,
}
"""The customer of a row of each table that lists are ordered by, whose indexes end in it."""
SPARSE = 16
"""An order of all customers is walked only where more than one in so many of them is a member."""
STEPS = 2 * SPARSE
"""Customers who are looked at on the walk for each member that a page may have. Members may be spread unevenly; where
too few are met, the page is found among them."""


class Form(NamedTuple):
    """How pages that one statement finds are looked for: up to `size` members in the order, whose values fall where it
    goes `down`, of those whom `search` finds, by a walk along the order or not."""

    size: int
    down: bool
    sort: MemberSort | None
    search: str | None
    walks: bool = False


@dataclass(frozen=True, slots=True)
class MemberStore:
    """On one connection, of one business; what is asked for the present is answered for `as_of`, where it is set."""

    connection: AsyncConnection
    business_id: int
    as_of: datetime | None = None

    async def load_page(self, which: MemberList, request: PageRequest) -> Page[Member]:
        """Members with their memberships."""
        return (await self.load_pages([(which, request)]))[0]

    async def load_pages(self, keys: Sequence[MemberKey]) -> list[Page[Member]]:
        """Many pages at once, in the order of the keys."""
        found = await self._find_rows(keys)
        wanted = sorted({row.customer_id for rows in found for row in rows})
        records = await load_records(self.connection, self.business_id, wanted)

        def to_member(row: Any) -> Member:
            return records[row.customer_id], to_membership(row)

        return [
            build_page([row for row in rows if row.customer_id in records], request, _read_position).map(to_member)
            for (_, request), rows in zip(keys, found, strict=True)
        ]

    async def count(self, lists: Sequence[MemberList]) -> list[int]:
        """How many members each list has."""

        def select_sizes(search: str | None, columns: Columns) -> list[Select[Any]]:
            size = func.count().label("size")
            return [select(size).where(*conditions) for conditions in self._build_conditions(search, *columns)]

        wanted = [(one.search, (one.segment_id, to_optional_micros(one.at))) for one in lists]
        found = await gather_lists(self.connection, wanted, select_sizes)
        return [sum(row.size for row in rows) for rows in found]

    async def _find_rows(self, keys: Sequence[MemberKey]) -> list[list[Any]]:
        """The rows of each page and one more, in the order that they are looked for."""
        forms = {key: _make_form(*key) for key in keys}
        found: dict[MemberKey, list[Any]] = {}
        walked = await self._find_dense(forms)
        if walked:
            for key, rows in zip(walked, await self._gather(walked, forms, walks=True), strict=True):
                # Where the walk ended early, the rest of the page may lie beyond it.
                if len(rows) == forms[key].size:
                    found[key] = rows
        others = [key for key in forms if key not in found]
        found |= zip(others, await self._gather(others, forms), strict=True)
        return [found[key] for key in keys]

    async def _find_dense(self, forms: Mapping[MemberKey, Form]) -> list[MemberKey]:
        """The pages that are in an order of customers, many of whom are members."""
        sorted_pages = [key for key, form in forms.items() if form.sort is not None and form.search is None]
        if not sorted_pages:
            return []
        statement = (
            select(segment.c.id)
            .join(business, business.c.id == segment.c.business_id)
            .where(
                segment.c.business_id == self.business_id,
                segment.c.id.in_({which.segment_id for which, _ in sorted_pages}),
                segment.c.member_count * SPARSE > business.c.next_customer,
            )
        )
        dense = set((await self.connection.execute(statement)).scalars())
        return [key for key in sorted_pages if key[0].segment_id in dense]

    async def _gather(
        self, keys: Sequence[MemberKey], forms: Mapping[MemberKey, Form], *, walks: bool = False
    ) -> list[list[Any]]:
        select_rows: Callable[[Form, Columns], list[Select[Any]]] = self._select_walked if walks else self._select_rows
        wanted = [(forms[key], (key[0].segment_id, to_optional_micros(key[0].at), *_list_bounds(*key))) for key in keys]
        return [
            sorted(rows, key=_read_position, reverse=form.down)[: form.size]
            for (form, _), rows in zip(wanted, await gather_lists(self.connection, wanted, select_rows), strict=True)
        ]

    def _build_conditions(
        self, search: str | None, segment_id: ColumnElement[int], at: ColumnElement[int] | None
    ) -> list[list[ColumnElement[bool]]]:
        """Who is a member then: conditions that no membership meets two of, each with an index of its own."""
        present = build_present_conditions(self.as_of) if at is None else [covers_micros(at)]
        mine = [is_of_segment(self.business_id, segment_id)]
        if search and not is_storable(search):
            mine.append(false())
        elif search:
            terms = customer_term.c
            matches = select(terms.customer_id).where(
                terms.business_id == self.business_id, begins_with(terms.term, search.casefold())
            )
            mine.append(membership.c.customer_id.in_(matches))
        return [[*mine, condition] for condition in present]

    def _select_rows(self, form: Form, columns: Columns) -> list[Select[Any]]:
        """The page among the members."""
        segment_id, at, *bounds = columns
        parts = []
        for number, conditions in enumerate(self._build_conditions(form.search, segment_id, at)):
            # Who left since the moment is found by when, and not among all who ever were members.
            key = membership.c.customer_id + 0 if number else membership.c.customer_id
            value = key if form.sort is None else self._select_value(SORTS[form.sort])
            rows = select(*MEMBERSHIP, value.label("value"), key.label("key")).where(*conditions)
            if form.sort is not None:
                rows = select(rows.subquery("each"))
                value, key = rows.selected_columns.value, rows.selected_columns.key
            parts.append(_cut(rows, value, key, form, bounds))
        return parts

    def _select_value(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """What a membership is ordered by, looked for once for each: so no database goes through all customers."""
        table: FromClause = column.table
        if table is membership:
            return column + 0
        mine = (table.c.business_id == self.business_id, KEYS[table] == membership.c.customer_id)
        return select(column).where(*mine).correlate(membership).scalar_subquery()

    def _select_walked(self, form: Form, columns: Columns) -> list[Select[Any]]:
        """The members among the next customers of the order."""
        segment_id, at, *bounds = columns
        assert form.sort is not None
        of_segment, value = is_of_segment(self.business_id, segment_id), SORTS[form.sort]
        table: FromClause = value.table
        ordered = select(value.label("value"), KEYS[table].label("key")).where(
            of_segment if table is membership else table.c.business_id == self.business_id
        )
        walk = _cut(ordered, value, KEYS[table], form._replace(size=form.size * STEPS), bounds).subquery("walk")
        same = [membership.c.customer_id == walk.c.key]
        if table is membership:
            same.append(membership.c.entered_at == walk.c.value)
        then = covers(self.as_of) if at is None else covers_micros(at)
        # An outer join, and a condition that no database sees through: so each goes from the walk to the memberships.
        beside = walk.outerjoin(membership, and_(of_segment, *same, then))
        statement = select(*MEMBERSHIP, walk.c.value).select_from(beside)
        statement = statement.where(func.coalesce(membership.c.customer_id, 0) != 0)
        return [_cut(statement, walk.c.value, walk.c.key, form, [None] * len(bounds))]


def _make_form(which: MemberList, request: PageRequest) -> Form:
    return Form(request.size + 1, which.reverse != request.backward, which.sort, which.search or None)


def _list_bounds(which: MemberList, request: PageRequest) -> tuple[int | str | None, ...]:
    """The places that the page lies above and below, each as value and customer."""
    ends = (request.after or (None, None), request.before or (None, None))
    above, below = reversed(ends) if which.reverse else ends
    return *above, *below


def _cut(
    statement: Select[Any], value: ColumnElement[Any], key: ColumnElement[Any], form: Form, bounds: Sequence[Any]
) -> Select[Any]:
    """The rows between the bounds, the first of them in the order."""
    above, above_key, below, below_key = bounds
    if above is not None:
        statement = statement.where(tuple_(value, key) > tuple_(above, above_key))
    if below is not None:
        statement = statement.where(tuple_(value, key) < tuple_(below, below_key))
    order = (value.desc(), key.desc()) if form.down else (value, key)
    return statement.order_by(*order).limit(form.size)


def _read_position(row: Any) -> Position:
    return row.value, row.customer_id
