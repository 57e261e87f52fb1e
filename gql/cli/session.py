"""What a command works with: the store, which is opened when it is first asked for, the business that is meant, and a
worker for the runs that the command queues. Unless a server takes them first, each of these is shown to its end, and a
run that this process began is never left half done."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer
from rich.progress import TaskProgressColumn

from domain.errors import NotFound
from domain.jobs.model import Job, JobReason, JobStatus
from domain.jobs.progress import ProgressFeed
from domain.model import Actor, Business
from domain.pages import PageRequest
from domain.segments.handler import RecalculationHandler
from domain.segments.model import Segment
from domain.store import SegmentFilter, SegmentSort
from gql.cli.output import make_progress_bar
from gql.composition import OpenStore, Services, open_store
from gql.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
ACTOR = Actor("command line")
LOOK_SECONDS = 0.2
SIZE = 250
BusinessOption = Annotated[
    str | None,
    typer.Option("--business", help="Key of the business; the only one there is where absent, else SEGMENTS_BUSINESS."),
]


class Session:
    """One command at work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.feed = ProgressFeed(LOOK_SECONDS)
        self._store: OpenStore | None = None

    def __enter__(self) -> "Session":
        """Nothing is opened yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None:
            self._store.close()

    @property
    def store(self) -> OpenStore:
        """The store with the newest tables; InvalidInput where it cannot be had."""
        if self._store is None:
            self._store = open_store(self.settings)
        return self._store

    @cached_property
    def services(self) -> Services:
        """The services over it, which tell the session's feed what there is to work on."""
        return self.store.make_services(self.feed)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Await the work in an event loop of its own; no connection outlives it."""

        async def run_and_disconnect() -> T:
            try:
                return await work
            finally:
                if self._store is not None:
                    await self._store.disconnect()

        return asyncio.run(run_and_disconnect())

    async def choose(self, key: str | None) -> Business:
        """The business that is meant; InvalidInput lists the keys."""
        return await self.services.businesses.choose(key, self.settings.business)

    async def find_segment(self, business: Business, key: str) -> Segment:
        """The segment of that key; NotFound where there is none."""
        segment = await self.services.segments.find_by_key(business, key)
        if segment is None:
            raise NotFound(f"There is no segment with the key {key} in the business {business.key}.")
        return segment


def command(work: Callable[Concatenate[Session, P], Coroutine[Any, Any, T]]) -> Callable[..., T]:
    """The work as a command, whose session begins and ends with it."""

    def run(context: typer.Context, *args: P.args, **options: P.kwargs) -> T:
        with Session(context.obj) as session:
            return session.run(work(session, *args, **options))

    first, *own = inspect.signature(work).parameters.values()
    return present(run, work, [first.replace(name="context", annotation=typer.Context), *own])


def present(
    run: Callable[..., T], work: Callable[..., object], parameters: list[inspect.Parameter]
) -> Callable[..., T]:
    """`run` with the name and text of `work`, and with these parameters to whoever reads its signature."""
    run.__name__, run.__doc__ = work.__name__, work.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return run


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
            keys = {segment.id: segment.key for segment in await self.load_segments()}
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

    async def load_segments(self) -> list[Segment]:
        """All segments, by name."""
        segments: list[Segment] = []
        request = PageRequest(SIZE)
        while True:
            async with self.session.services.store.read(self.business) as unit:
                page = await unit.segments.load_page(request, SegmentFilter(), SegmentSort.NAME, False)
            segments += page.items
            if not page.has_next:
                return segments
            request = PageRequest(SIZE, after=page.positions[-1])


def describe_end(job: Job) -> str:
    """How a run ended, as a sentence."""
    if job.status is JobStatus.SUCCEEDED or job.error_code == "PARTLY_FAILED":
        figures = f"{job.evaluated:,} customers evaluated, {job.entered:,} entered, {job.left:,} left."
        return figures if job.error_message is None else f"{figures} {job.error_message}"
    return job.error_message or "It did not end well."
