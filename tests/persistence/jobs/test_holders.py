"""Runs and those who hold them: a holder that slept while somebody else took its run over leaves it alone on waking,
whether it would go on, was about to write, or fails."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import pytest

from domain.jobs.model import Job, JobStatus
from domain.segments.model import Segment
from persistence.tables.jobs import JobRow
from tests.drivers.interrupted import EVALUATING, WRITING, make_interrupted
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import OVER_10, start_run

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000}
SLEEP = timedelta(seconds=31)
WRITING_A_PART = 5
"""The sign of life of a run with one part when its part has evaluated."""


async def test_a_row_that_was_read_is_never_told_as_it_was_before_a_statement_changed_it(working: Working) -> None:
    _, job = await start_run(working)

    async with working.store.write(working.business) as unit:
        row = await unit.session.get_one(JobRow, (working.business.id, job.kind.value, job.id))
        held = await unit.jobs.acquire(job.kind, "worker", working.clock.now)
        await unit.jobs.ask_to_cancel(job.kind, job.id)
        read = (await unit.jobs.find_by_ids([job.id]))[job.id]

    assert held is not None
    assert (held.status, held.attempts, held.cancel_requested) == (JobStatus.RUNNING, 1, False)
    assert (read.status, read.attempts, read.cancel_requested) == (JobStatus.RUNNING, 1, True)
    assert row.cancel_requested


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
    second = make_interrupted(working, ending, pause, "second")
    await make_interrupted(working, place, sleep, "first").run_next(working.business)
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


async def fail() -> None:
    raise ConnectionError("the network of the one that slept is gone")


@pytest.mark.parametrize(
    ("place", "then"),
    [(EVALUATING, None), (WRITING, None), (WRITING, fail)],
    ids=["and would evaluate", "and would write", "and fails"],
)
async def test_a_holder_that_wakes_leaves_the_run_to_who_took_it_over(
    place: int, then: Callable[[], Awaitable[object]] | None, working: Working
) -> None:
    segment, job = await start_run(working)

    left = await slept(working, job, place, WRITING, then)

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
    _, job = await start_run(working)

    async def sleep() -> None:
        working.clock.now += SLEEP

    await make_interrupted(working, WRITING, sleep, "first").run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.attempts) == (JobStatus.SUCCEEDED, 1)


async def test_a_run_that_is_cancelled_while_its_holder_sleeps_is_cancelled_by_the_one_who_has_it(
    working: Working,
) -> None:
    segment, job = await start_run(working)

    cancel = partial(working.recalculations.cancel, working.business, job.id, ACTOR)
    left = await slept(working, job, WRITING, WRITING, cancel)

    assert (left.status, left.cancel_requested) == (JobStatus.RUNNING, True)
    ended = await working.job(job.id)
    assert (ended.status, ended.error_message) == (JobStatus.CANCELLED, "It was cancelled.")
    assert await working.members(segment) == []
