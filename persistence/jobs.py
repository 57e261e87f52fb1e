"""The rows of background work and the one way to hold one: a lease is acquired, kept by heartbeats, and ends when the
work is finished or released. The row is the truth: its holder is whom it names, as long as the heartbeat is fresh. The
statements of a lease stand apart from the store, because imports execute them in threads."""

import json
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Update,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningUpdate

from domain.calendar import from_micros, to_micros
from domain.jobs.model import (
    LEASE_SECONDS,
    NO_REPORTS,
    Job,
    JobKind,
    JobReason,
    JobStatus,
    Lease,
    NewJob,
    Outcome,
    ReportPlan,
)
from domain.pages import Page, PageRequest, build_page
from persistence.database.lists import Columns, gather_lists
from persistence.tables.columns import to_optional_instant, to_optional_micros
from persistence.tables.jobs import JobRow, LabelStateRow, job, label_state

ADD_LABEL_STATE = "INSERT INTO label_state (business_id, owner) VALUES (:business, '') ON CONFLICT DO NOTHING"
ACTIVE = (JobStatus.QUEUED.value, JobStatus.RUNNING.value)


def to_job(row: JobRow) -> Job:
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
        to_optional_instant(row.started_at),
        to_optional_instant(row.finished_at),
        row.requested_by,
        bool(row.cancel_requested),
        row.attempts,
        row.error_code,
        row.error_message,
        row.evaluated,
        row.entered,
        row.left_count,
        to_optional_instant(row.snapshot_at),
    )


def is_free(now: datetime) -> ColumnElement[bool]:
    """Whether the work waits, or who held it has given no heartbeat for too long."""
    lease = timedelta(seconds=LEASE_SECONDS)
    # One that lies as far ahead is of before the clock was set back: nobody gave it, or will for as long as that was.
    fresh = job.c.heartbeat_at.between(to_micros(now - lease), to_micros(now + lease))
    expired = and_(job.c.heartbeat_at.is_not(None), ~fresh)
    return or_(job.c.status == JobStatus.QUEUED.value, and_(job.c.status == JobStatus.RUNNING.value, expired))


def is_among_active(business_id: int) -> ColumnElement[bool]:
    """Whether the id is that of any work that has not ended, of whatever kind. It leads SQLite to the index of those,
    which it takes where a statement has the words of its condition and a range; else it reads all that ever was."""
    active = job.alias("active")
    words: list[ColumnElement[str]] = [literal_column(f"'{status}'") for status in ACTIVE]
    mine = (active.c.business_id == business_id, active.c.id > 0, active.c.status.in_(words))
    return job.c.id.in_(select(active.c.id).where(*mine))


def is_waiting(business_id: int, kind: JobKind, now: datetime) -> ColumnElement[bool]:
    """Whether any work of the kind is free, but for parts."""
    own = (job.c.business_id == business_id, job.c.kind == kind.value, job.c.parent_id.is_(None))
    return exists(select(job.c.id).where(*own, is_free(now), is_among_active(business_id)))


def is_held(business_id: int, lease: Lease, *others: Lease) -> ColumnElement[bool]:
    """Whether the work is still held so; the others are of the same kind and owner."""
    return and_(
        job.c.business_id == business_id,
        job.c.kind == lease.kind.value,
        tuple_(job.c.id, job.c.attempts).in_([(each.job_id, each.attempt) for each in (lease, *others)]),
        job.c.owner == lease.owner,
        job.c.status == JobStatus.RUNNING.value,
    )


def build_row(business_id: int, job_id: int, new: NewJob, at: datetime) -> JobRow:
    """The row of work that waits."""
    return JobRow(
        business_id=business_id,
        id=job_id,
        kind=new.kind.value,
        reason=new.reason.value,
        parent_id=new.parent_id,
        segment_id=new.segment_id,
        status=JobStatus.QUEUED.value,
        phase="queued",
        created_at=to_micros(at),
        requested_by=new.requested_by,
    )


def build_heartbeat(
    business_id: int, lease: Lease, now: datetime, phase: str, done: int, total: int | None, *others: Lease
) -> Update:
    """The statement that keeps a lease, and others of the same kind and owner with it."""
    values = {"heartbeat_at": to_micros(now), "phase": phase, "done": done, "total": total}
    return update(JobRow).where(is_held(business_id, lease, *others)).values(**values)


def build_finish(which: ColumnElement[bool], outcome: Outcome, at: int, **values: object) -> Update:
    """The statement that ends work at an instant in microseconds; `values` stand instead of what the outcome says."""
    succeeded = outcome.status is JobStatus.SUCCEEDED
    ended = {
        "status": outcome.status.value,
        "phase": "finished",
        "finished_at": at,
        "done": func.coalesce(job.c.total, job.c.done) if succeeded else job.c.done,
        "error_code": outcome.error_code,
        "error_message": outcome.error_message,
        "evaluated": outcome.evaluated,
        "entered": outcome.difference.entered,
        "left_count": outcome.difference.left,
        "snapshot_at": to_optional_micros(outcome.snapshot_at),
    }
    return update(JobRow).where(which).values(**{**ended, **values})


def build_release(business_id: int, lease: Lease) -> Update:
    """The statement that lets work wait for another holder, as if this one had not begun it."""
    waiting = {"status": JobStatus.QUEUED.value, "phase": "queued", "owner": None, "attempts": lease.attempt - 1}
    return update(JobRow).where(is_held(business_id, lease)).values(**waiting)


def read_report_plan(stored: str | None) -> ReportPlan:
    """The plan that `_write_report_plan` wrote down; an empty one where there is none."""
    if stored is None:
        return NO_REPORTS
    document = json.loads(stored)
    due = {name: from_micros(at) for name, at in document["due"].items()}
    return ReportPlan(due, frozenset(document["waiting"]))


def _write_report_plan(plan: ReportPlan) -> str | None:
    """Always the same text for the same plan, so that it can be compared."""
    if plan == NO_REPORTS:
        return None
    due = {name: to_micros(at) for name, at in plan.due.items()}
    return json.dumps({"due": due, "waiting": sorted(plan.waiting)}, sort_keys=True)


class JobStore:
    """Recalculations, and the leases of work of every kind; in one session, of one business."""

    def __init__(self, session: AsyncSession, business_id: int) -> None:
        self.session = session
        self.business_id = business_id
        self._own = and_(job.c.business_id == business_id, job.c.kind == JobKind.RECALCULATION.value)

    async def add(self, new: NewJob, at: datetime, job_id: int | None = None) -> Job:
        """Queue work; the caller holds the write transaction and knows that none of a segment is active. Without an id
        it gets the next one of its kind."""
        if job_id is None:
            (added,) = await self.add_all([new], at)
            return added
        row = build_row(self.business_id, job_id, new, at)
        self.session.add(row)
        await self.session.flush()
        return to_job(row)

    async def add_all(self, new: Sequence[NewJob], at: datetime) -> list[Job]:
        """The same of work of one kind, numbered in its order."""
        if not new:
            return []
        of_kind = (job.c.business_id == self.business_id, job.c.kind == new[0].kind.value)
        last = await self.session.scalar(select(func.max(job.c.id)).where(*of_kind)) or 0
        rows = [build_row(self.business_id, last + number, each, at) for number, each in enumerate(new, 1)]
        self.session.add_all(rows)
        await self.session.flush()
        return [to_job(row) for row in rows]

    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, Job]:
        """Those that exist."""
        return {run.id: run for run in await self._load_runs(job.c.id.in_(ids))}

    async def find_active(self, segments: Sequence[int]) -> Mapping[int, Job]:
        """The active run of each segment that has one."""
        runs = await self._load_active(job.c.segment_id.in_(segments))
        return {run.segment_id: run for run in runs if run.segment_id is not None}

    async def find_active_parent(self) -> Job | None:
        """The active run of all segments, if there is one."""
        runs = await self._load_active(job.c.segment_id.is_(None), job.c.parent_id.is_(None))
        return runs[0] if runs else None

    async def find_newest(self, segments: Sequence[int]) -> Mapping[int, Job]:
        """The newest run of each segment that had one."""

        def select_newest(_form: None, columns: Columns) -> list[Select[Any]]:
            # Only recalculations are of a segment; said with their kind all might be read by their ids.
            mine = select(job).where(job.c.business_id == self.business_id, job.c.segment_id == columns[0])
            return [mine.order_by(job.c.id.desc()).limit(1)]

        found = await gather_lists(await self.session.connection(), [(None, (key,)) for key in segments], select_newest)
        return {key: to_job(row) for key, rows in zip(segments, found, strict=True) for row in rows}

    async def load_parts(self, parent_id: int) -> list[Job]:
        """The runs that a run of many segments consists of, in their order."""
        return await self._load_runs(job.c.parent_id == parent_id)

    async def load_page(
        self, request: PageRequest, *, segment_id: int | None = None, parent_id: int | None = None
    ) -> Page[Job]:
        """Runs, newest first; of one segment, or the parts of one run in their order."""
        forward = (parent_id is not None) != request.backward
        conditions = self._build_conditions(segment_id, parent_id)
        for position, after in ((request.after, True), (request.before, False)):
            if position is not None:
                rising = after == (parent_id is not None)
                conditions.append(job.c.id > position[1] if rising else job.c.id < position[1])
        statement = (
            select(JobRow).where(*conditions).order_by(job.c.id if forward else job.c.id.desc()).limit(request.size + 1)
        )
        rows = (await self.session.scalars(statement)).all()
        return build_page(rows, request, lambda row: (row.id, row.id)).map(to_job)

    async def count(self, *, segment_id: int | None = None, parent_id: int | None = None) -> int:
        """How many runs there are."""
        statement = select(func.count()).select_from(job).where(*self._build_conditions(segment_id, parent_id))
        return await self.session.scalar(statement) or 0

    async def acquire(self, kind: JobKind, owner: str, now: datetime, job_id: int | None = None) -> Job | None:
        """Hold the oldest work of the kind that is free, or this one; parts are left to the run they belong to."""
        free = [
            job.c.business_id == self.business_id,
            job.c.kind == kind.value,
            job.c.parent_id.is_(None),
            is_free(now),
            is_among_active(self.business_id),
        ]
        if job_id is not None:
            free.append(job.c.id == job_id)
        # SQLite, where only one transaction writes, leaves the lock out.
        oldest = select(job.c.id).where(*free).order_by(job.c.id).limit(1).with_for_update(skip_locked=True)
        row = await self.session.scalar(self._acquire(kind, job.c.id == oldest.scalar_subquery(), owner, now))
        return None if row is None else to_job(row)

    async def acquire_parts(self, ids: Sequence[int], owner: str, now: datetime) -> list[Job]:
        """Hold those of these parts of a run that nobody else does, in their order: who took the run up again may still
        hold its parts."""
        mine = and_(job.c.status == JobStatus.RUNNING.value, job.c.owner == owner)
        statement = self._acquire(JobKind.RECALCULATION, and_(job.c.id.in_(ids), or_(is_free(now), mine)), owner, now)
        held = {row.id: to_job(row) for row in await self.session.scalars(statement)}
        return [held[key] for key in ids if key in held]

    def _acquire(self, kind: JobKind, which: ColumnElement[bool], owner: str, now: datetime) -> ReturningUpdate[Any]:
        statement = (
            update(JobRow)
            .where(job.c.business_id == self.business_id, job.c.kind == kind.value, which)
            .values(
                status=JobStatus.RUNNING.value,
                phase="starting",
                owner=owner,
                started_at=func.coalesce(job.c.started_at, to_micros(now)),
                heartbeat_at=to_micros(now),
                attempts=job.c.attempts + 1,
            )
        )
        return statement.returning(JobRow)

    async def heartbeat(self, lease: Lease, now: datetime, phase: str, done: int, total: int | None) -> bool:
        """Keep the lease and say how far the work is; False where its holder must stop: it is lost or cancelled."""
        return bool(await self.heartbeat_all([lease], now, phase, done, total))

    async def heartbeat_all(
        self, leases: Sequence[Lease], now: datetime, phase: str, done: int, total: int | None
    ) -> set[int]:
        """The same of several, of one kind and owner; the ids of what may go on."""
        if not leases:
            return set()
        statement = build_heartbeat(self.business_id, leases[0], now, phase, done, total, *leases[1:])
        rows = await self.session.execute(statement.returning(job.c.id, job.c.cancel_requested))
        return {key for key, cancelled in rows if not cancelled}

    async def finish(self, lease: Lease, outcome: Outcome, at: datetime) -> bool:
        """The end of work by its holder; False where he does not hold it any more, and it stays as it is."""
        statement = build_finish(is_held(self.business_id, lease), outcome, to_micros(at))
        return await self.session.scalar(statement.returning(job.c.id)) is not None

    async def finish_all(self, ended: Sequence[tuple[Lease, Outcome]], at: datetime) -> bool:
        """The same of work of one kind and owner, of which only how many entered and left differs; False where some of
        it is not held any more."""
        lease, outcome = ended[0]
        held = and_(
            job.c.business_id == self.business_id,
            job.c.kind == lease.kind.value,
            job.c.id == bindparam("held_id"),
            job.c.attempts == bindparam("held_attempt"),
            job.c.owner == lease.owner,
            job.c.status == JobStatus.RUNNING.value,
        )
        figures: dict[str, object] = {"entered": bindparam("figure_entered"), "left_count": bindparam("figure_left")}
        rows = [
            {
                "held_id": each.job_id,
                "held_attempt": each.attempt,
                "figure_entered": how.difference.entered,
                "figure_left": how.difference.left,
            }
            for each, how in ended
        ]
        connection = await self.session.connection()
        finished = await connection.execute(build_finish(held, outcome, to_micros(at), **figures), rows)
        return int(finished.rowcount) == len(ended)

    async def release(self, *leases: Lease) -> None:
        """Let work wait for another worker, as if its holder had not begun it."""
        for lease in leases:
            await self.session.execute(build_release(self.business_id, lease))

    async def plan_classification(self, due: datetime | None, then: datetime | None, now: datetime) -> bool:
        """Move on when the classification is due, and queue one where that has come; False where somebody else has
        moved it, or nothing was queued. At most one waits or is worked on, and none of those before it is kept."""
        await self.session.execute(text(ADD_LABEL_STATE), {"business": self.business_id})
        still = label_state.c.due_at.is_not_distinct_from(to_optional_micros(due))
        statement = update(LabelStateRow).where(label_state.c.business_id == self.business_id, still)
        moved = statement.values(due_at=to_optional_micros(then)).returning(label_state.c.business_id)
        if await self.session.scalar(moved) is None or due is None or then is None or due > now:
            return False
        mine = (job.c.business_id == self.business_id, job.c.kind == JobKind.CLASSIFICATION.value)
        await self.session.execute(delete(job).where(*mine, job.c.status.not_in(ACTIVE)))
        if await self.session.scalar(select(job.c.id).where(*mine)) is None:
            await self.add(NewJob(JobKind.CLASSIFICATION, JobReason.SCHEDULE, requested_by="schedule"), now)
        return True

    async def plan_reports(self, before: ReportPlan, after: ReportPlan, now: datetime) -> bool:
        """Replace what is planned of scheduled reports and queue their writing where any wait; False where somebody
        else has replaced it, or nothing was queued. None that has ended is kept."""
        await self.session.execute(text(ADD_LABEL_STATE), {"business": self.business_id})
        own = label_state.c.business_id == self.business_id
        still = label_state.c.reports.is_not_distinct_from(_write_report_plan(before))
        moved = update(LabelStateRow).where(own, still).values(reports=_write_report_plan(after))
        if await self.session.scalar(moved.returning(label_state.c.business_id)) is None or not after.waiting:
            return False
        mine = (job.c.business_id == self.business_id, job.c.kind == JobKind.REPORT.value)
        await self.session.execute(delete(job).where(*mine, job.c.status.not_in(ACTIVE)))
        if await self.session.scalar(select(job.c.id).where(*mine)) is not None:
            return False
        await self.add(NewJob(JobKind.REPORT, JobReason.SCHEDULE, requested_by="schedule"), now)
        return True

    async def finish_reports(self, lease: Lease, outcome: Outcome, done: AbstractSet[str], at: datetime) -> bool:
        """The end of their writing by its holder, these being done with; what became due meanwhile is queued anew.
        False where he does not hold it any more."""
        if not await self.finish(lease, outcome, at):
            return False
        own = label_state.c.business_id == self.business_id
        before = read_report_plan(await self.session.scalar(select(label_state.c.reports).where(own).with_for_update()))
        await self.plan_reports(before, ReportPlan(before.due, before.waiting - done), at)
        return True

    async def keep_waiting(self, kind: JobKind, ids: Sequence[int], now: datetime) -> None:
        """Say that these, which wait or whose lease has expired, can be done by somebody; they wait for him."""
        waiting = {"status": JobStatus.QUEUED.value, "phase": "queued", "owner": None, "heartbeat_at": to_micros(now)}
        own = (job.c.business_id == self.business_id, job.c.kind == kind.value, job.c.id.in_(ids))
        await self.session.execute(update(job).where(*own, is_free(now)).values(**waiting))

    async def terminate(self, kind: JobKind, job_id: int, outcome: Outcome, at: datetime) -> None:
        """The end of work that is active, whoever holds it; what has ended stays as it is."""
        await self.session.execute(build_finish(self._is_active(kind, job_id), outcome, to_micros(at)))

    async def ask_to_cancel(self, kind: JobKind, job_id: int) -> None:
        """Whoever holds the work stops at the next heartbeat."""
        await self.session.execute(update(JobRow).where(self._is_active(kind, job_id)).values(cancel_requested=True))

    async def adopt(self, ids: Sequence[int], parent_id: int) -> None:
        """Make active runs parts of another."""
        active = (self._own, job.c.id.in_(ids), job.c.status.in_(ACTIVE))
        await self.session.execute(update(JobRow).where(*active).values(parent_id=parent_id))

    def _is_active(self, kind: JobKind, job_id: int) -> ColumnElement[bool]:
        own = (job.c.business_id == self.business_id, job.c.kind == kind.value, job.c.id == job_id)
        return and_(*own, job.c.status.in_(ACTIVE))

    def _build_conditions(self, segment_id: int | None, parent_id: int | None) -> list[ColumnElement[bool]]:
        conditions = [self._own]
        if segment_id is not None:
            conditions.append(job.c.segment_id == segment_id)
        if parent_id is not None:
            conditions.append(job.c.parent_id == parent_id)
        elif segment_id is None:
            conditions.append(job.c.parent_id.is_(None))
        return conditions

    async def _load_active(self, *conditions: ColumnElement[bool]) -> list[Job]:
        return await self._load_runs(*conditions, job.c.status.in_(ACTIVE), is_among_active(self.business_id))

    async def _load_runs(self, *conditions: ColumnElement[bool]) -> list[Job]:
        statement = select(JobRow).where(self._own, *conditions).order_by(job.c.id)
        return [to_job(row) for row in await self.session.scalars(statement)]
