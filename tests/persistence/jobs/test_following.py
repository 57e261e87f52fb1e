"""Memberships that follow customers who changed while somebody else writes: what was deleted, defined anew or renamed
meanwhile stays so."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from itertools import count

import pytest

from domain.segments import handler
from domain.segments.segments import Change
from gql.composition import Services
from tests.conftest import SetClock
from tests.drivers.interrupted import before_writing
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, another, over
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
