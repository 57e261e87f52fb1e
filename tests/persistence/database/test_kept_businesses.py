"""Businesses that a process holds: what asks the store for them ends with it, whoever has left meanwhile."""

import asyncio
import os
import signal
from contextlib import ExitStack, suppress

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.model import Business
from gql.composition import Services
from persistence.database import silence
from persistence.database.engines import Database, open_database
from persistence.database.kept_businesses import KeptBusinesses
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("turns", [1, 2, 5, 20])
async def test_a_store_that_is_closed_while_it_is_asked_leaves_no_connection_open(
    turns: int, database: Database, shop: Business
) -> None:
    own = open_database(database.bulk.url.render_as_string(hide_password=False))
    kept = KeptBusinesses(own)
    asking = asyncio.create_task(kept.find(shop.key))
    for _ in range(turns):
        await asyncio.sleep(0)

    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking
    await own.close()

    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert [task for task in others if "KeptBusinesses" in repr(task.get_coro())] == []
    assert kept._versions is None
    assert kept._counter is None


async def test_whoever_asks_together_gets_their_own_business_and_a_token_names_no_two_at_once(
    database: Database, shop: Business
) -> None:
    kept = KeptBusinesses(database)
    names = (shop.key, "nobody", f"{shop.key} nobody", f"{shop.key} {shop.key}", "")

    for _ in range(2):
        found = await asyncio.gather(*map(kept.find, names))

        assert [None if each is None else each.business.key for each in found] == [shop.key, None, None, None, None]


async def test_one_connection_that_falls_silent_stops_nobody(
    fresh_postgresql: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Services(fresh_postgresql, clock).businesses.create("shop", None, "UTC", "EUR")
    kept = KeptBusinesses(fresh_postgresql)
    assert await kept.find("shop") is not None
    backend = kept._versions.info.backend_pid

    os.kill(backend, signal.SIGSTOP)
    try:
        async with asyncio.timeout(4):
            with monkeypatch.context() as short:
                short.setattr(silence, "SECONDS", 0.2)
                short.setattr(silence, "PARTING_SECONDS", 0.1)
                asking = [asyncio.create_task(kept.find("shop")) for _ in range(2)]
                for _ in range(5):
                    await asyncio.sleep(0)
                waiting = asyncio.create_task(kept.find("shop"))
                found = await asyncio.gather(*asking, waiting)
            # Who waited for the silent one's answer does not wait for another one's.
            assert kept._versions is None
            again = await kept.find("shop")
    finally:
        os.kill(backend, signal.SIGCONT)

    assert [each and each.business.key for each in (*found, again)] == ["shop"] * 4
    # Another connection is asked from then on.
    assert kept._versions.info.backend_pid != backend


async def test_a_row_that_was_read_while_the_counter_of_commits_broke_is_not_believed_by_the_next_counter(
    fresh_sqlite: Database, clock: SetClock
) -> None:
    await Services(fresh_sqlite, clock).businesses.create("shop", None, "UTC", "EUR")
    kept = KeptBusinesses(fresh_sqlite)
    broken = False

    def interrupt(conn: object, cursor: object, statement: str, *rest: object) -> None:
        """Once the row is read: the counter breaks, another request finds that out, and somebody commits."""
        nonlocal broken
        if not broken and statement.startswith("SELECT business."):
            broken = True
            assert kept._counter is not None
            kept._counter.close()
            assert kept._count_commits() is None
            with fresh_sqlite.bulk.begin() as connection:
                connection.execute(text("UPDATE business SET change_number = 7"))

    event.listen(fresh_sqlite.reader.sync_engine, "after_cursor_execute", interrupt)
    during, after = await kept.find("shop"), await kept.find("shop")

    assert broken
    assert [found and found.business.change_number for found in (during, after)] == [0, 7]


async def test_commits_are_counted_while_imports_have_all_their_connections(
    fresh_sqlite: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Services(fresh_sqlite, clock).businesses.create("shop", None, "UTC", "EUR")
    kept = KeptBusinesses(fresh_sqlite)
    monkeypatch.setattr(fresh_sqlite.bulk.pool, "_timeout", 0.1)

    with ExitStack() as stack:
        with pytest.raises(PoolTimeout):
            while True:
                stack.enter_context(fresh_sqlite.bulk.connect())
        await kept.find("shop")

        assert kept.find_held("shop") is not None
