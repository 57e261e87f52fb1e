"""Runs: what they change and what they leave alone, one active run a segment, holders that die, edits and cancellation
in between, and segments that use each other."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import AlreadyRunning, NotCancellable
from domain.jobs.model import JobStatus
from domain.segments.model import MembershipSource
from domain.segments.segments import Change
from gql.composition import Services
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, OVER_10, acquire_run, another, start_run, uses
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000, "C3": 3000}


async def test_identifies_matching_segments_by_metrics_and_makes_a_snapshot(working: Working) -> None:
    segment = await working.segment("big", OVER_10)

    job = await working.calculate(segment)

    assert (job.status, job.evaluated, job.entered, job.left, job.fraction) == (JobStatus.SUCCEEDED, 3, 2, 0, 1.0)
    assert await working.members(segment) == ["C2", "C3"]
    after = await working.again(segment)
    assert after.last_calculated == job.snapshot_at == job.finished_at
    async with working.store.read(working.business) as unit:
        (snapshot,) = (await unit.snapshots.load_newest([segment.id], 10))[segment.id]
    assert (snapshot.at, snapshot.member_count, snapshot.job_id) == (job.snapshot_at, 2, job.id)


async def test_removes_automatic_assignments_that_no_longer_match(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    await working.calculate(segment)
    await services.purchases.delete(working.business, ["O2"], ACTOR)
    await services.purchases.record(working.business, [purchase("C1", "O4", DAY, 600)], ACTOR)

    job = await working.calculate(segment)

    assert (job.entered, job.left) == (1, 1)
    assert await working.members(segment) == ["C1", "C3"]
    again = await working.calculate(segment)
    assert (again.entered, again.left) == (0, 0)


async def test_preserves_manual_assignments_during_automatic_updates(working: Working) -> None:
    segment = await working.segment("big", OVER_10)
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(segment.id, [1], unit.instant, MembershipSource.IMPORT, "old system")

    job = await working.calculate(segment)

    assert (job.entered, job.left) == (2, 0)
    assert await working.members(segment) == ["C1", "C2", "C3"]


async def test_a_second_request_is_told_of_the_active_run(working: Working) -> None:
    segment, first = await start_run(working)

    with pytest.raises(AlreadyRunning) as refused:
        await working.recalculations.start(working.business, segment.id, ACTOR)

    assert refused.value.job.id == first.id


async def test_of_twenty_requests_at_once_one_becomes_a_run(working: Working) -> None:
    segment = await working.segment("big", OVER_10)

    asked = [working.recalculations.start(working.business, segment.id, ACTOR) for _ in range(20)]
    results = await asyncio.gather(*asked, return_exceptions=True)

    assert sum(not isinstance(result, Exception) for result in results) == 1
    assert sum(isinstance(result, AlreadyRunning) for result in results) == 19


async def test_two_workers_never_take_one_run(working: Working) -> None:
    other = another(working)
    segment, _ = await start_run(working)

    taken = await asyncio.gather(*(each.runner.run_next(working.business) for each in (working, other, working, other)))

    assert sum(taken) == 1
    assert await working.members(segment) == ["C2", "C3"]


async def test_a_run_whose_holder_died_is_taken_up_again(working: Working, clock: SetClock) -> None:
    _, job = await start_run(working)
    await acquire_run(working, "dead")
    assert not await working.runner.run_next(working.business)

    clock.now += timedelta(seconds=31)

    assert await working.runner.run_next(working.business)
    assert (await working.job(job.id)).status is JobStatus.SUCCEEDED


async def test_a_run_that_kills_its_holders_fails_in_the_end(working: Working, clock: SetClock) -> None:
    segment, job = await start_run(working)
    for number in range(3):
        clock.now += timedelta(minutes=1)
        await acquire_run(working, f"dead {number}")

    clock.now += timedelta(minutes=1)
    await working.runner.run_next(working.business)

    ended = await working.job(job.id)
    assert ended.status is JobStatus.FAILED
    assert ended.error_message == "The run was begun 3 times and never came to an end."
    assert (await working.calculate(segment)).status is JobStatus.SUCCEEDED


async def test_cancelling_ends_a_run_that_waits_and_one_that_ended_cannot_be_cancelled(working: Working) -> None:
    segment, job = await start_run(working)

    cancelled = await working.recalculations.cancel(working.business, job.id, ACTOR)

    assert cancelled.status is JobStatus.CANCELLED
    assert not await working.runner.run_next(working.business)
    assert await working.members(segment) == []
    with pytest.raises(NotCancellable):
        await working.recalculations.cancel(working.business, job.id, ACTOR)


async def test_cancelling_a_run_that_is_worked_on_changes_nothing(working: Working) -> None:
    segment, job = await start_run(working)
    held = await acquire_run(working)
    await working.recalculations.cancel(working.business, job.id, ACTOR)

    await working.runner.run(working.business, held)

    assert (await working.job(job.id)).status is JobStatus.CANCELLED
    assert await working.members(segment) == []


async def test_an_edit_ends_the_run_of_the_old_definition_and_queues_a_new_one(working: Working) -> None:
    segment, old = await start_run(working)
    held = await acquire_run(working)

    new = await working.redefine(segment)
    await working.runner.run(working.business, held)

    assert (await working.job(old.id)).error_code == "REDEFINED"
    assert (await working.job(new.id)).status is JobStatus.QUEUED
    assert await working.runner.run_next(working.business)
    assert await working.members(segment) == ["C2", "C3"]


async def test_another_name_leaves_the_run_that_is_worked_on_alone(working: Working, services: Services) -> None:
    segment, job = await start_run(working)
    held = await acquire_run(working)

    renamed, queued = await services.segments.update(working.business, Change(segment.id, {"name": "Bigger"}), ACTOR)
    await working.runner.run(working.business, held)

    assert ((await working.job(job.id)).status, queued) == (JobStatus.SUCCEEDED, None)
    assert await working.members(segment) == ["C2", "C3"]
    after = await working.again(segment)
    assert (after.name, after.version) == ("Bigger", renamed.version) == ("Bigger", 2)


async def test_one_broken_segment_never_stops_the_others(working: Working) -> None:
    good = await working.segment("good", OVER_10)
    bad = await working.segment("bad", uses("nowhere"))
    user = await working.segment("user", uses("good"))

    job = await working.recalculations.start_all(working.business, ACTOR)
    await working.runner.run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.error_code) == (JobStatus.FAILED, "PARTLY_FAILED")
    assert ended.error_message == "1 of 3 segments could not be recalculated; 2 could."
    assert (ended.evaluated, ended.entered) == (6, 4)
    assert await working.members(good) == await working.members(user) == ["C2", "C3"]
    async with working.store.read(working.business) as unit:
        parts = {part.segment_id: part for part in await unit.jobs.load_parts(job.id)}
    assert parts[bad.id].error_message == "There is no segment with the key nowhere."
    assert parts[good.id].status is parts[user.id].status is JobStatus.SUCCEEDED


async def test_segments_that_depend_on_others_run_after_them(working: Working) -> None:
    first = await working.segment("a-first", uses("z-last"))
    last = await working.segment("z-last", OVER_10)

    await working.calculate(last)
    assert await working.runner.run_next(working.business)

    assert await working.members(first) == ["C2", "C3"]


async def test_what_changes_while_a_run_evaluates_is_evaluated_again(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    condition = segment.definition.build_tree()
    assert condition is not None

    async with working.store.evaluate(working.business) as evaluation:
        await evaluation.prepare({segment.id: condition}, {segment.key: segment})
        assert [counts async for counts in evaluation.evaluate_everybody()] == [(0, 3), (3, 3)]
        await services.purchases.record(working.business, [purchase("C1", "O9", DAY, 9000)], ACTOR)
        await services.purchases.delete(working.business, ["O3"], ACTOR)
        async with evaluation.write() as unit:
            await evaluation.reevaluate_changed(unit)
            await unit.memberships.sync_evaluated(evaluation.flags, unit.instant, {segment.id: "test"}, of_all=True)

    assert await working.members(segment) == ["C1", "C2"]


async def test_an_empty_business_has_an_empty_segment(working: Working, services: Services, clock: SetClock) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    empty = Working.of(working.store.database, clock, other)
    segment = await empty.segment("big", OVER_10)

    job = await empty.calculate(segment)

    assert (job.status, job.evaluated, job.entered) == (JobStatus.SUCCEEDED, 0, 0)
    assert not await working.runner.run_next(working.business)
