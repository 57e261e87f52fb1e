"""Recalculation from the command line: runs are queued as everywhere and worked on here, with all that follows from
them, unless a server takes them first; either way the bar shows what the row says."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from domain.errors import AlreadyRunning, InvalidInput
from domain.jobs.model import Job, JobStatus
from domain.model import Business
from domain.segments.model import Segment, SegmentKind
from gql.cli.output import FormatOption, clean_line, format_minute, format_second, make_cell, print_json, print_table
from gql.cli.session import ACTOR, BusinessOption, Session, Worker, command, describe_end

recalculate_app = typer.Typer()


@recalculate_app.command()
@command
async def recalculate(
    session: Session,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of segments; all automatic ones if absent.")] = None,
    business: BusinessOption = None,
) -> None:
    """Recalculate segments. Example: segments recalculate big-spenders --business shop"""
    worker = Worker.of(session, await session.choose(business))
    # Looked up before anything is queued, so that a misspelt key starts nothing.
    segments: list[Segment | None] = [await _find_automatic(worker, key) for key in keys or []]
    failed, newest = 0, await worker.find_newest()
    async with worker.work_in_background():
        for segment in segments or [None]:
            job = await _start(worker, segment)
            name = "all segments" if segment is None else segment.key
            failed += _report(name, await worker.follow(job, name))
        async for name, job in worker.follow_dependents(newest):
            failed += _report(name, job)
    if failed:
        raise typer.Exit(1)


@recalculate_app.command()
@command
async def status(session: Session, business: BusinessOption = None, format: FormatOption = "table") -> None:
    """Show every segment with its size and its newest run. Example: segments status --business shop"""
    worker = Worker.of(session, await session.choose(business))
    segments = await worker.load_segments()
    ids = [segment.id for segment in segments]
    newest = await session.services.read(worker.business, lambda unit: unit.jobs.find_newest(ids))
    if format == "json":
        print_json([_build_segment_document(segment, newest.get(segment.id)) for segment in segments])
        return
    if not segments:
        typer.echo("There are no segments yet.")
        return
    table = Table("key", "members", "calculated", "next run", "newest run", box=None)
    for segment in segments:
        job = newest.get(segment.id)
        run = "" if job is None else job.status.value.lower()
        if job is not None and job.error_message is not None:
            run = f"{run}: {job.error_message}"
        instants = [
            "" if at is None else format_minute(at) for at in (segment.last_calculated, _find_next_run(segment))
        ]
        table.add_row(make_cell(segment.key), f"{segment.member_count:,}", *instants, make_cell(run))
    print_table(table, "newest run")


async def _find_automatic(worker: Worker, key: str) -> Segment:
    segment = await worker.session.services.segments.find_by_key(worker.business, key)
    if segment is None:
        raise InvalidInput(f"There is no segment with the key {clean_line(key)}.")
    if segment.kind is not SegmentKind.AUTOMATIC:
        raise InvalidInput(f"The members of {clean_line(key)} are put in by hand.")
    return segment


async def _start(worker: Worker, segment: Segment | None) -> Job:
    """A run that is queued now, or the one that is active."""
    runs, business = worker.session.services.recalculations, worker.business
    try:
        if segment is None:
            return await runs.start_all(business, ACTOR)
        return await runs.start(business, segment.id, ACTOR)
    except AlreadyRunning as error:
        active: Job = error.job
        return active


def _report(name: str, job: Job) -> bool:
    """Say how a run ended; whether it did not succeed."""
    typer.echo(f"{name}: {describe_end(job)}")
    return job.status is not JobStatus.SUCCEEDED


def _find_next_run(segment: Segment) -> datetime | None:
    # That of a manual one is for its nightly snapshot, which is no run.
    return segment.next_run_at if segment.kind is SegmentKind.AUTOMATIC else None


def _build_segment_document(segment: Segment, job: Job | None) -> dict[str, object]:
    return {
        "key": segment.key,
        "kind": segment.kind.value,
        "member_count": segment.member_count,
        "last_calculated": format_second(segment.last_calculated),
        "next_run_at": format_second(_find_next_run(segment)),
        "newest_run": None if job is None else _build_run_document(job),
    }


def _build_run_document(job: Job) -> dict[str, object]:
    error = None if job.error_code is None else {"code": job.error_code, "message": job.error_message}
    instants = {"created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at}
    counts = {"evaluated": job.evaluated, "entered": job.entered, "left": job.left}
    return {
        "status": job.status.value,
        **{name: format_second(at) for name, at in instants.items()},
        **counts,
        "error": error,
    }


async def follow_import(session: Session, business: Business, *, aside: bool = False) -> None:
    """Let memberships follow what was imported, where there are segments, and work on what that queues; `aside` keeps
    standard output for a document."""
    worker = Worker.of(session, await session.choose(business.key))
    newest = await worker.find_newest()
    before = {segment.id: segment.next_run_at for segment in await worker.load_segments()}
    count = await worker.recalculation.follow(worker.business)
    if not count:
        return
    typer.echo(f"Memberships followed of {count:,} customers.", err=aside)
    await worker.report_dependents(newest, aside=aside)
    for segment in await worker.load_segments():
        at, was = segment.next_run_at, before.get(segment.id)
        if at is not None and (was is None or at < was):
            wait = f"waits until {format_minute(at)}, as it ranks customers"
            by = f"a server calculates it then, or segments recalculate {segment.key} at any time"
            typer.echo(f"{segment.key}: {wait}: {by}.", err=aside)
