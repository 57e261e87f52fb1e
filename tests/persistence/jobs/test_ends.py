"""A worker that is told to end in the middle of a run, at each of its statements: it ends, the run waits as if it had
not been begun, and the store holds the old set or the new one."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any

import pytest
from sqlalchemy import event, text

from domain.jobs.model import JobStatus
from domain.model import Business
from domain.segments import runner
from gql.composition import Services
from persistence.database.engines import Database
from persistence.evaluation import SqlEvaluation
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, OVER_10, over
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000, "C3": 900}
OLD, NEW = ["C2"], ["C1", "C3"]


@pytest.fixture
async def working(working: Working, services: Services) -> Working:
    """A segment that C2 is in, of which C2 must leave and C1 and C3 must enter, and one that uses it."""
    await working.calculate(await working.segment("big", OVER_10, dynamic=False))
    await services.purchases.delete(working.business, ["O2"], ACTOR)
    items = [purchase("C1", "O4", DAY, 5000), purchase("C3", "O5", DAY, 5000)]
    await services.purchases.record(working.business, items, ACTOR)
    return working


async def told_to_end(working: Working, work: Callable[[Business], Coroutine[Any, Any, object]], place: int) -> bool:
    """Whether a worker that is told to end at the statement of that number comes so far."""
    task = asyncio.create_task(work(working.business))
    seen = count(1)

    def watch(*_: Any) -> None:
        if next(seen) == place:
            task.cancel()

    engines = {working.store.database.writer.sync_engine, working.store.database.worker.sync_engine}
    engines.add(working.store.database.reader.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", watch)
    try:
        await asyncio.wait({task}, timeout=20)
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", watch)
    assert task.done()
    assert task.cancelled() or task.exception() is None
    return task.cancelled()


@pytest.mark.parametrize("whole", [False, True], ids=["one segment", "all segments"])
async def test_r11_a_worker_that_is_told_to_end_at_any_statement_gives_its_run_back(
    whole: bool, working: Working
) -> None:
    async with working.store.read(working.business) as unit:
        segment = (await unit.segments.find_by_keys(["big"]))["big"]
    start = working.recalculations.start_all(working.business, ACTOR) if whole else None
    job = await (start or working.recalculations.start(working.business, segment.id, ACTOR))
    left, places = [], count(1)

    while await told_to_end(working, working.runner.run_next, next(places)):
        held = await working.job(job.id)
        left.append((held.status, held.error_code, held.attempts))
        assert await working.members(segment) in (OLD, NEW)
        if held.status is JobStatus.SUCCEEDED:
            break

    assert len(left) > 10
    assert set(left[:-1]) == {(JobStatus.QUEUED, None, 0)}
    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.left, ended.error_code) == (JobStatus.SUCCEEDED, 2, 1, None)
    assert await working.members(segment) == NEW
    async with working.store.read(working.business) as unit:
        assert await unit.snapshots.count_by_segment([segment.id]) == {segment.id: 2}


async def test_r11_a_worker_that_is_told_to_end_while_memberships_follow_leaves_them_to_the_next(
    working: Working,
) -> None:
    segment = await working.segment("follows", OVER_10)
    seen, places = [], count(1)

    while await told_to_end(working, working.worker.run_once, next(places)):
        seen.append(await working.members(segment))

    assert len(seen) > 10
    assert all(members in ([], NEW) for members in seen)
    assert await working.members(segment) == NEW
    assert not (await working.store.load_agenda(working.business, working.clock.now)).changed


async def test_r11_a_worker_of_many_runs_whose_store_is_locked_tries_as_long_as_one_of_a_single_run(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun = asyncio.Event()

    async def stay(*_: object) -> None:
        begun.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(SqlEvaluation, "prepare", stay)
    monkeypatch.setattr(runner, "RELEASE_SECONDS", 0.2)
    for number in range(5):
        await working.segment(f"s{number}", over(number))
    await working.recalculations.start_all(working.business, ACTOR)
    task = asyncio.create_task(working.runner.run_next(working.business))
    await begun.wait()
    with database.bulk.begin() as connection:
        connection.execute(text("UPDATE job SET phase = phase"))
        task.cancel()
        await asyncio.wait({task})

    assert task.cancelled()
    # All parts at once, then the run that they belong to.
    given_up = [record.args[0] for record in caplog.records if "could not be released" in record.message]  # type: ignore[index]
    assert list(map(len, given_up)) == [6, 1]
