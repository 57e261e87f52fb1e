"""A worker for the runs that a command queues. Unless a server takes them first, each of these is shown to its end, and
a run that this process began is never left half done."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import typer
from rich.progress import TaskProgressColumn

from domain.errors import AlreadyRunning, InvalidInput
from domain.jobs.model import Job, JobReason, JobStatus
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.handler import RecalculationHandler
from domain.segments.model import Segment, SegmentKind
from gql.cli.actions.bars import make_progress_bar
from gql.cli.actions.segment_texts import load_segments
from gql.cli.output import clean_line, format_minute
from gql.cli.session import ACTOR, LOOK_SECONDS, Session

SIZE = 250


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of this command on one business."""

    session: Session
    recalculation: RecalculationHandler
    business: Business

    @classmethod
    def of(cls, session: Session, business: Business) -> "Worker":
        """On the business, and on what the session's services queue."""
        return cls(session, session.store.make_recalculation(session.feed), business)

    @asynccontextmanager
    async def work_in_background(self) -> AsyncIterator[None]:
        """Work on what waits beside the body; what was begun is ended after it."""
        enough = asyncio.Event()
        task = asyncio.create_task(self._work(enough))
        try:
            yield
            enough.set()
            self.recalculation.feed.notify_work()
            await task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            if not await self.recalculation.runner.run_next(self.business):
                await self.recalculation.feed.wait_work(LOOK_SECONDS)

    async def find_newest(self) -> int:
        """The id of the newest run, 0 where there is none."""
        page = await self.session.services.read(self.business, lambda unit: unit.jobs.load_page(PageRequest(1)))
        return page.items[0].id if page.items else 0

    async def follow(self, job: Job, name: str) -> Job:
        """The run as it ended, with a bar on the terminal meanwhile."""
        with make_progress_bar(TaskProgressColumn()) as bar:
            task = bar.add_task(name, total=1.0)
            async for state in self.session.services.recalculations.follow(self.business, job.id):
                job = state
                bar.update(task, completed=job.fraction)
        return job

    async def follow_dependents(self, since: int) -> AsyncIterator[tuple[str, Job]]:
        """The runs by which segments followed after that run, with their segments' keys, each when it has ended."""
        ended: set[int] = set()
        while waiting := [job for job in await self._load_dependents(since) if job.id not in ended]:
            keys = {segment.id: segment.key for segment in await load_segments(self.session, self.business)}
            for job in waiting:
                key = keys.get(job.segment_id or 0, "a deleted segment")
                yield key, await self.follow(job, key)
                ended.add(job.id)

    async def report_dependents(self, since: int, *, aside: bool = False) -> None:
        """Work on the runs by which segments follow after that run, and say how each ended; `aside` on standard
        error."""
        async with self.work_in_background():
            async for name, job in self.follow_dependents(since):
                typer.echo(f"{name}: {describe_end(job)}", err=aside)

    async def _load_dependents(self, since: int) -> list[Job]:
        jobs: list[Job] = []
        request = PageRequest(SIZE)
        while True:
            async with self.session.services.store.read(self.business) as unit:
                page = await unit.jobs.load_page(request)
            jobs += [job for job in page.items if job.id > since and job.reason is JobReason.FOLLOW]
            if not page.has_next or page.items[-1].id <= since:
                return jobs[::-1]
            request = PageRequest(SIZE, after=page.positions[-1])


def describe_end(job: Job) -> str:
    """How a run ended, as a sentence."""
    if job.status is JobStatus.SUCCEEDED or job.error_code == "PARTLY_FAILED":
        figures = f"{job.evaluated:,} customers evaluated, {job.entered:,} entered, {job.left:,} left."
        return figures if job.error_message is None else f"{figures} {job.error_message}"
    return job.error_message or "It did not end well."


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


async def follow_import(session: Session, business: Business, *, aside: bool = False) -> None:
    """Let memberships follow what was imported, where there are segments, and work on what that queues; `aside` keeps
    standard output for a document."""
    worker = Worker.of(session, await session.choose(business.key))
    newest = await worker.find_newest()
    before = {segment.id: segment.next_run_at for segment in await load_segments(session, worker.business)}
    count = await worker.recalculation.follow(worker.business)
    if not count:
        return
    typer.echo(f"Memberships followed of {count:,} customers.", err=aside)
    await worker.report_dependents(newest, aside=aside)
    for segment in await load_segments(session, worker.business):
        at, was = segment.next_run_at, before.get(segment.id)
        if at is not None and (was is None or at < was):
            wait = f"waits until {format_minute(at, business.time_zone)} ({business.time_zone}), as it ranks customers"
            by = f"a server calculates it then, or segments recalculate {segment.key} at any time"
            typer.echo(f"{segment.key}: {wait}: {by}.", err=aside)
