"""Snapshots: instants of segments with their member counts. Who was in one follows from the memberships."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import from_micros, to_micros
from domain.pages import Page, PageRequest, cut
from domain.segments.model import Snapshot
from domain.store import SnapshotKey
from persistence.database.dialects import gathered
from persistence.tables import snapshot

PageKey = tuple[int, PageRequest]


def to_snapshot(row: Any) -> Snapshot:
    """The entity of a row."""
    return Snapshot(row.segment_id, from_micros(row.at), row.member_count, row.job_id, row.created_by)


class SnapshotStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int, as_of: datetime | None = None) -> None:
        self.connection = connection
        self.business_id = business_id
        self.as_of = as_of

    async def add(self, snap: Snapshot) -> None:
        """Keep it; a segment has at most one of an instant."""
        await self.connection.execute(
            insert(snapshot).values(
                business_id=self.business_id,
                segment_id=snap.segment_id,
                at=to_micros(snap.at),
                member_count=snap.member_count,
                job_id=snap.job_id,
                created_by=snap.created_by,
            )
        )

    async def page(self, segment_id: int, request: PageRequest) -> Page[Snapshot]:
        """Those of one segment, newest first."""
        return (await self.pages([(segment_id, request)]))[0]

    async def pages(self, keys: Sequence[PageKey]) -> list[Page[Snapshot]]:
        """Those of many segments, newest first, in the order of the keys."""
        lists = []
        for segment_id, request in keys:
            statement = self._of(segment_id)
            if request.after is not None:
                statement = statement.where(snapshot.c.at < request.after[0])
            lists.append(statement.order_by(snapshot.c.at.desc()).limit(request.size + 1))
        return [
            cut(sorted(rows, key=lambda row: -int(row.at)), request, lambda row: (row.at, row.segment_id)).map(
                to_snapshot
            )
            for (_, request), rows in zip(keys, await gathered(self.connection, lists), strict=True)
        ]

    async def count(self, segment_id: int) -> int:
        """How many one segment has."""
        return (await self.counts([segment_id]))[segment_id]

    async def counts(self, segments: Sequence[int]) -> Mapping[int, int]:
        """How many each segment has."""
        statement = (
            select(snapshot.c.segment_id, func.count())
            .where(self._mine(), snapshot.c.segment_id.in_(segments))
            .group_by(snapshot.c.segment_id)
        )
        found = {row[0]: row[1] for row in await self.connection.execute(statement)}
        return {key: found.get(key, 0) for key in segments}

    async def newest(self, segments: Sequence[int], size: int) -> Mapping[int, list[Snapshot]]:
        """The newest of each segment, newest first."""
        pages = await self.pages([(key, PageRequest(size)) for key in segments])
        return {key: list(page.items) for key, page in zip(segments, pages, strict=True)}

    async def by_keys(self, keys: Sequence[SnapshotKey]) -> Mapping[SnapshotKey, Snapshot]:
        """Those that exist, by segment and instant."""
        statement = select(snapshot).where(
            snapshot.c.business_id == self.business_id,
            snapshot.c.segment_id.in_({key[0] for key in keys}),
            tuple_(snapshot.c.segment_id, snapshot.c.at).in_([(key[0], to_micros(key[1])) for key in keys]),
        )
        rows = await self.connection.execute(statement)
        return {(row.segment_id, from_micros(row.at)): to_snapshot(row) for row in rows}

    def _of(self, segment_id: int) -> Select[Any]:
        return select(snapshot).where(self._mine(), snapshot.c.segment_id == segment_id)

    def _mine(self) -> ColumnElement[bool]:
        """Those of the business, as they were at the unit's moment where it has one."""
        mine = snapshot.c.business_id == self.business_id
        return mine if self.as_of is None else and_(mine, snapshot.c.at <= to_micros(self.as_of))
