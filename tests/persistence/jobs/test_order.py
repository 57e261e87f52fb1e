"""Segments that use other segments, whatever order their runs come in: queued before, worked on by somebody else at the
same time, or begun by a change by hand. In the end their members are those of the segments that they use."""

from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import text

from domain.jobs.model import Job, JobReason, JobStatus
from domain.model import NewCustomer
from domain.segments.model import Segment
from gql.composition import Services
from persistence.database.engines import Database
from persistence.segments.memberships import MANY
from tests.conftest import SetClock
from tests.drivers.interrupted import WRITING, make_interrupted
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import another, over, uses

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000, "C3": 3000}


async def two(working: Working) -> tuple[Segment, Segment]:
    """A segment of C2 and C3, and one that uses it; both are calculated. Of the names the user's comes first."""
    base, user = await working.segment("z-base", over(10)), await working.segment("a-user", uses("z-base"))
    await working.calculate(base)
    await drained(working)
    assert await working.members(base) == await working.members(user) == ["C2", "C3"]
    return base, user


async def drained(working: Working) -> None:
    """Work until nothing waits."""
    while await working.worker.run_once(working.business):
        pass


async def parts(working: Working, job: Job) -> list[Job]:
    """The parts of a run, in the order in which they ended."""
    async with working.store.read(working.business) as unit:
        found = await unit.jobs.load_parts(job.id)
    return sorted(found, key=lambda part: (part.finished_at is None, part.finished_at))


async def test_parts_run_after_those_they_use_also_where_a_run_was_queued_before(working: Working) -> None:
    base, user = await two(working)
    await working.recalculations.start(working.business, user.id, ACTOR)
    await working.redefine(base, over(25))

    job = await working.recalculations.start_all(working.business, ACTOR)
    await working.runner.run_next(working.business)

    assert (await working.job(job.id)).status is JobStatus.SUCCEEDED
    assert [part.segment_id for part in await parts(working, job)] == [base.id, user.id]
    assert await working.members(base) == await working.members(user) == ["C3"]


async def test_a_part_that_somebody_else_ended_too_early_runs_once_more_within_the_run(working: Working) -> None:
    base, user = await two(working)
    await working.redefine(base, over(25))
    asked = await working.recalculations.start(working.business, user.id, ACTOR)
    other = another(working)
    async with working.store.open_heartbeats(working.business) as jobs:
        (held,) = await jobs.acquire_parts([asked.id], "other", working.clock.now)
    job = await working.recalculations.start_all(working.business, ACTOR)

    await other.runner.run(working.business, held)
    await working.runner.run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.left) == (JobStatus.SUCCEEDED, 2)
    assert [part.segment_id for part in await parts(working, job)] == [user.id, base.id, user.id]
    assert await working.members(base) == await working.members(user) == ["C3"]


async def test_what_is_used_may_change_while_a_run_evaluates(working: Working) -> None:
    base, user = await two(working)
    other = another(working)

    async def meanwhile() -> None:
        await working.redefine(base, over(1))
        await drained(other)
        assert await working.members(base) == ["C1", "C2", "C3"]

    await working.recalculations.start(working.business, user.id, ACTOR)
    await make_interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)
    await drained(working)

    assert await working.members(user) == ["C1", "C2", "C3"]


async def test_who_leaves_what_is_used_while_a_run_evaluates_leaves_too(working: Working) -> None:
    base, user = await two(working)
    other = another(working)

    async def meanwhile() -> None:
        await working.redefine(base, over(25))
        await drained(other)

    job = await working.recalculations.start(working.business, user.id, ACTOR)
    await make_interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    assert (await working.job(job.id)).left == 1
    assert await working.members(base) == await working.members(user) == ["C3"]


async def test_due_segments_are_queued_after_those_they_use(working: Working, clock: SetClock) -> None:
    base, user = await two(working)
    async with working.store.write(working.business) as unit:
        for segment in (await unit.segments.find_by_ids([base.id, user.id])).values():
            await unit.segments.change(replace(segment, next_run_at=clock.now))

    await working.handler.begin_due(working.business)

    async with working.store.read(working.business) as unit:
        queued = await unit.jobs.find_active([base.id, user.id])
    assert queued[base.id].id < queued[user.id].id


async def test_a_segment_follows_a_manual_one_that_it_uses(working: Working, services: Services) -> None:
    hand = await working.by_hand("hand")
    user = await working.segment("user", {"and": [uses("hand"), over(10)]})
    farther = await working.segment("farther", {"!": uses("user")})
    fixed = await working.segment("fixed", uses("hand"), dynamic=False)

    _, count = await services.memberships.assign(working.business, hand.id, [1, 2], ACTOR)
    await drained(working)

    assert count == 2
    assert await working.members(user) == ["C2"]
    assert await working.members(farther) == ["C1", "C3"]
    assert await working.members(fixed) == []
    done = await services.memberships.assign_named(working.business, "hand", ["C3"], ACTOR)
    await drained(working)
    assert done.changed == 1
    assert await working.members(user) == ["C2", "C3"]
    await services.memberships.remove(working.business, hand.id, [2], ACTOR)
    await drained(working)
    assert await working.members(user) == ["C3"]
    async with working.store.read(working.business) as unit:
        newest = (await unit.jobs.find_newest([user.id]))[user.id]
    assert (newest.reason, newest.requested_by) == (JobReason.FOLLOW, "segment hand")


async def test_a_change_by_hand_that_changes_nothing_queues_nothing(working: Working, services: Services) -> None:
    hand = await working.by_hand("hand")
    user = await working.segment("user", uses("hand"))
    await services.memberships.assign(working.business, hand.id, [1], ACTOR)
    await drained(working)

    await services.memberships.assign(working.business, hand.id, [1], ACTOR)

    async with working.store.read(working.business) as unit:
        assert await unit.jobs.find_active([user.id]) == {}
        assert await unit.jobs.count(segment_id=user.id) == 1


async def test_many_changes_by_hand_wait_for_one_run(working: Working, services: Services) -> None:
    hand = await working.by_hand("hand")
    user = await working.segment("user", uses("hand"))

    for customer in (1, 2, 3):
        await services.memberships.assign(working.business, hand.id, [customer], ACTOR)
    await drained(working)

    assert await working.members(user) == ["C1", "C2", "C3"]
    async with working.store.read(working.business) as unit:
        assert await unit.jobs.count(segment_id=user.id) == 1


async def test_a_change_by_hand_while_a_run_evaluates_is_seen_by_it(working: Working, services: Services) -> None:
    hand = await working.by_hand("hand")
    user = await working.segment("user", uses("hand"))

    meanwhile = partial(services.memberships.assign, working.business, hand.id, [3], ACTOR)
    await working.recalculations.start(working.business, user.id, ACTOR)
    await make_interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    assert await working.members(user) == ["C3"]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_postgresql_is_told_at_once_of_many_members_that_segments_use(
    working: Working, services: Services, database: Database
) -> None:
    for start in range(0, MANY, 1000):
        items = [NewCustomer(f"N{start + number}") for number in range(1000)]
        await services.customers.upsert(working.business, items, ACTOR)
    segment = await working.segment("everybody", {">=": [{"var": "order_count"}, 0]})

    await working.calculate(segment)

    async with database.reader.connect() as connection:
        known = text("SELECT reltuples FROM pg_class WHERE oid = 'membership'::regclass")
        assert (await connection.execute(known)).scalar_one() == MANY + 3
