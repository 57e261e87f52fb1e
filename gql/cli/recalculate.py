"""Recalculation from the command line: runs are queued as everywhere and worked on here, with all that follows from
them, unless a server takes them first; either way the bar shows what the row says."""

from typing import TYPE_CHECKING, Annotated

import typer

from gql.cli.output import FormatOption, format_minute, name_zone, print_json
from gql.cli.session import BusinessOption, Session, command, make_app

if TYPE_CHECKING:
    from domain.segments.model import Segment

recalculate_app = make_app()


@recalculate_app.command()
@command
async def recalculate(
    session: Session,
    keys: Annotated[list[str] | None, typer.Argument(help="Keys of segments; all automatic ones if absent.")] = None,
    business: BusinessOption = None,
) -> None:
    """Recalculate segments. Example: segments recalculate big-spenders --business shop"""
    from gql.cli.actions.worker import Worker, find_automatic, report_end, start_run

    worker = Worker.of(session, await session.choose(business))
    # Looked up before anything is queued, so that a misspelt key starts nothing.
    segments: list[Segment | None] = [await find_automatic(worker, key) for key in keys or []]
    failed, newest = 0, await worker.find_newest()
    async with worker.work_in_background():
        for segment in segments or [None]:
            job = await start_run(worker, segment)
            name = "all segments" if segment is None else segment.key
            failed += report_end(name, await worker.follow(job, name))
        async for name, job in worker.follow_dependents(newest):
            failed += report_end(name, job)
    if failed:
        raise typer.Exit(1)


@recalculate_app.command()
@command
async def status(session: Session, business: BusinessOption = None, format: FormatOption = "table") -> None:
    """Show every segment with its size and its newest run. Example: segments status --business shop"""
    from gql.cli.actions.segment_texts import build_segment_document, find_planned, load_segments
    from gql.cli.actions.terminal import Fit, print_rows

    chosen = await session.choose(business)
    segments = await load_segments(session, chosen)
    ids = [segment.id for segment in segments]
    newest = await session.services.read(chosen, lambda unit: unit.jobs.find_newest(ids))
    if format == "json":
        print_json([build_segment_document(segment, newest.get(segment.id)) for segment in segments])
        return
    if not segments:
        typer.echo("There are no segments yet.")
        return
    rows = []
    for segment in segments:
        job = newest.get(segment.id)
        run = "" if job is None else job.status.value.lower()
        if job is not None and job.error_message is not None:
            run = f"{run}: {job.error_message}"
        instants = (segment.last_calculated, find_planned(segment))
        times = ["" if at is None else format_minute(at, chosen.time_zone) for at in instants]
        rows.append((segment.key, f"{segment.member_count:,}", *times, run))
    fits = (Fit.WHOLE, Fit.FIGURE, Fit.WHOLE, Fit.WHOLE, Fit.PROSE)
    print_rows(dict(zip(("key", "members", "calculated", "next run", "newest run"), fits, strict=True)), rows)
    name_zone(chosen.time_zone)
