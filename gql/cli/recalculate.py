"""Recalculation from the command line: runs are queued as everywhere and worked on here, with all that follows from
them, unless a server takes them first; either way the bar shows what the row says."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from domain.errors import InvalidInput
from domain.jobs.model import Job, JobStatus
from domain.jobs.queue import AlreadyRunning
from domain.model import Business
from domain.segments.model import Segment, SegmentKind
from domain.store import Actor
from gql.cli.output import FormatOption, cell, check_format, minute, plain, print_json, print_table, stamp
from gql.cli.session import BusinessOption, Worker, said
from gql.composition import opened
from gql.settings import Settings

recalculate_app = typer.Typer()
ACTOR = Actor("command line")


@recalculate_app.command()
def recalculate(
    context: typer.Context,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of segments; all automatic ones if absent.")] = None,
    business: BusinessOption = None,
) -> None:
    """Recalculate segments. Example: segments recalculate big-spenders --business shop"""
    failed = asyncio.run(_recalculate(context.obj, business, keys or []))
    if failed:
        raise typer.Exit(1)


@recalculate_app.command()
def status(context: typer.Context, business: BusinessOption = None, format: FormatOption = "table") -> None:
    """Show every segment with its size and its newest run. Example: segments status --business shop"""
    check_format(format)
    asyncio.run(_status(context.obj, business, format))


async def _recalculate(settings: Settings, key: str | None, keys: Sequence[str]) -> int:
    database = opened(settings)
    try:
        worker = await Worker.of(database, key, settings.business)
        # Found before anything is queued, so that a misspelt key starts nothing.
        named: list[Segment | None] = [await _named(worker, name) for name in keys]
        failed, newest = 0, await worker.newest()
        async with worker.working():
            for segment in named or [None]:
                job = await _started(worker, segment)
                name = "all segments" if segment is None else segment.key
                failed += _told(name, await worker.shown(job, name))
            async for name, job in worker.followers(newest):
                failed += _told(name, job)
        return failed
    finally:
        await database.close()


async def _named(worker: Worker, key: str) -> Segment:
    segment = await worker.services.segments.by_key(worker.business, key)
    if segment is None:
        raise InvalidInput(f"There is no segment with the key {plain(key)}.")
    if segment.kind is not SegmentKind.AUTOMATIC:
        raise InvalidInput(f"The members of {plain(key)} are put in by hand.")
    return segment


async def _started(worker: Worker, segment: Segment | None) -> Job:
    """A run that is queued now, or the one that is active."""
    runs, business = worker.services.recalculations, worker.business
    try:
        if segment is None:
            return await runs.start_all(business, ACTOR)
        return await runs.start(business, segment.id, ACTOR)
    except AlreadyRunning as error:
        return error.job


def _told(name: str, job: Job) -> bool:
    """Say how a run ended; whether it did not succeed."""
    typer.echo(f"{name}: {said(job)}")
    return job.status is not JobStatus.SUCCEEDED


async def _status(settings: Settings, key: str | None, format: str) -> None:
    database = opened(settings)
    try:
        worker = await Worker.of(database, key, settings.business)
        every = await worker.segments()
        ids = [segment.id for segment in every]
        newest = await worker.services.recalculations.newest_of(worker.business, ids)
    finally:
        await database.close()
    if format == "json":
        print_json([_document(segment, newest.get(segment.id)) for segment in every])
        return
    if not every:
        typer.echo("There are no segments yet.")
        return
    table = Table("key", "members", "calculated", "next run", "newest run", box=None)
    for segment in every:
        job = newest.get(segment.id)
        run = "" if job is None else job.status.value.lower()
        if job is not None and job.error_message is not None:
            run = f"{run}: {job.error_message}"
        shown = ["" if at is None else minute(at) for at in (segment.last_calculated, _next(segment))]
        table.add_row(cell(segment.key), f"{segment.member_count:,}", *shown, cell(run))
    print_table(table, "newest run")


def _next(segment: Segment) -> datetime | None:
    # That of a manual one is for its nightly snapshot, which is no run.
    return segment.next_run_at if segment.kind is SegmentKind.AUTOMATIC else None


def _document(segment: Segment, job: Job | None) -> dict[str, object]:
    return {
        "key": segment.key,
        "kind": segment.kind.value,
        "member_count": segment.member_count,
        "last_calculated": stamp(segment.last_calculated),
        "next_run_at": stamp(_next(segment)),
        "newest_run": None if job is None else _run(job),
    }


def _run(job: Job) -> dict[str, object]:
    error = None if job.error_code is None else {"code": job.error_code, "message": job.error_message}
    instants = {"created_at": job.created_at, "started_at": job.started_at, "finished_at": job.finished_at}
    counts = {"evaluated": job.evaluated, "entered": job.entered, "left": job.left}
    return {"status": job.status.value, **{name: stamp(at) for name, at in instants.items()}, **counts, "error": error}


def follow_import(settings: Settings, business: Business, *, aside: bool = False) -> None:
    """Let memberships follow what was imported, where there are segments, and work on what that queues; `aside` keeps
    standard output for a document."""

    async def work() -> None:
        database = opened(settings)
        try:
            worker = await Worker.of(database, business.key, settings.business)
            newest = await worker.newest()
            before = {segment.id: segment.next_run_at for segment in await worker.segments()}
            count = await worker.recalculation.follow(worker.business)
            if not count:
                return
            typer.echo(f"Memberships followed of {count:,} customers.", err=aside)
            async with worker.working():
                async for name, job in worker.followers(newest):
                    typer.echo(f"{name}: {said(job)}", err=aside)
            for segment in await worker.segments():
                at, was = segment.next_run_at, before.get(segment.id)
                if at is not None and (was is None or at < was):
                    wait = f"waits until {minute(at)}, as it ranks customers"
                    by = f"a server calculates it then, or segments recalculate {segment.key} at any time"
                    typer.echo(f"{segment.key}: {wait}: {by}.", err=aside)
        finally:
            await database.close()

    asyncio.run(work())
