"""Works on runs. A run is held by a lease; it evaluates by ranges of customers without any lock, and what it
changes (memberships, snapshot, the segment, the run's result) is one short transaction, or nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from domain.calendar import Clock
from domain.errors import DomainError, StoreUpgraded, Unavailable
from domain.jobs.model import (
    ATTEMPTS,
    GAVE_UP,
    Difference,
    Job,
    JobKind,
    JobReason,
    JobStatus,
    Lease,
    Outcome,
    plan_pauses,
)
from domain.jobs.progress import ProgressFeed
from domain.jobs.queue import queue_following
from domain.model import Business
from domain.segments.dependencies import SegmentDefinitions, read_definitions
from domain.segments.model import Segment, SegmentKind, Snapshot
from domain.store import Evaluation, Store

RANGE = 10_000
"""Customer ids evaluated between two heartbeats."""
BEAT_SECONDS = 1.0
"""Between two heartbeats of a run that waits for the store."""
RELEASE_SECONDS = 2.0
"""How long a worker that is told to end tries to release what it works on."""
log = logging.getLogger("segments.runs")


Alarm = Callable[[Business, str, Job], Awaitable[None]]
"""Told of a scheduled run that failed: business, the segment's key, the run."""


async def notify_nobody(business: Business, segment: str, job: Job) -> None:
    """Nobody is told."""


class RunStopped(Exception):
    """The run is not this holder's any more, or somebody asked to cancel it."""


@dataclass(frozen=True, slots=True)
class Runner:
    """One worker; `owner` is its name among all workers of the store."""

    store: Store
    clock: Clock
    feed: ProgressFeed
    owner: str
    alarm: Alarm = notify_nobody

    async def run_next(self, business: Business) -> bool:
        """Work on the oldest run that waits; whether there was one."""
        async with self.store.open_heartbeats(business) as jobs:
            job = await jobs.acquire(JobKind.RECALCULATION, self.owner, self.clock())
        if job is None:
            return False
        await self.run(business, job)
        return True

    async def run(self, business: Business, job: Job) -> None:
        """Work on a run that this worker has acquired."""
        if job.segment_id is not None:
            await self._run_one(business, job)
            return
        try:
            await self._run_parts(business, job)
        except asyncio.CancelledError:
            await self._release(business, job)
            raise

    async def _run_parts(self, business: Business, job: Job) -> None:
        self._notify(business, job)
        async with self.store.read(business) as unit:
            ordered = read_definitions(await unit.segments.load_all(automatic=True)).segments
        places = {segment.id: place for place, segment in enumerate(ordered)}
        while True:
            async with self.store.read(business) as unit:
                parts = await unit.jobs.load_parts(job.id)
            # Not by their ids: a run that was queued before became a part as it was.
            waiting = sorted(
                (part for part in parts if not part.status.final), key=lambda part: places.get(part.segment_id or 0, 0)
            )
            done = len(parts) - len(waiting)
            if not await self._heartbeat(business, job, "recalculating", done, len(parts)):
                await self._end_if_cancelled(business, job)
                return
            if not waiting:
                break
            async with self.store.open_heartbeats(business) as jobs:
                part = await jobs.acquire_part(waiting[0].id, self.owner, self.clock())
            if part is None:
                # Somebody else works on it.
                await self.feed.wait_work(0.2)
            else:
                await self._run_one(business, part, job, done, len(parts))
        await self._finish(business, job, sum_outcomes(parts))

    async def _run_one(
        self, business: Business, job: Job, parent: Job | None = None, done: int = 0, parts: int = 0
    ) -> None:
        self._notify(business, job)
        if job.attempts > ATTEMPTS:
            sentence = f"The run was begun {ATTEMPTS} times and never came to an end."
            await self._finish(business, job, Outcome(JobStatus.FAILED, GAVE_UP, sentence))
            return
        try:
            for pause in (*plan_pauses(), None):
                try:
                    while not await self._recalculate(business, job, parent, done, parts):
                        pass
                    break
                except Unavailable as error:
                    if pause is None or not error.passes:
                        raise
                    log.warning("run %s of business %s waits: %s", job.id, business.id, error)
                    await self._rest(business, job, pause)
        except RunStopped:
            await self._end_if_cancelled(business, job)
        except asyncio.CancelledError:
            await self._release(business, job)
            raise
        except StoreUpgraded:
            # Whoever knows the new tables finds that the lease has expired.
            raise
        except DomainError as error:
            await self._finish(business, job, Outcome(JobStatus.FAILED, error.code, error.message))
        except Exception:
            log.exception("run %s of business %s failed", job.id, business.id)
            message = f"The run failed inside the server. Its log says more about job {job.id}."
            await self._finish(business, job, Outcome(JobStatus.FAILED, "INTERNAL", message))

    async def _recalculate(self, business: Business, job: Job, parent: Job | None, done: int, parts: int) -> bool:
        """Evaluate and write; False where settings changed in between, and nothing was written."""
        async with self.store.evaluate(business) as evaluation:
            every = await evaluation.unit.segments.load_all()
            definitions, by_key = read_definitions(every), {segment.key: segment for segment in every}
            segment = next((item for item in every if item.id == job.segment_id), None)
            if segment is None or segment.kind is not SegmentKind.AUTOMATIC:
                raise DomainError("The segment was deleted.")
            tree = definitions.trees.get(segment.key)
            if tree is None:
                raise DomainError(definitions.broken[segment.key])
            absent = definitions.list_absent(segment.key, by_key)
            if absent:
                raise DomainError(f"There is no segment with the key {absent[0]}.")
            await evaluation.prepare([tree])
            population, highest = await evaluation.measure_population()
            for low in range(1, highest + 1, RANGE):
                share = min(population, round(population * (low - 1) / max(highest, 1)))
                if not await self._heartbeat(business, job, "evaluating", share, population):
                    raise RunStopped
                if parent is not None:
                    # Where that one is lost, this part is still held: whoever has the other one waits for it.
                    await self._heartbeat(business, parent, "recalculating", done, parts)
                await evaluation.evaluate_range(tree, by_key, low, low + RANGE - 1)
            if not await self._heartbeat(business, job, "writing", population, population):
                raise RunStopped
            outcome = await self._commit(evaluation, job, segment, by_key, definitions, population)
        if outcome is None:
            return False
        self.feed.notify_members_changed(business.id)
        self._notify(business, job)
        self._tell_end(business, job, JobStatus.SUCCEEDED, outcome.snapshot_at or self.clock())
        return True

    async def _commit(
        self,
        evaluation: Evaluation,
        job: Job,
        segment: Segment,
        by_key: Mapping[str, Segment],
        definitions: SegmentDefinitions,
        population: int,
    ) -> Outcome | None:
        async with evaluation.write() as unit:
            now = (await unit.segments.find_by_ids([segment.id])).get(segment.id)
            held = (await unit.jobs.find_by_ids([job.id])).get(job.id)
            if now is None or now.defined_at != segment.defined_at or held is None or held.cancel_requested:
                raise RunStopped
            if held.status is not JobStatus.RUNNING or held.attempts != job.attempts:
                raise RunStopped
            if unit.business.settings_version != evaluation.unit.business.settings_version:
                # Days, labels and scores are measured otherwise now.
                return None
            await evaluation.reevaluate_changed(definitions.trees[segment.key], by_key)
            difference = await unit.memberships.sync_rule_members(segment.id, unit.instant, f"job {job.id}")
            await unit.snapshots.add(Snapshot(segment.id, unit.instant, difference.member_count, job.id, None))
            await unit.segments.change(replace(now, last_calculated=unit.instant))
            outcome = Outcome(JobStatus.SUCCEEDED, None, None, population, difference, unit.instant)
            if not await unit.jobs.finish(self._make_lease(job), outcome, unit.instant):
                raise RunStopped
            if difference.entered or difference.left:
                # Within a run of many those come later anyway, but for one that somebody else ended before.
                await queue_following(
                    unit, definitions.find_dependents(segment.key), f"segment {segment.key}", held.parent_id
                )
        return outcome

    async def _rest(self, business: Business, job: Job, seconds: float) -> None:
        """Wait so long and keep the run meanwhile, as far as the store can be told; RunStopped where it is lost."""
        until = asyncio.get_running_loop().time() + seconds
        while (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, BEAT_SECONDS))
            with suppress(Unavailable):
                if not await self._heartbeat(business, job, "waiting", 0, None):
                    raise RunStopped

    def _notify(self, business: Business, job: Job) -> None:
        """Let those who follow the run look at its row."""
        self.feed.notify_progress((business.id, job.kind, job.id))

    def _tell_end(self, business: Business, job: Job, status: JobStatus, at: datetime) -> None:
        self.feed.ended(business, job.kind, status, replace(job, finished_at=at).seconds)

    def _make_lease(self, job: Job) -> Lease:
        return Lease.of(job, self.owner)

    async def _heartbeat(self, business: Business, job: Job, phase: str, done: int, total: int | None) -> bool:
        async with self.store.open_heartbeats(business) as jobs:
            held = await jobs.heartbeat(self._make_lease(job), self.clock(), phase, done, total)
        self._notify(business, job)
        return held

    async def _release(self, business: Business, job: Job) -> None:
        """This worker ends: another one goes on with the run at once. Where the store cannot be told in time, it does
        when it has heard nothing for as long as from a dead one."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS), self.store.open_heartbeats(business) as jobs:
                await jobs.release(self._make_lease(job))
        except (DomainError, TimeoutError) as error:
            log.warning("run %s of business %s could not be released: %s", job.id, business.id, error)

    async def _end_if_cancelled(self, business: Business, job: Job) -> None:
        """A run that somebody asked to cancel ends; one that was ended, or taken up by somebody else, is left alone."""
        async with self.store.read(business) as unit:
            current = (await unit.jobs.find_by_ids([job.id])).get(job.id)
        if current is not None and current.cancel_requested:
            await self._finish(business, job, Outcome(JobStatus.CANCELLED, "CANCELLED", "It was cancelled."))

    async def _finish(self, business: Business, job: Job, outcome: Outcome) -> None:
        now = self.clock()
        async with self.store.open_heartbeats(business) as jobs:
            mine = await jobs.finish(self._make_lease(job), outcome, now)
            finished = (await jobs.find_by_ids([job.id])).get(job.id)
        self._notify(business, job)
        if mine:
            self._tell_end(business, job, outcome.status, now)
        if (
            mine
            and finished is not None
            and finished.status is JobStatus.FAILED
            and finished.reason is JobReason.SCHEDULE
            and finished.segment_id is not None
        ):
            async with self.store.read(business) as unit:
                segment = (await unit.segments.find_by_ids([finished.segment_id], deleted=True)).get(
                    finished.segment_id
                )
            await self.alarm(business, "" if segment is None else segment.key, finished)


def sum_outcomes(parts: list[Job]) -> Outcome:
    """How a run of many segments ended; its figures are sums."""
    good = [part for part in parts if part.status is JobStatus.SUCCEEDED]
    bad = len(parts) - len(good)
    difference = Difference(sum(part.entered for part in good), sum(part.left for part in good), 0)
    evaluated = sum(part.evaluated for part in good)
    if not bad:
        return Outcome(JobStatus.SUCCEEDED, None, None, evaluated, difference)
    message = f"{bad} of {len(parts)} segments could not be recalculated; {len(good)} could."
    return Outcome(JobStatus.FAILED, "PARTLY_FAILED", message, evaluated, difference)
