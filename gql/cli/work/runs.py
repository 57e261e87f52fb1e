"""Runs of segments on the command line: what is queued, how it ended, and each segment with its newest run."""

from datetime import datetime

import typer

from domain.errors import AlreadyRunning, InvalidInput
from domain.jobs.model import Job, JobStatus
from domain.segments.model import Segment, SegmentKind
from gql.cli.output import clean_line, format_second
from gql.cli.session import ACTOR
from gql.cli.work.worker import Worker, describe_end


async def find_automatic(worker: Worker, key: str) -> Segment:
    segment = await worker.session.services.segments.find_by_key(worker.business, key)
    if segment is None:
        raise InvalidInput(f"There is no segment with the key {clean_line(key)}.")
    if segment.kind is not SegmentKind.AUTOMATIC:
        raise InvalidInput(f"The members of {clean_line(key)} are put in by hand.")
    return segment


async def start_run(worker: Worker, segment: Segment | None) -> Job:
    """A run that is queued now, or the one that is active."""
    runs, business = worker.session.services.recalculations, worker.business
    try:
        if segment is None:
            return await runs.start_all(business, ACTOR)
        return await runs.start(business, segment.id, ACTOR)
    except AlreadyRunning as error:
        active: Job = error.job
        return active


def report_end(name: str, job: Job) -> bool:
    """Say how a run ended; whether it did not succeed."""
    typer.echo(f"{name}: {describe_end(job)}")
    return job.status is not JobStatus.SUCCEEDED


def find_planned(segment: Segment) -> datetime | None:
    # That of a manual one is for its nightly snapshot, which is no run.
    return segment.next_run_at if segment.kind is SegmentKind.AUTOMATIC else None


def build_segment_document(segment: Segment, job: Job | None) -> dict[str, object]:
    return {
        "key": segment.key,
        "kind": segment.kind.value,
        "member_count": segment.member_count,
        "last_calculated": format_second(segment.last_calculated),
        "next_run_at": format_second(find_planned(segment)),
        "newest_run": None if job is None else build_run_document(job),
    }


def build_run_document(job: Job) -> dict[str, object]:
    error = None if job.error_code is None else {"code": job.error_code, "message": job.error_message}
    instants = {"created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at}
    counts = {"evaluated": job.evaluated, "entered": job.entered, "left": job.left}
    return {
        "status": job.status.value,
        **{name: format_second(at) for name, at in instants.items()},
        **counts,
        "error": error,
    }
