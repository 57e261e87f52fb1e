"""Works on runs. A run is held by a lease; it evaluates by ranges of customers without any lock, and what it
changes (memberships, snapshot, the segment, the run's result) is one short transaction, or nothing. Parts of a run
whose segments do not use each other are evaluated together, and written and ended as many at a time as are quick."""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate

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
from domain.rules.context import split_statements
from domain.rules.tree import Condition
from domain.segments.dependencies import SegmentDefinitions, read_definitions
from domain.segments.model import Segment, SegmentKind, Snapshot
from domain.store import MOST_TOGETHER, Evaluation, Store

BEAT_SECONDS = 1.0
"""Between two heartbeats, at most."""
BEATS = 20
"""While a run evaluates, a heartbeat is due after this part of the time that it took so far, so that a short run shows
progress, too, and a long one writes no more than one a second."""
QUICK_SECONDS, SLOW_SECONDS = 0.25, 0.75
"""What parts are written together in: where it was less, the next look at twice as many rows, where it was more, at
half."""
UNIT = 1_000
"""Rows that take about as long to look at as it takes to write a part that has none."""
YIELD_SECONDS = 0.1
"""How long, once between two heartbeats, a run that writes leaves the store to others."""
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
            await self._run_together(business, _Batch.of([job]))
            return
        try:
            await self._run_parts(business, job)
        except asyncio.CancelledError:
            await self._release(business, [job])
            raise

    async def _run_parts(self, business: Business, job: Job) -> None:
        self._notify(business, job)
        while True:
            async with self.store.read(business) as unit:
                parts = await unit.jobs.load_parts(job.id)
                definitions = read_definitions(await unit.segments.load_all(automatic=True))
            waiting = [part for part in parts if not part.status.final]
            done = len(parts) - len(waiting)
            if not await self._heartbeat(business, job, "recalculating", done, len(parts)):
                await self._end_if_cancelled(business, job)
                return
            if not waiting:
                break
            wanted = choose_together(definitions, waiting)
            async with self.store.open_heartbeats(business) as jobs:
                acquired = await jobs.acquire_parts([part.id for part in wanted], self.owner, self.clock())
            if acquired:
                await self._run_together(business, _Batch.of(acquired, job, done, len(parts)))
            else:
                # Somebody else works on them.
                await self.feed.wait_work(0.2)
        await self._finish(business, job, sum_outcomes(parts))

    async def _run_together(self, business: Business, batch: "_Batch") -> None:
        """Work on runs of one segment each to their ends. Where they cannot be evaluated together each is alone, so
        that one that fails fails alone."""
        for job in list(batch.jobs.values()):
            self._notify(business, job)
            if job.attempts > ATTEMPTS:
                sentence = f"The run was begun {ATTEMPTS} times and never came to an end."
                await self._end(business, batch, job, Outcome(JobStatus.FAILED, GAVE_UP, sentence))
        groups = [list(batch.jobs.values())]
        try:
            while groups:
                group = [job for job in groups.pop() if job.id in batch.jobs]
                try:
                    await self._recalculate_in_time(business, batch, group)
                except StoreUpgraded:
                    # Whoever knows the new tables finds that the lease has expired.
                    raise
                except Exception as error:
                    left = [job for job in group if job.id in batch.jobs]
                    if len(left) > 1 and not isinstance(error, Unavailable):
                        log.warning("runs of business %s are evaluated one by one: %s", business.id, error)
                        groups += [[job] for job in reversed(left)]
                    else:
                        for job in left:
                            await self._end(business, batch, job, self._describe_failure(business, job, error))
        except asyncio.CancelledError:
            await self._release(business, list(batch.jobs.values()))
            raise

    async def _recalculate_in_time(self, business: Business, batch: "_Batch", group: Sequence[Job]) -> None:
        """Recalculate what of these has not ended, again and again as long as the store is what keeps it."""
        for pause in (*plan_pauses(), None):
            try:
                while left := [job for job in group if job.id in batch.jobs]:
                    await self._recalculate(business, batch, left)
                return
            except Unavailable as error:
                if pause is None or not error.passes:
                    raise
                log.warning("runs %s of business %s wait: %s", [job.id for job in left], business.id, error)
                await self._rest(business, batch, pause)

    async def _recalculate(self, business: Business, batch: "_Batch", group: Sequence[Job]) -> None:
        """Evaluate and write. What has not ended then was not written, as settings changed in between."""
        async with self.store.evaluate(business) as evaluation:
            every = await evaluation.unit.segments.load_all()
            definitions, by_key = read_definitions(every), {segment.key: segment for segment in every}
            by_id = {segment.id: segment for segment in every}
            runs, trees = list[tuple[Job, Segment]](), dict[int, Condition]()
            for job in group:
                try:
                    segment, trees[segment.id] = find_rule(definitions, by_id.get(job.segment_id or 0), by_key)
                except DomainError as error:
                    await self._end(business, batch, job, self._describe_failure(business, job, error))
                else:
                    runs.append((job, segment))
            if not runs:
                return
            await evaluation.prepare(trees, by_key)
            async for done, population in evaluation.evaluate_everybody():
                await self._beat(business, batch, "evaluating", done, population, at_once=not done)
                if not batch.holds(runs):
                    return
            await self._beat(business, batch, "writing", population, population, at_once=True)
            matches = await evaluation.estimate_matches()
            sizes = {segment.id: 1 + (matches[segment.id] + segment.member_count) // UNIT for _, segment in runs}
            loop, most = asyncio.get_running_loop(), 1
            while runs := [(job, segment) for job, segment in runs if job.id in batch.jobs]:
                began, looked = loop.time(), [*accumulate(sizes[segment.id] for _, segment in runs)]
                count = max(1, bisect_right(looked, most))
                if not await self._write(business, batch, evaluation, runs[:count], definitions, population):
                    return
                runs, took, most = runs[count:], loop.time() - began, looked[count - 1]
                most = 2 * most if took < QUICK_SECONDS else most if took < SLOW_SECONDS else most // 2
                if await self._beat(business, batch, "writing", population, population):
                    # Other processes that wait for SQLite's lock ask for it ten times a second.
                    await asyncio.sleep(YIELD_SECONDS)

    async def _write(
        self,
        business: Business,
        batch: "_Batch",
        evaluation: Evaluation,
        runs: Sequence[tuple[Job, Segment]],
        definitions: SegmentDefinitions,
        population: int,
    ) -> bool:
        """Write what was found of these; False where settings changed in between, and nothing was written of some."""
        try:
            outcomes = await self._commit(evaluation, runs, definitions, population)
        except (StoreUpgraded, Unavailable):
            raise
        except Exception as error:
            if len(runs) > 1:
                # One by one, so that one that fails fails alone.
                for run in runs:
                    if not await self._write(business, batch, evaluation, [run], definitions, population):
                        return False
                return True
            ((job, _),) = runs
            if isinstance(error, RunStopped):
                await self._leave(business, batch, job)
            else:
                await self._end(business, batch, job, self._describe_failure(business, job, error))
            return True
        if outcomes is None:
            return False
        self.feed.notify_members_changed(business.id)
        for job, _ in runs:
            batch.remove(job)
            self._notify(business, job)
            self._tell_end(business, job, JobStatus.SUCCEEDED, outcomes[job.id].snapshot_at or self.clock())
        return True

    async def _commit(
        self,
        evaluation: Evaluation,
        runs: Sequence[tuple[Job, Segment]],
        definitions: SegmentDefinitions,
        population: int,
    ) -> Mapping[int, Outcome] | None:
        """All of these, whose outcomes come by their jobs, or nothing: RunStopped where one of them must stop, None
        where settings changed in between."""
        async with evaluation.write() as unit:
            now = await unit.segments.find_by_ids([segment.id for _, segment in runs])
            held = await unit.jobs.find_by_ids([job.id for job, _ in runs])
            if not all(is_wanted(job, segment, held.get(job.id), now.get(segment.id)) for job, segment in runs):
                raise RunStopped
            if unit.business.settings_version != evaluation.unit.business.settings_version:
                # Days, labels and scores are measured otherwise now.
                return None
            await evaluation.reevaluate_changed(unit)
            flags = {segment.id: evaluation.flags[segment.id] for _, segment in runs}
            by = {segment.id: f"job {job.id}" for job, segment in runs}
            changed = await unit.memberships.sync_evaluated(flags, unit.instant, by, of_all=True)
            outcomes = {
                job.id: Outcome(JobStatus.SUCCEEDED, None, None, population, changed[segment.id], unit.instant)
                for job, segment in runs
            }
            sizes = [(job.id, segment.id, changed[segment.id].member_count) for job, segment in runs]
            await unit.snapshots.add(*(Snapshot(key, unit.instant, size, by_job, None) for by_job, key, size in sizes))
            await unit.segments.mark_calculated(list(flags), unit.instant)
            ended = [(self._make_lease(job), outcomes[job.id]) for job, _ in runs]
            if not await unit.jobs.finish_all(ended, unit.instant):
                raise RunStopped
            for job, segment in runs:
                if changed[segment.id].entered or changed[segment.id].left:
                    # Within a run of many those come later anyway, but for one that somebody else ended before.
                    using = definitions.find_dependents(segment.key)
                    await queue_following(unit, using, f"segment {segment.key}", held[job.id].parent_id)
        return outcomes

    async def _rest(self, business: Business, batch: "_Batch", seconds: float) -> None:
        """Wait so long and keep the runs meanwhile, as far as the store can be told."""
        until = asyncio.get_running_loop().time() + seconds
        while batch.jobs and (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(left, BEAT_SECONDS))
            with suppress(Unavailable):
                await self._beat(business, batch, "waiting", 0, None, at_once=True)

    async def _beat(
        self, business: Business, batch: "_Batch", phase: str, done: int, total: int | None, *, at_once: bool = False
    ) -> bool:
        """A heartbeat of all runs of the batch, where one is due or it is to be given at once; whether it was given.
        Runs that are not held any more, or that somebody asked to cancel, are left."""
        if not batch.is_due(phase, at_once):
            return False
        async with self.store.open_heartbeats(business) as jobs:
            kept = await jobs.heartbeat_all(
                [self._make_lease(job) for job in batch.jobs.values()], self.clock(), phase, done, total
            )
            if batch.parent is not None:
                # Where that one is lost, the parts are still held: whoever has the other one waits for them.
                await jobs.heartbeat(
                    self._make_lease(batch.parent), self.clock(), "recalculating", batch.done, batch.parts
                )
        for job in (*batch.jobs.values(), *([] if batch.parent is None else [batch.parent])):
            self._notify(business, job)
        for job in list(batch.jobs.values()):
            if job.id not in kept:
                await self._leave(business, batch, job)
        return True

    async def _leave(self, business: Business, batch: "_Batch", job: Job) -> None:
        """Go on without a run that must stop."""
        batch.remove(job)
        await self._end_if_cancelled(business, job)

    async def _end(self, business: Business, batch: "_Batch", job: Job, outcome: Outcome) -> None:
        """Go on without a run that has failed."""
        batch.remove(job)
        await self._finish(business, job, outcome)

    def _describe_failure(self, business: Business, job: Job, error: Exception) -> Outcome:
        if isinstance(error, DomainError):
            return Outcome(JobStatus.FAILED, error.code, error.message)
        log.error("run %s of business %s failed", job.id, business.id, exc_info=error)
        message = f"The run failed inside the server. Its log says more about job {job.id}."
        return Outcome(JobStatus.FAILED, "INTERNAL", message)

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

    async def _release(self, business: Business, held: Sequence[Job]) -> None:
        """This worker ends: another one goes on with the runs at once. Where the store cannot be told in time, it does
        when it has heard nothing for as long as from a dead one."""
        leases = [self._make_lease(job) for job in held]
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                async with self.store.open_heartbeats(business, RELEASE_SECONDS) as jobs:
                    await jobs.release(*leases)
        except (DomainError, TimeoutError) as error:
            ids, why = [job.id for job in held], str(error) or "the store did not answer in time"
            log.warning("runs %s of business %s could not be released: %s", ids, business.id, why)

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


@dataclass(slots=True)
class _Batch:
    """Runs that are evaluated together, by their ids; those that have ended are taken out. As parts they belong to a
    run, of which `done` of `parts` have ended."""

    jobs: dict[int, Job]
    parent: Job | None
    done: int
    parts: int
    beaten_at: float = 0.0
    phase: str = ""
    phase_began_at: float = 0.0

    @classmethod
    def of(cls, jobs: Sequence[Job], parent: Job | None = None, done: int = 0, parts: int = 0) -> "_Batch":
        """These."""
        return cls({job.id: job for job in jobs}, parent, done, parts)

    def remove(self, job: Job) -> None:
        """It has ended, or is not held any more."""
        del self.jobs[job.id]
        self.done += 1

    def holds(self, runs: Sequence[tuple[Job, Segment]]) -> bool:
        """Whether any of these has not ended."""
        return any(job.id in self.jobs for job, _ in runs)

    def is_due(self, phase: str, at_once: bool) -> bool:
        """Whether a heartbeat is to be given now, which is then remembered."""
        now = asyncio.get_running_loop().time()
        if phase != self.phase:
            self.phase, self.phase_began_at = phase, now
        pause = BEAT_SECONDS
        if phase == "evaluating":
            pause = min(pause, (now - self.phase_began_at) / BEATS)
        if not at_once and now < self.beaten_at + pause:
            return False
        self.beaten_at = now
        return True


def choose_together(definitions: SegmentDefinitions, waiting: Sequence[Job]) -> list[Job]:
    """Which of the parts come next: those whose segments use none of the others', as many as one statement holds. What
    was begun before and never ended is alone, as it may be what ended its process."""
    # Not by their ids: a run that was queued before became a part as it was.
    places = {segment.id: place for place, segment in enumerate(definitions.segments)}
    ordered = sorted(waiting, key=lambda part: places.get(part.segment_id or 0, 0))
    keys = {segment.id: segment.key for segment in definitions.segments}
    waits = {keys[part.segment_id] for part in ordered if part.segment_id in keys}
    free = [part for part in ordered if waits.isdisjoint(definitions.list_used(keys.get(part.segment_id or 0, "")))]
    fresh = [part for part in free if not part.attempts]
    trees = {part.id: tree for part in fresh if (tree := definitions.trees.get(keys.get(part.segment_id or 0, "")))}
    first = next(split_statements(trees, MOST_TOGETHER), {})
    return [part for part in fresh if part.id in first or part.id not in trees] or free[:1]


def is_wanted(job: Job, segment: Segment, held: Job | None, now: Segment | None) -> bool:
    """Whether a run may write what it found: the segment is defined as it was, and the run, as its row is now, is still
    held and not to be cancelled."""
    if held is None or now is None or held.cancel_requested or now.defined_at != segment.defined_at:
        return False
    return held.status is JobStatus.RUNNING and held.attempts == job.attempts


def find_rule(
    definitions: SegmentDefinitions, segment: Segment | None, known: Collection[str]
) -> tuple[Segment, Condition]:
    """The segment with its rule; DomainError says why it cannot be calculated."""
    if segment is None or segment.kind is not SegmentKind.AUTOMATIC:
        raise DomainError("The segment was deleted.")
    tree = definitions.trees.get(segment.key)
    if tree is None:
        raise DomainError(definitions.broken[segment.key])
    absent = definitions.list_absent(segment.key, known)
    if absent:
        raise DomainError(f"There is no segment with the key {absent[0]}.")
    return segment, tree


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
