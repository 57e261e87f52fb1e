"""Memberships that follow customers who changed while somebody else writes: what was deleted, defined anew or renamed
meanwhile stays so. What cannot follow keeps nothing else."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from domain.jobs.model import JobReason, JobStatus
from domain.model import Business
from domain.segments import handler
from domain.segments.runner import Runner
from domain.segments.segments import Change
from gql.composition import Services
from persistence.evaluation import SqlEvaluation
from tests.conftest import SetClock
from tests.drivers.interrupted import before_writing
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, another, over, uses
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2_000}
RANKED = {"==": [{"var": "recency_score"}, 5]}


async def buy(working: Working, services: Services, *names: str) -> None:
    """Each of them buys for much."""
    items = [purchase(name, f"N-{name}", DAY, 90_000) for name in names]
    await services.purchases.record(working.business, items, ACTOR)


def before_write(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Awaitable[object]]) -> None:
    """Do it once, before what has been read is written for the nth time."""
    writes = count(1)

    async def meanwhile() -> None:
        if next(writes) == number:
            await act()

    before_writing(monkeypatch, meanwhile)


async def test_a_segment_that_is_deleted_meanwhile_gets_no_members(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = await working.segment("kept", over(10)), await working.segment("gone", over(10))
    await working.calculate(gone)
    await buy(working, services, "C1")

    before_write(monkeypatch, 1, lambda: services.segments.delete(working.business, gone.id, ACTOR))
    assert await working.handler.follow(working.business) == 1

    assert await working.members(gone) == []
    assert await working.members(kept) == ["C1"]


async def test_a_segment_that_is_defined_anew_and_calculated_meanwhile_gets_no_members_by_its_old_rule(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the portions in which many customers follow, too."""
    segment = await working.segment("big", over(10))
    await working.calculate(segment)
    await buy(working, services, "C1", "C3")
    other = another(working)

    async def define_anew() -> None:
        change = Change(segment.id, {"rules": {"<": [{"var": "total_revenue"}, 0]}})
        await services.segments.update(working.business, change, ACTOR)
        assert await other.runner.run_next(working.business)

    monkeypatch.setattr(handler, "PAGE", 1)
    before_write(monkeypatch, 2, define_anew)
    assert await working.handler.follow(working.business) == 2

    assert await working.members(segment) == []


async def test_a_segment_that_is_made_fixed_meanwhile_does_not_follow(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await working.segment("big", over(10))
    await working.calculate(segment)
    await buy(working, services, "C1")
    fix = Change(segment.id, {"is_dynamic": False})

    before_write(monkeypatch, 1, lambda: services.segments.update(working.business, fix, ACTOR))
    await working.handler.follow(working.business)

    assert await working.members(segment) == ["C2"]


@pytest.mark.parametrize("change", ["deleted", "renamed"])
async def test_a_segment_that_ranks_stays_as_it_was_written_meanwhile(
    change: str, working: Working, services: Services, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await working.segment("ranked", RANKED, ranks=True)
    await working.calculate(segment)
    clock.now += timedelta(minutes=1)
    await buy(working, services, "C1")

    async def meanwhile() -> None:
        if change == "deleted":
            await services.segments.delete(working.business, segment.id, ACTOR)
        else:
            await services.segments.update(working.business, Change(segment.id, {"name": "Renamed"}), ACTOR)

    before_write(monkeypatch, 1, meanwhile)
    await working.handler.follow(working.business)

    now = await working.again(segment)
    assert (now.deleted_at is not None) == (change == "deleted")
    assert (now.name, now.version) == (("Ranked", 1) if change == "deleted" else ("Renamed", 2))
    # Only what is there is calculated again when the ten minutes are over.
    assert (now.next_run_at is None) == (change == "deleted")


@pytest.mark.parametrize("bad", [0, 2])
async def test_a_segment_that_the_database_cannot_evaluate_keeps_no_other_from_following_and_no_run_from_ending(
    bad: int, working: Working, services: Services, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments = [await working.segment(f"s{number}", over(number)) for number in range(2)]
    segments.append(await working.segment("s2", uses("s0")))
    fixed = await working.segment("fixed", over(10), dynamic=False)
    await working.recalculations.start_all(working.business, ACTOR)
    assert await working.runner.run_next(working.business)
    clock.now += timedelta(minutes=11)
    prepare = SqlEvaluation.prepare

    async def fail_with_bad(evaluation: SqlEvaluation, trees: Any, references: Any) -> None:
        await prepare(evaluation, trees, references)
        if segments[bad].id in trees:
            await evaluation.connection.execute(text("SELECT 1 FROM nowhere"))

    monkeypatch.setattr(handler, "PAGE", 1)
    monkeypatch.setattr(SqlEvaluation, "prepare", fail_with_bad)
    await buy(working, services, "C3", "C4")
    job = await working.recalculations.start(working.business, fixed.id, ACTOR)
    assert await working.worker.run_once(working.business)

    expected = [["C1", "C2"] if number == bad else ["C1", "C2", "C3", "C4"] for number in range(3)]
    if bad == 0:
        expected[2] = ["C1", "C2"]
    assert [await working.members(each) for each in segments] == expected
    assert (await working.job(job.id)).status is JobStatus.SUCCEEDED
    # Its run says so where runs are looked at, and is begun at most once in ten minutes.
    async with working.store.read(working.business) as unit:
        newest = (await unit.jobs.find_newest([segments[bad].id]))[segments[bad].id]
    assert (newest.reason, newest.status) == (JobReason.FOLLOW, JobStatus.FAILED)
    monkeypatch.undo()
    clock.now += timedelta(minutes=11)
    await working.calculate(segments[bad])
    while await working.worker.run_once(working.business):
        pass
    assert [await working.members(each) for each in segments] == [["C1", "C2", "C3", "C4"]] * 3


async def test_runs_go_on_where_following_fails_altogether(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await working.segment("big", over(10))
    await buy(working, services, "C1")
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    async def fail(*_: object) -> None:
        raise RuntimeError("trouble")

    monkeypatch.setattr(SqlEvaluation, "mark_followed", fail)
    assert await working.worker.run_once(working.business)

    assert (await working.job(job.id)).status is JobStatus.SUCCEEDED
    assert await working.members(segment) == ["C1", "C2"]


async def test_memberships_follow_between_runs_that_wait(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await working.segment("big", over(10))
    for number in range(3):
        fixed = await working.segment(f"fixed{number}", over(10), dynamic=False)
        await working.recalculations.start(working.business, fixed.id, ACTOR)
    run_next, seen = Runner.run_next, list[list[str]]()

    async def look(runner: Runner, business: Business) -> bool:
        seen.append(await working.members(segment))
        ran = await run_next(runner, business)
        await buy(working, services, f"N{len(seen)}")
        return ran

    monkeypatch.setattr(Runner, "run_next", look)
    monkeypatch.setattr(handler, "TURN_SECONDS", 0.0, raising=False)
    assert await working.worker.run_once(working.business)

    assert seen == [[], ["N1"], ["N1", "N2"], ["N1", "N2", "N3"]]
