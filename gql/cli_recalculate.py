"""Recalculation from the command line: runs are queued as everywhere and worked on here, unless a server takes them
first; either way the bar shows what the row says."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from domain.errors import InvalidInput
from domain.model import Business
from domain.pages import PageRequest
from domain.ports import Actor
from domain.recalculation import AlreadyRunning
from domain.run_board import RunBoard
from domain.segment_model import Job, JobStatus, Segment, SegmentKind
from domain.segment_ports import SegmentFilter, SegmentSort
from domain.upkeep import Upkeep
from gql.cli_opening import opened
from gql.cli_run import BusinessOption
from gql.cli_text import cell, plain
from gql.clock import system_clock
from gql.composition import make_services, make_upkeep
from gql.services import Services
from gql.settings import Settings

recalculate_app = typer.Typer()
ACTOR = Actor("command line")
LOOK_SECONDS = 0.2


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
def status(context: typer.Context, business: BusinessOption = None) -> None:
    """Show every segment with its size and its newest run. Example: segments status --business shop"""
    asyncio.run(_status(context.obj, business))


async def _recalculate(settings: Settings, key: str | None, keys: Sequence[str]) -> int:
    database, board = opened(settings), RunBoard(LOOK_SECONDS)
    try:
        services = make_services(database, system_clock, board)
        chosen = await services.businesses.choose(key, settings.business)
        upkeep = make_upkeep(database, system_clock, board)
        # Found before anything is queued, so that a misspelt key starts nothing.
        named: list[Segment | None] = [await _named(services, chosen, name) for name in keys]
        failed = 0
        for segment in named or [None]:
            failed += not await _worked(services, upkeep, chosen, segment)
        return failed
    finally:
        await database.close()


async def _named(services: Services, business: Business, key: str) -> Segment:
    segment = await services.segments.by_key(business, key)
    if segment is None:
        raise InvalidInput(f"There is no segment with the key {plain(key)}.")
    if segment.kind is not SegmentKind.AUTOMATIC:
        raise InvalidInput(f"The members of {plain(key)} are put in by hand.")
    return segment


async def _worked(services: Services, upkeep: Upkeep, business: Business, segment: Segment | None) -> bool:
    """Queue, work on and follow one run; whether it succeeded."""
    runs, name = services.recalculations, "all segments" if segment is None else segment.key
    try:
        started = runs.start_all(business, ACTOR) if segment is None else runs.start(business, segment.id, ACTOR)
        job = await started
    except AlreadyRunning as error:
        job = error.job
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    working = asyncio.create_task(_work(upkeep, business))
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(name, total=1.0)
            async for state in runs.follow(business, job.id):
                job = state
                bar.update(task, completed=job.fraction)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    typer.echo(f"{name}: {_said(job)}")
    return job.status is JobStatus.SUCCEEDED


async def _work(upkeep: Upkeep, business: Business) -> None:
    while True:
        if not await upkeep.runner.once(business):
            await upkeep.board.work(LOOK_SECONDS)


def _said(job: Job) -> str:
    if job.status is JobStatus.SUCCEEDED or job.error_code == "PARTLY_FAILED":
        figures = f"{job.evaluated:,} customers evaluated, {job.entered:,} entered, {job.left:,} left."
        return figures if job.error_message is None else f"{figures} {job.error_message}"
    return job.error_message or "It did not end well."


async def _status(settings: Settings, key: str | None) -> None:
    database = opened(settings)
    try:
        services = make_services(database, system_clock)
        chosen = await services.businesses.choose(key, settings.business)
        every = await _every(services, chosen)
        newest = await services.recalculations.newest_of(chosen, [segment.id for segment in every])
    finally:
        await database.close()
    table = Table("key", "members", "calculated", "next run", "newest run", box=None)
    for segment in every:
        job = newest.get(segment.id)
        run = "" if job is None else job.status.value.lower()
        if job is not None and job.error_message is not None:
            run = f"{run}: {job.error_message}"
        times = [segment.last_calculated, segment.next_run_at]
        shown = ["" if at is None else f"{at:%Y-%m-%d %H:%M}Z" for at in times]
        table.add_row(cell(segment.key), f"{segment.member_count:,}", *shown, cell(run))
    Console().print(table if every else "There are no segments yet.")


async def _every(services: Services, business: Business) -> list[Segment]:
    found: list[Segment] = []
    request = PageRequest(250)
    while True:
        page = await services.segments.page(business, request, SegmentFilter(), SegmentSort.NAME, False)
        found += page.items
        if not page.has_next:
            return found
        request = PageRequest(250, after=page.positions[-1])


def follow_import(settings: Settings, business: Business) -> None:
    """Let dynamic memberships follow what was imported, where there are segments."""

    async def work() -> int:
        database = opened(settings)
        try:
            return await make_upkeep(database, system_clock, RunBoard()).follow(business)
        finally:
            await database.close()

    count = asyncio.run(work())
    if count:
        typer.echo(f"Memberships followed of {count:,} customers.")
