"""Runs of background work. The row is the truth: whoever follows a run reads it here, and whoever works on one holds it
by a heartbeat that must stay fresh."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import from_micros, to_micros
from domain.jobs.model import Job, JobKind, JobReason, JobStatus, NewJob, Outcome
from domain.pages import Page, PageRequest, page_of
from domain.store import Hold
from persistence.tables import job, optional_instant, optional_micros

ACTIVE = (JobStatus.QUEUED.value, JobStatus.RUNNING.value)


def to_job(row: Row[Any]) -> Job:
    """The entity of a row."""
    return Job(
        row.id,
        JobKind(row.kind),
        JobReason(row.reason),
        row.parent_id,
        row.segment_id,
        JobStatus(row.status),
        row.phase,
        row.done,
        row.total,
        from_micros(row.created_at),
        optional_instant(row.started_at),
        optional_instant(row.finished_at),
        row.requested_by,
        row.cancel_requested,
        row.attempts,
        row.error_code,
        row.error_message,
        row.evaluated,
        row.entered,
        row.left_count,
        optional_instant(row.snapshot_at),
    )


class JobStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id

    async def add(self, new: NewJob, at: datetime) -> Job:
        """Queue a run; the caller holds the write transaction and knows that none of the segment is active."""
        mine = job.c.business_id == self.business_id
        highest = (await self.connection.execute(select(func.max(job.c.id)).where(mine))).scalar_one()
        row = await self.connection.execute(
            insert(job)
            .values(
                business_id=self.business_id,
                id=(highest or 0) + 1,
                kind=new.kind.value,
                reason=new.reason.value,
                parent_id=new.parent_id,
                segment_id=new.segment_id,
                status=JobStatus.QUEUED.value,
                phase="queued",
                created_at=to_micros(at),
                requested_by=new.requested_by,
            )
            .returning(job)
        )
        return to_job(row.one())

    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, Job]:
        """Those that exist."""
        return {found.id: found for found in await self._jobs(job.c.id.in_(ids))}

    async def active_of(self, segments: Sequence[int]) -> Mapping[int, Job]:
        """The active run of each segment that has one."""
        found = await self._jobs(job.c.segment_id.in_(segments), job.c.status.in_(ACTIVE))
        return {item.segment_id: item for item in found if item.segment_id is not None}

    async def active_parent(self) -> Job | None:
        """The active run of all segments, if there is one."""
        found = await self._jobs(job.c.segment_id.is_(None), job.c.parent_id.is_(None), job.c.status.in_(ACTIVE))
        return found[0] if found else None

    async def newest_of(self, segments: Sequence[int]) -> Mapping[int, Job]:
        """The newest run of each segment that had one."""
        newest = (
            select(job.c.segment_id, func.max(job.c.id).label("id"))
            .where(job.c.business_id == self.business_id, job.c.segment_id.in_(segments))
            .group_by(job.c.segment_id)
            .subquery()
        )
        found = await self._jobs(job.c.id.in_(select(newest.c.id)))
        return {item.segment_id: item for item in found if item.segment_id is not None}

    async def parts_of(self, parent_id: int) -> list[Job]:
        """The runs that a run of many segments consists of, in their order."""
        return await self._jobs(job.c.parent_id == parent_id)

    async def page(
        self, request: PageRequest, *, segment_id: int | None = None, parent_id: int | None = None
    ) -> Page[Job]:
        """Runs, newest first; of one segment, or the parts of one run in their order."""
        forward = (parent_id is not None) != request.backward
        conditions = self._listed(segment_id, parent_id)
        for position, after in ((request.after, True), (request.before, False)):
            if position is not None:
                rising = after == (parent_id is not None)
                conditions.append(job.c.id > position[1] if rising else job.c.id < position[1])
        statement = (
            select(job).where(*conditions).order_by(job.c.id if forward else job.c.id.desc()).limit(request.size + 1)
        )
        rows = (await self.connection.execute(statement)).all()
        return page_of(rows, request, lambda row: (row.id, row.id)).map(to_job)

    async def count(self, *, segment_id: int | None = None, parent_id: int | None = None) -> int:
        """How many runs there are."""
        statement = select(func.count()).select_from(job).where(*self._listed(segment_id, parent_id))
        return int((await self.connection.execute(statement)).scalar_one())

    async def take(self, owner: str, now: datetime, stale_before: datetime) -> Job | None:
        """Hold the oldest run that waits or whose holder fell silent; parts are left to the run they belong to."""
        silent = and_(job.c.status == JobStatus.RUNNING.value, job.c.heartbeat_at < to_micros(stale_before))
        waits = (
            select(job.c.id)
            .where(
                job.c.business_id == self.business_id,
                job.c.parent_id.is_(None),
                or_(job.c.status == JobStatus.QUEUED.value, silent),
            )
            .order_by(job.c.id)
            .limit(1)
        )
        if self.connection.dialect.name == "postgresql":
            waits = waits.with_for_update(skip_locked=True)
        return await self._hold(job.c.id == waits.scalar_subquery(), owner, now)

    async def take_part(self, job_id: int, owner: str, now: datetime, stale_before: datetime) -> Job | None:
        """Hold this one, unless somebody else does."""
        silent = and_(job.c.status == JobStatus.RUNNING.value, job.c.heartbeat_at < to_micros(stale_before))
        mine = and_(job.c.status == JobStatus.RUNNING.value, job.c.owner == owner)
        free = or_(job.c.status == JobStatus.QUEUED.value, silent, mine)
        return await self._hold(and_(job.c.id == job_id, free), owner, now)

    async def _hold(self, which: ColumnElement[bool], owner: str, now: datetime) -> Job | None:
        row = await self.connection.execute(
            update(job)
            .where(job.c.business_id == self.business_id, which)
            .values(
                status=JobStatus.RUNNING.value,
                phase="starting",
                owner=owner,
                started_at=func.coalesce(job.c.started_at, to_micros(now)),
                heartbeat_at=to_micros(now),
                attempts=job.c.attempts + 1,
            )
            .returning(job)
        )
        found = row.one_or_none()
        return None if found is None else to_job(found)

    async def beat(self, hold: Hold, now: datetime, phase: str, done: int, total: int | None) -> bool:
        """Say that the holder lives and how far it is; False where it must stop: the run is lost or cancelled."""
        row = await self.connection.execute(
            update(job)
            .where(*self._held(hold))
            .values(heartbeat_at=to_micros(now), phase=phase, done=done, total=total)
            .returning(job.c.cancel_requested)
        )
        found = row.one_or_none()
        return found is not None and not found.cancel_requested

    async def end(self, hold: Hold, outcome: Outcome, at: datetime) -> bool:
        """The end of a run by its holder; False where he does not hold it any more, and it stays as it is."""
        return await self._end(self._held(hold), outcome, at)

    async def give_back(self, hold: Hold) -> None:
        """Let a run wait for another worker, as if its holder had not begun it."""
        waiting = {"status": JobStatus.QUEUED.value, "phase": "queued", "owner": None, "attempts": hold.attempt - 1}
        await self.connection.execute(update(job).where(*self._held(hold)).values(**waiting))

    async def finish(self, job_id: int, outcome: Outcome, at: datetime) -> None:
        """The end of a run that is active, whoever holds it; an ended one stays as it is."""
        mine = (job.c.business_id == self.business_id, job.c.id == job_id, job.c.status.in_(ACTIVE))
        await self._end(mine, outcome, at)

    async def _end(self, which: Sequence[ColumnElement[bool]], outcome: Outcome, at: datetime) -> bool:
        succeeded = outcome.status is JobStatus.SUCCEEDED
        row = await self.connection.execute(
            update(job)
            .where(*which)
            .values(
                status=outcome.status.value,
                phase="finished",
                finished_at=to_micros(at),
                done=func.coalesce(job.c.total, job.c.done) if succeeded else job.c.done,
                error_code=outcome.error_code,
                error_message=outcome.error_message,
                evaluated=outcome.evaluated,
                entered=outcome.difference.entered,
                left_count=outcome.difference.left,
                snapshot_at=optional_micros(outcome.snapshot_at),
            )
        )
        return bool(row.rowcount)

    async def ask_to_cancel(self, job_id: int) -> None:
        """Whoever holds the run stops at the next heartbeat."""
        await self._set(job_id, cancel_requested=True)

    async def adopt(self, job_id: int, parent_id: int) -> None:
        """Make an active run a part of another."""
        await self._set(job_id, parent_id=parent_id)

    async def _set(self, job_id: int, **values: object) -> None:
        mine = (job.c.business_id == self.business_id, job.c.id == job_id, job.c.status.in_(ACTIVE))
        await self.connection.execute(update(job).where(*mine).values(**values))

    def _held(self, hold: Hold) -> tuple[ColumnElement[bool], ...]:
        return (
            job.c.business_id == self.business_id,
            job.c.id == hold.job_id,
            job.c.owner == hold.owner,
            job.c.attempts == hold.attempt,
            job.c.status == JobStatus.RUNNING.value,
        )

    def _listed(self, segment_id: int | None, parent_id: int | None) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [job.c.business_id == self.business_id]
        if segment_id is not None:
            conditions.append(job.c.segment_id == segment_id)
        if parent_id is not None:
            conditions.append(job.c.parent_id == parent_id)
        elif segment_id is None:
            conditions.append(job.c.parent_id.is_(None))
        return conditions

    async def _jobs(self, *conditions: ColumnElement[bool]) -> list[Job]:
        statement = select(job).where(job.c.business_id == self.business_id, *conditions).order_by(job.c.id)
        return [to_job(row) for row in await self.connection.execute(statement)]
