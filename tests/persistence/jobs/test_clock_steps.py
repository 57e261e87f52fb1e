"""Clocks that are set forward and back by an hour: line R16 of the reliability requirements. The order of writes is
that of their commits all the same, work goes on, and nothing is begun twice."""

from datetime import timedelta

import pytest

from domain.jobs.model import JobStatus
from domain.segments.model import ChangeKind, MembershipSource, Place
from persistence.database.engines import Database
from persistence.soundness.checks import find_broken_rules
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import acquire_run, another, start_run

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000, "C3": 3000}
HOUR = timedelta(hours=1)
both_ways = pytest.mark.parametrize("step", [HOUR, -HOUR], ids=["forward", "back"])


async def test_r16_whoever_follows_the_changes_misses_nothing_while_the_clock_is_set(
    working: Working, database: Database, clock: SetClock
) -> None:
    vip = await working.by_hand("vip")
    for number in range(6):
        clock.now += HOUR if number % 3 else -2 * HOUR
        async with working.store.write(working.business) as unit:
            if number % 2 == 0:
                await unit.memberships.add(vip.id, [1, 2], unit.instant, MembershipSource.MANUAL, "tester")
            else:
                await unit.memberships.remove(vip.id, [1], unit.instant, "tester")
    async with working.store.read(working.business) as unit:
        whole = await unit.history.load_changes_after(Place(0), None, 100)
        followed, place = [], Place(0)
        while portion := await unit.history.load_changes_after(place, None, 1):
            followed += portion
            place = Place.of(portion[-1])

    assert followed == whole
    assert [(change.customer_id, change.kind) for change in whole] == [
        (1, ChangeKind.ENTERED),
        (2, ChangeKind.ENTERED),
        *[(1, ChangeKind.LEFT), (1, ChangeKind.ENTERED)] * 2,
        (1, ChangeKind.LEFT),
    ]
    assert list(find_broken_rules(database)) == []


@both_ways
async def test_r16_a_run_whose_holder_died_is_taken_up_once_though_the_clock_was_set(
    working: Working, clock: SetClock, step: timedelta
) -> None:
    segment, job = await start_run(working)
    await acquire_run(working, "dead")
    clock.now += step

    taken = [await each.runner.run_next(working.business) for each in (another(working), working)]

    assert taken == [True, False]
    assert (await working.job(job.id)).status is JobStatus.SUCCEEDED
    assert await working.members(segment) == ["C2", "C3"]


@both_ways
async def test_r16_snapshots_stand_in_the_order_of_their_runs_though_the_clock_was_set(
    working: Working, database: Database, clock: SetClock, step: timedelta
) -> None:
    segment, _ = await start_run(working)
    await working.worker.run_once(working.business)
    clock.now += step
    for _ in range(2):
        await working.recalculations.start(working.business, segment.id, ACTOR)
        await working.worker.run_once(working.business)

    async with working.store.read(working.business) as unit:
        newest = (await unit.snapshots.load_newest([segment.id], 10))[segment.id]

    assert [snapshot.job_id for snapshot in newest] == [3, 2, 1]
    assert len({snapshot.at for snapshot in newest}) == 3
    assert list(find_broken_rules(database)) == []
