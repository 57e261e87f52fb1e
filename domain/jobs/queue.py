"""Asking for recalculations and taking the request back, in the caller's transaction. Of a segment at most one run is
active, so what asks for another one ends the first or leaves it to do the work."""

from collections.abc import Sequence

from domain.jobs.model import Job, JobKind, JobReason, JobStatus, NewJob, Outcome
from domain.jobs.progress import Progress
from domain.segments.model import Segment
from domain.store import Unit


async def queue(unit: Unit, segment_id: int, reason: JobReason, requested_by: str | None) -> Job:
    """Queue a run of the segment in the caller's transaction; none of it is active."""
    return await unit.jobs.add(NewJob(JobKind.RECALCULATION, reason, segment_id, None, requested_by), unit.instant)


async def queue_following(unit: Unit, segments: Sequence[Segment], by: str, parent_id: int | None = None) -> None:
    """What these segments use changed, such as members of another one: the dynamic ones follow. A run of theirs that
    waits will see the change, and one that is worked on looks for it before it writes."""
    dynamic = [item.id for item in segments if item.is_dynamic]
    active = await unit.jobs.find_active(dynamic) if dynamic else {}
    new = [NewJob(JobKind.RECALCULATION, JobReason.FOLLOW, key, parent_id, by) for key in dynamic if key not in active]
    await unit.jobs.add_all(new, unit.instant)


async def stop(unit: Unit, job: Progress) -> None:
    """End work that waits, and ask whoever works on it to end."""
    if job.status is JobStatus.QUEUED:
        outcome = Outcome(JobStatus.CANCELLED, "CANCELLED", "It was cancelled.")
        await unit.jobs.terminate(job.kind, job.id, outcome, unit.instant)
    elif not job.status.final:
        await unit.jobs.ask_to_cancel(job.kind, job.id)


async def requeue(unit: Unit, segment_id: int, requested_by: str | None) -> Job:
    """A definition was made or changed: a run of the old one is of no use any more, and a new one is queued.

    Of a segment one run is active, so one that is worked on is ended here; its holder finds out at its next
    heartbeat and writes nothing.
    """
    active = (await unit.jobs.find_active([segment_id])).get(segment_id)
    if active is not None:
        outcome = Outcome(JobStatus.CANCELLED, "REDEFINED", "The segment was defined anew.")
        await unit.jobs.terminate(active.kind, active.id, outcome, unit.instant)
    return await queue(unit, segment_id, JobReason.DEFINITION, requested_by)
