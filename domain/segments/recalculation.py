"""Recalculation: runs that make memberships agree with definitions. A run is a row of the store; asking for one only
queues it, and whoever holds it works on it (`domain.segments.runner`). Of a segment at most one run is active."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from domain.calendar import Clock
from domain.errors import AlreadyRunning, InvalidInput, NotCancellable, build_unknown_id
from domain.jobs.model import Difference, Job, JobKind, JobReason, NewJob
from domain.jobs.progress import Audience, ProgressFeed
from domain.jobs.queue import queue, stop
from domain.model import Actor, Business
from domain.segments.dependencies import read_definitions
from domain.segments.model import MembershipChange, Place, Segment, SegmentKind
from domain.store import Store

CHANGES = 500
"""Changes of memberships in one message."""


@dataclass(frozen=True, slots=True)
class Recalculations:
    """The runs of a business, as the services see them."""

    store: Store
    clock: Clock
    feed: ProgressFeed

    async def start(self, business: Business, segment_id: int, actor: Actor) -> Job:
        """Queue a run of an automatic segment; AlreadyRunning holds the one that is active."""
        async with self.store.write(business) as unit:
            segment = (await unit.segments.find_by_ids([segment_id])).get(segment_id)
            if segment is None:
                raise build_unknown_id("segment", "segment_id")
            if segment.kind is not SegmentKind.AUTOMATIC:
                field = ("segment_id",)
                raise InvalidInput("The members of this segment are put in by hand.", field, "SEGMENT_IS_MANUAL")
            active = (await unit.jobs.find_active([segment_id])).get(segment_id)
            if active is not None:
                raise AlreadyRunning(active, ("segment_id",))
            job = await queue(unit, segment_id, JobReason.REQUEST, actor.name)
            await unit.audit(
                actor, "recalculateSegment", ("Segment", segment.id), {"segment": segment.key, "job": job.id}
            )
            await unit.mark_done(actor, recalculation=("Recalculation", job.id))
        self.feed.notify_work()
        return job

    async def start_all(self, business: Business, actor: Actor) -> Job:
        """Queue one run with a part for every automatic segment, in the order in which they depend on each other."""
        async with self.store.write(business) as unit:
            active = await unit.jobs.find_active_parent()
            if active is not None:
                raise AlreadyRunning(active)
            job = await unit.jobs.add(
                NewJob(JobKind.RECALCULATION, JobReason.REQUEST, requested_by=actor.name), unit.instant
            )
            segments = read_definitions(await unit.segments.load_all(automatic=True)).segments
            running = await unit.jobs.find_active([segment.id for segment in segments])
            part = NewJob(JobKind.RECALCULATION, JobReason.PART, parent_id=job.id, requested_by=actor.name)
            new = [replace(part, segment_id=segment.id) for segment in segments if segment.id not in running]
            await unit.jobs.add_all(new, unit.instant)
            await unit.jobs.adopt([other.id for other in running.values()], job.id)
            await unit.audit(actor, "recalculateSegments", ("Recalculation", job.id), {"job": job.id})
            await unit.mark_done(actor, recalculation=("Recalculation", job.id))
        self.feed.notify_work()
        return job

    async def cancel(self, business: Business, job_id: int, actor: Actor) -> Job:
        """Stop a run: one that waits ends at once, one that is worked on at its next sign of life."""
        async with self.store.write(business) as unit:
            job = (await unit.jobs.find_by_ids([job_id])).get(job_id)
            if job is None:
                raise build_unknown_id("job", "id")
            if job.status.final:
                raise NotCancellable("The job has ended already.")
            parts = await unit.jobs.load_parts(job_id)
            for item in (job, *parts):
                await stop(unit, item)
            await unit.audit(actor, "cancelJob", ("Recalculation", job_id), {"job": job_id})
            await unit.mark_done(actor, job=("Recalculation", job_id))
            job = (await unit.jobs.find_by_ids([job_id]))[job_id]
        for item in (job, *parts):
            self.feed.notify_progress((business.id, JobKind.RECALCULATION, item.id))
        self.feed.notify_work()
        return job

    async def recalculate_customer(
        self, business: Business, customer_id: int, actor: Actor
    ) -> tuple[list[Segment], list[Segment]]:
        """Make the automatic memberships of one customer agree at once; the segments entered and left, as they are
        then."""
        entered: list[Segment] = []
        left: list[Segment] = []
        async with self.store.evaluate(business) as evaluation:
            if customer_id not in await evaluation.unit.customers.find_by_ids([customer_id]):
                raise build_unknown_id("customer", "customer_id")
            every = await evaluation.unit.segments.load_all()
            definitions = read_definitions(every)
            by_key = {segment.key: segment for segment in every}
            async with evaluation.write() as unit:
                now = {segment.id: segment.defined_at for segment in await unit.segments.load_all()}
                # Not what was deleted, or defined anew and is to be calculated whole.
                own = {
                    item.key
                    for item in definitions.segments
                    if item.key in definitions.trees
                    and not definitions.list_absent(item.key, by_key)
                    and now.get(item.id) == item.defined_at
                }
                changed: dict[int, Difference] = {}
                for trees in definitions.split_waves(own):
                    await evaluation.prepare(trees, by_key)
                    await evaluation.evaluate_customers([customer_id])
                    by = dict.fromkeys(trees, actor.name)
                    changed |= await unit.memberships.sync_evaluated(evaluation.flags, unit.instant, by)
                for segment in definitions.segments:
                    if segment.id in changed:
                        entered += [segment] * changed[segment.id].entered
                        left += [segment] * changed[segment.id].left
                await unit.audit(
                    actor,
                    "recalculateCustomer",
                    ("Customer", customer_id),
                    {"entered": [item.key for item in entered], "left": [item.key for item in left]},
                )
                await unit.mark_done(
                    actor,
                    customer=("Customer", customer_id),
                    entered=[("Segment", item.id) for item in entered],
                    left=[("Segment", item.id) for item in left],
                )
                segments = await unit.segments.find_by_ids([item.id for item in (*entered, *left)], deleted=True)
                written = {key: replace(item, seen_at=unit.instant) for key, item in segments.items()}
        self.feed.notify_members_changed(business.id)
        return [written[item.id] for item in entered], [written[item.id] for item in left]

    async def follow(self, business: Business, job_id: int, audience: Audience | None = None) -> AsyncIterator[Job]:
        """The run as it is, then every change, to its end, and again for whoever joins the audience; NotFound where
        there is no such run."""

        async def poll() -> Job | None:
            async with self.store.read(business) as unit:
                return (await unit.jobs.find_by_ids([job_id])).get(job_id)

        exists = False
        async for state in self.feed.follow((business.id, JobKind.RECALCULATION, job_id), poll, audience):
            exists = True
            yield state
        if not exists:
            raise build_unknown_id("job")

    async def follow_changes(
        self, business: Business, segment_id: int | None, after: Place | None
    ) -> AsyncIterator[tuple[list[MembershipChange], Place]]:
        """Committed changes of one segment, or of all, in commit order and each once, each portion with the place to go
        on after: from now on, or after a place. The first comes at once, though it be empty.

        Nothing is kept for the reader: each portion is read when the one before was taken.
        """
        place, is_first = after, True
        while True:
            # Before they are read, so that what is committed meanwhile ends the wait.
            wait_change = self.feed.expect_members_change(business.id)
            changes: list[MembershipChange] = []
            async with self.store.read(business) as unit:
                if place is None:
                    place = await unit.history.find_newest_place()
                else:
                    changes = await unit.history.load_changes_after(place, segment_id, CHANGES)
            if changes or is_first:
                is_first, place = False, Place.of(changes[-1]) if changes else place
                yield changes, place
            else:
                await wait_change()
