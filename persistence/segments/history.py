"""The history of memberships: the log of changes in commit order, sizes over time, who was in a segment at an instant
and who entered between two, snapshots, and what compaction takes out. Counting reads the log, never the memberships;
who was in a snapshot follows from the memberships."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
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
from domain.pages import Page, PageRequest, build_page
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
from persistence.customers import COLUMNS, JOINED, to_record
from persistence.database.dialects import Selective, fetch_lists
from persistence.segments.memberships import MEMBERSHIP, covers, is_of_segment, to_membership
from persistence.tables import SnapshotRow, customer, membership, membership_change, segment, snapshot

ENDS: tuple[tuple[ChangeKind, ColumnElement[int], ColumnElement[str | None]], ...] = (
    (ChangeKind.LEFT, membership.c.left_at, membership.c.left_by),
    (ChangeKind.ENTERED, membership.c.entered_at, membership.c.entered_by),
)
log = membership_change.c


@dataclass(frozen=True, slots=True)
class HistoryStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    business_id: int

    async def load_change_pages(self, keys: Sequence[ChangeKey]) -> list[Page[MembershipChange]]:
        """Pages of many lists, in the order of the keys."""
        lists, places = [], []
        for place, (which, request) in enumerate(keys):
            after = None if request.after is None else Place.read(request.after)
            parts = self._select_ends(which, after, request.size + 1)
            lists += parts
            places += [place] * len(parts)
        rows_by_key: list[list[Any]] = [[] for _ in keys]
        for place, rows in zip(places, await fetch_lists(self.connection, lists), strict=True):
            rows_by_key[place] += rows
        return [
            build_page(_sort_changes(rows)[: request.size + 1], request, lambda change: Place.of(change).position)
            for (_, request), rows in zip(keys, rows_by_key, strict=True)
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
        lists, known = [], 0
        for line in await self.connection.execute(lines):
            same = (line.at, line.segment_id) == (place.at, place.segment_id)
            at = from_micros(line.at)
            which = ChangeList(line.segment_id, None, at, from_micros(line.at + 1))
            lists += self._select_ends(which, place if same else None, size)
            # Of the line that the place is in nobody knows how much is left.
            known += 0 if same else line.size
            if known >= size:
                break
        lists_of_rows = await fetch_lists(self.connection, lists)
        return _sort_changes(row for rows in lists_of_rows for row in rows)[:size]

    async def find_newest_place(self) -> Place:
        """Behind every change there is."""
        statement = select(func.max(log.at)).where(log.business_id == self.business_id)
        newest = (await self.connection.execute(statement)).scalar_one()
        return Place(0 if newest is None else newest + 1)

    async def count_changes(self, lists: Sequence[ChangeList]) -> list[int]:
        """How many changes each list has; a segment's from the log."""
        counts: list[Select[Any]] = []
        places: list[int] = []
        for place, which in enumerate(lists):
            bounds = [None if end is None else to_micros(end) for end in (which.since, which.until)]
            if which.segment_id is not None and which.customer_id is None:
                of_segment = (log.business_id == self.business_id, log.segment_id == which.segment_id)
                size = func.sum(log.entered + log.left_count).label("size")
                parts = [select(size).where(*of_segment, *_build_bounds(log.at, bounds))]
            else:
                size = func.count().label("size")
                parts = [
                    select(size).where(*conditions, at.is_not(None), *_build_bounds(at, bounds))
                    for conditions in self._build_conditions(which)
                    for _, at, _ in ENDS
                ]
            counts += parts
            places += [place] * len(parts)
        sums = [0] * len(lists)
        for place, rows in zip(places, await fetch_lists(self.connection, counts), strict=True):
            sums[place] += int(rows[0].size or 0)
        return sums

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

    def _build_conditions(self, which: ChangeList) -> list[list[ColumnElement[bool]]]:
        """Whose memberships the list is of: where it is a customer's, also of those who were merged into it. No
        membership meets two of the conditions, and each has an index of its own."""
        conditions = [membership.c.business_id == self.business_id]
        if which.segment_id is not None:
            conditions.append(membership.c.segment_id == which.segment_id)
        if which.customer_id is None:
            return [conditions]
        merged = (customer.c.business_id == self.business_id, customer.c.merged_into == which.customer_id)
        return [
            [*conditions, Selective(membership.c.customer_id == which.customer_id)],
            [*conditions, *merged, Selective(membership.c.customer_id == customer.c.id)],
        ]

    def _select_ends(self, which: ChangeList, after: Place | None, size: int) -> list[Select[Any]]:
        """The first of what the list holds after the place, as lists that together have them."""
        return [
            self._select_kind(kind, conditions, which, after, size)
            for conditions in self._build_conditions(which)
            for kind in KINDS
        ]

    def _select_kind(
        self,
        kind: ChangeKind,
        conditions: Sequence[ColumnElement[bool]],
        which: ChangeList,
        after: Place | None,
        size: int,
    ) -> Select[Any]:
        _, at, by = next(end for end in ENDS if end[0] is kind)
        number = KINDS.index(kind)
        bounds = [None if end is None else to_micros(end) for end in (which.since, which.until)]
        order = (at, membership.c.segment_id, membership.c.customer_id)
        statement = select(
            membership.c.segment_id,
            membership.c.customer_id,
            at.label("at"),
            literal(number).label("kind"),
            membership.c.source,
            by.label("by"),
        ).where(*conditions, at.is_not(None), *_build_bounds(at, bounds))
        if after is not None:
            # The first condition alone is what an index can be entered with.
            here = tuple_(*(literal(part) for part in (after.at, after.segment_id, after.customer_id)))
            beyond = tuple_(*order) >= here if number > after.kind else tuple_(*order) > here
            statement = statement.where(at >= after.at, beyond)
        return statement.order_by(*order).limit(size)

    async def count_past_members(self, keys: Sequence[tuple[int, datetime]]) -> list[int]:
        """How many members each segment had at the instant, from the log of changes."""
        lists = [
            select(log.member_count)
            .where(log.business_id == self.business_id, log.segment_id == segment_id, log.at <= to_micros(at))
            .order_by(log.at.desc())
            .limit(1)
            for segment_id, at in keys
        ]
        return [rows[0].member_count if rows else 0 for rows in await fetch_lists(self.connection, lists)]

    async def load_id_lists(self, keys: Sequence[IdsKey]) -> list[list[int]]:
        """Who was a member at the instant, after a customer, by id."""
        ids, lists = membership.c.customer_id, []
        for segment_id, at, size, after in keys:
            statement = (
                select(ids).where(is_of_segment(self.business_id, segment_id), covers(at)).order_by(ids).limit(size)
            )
            lists.append(statement if after is None else statement.where(ids > after))
        return [sorted(row.customer_id for row in rows) for rows in await fetch_lists(self.connection, lists)]

    async def load_entrant_pages(self, keys: Sequence[ComparisonKey]) -> list[Page[CustomerRecord]]:
        """Who is a member at the second instant and was none at the first, by id."""
        ids, lists = customer.c.id, []
        for comparison, request in keys:
            statement = (
                select(*COLUMNS)
                .select_from(JOINED)
                .where(customer.c.business_id == self.business_id, ids.in_(self._select_entrants(comparison)))
            )
            if request.after is not None:
                statement = statement.where(ids > request.after[0])
            lists.append(statement.order_by(ids).limit(request.size + 1))
        return [
            build_page(sorted(rows, key=lambda row: int(row.id)), request, lambda row: (row.id, row.id)).map(to_record)
            for (_, request), rows in zip(keys, await fetch_lists(self.connection, lists), strict=True)
        ]

    async def count_entrants(self, keys: Sequence[Comparison]) -> list[int]:
        """How many are members at the second instant and were none at the first."""
        lists = [select(func.count().label("size")).select_from(self._select_entrants(key).subquery()) for key in keys]
        return [int(rows[0].size) for rows in await fetch_lists(self.connection, lists)]

    def _select_entrants(self, comparison: Comparison) -> Select[Any]:
        segment_id, left, right = comparison
        other, at = membership.alias(), to_micros(left)
        was = exists().where(
            other.c.business_id == self.business_id,
            other.c.segment_id == segment_id,
            other.c.customer_id == membership.c.customer_id,
            other.c.entered_at <= at,
            or_(other.c.left_at.is_(None), other.c.left_at > at),
        )
        # Whoever came since began a membership then, whoever went had ended one by then: there is an index for each.
        since = membership.c.entered_at > at if left <= right else membership.c.left_at <= at
        return select(membership.c.customer_id).where(
            and_(is_of_segment(self.business_id, segment_id), covers(right), since, ~was)
        )

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


def _build_bounds(at: ColumnElement[int], bounds: Sequence[int | None]) -> list[ColumnElement[bool]]:
    since, until = bounds
    return [*([] if since is None else [at >= since]), *([] if until is None else [at < until])]


def _sort_changes(rows: Iterable[Any]) -> list[MembershipChange]:
    changes = [
        MembershipChange(
            row.segment_id,
            row.customer_id,
            KINDS[row.kind],
            from_micros(row.at),
            SOURCE_ORDER[row.source],
            row.by,
        )
        for row in rows
    ]
    return sorted(changes, key=Place.of)


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

    async def add(self, snap: Snapshot) -> None:
        """Keep it; a segment has at most one of an instant."""
        row = SnapshotRow(
            business_id=self.business_id,
            segment_id=snap.segment_id,
            at=to_micros(snap.at),
            member_count=snap.member_count,
            job_id=snap.job_id,
            created_by=snap.created_by,
        )
        self.session.add(row)
        await self.session.flush()

    async def load_pages(self, keys: Sequence[PageKey]) -> list[Page[Snapshot]]:
        """Those of many segments, newest first, in the order of the keys."""
        lists = []
        for segment_id, request in keys:
            statement = self._select_snapshots(segment_id)
            if request.after is not None:
                statement = statement.where(snapshot.c.at < request.after[0])
            lists.append(statement.order_by(snapshot.c.at.desc()).limit(request.size + 1))
        return [
            build_page(sorted(rows, key=lambda row: -int(row.at)), request, lambda row: (row.at, row.segment_id)).map(
                to_snapshot
            )
            for (_, request), rows in zip(keys, await fetch_lists(self.connection, lists), strict=True)
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
        statement = select(SnapshotRow).where(
            snapshot.c.business_id == self.business_id,
            snapshot.c.segment_id.in_({key[0] for key in keys}),
            tuple_(snapshot.c.segment_id, snapshot.c.at).in_([(key[0], to_micros(key[1])) for key in keys]),
        )
        rows = await self.session.scalars(statement)
        return {(row.segment_id, from_micros(row.at)): to_snapshot(row) for row in rows}

    def _select_snapshots(self, segment_id: int) -> Select[Any]:
        return select(snapshot).where(self._is_own(), snapshot.c.segment_id == segment_id)

    def _is_own(self) -> ColumnElement[bool]:
        """Those of the business, as they were at the unit's moment where it has one."""
        mine = snapshot.c.business_id == self.business_id
        return mine if self.as_of is None else and_(mine, snapshot.c.at <= to_micros(self.as_of))
