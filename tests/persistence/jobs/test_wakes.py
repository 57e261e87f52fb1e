"""What is written wakes the worker, whoever wrote it and in whichever process; it looks at what was written to, and
rests where that never ends. Between two looks at everything lies an hour here, so nothing comes by itself."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from sqlalchemy import text

from domain.jobs import worker
from domain.jobs.worker import LONGEST_REST, plan_rest
from domain.model import Business
from domain.store import Agenda
from gql.composition import Services
from persistence.database import commits
from persistence.database.engines import Database, open_database
from persistence.store import SqlStore
from tests.conftest import SetClock
from tests.drivers.server import wait_until
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, OVER_10
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000}


@pytest.fixture(autouse=True)
def one_look_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "IDLE_SECONDS", 3600.0)


@asynccontextmanager
async def at_work(working: Working) -> AsyncIterator[None]:
    """The worker runs, and has looked at everything and found nothing to do."""
    task = asyncio.create_task(working.worker.run_forever())
    await wait_until(lambda: is_watching(working))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert working.store.database.listeners == []


async def is_watching(working: Working) -> bool:
    return bool(working.store.database.listeners and working.worker._looked)


async def wait_for_members(working: Working, segment: object, names: list[str]) -> None:
    async def is_so() -> bool:
        return await working.members(segment) == names  # type: ignore[arg-type]

    await wait_until(is_so)


async def test_a_write_of_this_process_wakes_the_worker(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(database: Database, tell: commits.Tell) -> None:
        await asyncio.Event().wait()

    # The database says nothing.
    monkeypatch.setattr(commits, "_look", never)
    monkeypatch.setattr(commits, "_listen", never)
    segment = await working.segment("big", OVER_10)

    async with at_work(working):
        await services.purchases.record(working.business, [purchase("C1", "O9", DAY, 2_000)], ACTOR)

        await wait_for_members(working, segment, ["C1"])


async def test_a_write_of_another_process_wakes_the_worker(working: Working, clock: SetClock) -> None:
    segment = await working.segment("big", OVER_10)
    # Which shares nothing with the worker but the database.
    other = open_database(working.store.database.bulk.url.render_as_string(hide_password=False))
    services = Services(other, clock, working.feed)

    async with at_work(working):
        await asyncio.sleep(2 * commits.LOOK_SECONDS)
        for number, name in enumerate(("C1", "C3")):
            await services.purchases.record(working.business, [purchase(name, f"N{number}", DAY, 2_000)], ACTOR)

            await wait_for_members(working, segment, ["C1", "C3"][: number + 1])
    await other.close()


async def test_only_the_business_that_was_written_to_is_looked_at(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await services.businesses.create("other", None, "UTC", "EUR")
    segment = await working.segment("big", OVER_10)
    looked_at: list[str] = []
    load_agenda = SqlStore.load_agenda

    async def note(store: SqlStore, business: Business, *rest: object) -> Agenda:
        looked_at.append(business.key)
        return await load_agenda(store, business, *rest)  # type: ignore[arg-type]

    async with at_work(working):
        monkeypatch.setattr(SqlStore, "load_agenda", note)
        await services.purchases.record(working.business, [purchase("C1", "O9", DAY, 2_000)], ACTOR)
        await wait_for_members(working, segment, ["C1"])

    assert set(looked_at) == {"shop"}


async def test_a_store_that_was_away_is_watched_again(
    working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "AWAY_SECONDS", 0.01)
    name = "_listen" if working.store.database.dialect == "postgresql" else "_look"
    watch, failures = getattr(commits, name), iter([True, True])

    async def fail_first(database: Database, tell: commits.Tell) -> None:
        if next(failures, False):
            raise OSError("the store is away")
        await watch(database, tell)

    monkeypatch.setattr(commits, name, fail_first)

    await test_a_write_of_another_process_wakes_the_worker(working, SetClock())


def test_what_every_write_asks_for_takes_a_fifth_of_the_time_at_most() -> None:
    assert plan_rest(0.01) == pytest.approx(0.04)
    assert plan_rest(10.0) == LONGEST_REST


async def test_writes_that_never_end_are_followed_in_portions(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    before = len(await changes(working))

    async with at_work(working):
        for number in range(40):
            items = [purchase(f"N{number}", f"N{number}", DAY, 2_000)]
            await services.purchases.record(working.business, items, ACTOR)
        await wait_for_members(working, segment, sorted(f"N{number}" for number in range(40)))

    assert len(await changes(working)) - before < 40


async def changes(working: Working) -> list[object]:
    with working.store.database.bulk.connect() as connection:
        return list(connection.execute(text("SELECT at FROM membership_change")))
