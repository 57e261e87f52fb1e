"""Businesses that a process holds: what asks the store for them ends with it, whoever has left meanwhile."""

import asyncio
import os
import signal
from contextlib import suppress

import pytest

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
                found = await asyncio.gather(*(kept.find("shop") for _ in range(3)))
            again = await kept.find("shop")
    finally:
        os.kill(backend, signal.SIGCONT)

    assert [each and each.business.key for each in (*found, again)] == ["shop"] * 4
    # Another connection is asked from then on.
    assert kept._versions.info.backend_pid != backend
