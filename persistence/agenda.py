"""What there is to do: in one business, which its workers ask for all the time, and how much of it in the whole store.
Nothing here goes through work that has ended."""

from datetime import datetime

from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.calendar import from_micros, to_micros
from domain.jobs.model import JobKind, JobStatus, WorkSummary
from domain.store import Agenda
from persistence.database.transactions import translate_errors
from persistence.jobs import ACTIVE, is_waiting, read_report_plan
from persistence.tables.businesses import business
from persistence.tables.columns import to_optional_instant
from persistence.tables.customers import customer_metrics
from persistence.tables.imports import IS_HALF_UNDONE, purchase_import
from persistence.tables.jobs import job, label_state
from persistence.tables.segments import segment


async def load_agenda(engine: AsyncEngine, business_id: int, now: datetime) -> Agenda:
    """What there is to do in the business, in one statement."""
    newest = select(func.max(customer_metrics.c.changed_at)).where(customer_metrics.c.business_id == business_id)
    due = exists(
        select(segment.c.id).where(
            segment.c.business_id == business_id,
            segment.c.deleted_at.is_(None),
            segment.c.next_run_at <= to_micros(now),
        )
    )
    classify_at, reports = (
        select(column).where(label_state.c.business_id == business_id).scalar_subquery()
        for column in (label_state.c.due_at, label_state.c.reports)
    )
    undoing = exists(select(purchase_import.c.id).where(purchase_import.c.business_id == business_id, IS_HALF_UNDONE))
    waiting = [is_waiting(business_id, kind, now) for kind in JobKind]
    own = business.c
    statement = select(
        own.followed_at, own.matures_at, newest.scalar_subquery(), due, classify_at, reports, undoing, *waiting
    ).where(own.id == business_id)
    with translate_errors():
        async with engine.connect() as connection:
            found = (await connection.execute(statement)).one()
    followed, matures, changed, is_due, classify, planned, is_undoing, *kinds = found
    return Agenda(
        matures is not None and matures <= to_micros(now),
        changed is not None and changed > followed,
        bool(is_due),
        to_optional_instant(classify),
        frozenset(kind for kind, waits in zip(JobKind, kinds, strict=True) if waits),
        read_report_plan(planned),
        bool(is_undoing),
    )


async def summarise_work(engine: AsyncEngine, now: datetime) -> WorkSummary:
    """What there is of work in the whole store: two statements."""
    active = (
        select(job.c.kind, job.c.status, func.count(), func.min(job.c.created_at))
        .where(job.c.status.in_(ACTIVE))
        .group_by(job.c.kind, job.c.status)
    )
    names = ("created", "updated", "unchanged", "rejected")
    rows = select(*(func.coalesce(func.sum(purchase_import.c[name]), 0) for name in names))
    with translate_errors():
        async with engine.connect() as connection:
            found = {(kind, status): rest for kind, status, *rest in await connection.execute(active)}
            sums = (await connection.execute(rows)).one()

    def count(status: JobStatus) -> dict[JobKind, int]:
        return {kind: found.get((kind.value, status.value), (0, 0))[0] for kind in JobKind}

    since = {kind: found.get((kind.value, JobStatus.QUEUED.value), (0, to_micros(now)))[1] for kind in JobKind}
    oldest = {kind: max(0.0, (now - from_micros(at)).total_seconds()) for kind, at in since.items()}
    return WorkSummary(
        count(JobStatus.QUEUED), count(JobStatus.RUNNING), oldest, dict(zip(names, map(int, sums), strict=True))
    )
