"""Segments and the worker that calculates them, put together as the server does."""

from dataclasses import dataclass, replace

from domain.jobs.model import Job
from domain.jobs.progress import ProgressFeed
from domain.jobs.queue import requeue
from domain.jobs.worker import Worker
from domain.model import Actor, Business
from domain.pages import PageRequest
from domain.segments.handler import RecalculationHandler
from domain.segments.model import Definition, NewSegment, Segment, SegmentKind
from domain.segments.recalculation import Recalculations
from domain.segments.runner import Runner
from domain.store import MemberList
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import SetClock

ACTOR = Actor("tester")


@dataclass
class Working:
    """A worker named `owner` on one business."""

    store: SqlStore
    clock: SetClock
    business: Business
    feed: ProgressFeed
    runner: Runner
    handler: RecalculationHandler
    worker: Worker
    recalculations: Recalculations

    @classmethod
    def of(cls, database: Database, clock: SetClock, business: Business, owner: str = "worker") -> "Working":
        """A worker of its own on the store."""
        store, feed = SqlStore(database, clock), ProgressFeed(0.02)
        runner = Runner(store, clock, feed, owner)
        handler = RecalculationHandler(store, clock, feed, runner)
        worker = Worker(store, clock, feed, (handler,))
        return cls(store, clock, business, feed, runner, handler, worker, Recalculations(store, clock, feed))

    async def segment(self, key: str, rules: object, *, dynamic: bool = True, ranks: bool = False) -> Segment:
        """An automatic segment with these rules, not calculated yet."""
        return await self.define(key, Definition(rules=rules), dynamic=dynamic, ranks=ranks)

    async def define(self, key: str, definition: Definition, *, dynamic: bool = True, ranks: bool = False) -> Segment:
        """The same with any definition."""
        new = NewSegment(key, key.title(), None, SegmentKind.AUTOMATIC, dynamic, ranks, definition, None, "tester")
        async with self.store.write(self.business) as unit:
            return await unit.segments.add(new, unit.instant)

    async def by_hand(self, key: str) -> Segment:
        """A manual segment."""
        new = NewSegment(key, key.title(), None, SegmentKind.MANUAL, False, False, Definition(), None, "tester")
        async with self.store.write(self.business) as unit:
            return await unit.segments.add(new, unit.instant)

    async def redefine(self, segment: Segment, rules: object = None) -> Job:
        """As the service does when a definition is changed, to these rules where they are given; a run waits."""
        async with self.store.write(self.business) as unit:
            if rules is not None:
                held = (await unit.segments.find_by_ids([segment.id]))[segment.id]
                await unit.segments.change(replace(held, definition=Definition(rules=rules), defined_at=unit.instant))
            return await requeue(unit, segment.id, "tester")

    async def calculate(self, segment: Segment) -> Job:
        """Ask for a run and work on it."""
        job = await self.recalculations.start(self.business, segment.id, ACTOR)
        assert await self.runner.run_next(self.business)
        return await self.job(job.id)

    async def job(self, job_id: int) -> Job:
        """The run as its row says."""
        async with self.store.read(self.business) as unit:
            return (await unit.jobs.find_by_ids([job_id]))[job_id]

    async def again(self, segment: Segment) -> Segment:
        """The segment as its row says."""
        async with self.store.read(self.business) as unit:
            return (await unit.segments.find_by_ids([segment.id], deleted=True))[segment.id]

    async def members(self, segment: Segment) -> list[str]:
        """External ids of the members, and the count kept of them agrees."""
        async with self.store.read(self.business) as unit:
            held = (await unit.segments.find_by_ids([segment.id], deleted=True))[segment.id]
            page = await unit.members.load_page(MemberList(segment.id), PageRequest(250))
        assert held.member_count == len(page.items)
        return sorted(record.customer.external_id for record, _ in page.items)
