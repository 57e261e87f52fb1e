"""What every command needs: the store opened and closed, the business that is meant.

Runs that a command works on itself, unless a server takes them first: each is shown to its end, and so are those
that they queue for segments which use theirs. A run that this process began is never left half done.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from domain.jobs.model import Job, JobReason, JobStatus
from domain.jobs.progress import ProgressFeed
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.handler import RecalculationHandler
from domain.segments.model import Segment
from domain.store import SegmentFilter, SegmentSort
from gql.composition import Services, make_recalculation, make_services, opened, system_clock
from gql.settings import Settings
from persistence.database.engines import Database

T = TypeVar("T")
BusinessOption = Annotated[
    str | None,
    typer.Option("--business", help="Key of the business; the only one there is where absent, else SEGMENTS_BUSINESS."),
]


def run(settings: Settings, work: Callable[[Services, Database], Coroutine[Any, Any, T]]) -> T:
    """Do the work with the services and close the store."""

    async def all_of_it() -> T:
        database = opened(settings)
        try:
            return await work(make_services(database, system_clock), database)
        finally:
            await database.close()

    return asyncio.run(all_of_it())


LOOK_SECONDS = 0.2
SIZE = 250


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of this command on one business."""

    services: Services
    recalculation: RecalculationHandler
    business: Business

    @classmethod
    async def of(cls, database: Database, key: str | None, default: str) -> "Worker":
        """On the business that is meant."""
        feed = ProgressFeed(LOOK_SECONDS)
        services = make_services(database, system_clock, feed)
        chosen = await services.businesses.choose(key, default)
        return cls(services, make_recalculation(database, system_clock, feed), chosen)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
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

    async def newest(self) -> int:
        """The id of the newest run, 0 where there is none."""
        page = await self.services.recalculations.page(self.business, PageRequest(1))
        return page.items[0].id if page.items else 0

    async def shown(self, job: Job, name: str) -> Job:
        """The run as it ended, with a bar on the terminal meanwhile."""
        console = Console(stderr=True, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(name, total=1.0)
            async for state in self.services.recalculations.follow(self.business, job.id):
                job = state
                bar.update(task, completed=job.fraction)
        return job

    async def followers(self, since: int) -> AsyncIterator[tuple[str, Job]]:
        """The runs by which segments followed after that run, with their segments' keys, each when it has ended."""
        ended: set[int] = set()
        while waiting := [job for job in await self._following(since) if job.id not in ended]:
            keys = {segment.id: segment.key for segment in await self.segments()}
            for job in waiting:
                key = keys.get(job.segment_id or 0, "a deleted segment")
                yield key, await self.shown(job, key)
                ended.add(job.id)

    async def _following(self, since: int) -> list[Job]:
        found: list[Job] = []
        request = PageRequest(SIZE)
        while True:
            page = await self.services.recalculations.page(self.business, request)
            found += [job for job in page.items if job.id > since and job.reason is JobReason.FOLLOW]
            if not page.has_next or page.items[-1].id <= since:
                return found[::-1]
            request = PageRequest(SIZE, after=page.positions[-1])

    async def segments(self) -> list[Segment]:
        """All segments, by name."""
        found: list[Segment] = []
        request = PageRequest(SIZE)
        while True:
            page = await self.services.segments.page(self.business, request, SegmentFilter(), SegmentSort.NAME, False)
            found += page.items
            if not page.has_next:
                return found
            request = PageRequest(SIZE, after=page.positions[-1])


def said(job: Job) -> str:
    """How a run ended, as a sentence."""
    if job.status is JobStatus.SUCCEEDED or job.error_code == "PARTLY_FAILED":
        figures = f"{job.evaluated:,} customers evaluated, {job.entered:,} entered, {job.left:,} left."
        return figures if job.error_message is None else f"{figures} {job.error_message}"
    return job.error_message or "It did not end well."
