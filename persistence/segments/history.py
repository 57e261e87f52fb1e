"""The history of memberships: the log of changes in commit order, sizes over time, who was in a segment at an instant
and who entered between two, snapshots, and what compaction takes out. Counting reads the log, never the memberships;
who was in a snapshot follows from the memberships."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    column,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
    values,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import from_micros, to_micros
from domain.pages import Page, PageRequest, Position, build_page
from domain.segments.model import (
    KINDS,
    SOURCE_ORDER,
    ArchivedMembership,
    ChangeKey,
    ChangeKind,
    ChangeList,
    MembershipChange,
    Place,
    Snapshot,
)
from domain.store import Comparison, ComparisonKey, CustomerRecord, IdsKey, SnapshotKey
from persistence.database.dialects import Selective
from persistence.database.lists import Columns, gather_lists
from persistence.segments.memberships import MEMBERSHIP, covers_micros, is_of_segment, load_records, to_membership
from persistence.tables.businesses import business
from persistence.tables.columns import to_optional_micros
from persistence.tables.customers import customer
from persistence.tables.segments import SnapshotRow, membership, membership_change, segment, snapshot

ENDS: tuple[tuple[ChangeKind, ColumnElement[int], ColumnElement[str | None]], ...] = (
    (ChangeKind.LEFT, membership.c.left_at, membership.c.left_by),
    (ChangeKind.ENTERED, membership.c.entered_at, membership.c.entered_by),
)
PLACE = attrgetter("at", "segment_id", "customer_id", "kind")
"""The numbers of the Place of a row."""
log = membership_change.c
EndsForm = tuple[int, bool, int, int]
"""How many changes a page has, whether they are the last ones, and the kinds of the places it begins after and ends
before."""


@dataclass(frozen=True, slots=True)
class HistoryStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    business_id: int

    async def load_change_pages(self, keys: Sequence[ChangeKey]) -> list[Page[MembershipChange]]:
        """Pages of many lists, in the order of the keys."""
        wanted = []
        for which, request in keys:
            after, before = _read_place("after", request.after), _read_place("before", request.before)
            form = (request.size, request.backward, after[-1], before[-1])
            wanted.append((form, (*_to_numbers(which), *after[:-1], *before[:-1])))
        found = await gather_lists(self.connection, wanted, self._select_ends)
        return [
            build_page(
                sorted(rows, key=PLACE, reverse=request.backward)[: request.size + 1], request, _to_position
            ).map(to_change)
            for (_, request), rows in zip(keys, found, strict=True)
        ]

    async def load_changes_after(self, place: Place, segment_id: int | None, size: int) -> list[MembershipChange]:
        """The next changes of one segment, or of all, after the place; at most `size`."""
        if segment_id is not None:
            request = PageRequest(size, after=place.position)
            return list((await self.load_change_pages([(ChangeList(segment_id), request)]))[0].items)
        lines = (
            select(log.at, log.segment_id, (log.entered + log.left_count).label("size"))
            .where(
                log.business_id == self.business_id,
                log.at >= place.at,
                tuple_(log.at, log.segment_id) >= tuple_(literal(place.at), literal(place.segment_id)),
            )
            .order_by(log.at, log.segment_id)
            .limit(size + 1)
        )
        keys: list[ChangeKey] = []
        known = 0
        for line in await self.connection.execute(lines):
            same = (line.at, line.segment_id) == (place.at, place.segment_id)
            at = from_micros(line.at)
            which = ChangeList(line.segment_id, None, at, from_micros(line.at + 1))
            keys.append((which, PageRequest(size, after=place.position if same else None)))
            # Of the line that the place is in nobody knows how much is left.
            known += 0 if same else line.size
            if known >= size:
                break
        # Changes stand in the order of their lines.
        return [change for page in await self.load_change_pages(keys) for change in page.items][:size]

    async def find_newest_place(self) -> Place:
        """Behind every change there is, and not before the horizon of compacted history."""
        # Whatever is committed later has a later instant than the newest write.
        statement = select(business.c.last_instant).where(business.c.id == self.business_id)
        return Place((await self.connection.execute(statement)).scalar_one() + 1)

    async def count_changes(self, lists: Sequence[ChangeList]) -> list[int]:
        """How many changes each list has; a segment's from the log."""

        def select_sizes(_form: None, columns: Columns) -> list[Select[Any]]:
            segment_id, customer_id, since, until = columns
            if customer_id is None and segment_id is not None:
                size = func.sum(log.entered + log.left_count).label("size")
                of_segment = (log.business_id == self.business_id, log.segment_id == segment_id)
                return [select(size).where(*of_segment, *_build_bounds(log.at, since, until))]
            return [
                select(func.count().label("size")).where(*mine, at.is_not(None), *_build_bounds(at, since, until))
                for mine in self._build_conditions(segment_id, customer_id)
                for _, at, _ in ENDS
            ]

        wanted = [(None, _to_numbers(which)) for which in lists]
        found = await gather_lists(self.connection, wanted, select_sizes)
        return [sum(row.size or 0 for row in rows) for rows in found]

    async def compute_sizes(
        self, segments: Sequence[int], bounds: Sequence[datetime]
    ) -> Mapping[int, list[tuple[int, int, int]]]:
        """Of each segment, for the intervals between the bounds: members at the end, entries and exits."""
        micros = [to_micros(bound) for bound in bounds]
        before = (
            select(log.member_count)
            .where(log.business_id == self.business_id, log.segment_id == segment.c.id, log.at < micros[0])
            .order_by(log.at.desc())
            .limit(1)
            .scalar_subquery()
        )
        opening = select(segment.c.id, func.coalesce(before, 0)).where(
            segment.c.business_id == self.business_id, segment.c.id.in_(segments)
        )
        counts = {row[0]: row[1] for row in await self.connection.execute(opening)}
        names = ("place", "low", "high")
        spans = (
            values(*(column(name, BigInteger) for name in names), name="span")
            .data([(place, *pair) for place, pair in enumerate(pairwise(micros))])
            .cte("spans")
        )
        moves = (
            select(log.segment_id, spans.c.place, func.sum(log.entered), func.sum(log.left_count))
            .select_from(spans)
            .join(membership_change, and_(log.at >= spans.c.low, log.at < spans.c.high))
            .where(
                log.business_id == self.business_id,
                log.segment_id.in_(segments),
                log.at >= micros[0],
                log.at < micros[-1],
            )
            .group_by(log.segment_id, spans.c.place)
        )
        moved = {(row[0], row[1]): (int(row[2]), int(row[3])) for row in await self.connection.execute(moves)}
        sizes: dict[int, list[tuple[int, int, int]]] = {}
        for key in segments:
            count, points = counts.get(key, 0), []
            for place in range(len(bounds) - 1):
                entered, left = moved.get((key, place), (0, 0))
                count += entered - left
                points.append((count, entered, left))
            sizes[key] = points
        return sizes

    def _build_conditions(
        self, segment_id: ColumnElement[int] | None, customer_id: ColumnElement[int] | None
    ) -> list[list[ColumnElement[bool]]]:
        """Whose memberships a list is of: where it is a customer's, also of those who were merged into it. No
        membership meets two of the conditions, and each has an index of its own."""
        conditions = [membership.c.business_id == self.business_id]
        if segment_id is not None:
            conditions.append(membership.c.segment_id == segment_id)
        if customer_id is None:
            return [conditions]
        merged = (customer.c.business_id == self.business_id, customer.c.merged_into == customer_id)
        return [
            [*conditions, Selective(membership.c.customer_id == customer_id)],
            [*conditions, *merged, Selective(membership.c.customer_id == customer.c.id)],
        ]

    def _select_ends(self, form: EndsForm, columns: Columns) -> list[Select[Any]]:
        """The first of what a list holds between two places, or the last, as lists that together have them: the columns
        are the numbers of the list and the rest of the places."""
        size, backward, after_kind, before_kind = form
        (segment_id, customer_id, since, until), after, before = columns[:4], columns[4:7], columns[7:]
        selects = []
        for conditions in self._build_conditions(segment_id, customer_id):
            for kind, at, by in ENDS:
                number = KINDS.index(kind)
                order = (at, membership.c.segment_id, membership.c.customer_id)
                statement = select(
                    membership.c.segment_id,
                    membership.c.customer_id,
                    at.label("at"),
                    literal(number).label("kind"),
                    membership.c.source,
                    by.label("by"),
                ).where(*conditions, at.is_not(None), *_build_bounds(at, since, until))
                # The first condition of a place alone is what an index can be entered with.
                if after[0] is not None:
                    here = tuple_(*after)
                    beyond = tuple_(*order) >= here if number > after_kind else tuple_(*order) > here
                    statement = statement.where(at >= after[0], beyond)
                if before[0] is not None:
                    here = tuple_(*before)
                    short_of = tuple_(*order) <= here if number < before_kind else tuple_(*order) < here
                    statement = statement.where(at <= before[0], short_of)
                ordered = [each.desc() for each in order] if backward else order
                selects.append(statement.order_by(*ordered).limit(size + 1))
        return selects

    async def count_past_members(self, keys: Sequence[tuple[int, datetime]]) -> list[int]:
        """How many members each segment had at the instant, from the log of changes."""

        def select_count(_form: None, columns: Columns) -> list[Select[Any]]:
            segment_id, at = columns
            mine = select(log.member_count).where(log.business_id == self.business_id, log.segment_id == segment_id)
            return [mine.where(log.at <= at).order_by(log.at.desc()).limit(1)]

        wanted = [(None, (segment_id, to_micros(at))) for segment_id, at in keys]
        found = await gather_lists(self.connection, wanted, select_count)
        return [rows[0].member_count if rows else 0 for rows in found]

    async def load_id_lists(self, keys: Sequence[IdsKey]) -> list[list[int]]:
        """Who was a member at the instant, after a customer, by id."""
        ids = membership.c.customer_id

        def select_ids(size: int, columns: Columns) -> list[Select[Any]]:
            segment_id, at, after = columns
            mine = select(ids).where(is_of_segment(self.business_id, segment_id), covers_micros(at))
            return [(mine if after is None else mine.where(ids > after)).order_by(ids).limit(size)]

        wanted = [(size, (segment_id, to_micros(at), after)) for segment_id, at, size, after in keys]
        found = await gather_lists(self.connection, wanted, select_ids)
        return [sorted(row.customer_id for row in rows) for rows in found]

    async def load_compared_pages(self, keys: Sequence[ComparisonKey]) -> list[Page[CustomerRecord]]:
        """Who is a member at the second instant and was none, or one, at the first; by id."""
        ids = membership.c.customer_id

        def select_ids(form: tuple[int, bool, bool], columns: Columns) -> list[Select[Any]]:
            (size, *how), (*comparison, after) = form, columns
            mine = self._select_compared(how, comparison)
            return [(mine if after is None else mine.where(ids > after)).order_by(ids).limit(size + 1)]

        wanted = []
        for comparison, request in keys:
            how, numbers = _read_comparison(comparison)
            after = None if request.after is None else int(request.after[0])
            wanted.append(((request.size, *how), (*numbers, after)))
        found = [
            sorted(row.customer_id for row in rows) for rows in await gather_lists(self.connection, wanted, select_ids)
        ]
        records = await load_records(self.connection, self.business_id, sorted(set().union(*found)))
        return [
            build_page(members, request, lambda key: (key, key)).map(records.__getitem__)
            for (_, request), members in zip(keys, found, strict=True)
        ]

    async def count_compared(self, keys: Sequence[Comparison]) -> list[int]:
        """How many are members at the second instant and were none, or one, at the first."""

        def select_size(how: tuple[bool, bool], columns: Columns) -> list[Select[Any]]:
            return [select(func.count().label("size")).select_from(self._select_compared(how, columns).subquery())]

        found = await gather_lists(self.connection, list(map(_read_comparison, keys)), select_size)
        return [rows[0].size for rows in found]

    def _select_compared(self, how: Sequence[bool], columns: Columns) -> Select[Any]:
        (stayed, forward), (segment_id, first, second) = how, columns
        other = membership.alias()
        was = exists().where(
            other.c.business_id == self.business_id,
            other.c.segment_id == segment_id,
            other.c.customer_id == membership.c.customer_id,
            other.c.entered_at <= first,
            or_(other.c.left_at.is_(None), other.c.left_at > first),
        )
        members = select(membership.c.customer_id).where(
            is_of_segment(self.business_id, segment_id), covers_micros(second)
        )
        if stayed:
            return members.where(was)
        # Whoever came since began a membership then, whoever went had ended one by then: there is an index for each.
        return members.where(membership.c.entered_at > first if forward else membership.c.left_at <= first, ~was)

    async def load_ended(
        self, horizon: datetime, after: tuple[int, int, datetime] | None, size: int
    ) -> list[ArchivedMembership]:
        """The next of them with the names of segment and customer, by key."""
        key = (membership.c.segment_id, membership.c.customer_id, membership.c.entered_at)
        statement = (
            select(*MEMBERSHIP, segment.c.key, customer.c.external_id)
            .join(
                segment, (segment.c.business_id == membership.c.business_id) & (segment.c.id == membership.c.segment_id)
            )
            .join(
                customer,
                (customer.c.business_id == membership.c.business_id) & (customer.c.id == membership.c.customer_id),
            )
            .where(membership.c.business_id == self.business_id, membership.c.left_at < to_micros(horizon))
            .order_by(*key)
            .limit(size)
        )
        if after is not None:
            place = tuple_(literal(after[0]), literal(after[1]), literal(to_micros(after[2])))
            statement = statement.where(tuple_(*key) > place)
        return [
            ArchivedMembership(to_membership(row), row.key, row.external_id)
            for row in await self.connection.execute(statement)
        ]

    async def find_segments_with_ended(self, horizon: datetime) -> list[int]:
        statement = (
            select(membership.c.segment_id)
            .where(membership.c.business_id == self.business_id, membership.c.left_at < to_micros(horizon))
            .distinct()
        )
        return sorted((await self.connection.execute(statement)).scalars())

    async def forget(self, segment_id: int, horizon: datetime) -> int:
        """Remove those of one segment; how many there were."""
        statement = delete(membership).where(
            is_of_segment(self.business_id, segment_id), membership.c.left_at < to_micros(horizon)
        )
        return int((await self.connection.execute(statement)).rowcount)


def _build_bounds(
    at: ColumnElement[int], since: ColumnElement[int] | None, until: ColumnElement[int] | None
) -> list[ColumnElement[bool]]:
    return [*([] if since is None else [at >= since]), *([] if until is None else [at < until])]


def _to_numbers(which: ChangeList) -> tuple[int | None, ...]:
    return which.segment_id, which.customer_id, to_optional_micros(which.since), to_optional_micros(which.until)


def _read_place(name: str, position: Position | None) -> tuple[int | None, int | None, int | None, int]:
    """The numbers of a place; without one its kind, which nothing reads, is 0."""
    if position is None:
        return None, None, None, 0
    place = Place.read(position, name)
    return place.at, place.segment_id, place.customer_id, place.kind


def _read_comparison(comparison: Comparison) -> tuple[tuple[bool, bool], tuple[int, int, int]]:
    """Whether those are wanted who stayed, and whether the second instant is not before the first; then the numbers."""
    segment_id, first, second, stayed = comparison
    return (stayed, first <= second), (segment_id, to_micros(first), to_micros(second))


def _to_position(row: Any) -> Position:
    return Place(*PLACE(row)).position


def to_change(row: Any) -> MembershipChange:
    return MembershipChange(
        row.segment_id, row.customer_id, KINDS[row.kind], from_micros(row.at), SOURCE_ORDER[row.source], row.by
    )


PageKey = tuple[int, PageRequest]


def to_snapshot(row: Any) -> Snapshot:
    return Snapshot(row.segment_id, from_micros(row.at), row.member_count, row.job_id, row.created_by)


class SnapshotStore:
    """On one connection, of one business."""

    def __init__(
        self, connection: AsyncConnection, session: AsyncSession, business_id: int, as_of: datetime | None
    ) -> None:
        self.connection = connection
        self.session = session
        self.business_id = business_id
        self.as_of = as_of

    async def add(self, *snapshots: Snapshot) -> None:
        """Keep them; a segment has at most one of an instant."""
        for each in snapshots:
            row = SnapshotRow(
                business_id=self.business_id,
                segment_id=each.segment_id,
                at=to_micros(each.at),
                member_count=each.member_count,
                job_id=each.job_id,
                created_by=each.created_by,
            )
            self.session.add(row)
        await self.session.flush()

    async def load_pages(self, keys: Sequence[PageKey]) -> list[Page[Snapshot]]:
        """Those of many segments, newest first, in the order of the keys."""

        def select_newest(size: int, columns: Columns) -> list[Select[Any]]:
            segment_id, before = columns
            mine = select(snapshot).where(self._is_own(), snapshot.c.segment_id == segment_id)
            older = mine if before is None else mine.where(snapshot.c.at < before)
            return [older.order_by(snapshot.c.at.desc()).limit(size + 1)]

        wanted = [
            (request.size, (segment_id, None if request.after is None else int(request.after[0])))
            for segment_id, request in keys
        ]
        return [
            build_page(sorted(rows, key=lambda row: -int(row.at)), request, lambda row: (row.at, row.segment_id)).map(
                to_snapshot
            )
            for (_, request), rows in zip(keys, await gather_lists(self.connection, wanted, select_newest), strict=True)
        ]

    async def count_by_segment(self, segments: Sequence[int]) -> Mapping[int, int]:
        statement = (
            select(snapshot.c.segment_id, func.count())
            .where(self._is_own(), snapshot.c.segment_id.in_(segments))
            .group_by(snapshot.c.segment_id)
        )
        counts = {row[0]: row[1] for row in await self.connection.execute(statement)}
        return {key: counts.get(key, 0) for key in segments}

    async def load_newest(self, segments: Sequence[int], size: int) -> Mapping[int, list[Snapshot]]:
        """The newest of each segment, newest first."""
        pages = await self.load_pages([(key, PageRequest(size)) for key in segments])
        return {key: list(page.items) for key, page in zip(segments, pages, strict=True)}

    async def find_by_keys(self, keys: Sequence[SnapshotKey]) -> Mapping[SnapshotKey, Snapshot]:
        """Those that exist, by segment and instant."""

        def select_snapshot(_form: None, columns: Columns) -> list[Select[Any]]:
            mine = select(snapshot).where(snapshot.c.business_id == self.business_id)
            return [mine.where(snapshot.c.segment_id == columns[0], snapshot.c.at == columns[1])]

        wanted = [(None, (segment_id, to_micros(at))) for segment_id, at in keys]
        found = await gather_lists(self.connection, wanted, select_snapshot)
        return {key: to_snapshot(row) for key, rows in zip(keys, found, strict=True) for row in rows}

    def _is_own(self) -> ColumnElement[bool]:
        """Those of the business, as they were at the unit's moment where it has one."""
        mine = snapshot.c.business_id == self.business_id
        return mine if self.as_of is None else and_(mine, snapshot.c.at <= to_micros(self.as_of))
