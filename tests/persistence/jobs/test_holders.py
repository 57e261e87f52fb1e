"""Runs and those who hold them: a holder that slept while somebody else took its run over leaves it alone on waking,
whether it would go on, was about to write, or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domain.jobs.model import Job, JobStatus
from domain.model import Business
from domain.segments.model import Segment
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.interrupted import EVALUATING, WRITING, interrupted
from tests.drivers.working import ACTOR, Working
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
DAY = "2024-06-01"
OVER_10 = {">": [{"var": "total_revenue"}, 10]}
SLEEP = timedelta(seconds=31)
WRITING_A_PART = 6
"""The sign of life of a run with one part when its part has evaluated."""


@pytest.fixture
async def working(database: Database, services: Services, shop: Business) -> Working:
    """A shop in which C1 spent 5 and C2 20."""
    await services.purchases.record(shop, [purchase("C1", "O1", DAY, 500), purchase("C2", "O2", DAY, 2000)], ACTOR)
    clock = services.businesses.clock
    assert isinstance(clock, SetClock)
    return Working.of(database, clock, shop)


async def slept(
    working: Working, job: Job, place: int, ending: int, then: Callable[[], Awaitable[object]] | None = None
) -> Job:
    """One worker sleeps from `place` on until another one, which took the run over, is about to write; it wakes, does
    `then` and ends; the other one ends after it. The run as the first one left it."""
    begun, woken = asyncio.Event(), asyncio.Event()

    async def pause() -> None:
        begun.set()
        await woken.wait()

    async def sleep() -> None:
        working.clock.now += SLEEP
        others.append(asyncio.create_task(second.run_next(working.business)))
        await asyncio.wait_for(begun.wait(), 20)
        if then is not None:
            await then()

    others: list[asyncio.Task[bool]] = []
    second = interrupted(working, ending, pause, "second")
    await interrupted(working, place, sleep, "first").run_next(working.business)
    left = await working.job(job.id)
    woken.set()
    assert await others[0]
    return left


async def ended_well(working: Working, job: Job, left: Job, segment: Segment) -> None:
    """The one who took the run over was not disturbed and ended it."""
    assert (left.status, left.attempts, left.error_code) == (JobStatus.RUNNING, 2, None)
    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.error_code) == (JobStatus.SUCCEEDED, 1, None)
    assert await working.members(segment) == ["C2"]
    async with working.store.read(working.business) as unit:
        assert await unit.snapshots.count_by_segment([segment.id]) == {segment.id: 1}


@pytest.mark.parametrize("place", [EVALUATING, WRITING])
async def test_a_holder_that_wakes_leaves_the_run_to_who_took_it_over(place: int, working: Working) -> None:
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    left = await slept(working, job, place, WRITING)

    await ended_well(working, job, left, segment)


async def test_a_holder_that_wakes_and_fails_leaves_the_run_too(working: Working) -> None:
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    async def fail() -> None:
        raise ConnectionError("the network of the one that slept is gone")

    left = await slept(working, job, WRITING, WRITING, fail)

    await ended_well(working, job, left, segment)


@pytest.mark.parametrize("place", range(2, WRITING_A_PART + 1))
async def test_a_run_with_parts_is_left_to_who_took_it_over(place: int, working: Working) -> None:
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start_all(working.business, ACTOR)

    left = await slept(working, job, place, WRITING_A_PART)

    await ended_well(working, job, left, segment)
    async with working.store.read(working.business) as unit:
        (part,) = await unit.jobs.load_parts(job.id)
    assert part.status is JobStatus.SUCCEEDED


async def test_a_holder_that_slept_unnoticed_goes_on(working: Working) -> None:
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    async def sleep() -> None:
        working.clock.now += SLEEP

    await interrupted(working, WRITING, sleep, "first").run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.attempts) == (JobStatus.SUCCEEDED, 1)


async def test_a_run_that_is_cancelled_while_its_holder_sleeps_is_cancelled_by_the_one_who_has_it(
    working: Working,
) -> None:
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    async def cancel() -> None:
        await working.recalculations.cancel(working.business, job.id, ACTOR)

    left = await slept(working, job, WRITING, WRITING, cancel)

    assert (left.status, left.cancel_requested) == (JobStatus.RUNNING, True)
    ended = await working.job(job.id)
    assert (ended.status, ended.error_message) == (JobStatus.CANCELLED, "It was cancelled.")
    assert await working.members(segment) == []
