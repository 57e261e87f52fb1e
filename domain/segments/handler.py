"""What the worker does of segments: memberships follow customers who changed, schedules come due, runs are worked on.
Each step is one short transaction, so whoever is told to end leaves the rest to the next."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from domain.calendar import Clock, find_next_run
from domain.customers.purchases import count_due
from domain.errors import Unavailable
from domain.jobs.model import JobKind, JobReason
from domain.jobs.progress import ProgressFeed
from domain.jobs.queue import queue
from domain.model import Business
from domain.segments.dependencies import read_definitions
from domain.segments.model import Segment, SegmentKind, Snapshot
from domain.segments.runner import Runner
from domain.store import Agenda, Store, Unit

PAGE = 2_000
"""Customers whose memberships follow in one transaction."""
WHOLE_EVERY = timedelta(minutes=10)
"""How often segments that rank, or that could not follow, are calculated because customers changed."""

TURN_SECONDS = 1.0
"""After so long runs that wait leave their turn to memberships that must follow, and to other businesses."""
log = logging.getLogger("segments.runs")


@dataclass(frozen=True, slots=True)
class RecalculationHandler:
    """One run at a time, and before those of a turn what the segments of the business must follow."""

    store: Store
    clock: Clock
    feed: ProgressFeed
    runner: Runner
    kind: JobKind = JobKind.RECALCULATION
    at_once: int = 1

    async def prepare(self, business: Business, agenda: Agenda) -> Agenda:
        """Purchases whose instant has passed count."""
        if not agenda.purchases_due:
            return agenda
        async with self.store.write(business) as unit:
            await count_due(unit, self.clock())
        return await self.store.load_agenda(business, self.clock())

    async def work(self, business: Business, agenda: Agenda) -> bool:
        """Do what there is to do now, and runs for TURN_SECONDS; whether there were any."""
        for is_there, step in ((agenda.changed, self.follow), (agenda.due, self.begin_due)):
            try:
                if is_there:
                    await step(business)
            except Unavailable:
                raise
            except Exception:
                # Runs that were asked for do not wait until that is mended.
                log.exception("%s of business %s failed", self.kind.value, business.id)
        loop, worked = asyncio.get_running_loop(), False
        until = loop.time() + TURN_SECONDS
        while await self.runner.run_next(business):
            worked = True
            if loop.time() >= until:
                break
        return worked

    async def follow(self, business: Business) -> int:
        """Let the dynamic memberships of the customers who changed follow; how many customers those were."""
        done = 0
        async with self.store.evaluate(business) as evaluation:
            every = await evaluation.unit.segments.load_all()
            definitions, by_key = read_definitions(every), {segment.key: segment for segment in every}
            mine = [item for item in definitions.segments if item.is_dynamic and item.key in definitions.trees]
            wanted = mine and business.settings.follow_purchases
            pages = await evaluation.load_changed_customers(PAGE) if wanted else []
            own = [
                item.key
                for item in mine
                if not definitions.ranks(item.key) and not definitions.list_absent(item.key, by_key)
            ]
            failed = set[str]()
            for number, customers in enumerate(pages):
                # All of them in one transaction. Where that fails each half has one, so that who fails fails alone.
                waiting = [[key for key in own if key not in failed]]
                while waiting:
                    keys = waiting.pop()
                    try:
                        async with evaluation.write() as unit:
                            if unit.business.settings_version != evaluation.unit.business.settings_version:
                                # What is measured otherwise now is evaluated the next time.
                                return done
                            still = await find_unchanged(unit, mine)
                            for trees in definitions.split_waves(still.keys() & keys):
                                await evaluation.prepare(trees, by_key)
                                await evaluation.evaluate_customers(customers)
                                by = dict.fromkeys(trees, "purchases")
                                await unit.memberships.sync_evaluated(evaluation.flags, unit.instant, by)
                            if number == len(pages) - 1 and not waiting:
                                await evaluation.mark_followed()
                                whole = [item for key, item in still.items() if key in failed or definitions.ranks(key)]
                                await self._queue_whole(unit, whole)
                    except Unavailable:
                        raise
                    except Exception as error:
                        if not keys:
                            raise
                        if len(keys) > 1:
                            half = len(keys) // 2
                            waiting += [keys[half:], keys[:half]]
                        else:
                            log.warning("segment %s of business %s does not follow: %s", keys[0], business.id, error)
                            failed.add(keys[0])
                            waiting = waiting or [[]]
                self.feed.notify_members_changed(business.id)
                done += len(customers)
            if not pages:
                async with evaluation.write():
                    await evaluation.mark_followed()
        return done

    async def _queue_whole(self, unit: Unit, segments: list[Segment]) -> None:
        """Segments that rank, or that could not follow, are calculated whole, at most so often; what comes too soon is
        scheduled."""
        keys = [item.id for item in segments]
        active, newest = await unit.jobs.find_active(keys), await unit.jobs.find_newest(keys)
        for segment in segments:
            last = newest.get(segment.id)
            if segment.id in active:
                continue
            soonest = unit.instant if last is None else last.created_at + WHOLE_EVERY
            if soonest <= unit.instant:
                await queue(unit, segment.id, JobReason.FOLLOW, "purchases")
            elif segment.next_run_at is None or segment.next_run_at > soonest:
                await unit.segments.change(replace(segment, next_run_at=soonest))

    async def begin_due(self, business: Business) -> None:
        """Queue a run of each segment whose time has come, after those that it uses; times that were missed come to
        one run."""
        async with self.store.write(business) as unit:
            every = await unit.segments.load_all()
            places = {item.id: place for place, item in enumerate(read_definitions(every).segments)}
            due = sorted((item for item in every if is_due(item, unit)), key=lambda item: places.get(item.id, 0))
            active = await unit.jobs.find_active([item.id for item in due])
            newest = await unit.snapshots.load_newest([item.id for item in due], 1)
            changed = await unit.memberships.find_last_changes([item.id for item in due])
            for segment in due:
                if segment.kind is SegmentKind.AUTOMATIC and segment.id not in active:
                    await queue(unit, segment.id, JobReason.SCHEDULE, "schedule")
                last = newest.get(segment.id)
                at = changed.get(segment.id)
                if segment.kind is SegmentKind.MANUAL and at is not None and (not last or last[0].at < at):
                    snapshot = Snapshot(segment.id, unit.instant, segment.member_count, None, "schedule")
                    await unit.snapshots.add(snapshot)
                then = find_next_run(segment.schedule, unit.instant, unit.business.time_zone)
                await unit.segments.change(replace(segment, next_run_at=then))


async def find_unchanged(unit: Unit, segments: Sequence[Segment]) -> Mapping[str, Segment]:
    """Those of the dynamic segments, by key and as they are now, that nobody has deleted, defined anew or made fixed:
    who was defined anew is calculated whole."""
    now = await unit.segments.find_by_ids([item.id for item in segments])
    there = [now[item.id] for item in segments if item.id in now and now[item.id].defined_at == item.defined_at]
    return {item.key: item for item in there if item.is_dynamic}


def is_due(segment: Segment, unit: Unit) -> bool:
    """Whether the segment's time has come."""
    return segment.next_run_at is not None and segment.next_run_at <= unit.instant
