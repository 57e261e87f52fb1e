"""Answers through a copy: those of the store, whatever has been written since."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select
from sqlalchemy.event import listen

from domain.calendar import Span
from domain.model import Actor, Business
from gql.composition import Services
from persistence.database.engines import Database
from persistence.lake import engines
from persistence.lake.analysis import Analysis, wait_for_copy
from persistence.lake.engines import DuckDbEngine, find_tables
from persistence.lake.manifest import SLOW
from persistence.lake.places import Folder, read_address
from persistence.lake.reading import ANSWERED, Held, Lake
from persistence.lake.writing import CopyWriter
from persistence.reports.windows import select_scores, select_window_totals
from persistence.tables.copies import store_identity
from tests.conftest import SetClock
from tests.persistence.lake.conftest import SHOPPERS, Copied
from tests.shops.reported_shop import orders

pytestmark = pytest.mark.anyio


async def test_the_answer_through_a_copy_is_that_of_the_store(
    database: Database, services: Services, reported: Business, clock: SetClock, tmp_path: Path
) -> None:
    outcomes: list[str] = []
    lake = Lake(read_address(str(tmp_path / "lake"), tmp_path / "held"), DuckDbEngine(), 1, outcomes.append)
    scores = select_scores(reported.id, Span(0, 10**6, None))
    totals = select_window_totals(reported.id, Span(0, 10**6, None))

    async def compare() -> None:
        async with database.reader.connect() as connection:
            for statement in (totals, select(scores)):
                stored = {tuple(row) for row in await connection.execute(statement)}
                analysis = Analysis(connection, reported.id, lake)
                assert {tuple(row) for row in await analysis.run(statement)} == stored != set()

    await compare()
    with database.bulk.begin() as connection:
        store = connection.execute(select(store_identity.c.id)).scalar_one()
    place = lake.open_place(store, reported.id)
    writer = CopyWriter(database, reported.id, place, clock)
    assert writer.renew() is not None
    await compare()
    await services.purchases.delete(reported, [orders()[0].external_id], Actor("tester"))
    await compare()
    await lake.engine.close()

    assert outcomes[:2] == ["absent"] * 2
    assert outcomes[2:] == [ANSWERED] * 4


def ask_beside(copied: Copied) -> bool:
    """A scheduled classification asks, in a thread of its own; whether the copy answered, as the store does."""
    scores = select(select_scores(copied.business.id, Span(0, 10**6, None)))
    with copied.database.bulk.connect() as connection:
        found = wait_for_copy(connection, copied.business.id, copied.lake, scores)
        stored = {tuple(row) for row in connection.execute(scores)}
    assert found is None or {tuple(row) for row in found} == stored != set()
    return found is not None


async def test_threads_that_ask_beside_each_other_see_one_state_of_the_store(copied: Copied) -> None:
    await copied.buy(1)
    assert await copied.ask() == ANSWERED
    await copied.buy(2, 3)
    asked: list[Future[bool]] = []

    class Watched(Held):
        """Whatever is kept of it, somebody asks at once."""

        __slots__ = ()

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if not asked:
                asked.append(Future())
                with ThreadPoolExecutor(1) as threads:
                    asked[0] = threads.submit(ask_beside, copied)

    (held,) = copied.lake._held.values()
    held.__class__ = Watched

    assert await copied.ask() == ANSWERED

    assert [work.result() for work in asked] == [True]


async def test_a_copy_that_takes_too_long_leaves_a_classification_to_the_store(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SECONDS", 0)

    assert not await asyncio.to_thread(ask_beside, copied)

    assert copied.outcomes[-1] == SLOW


async def test_whoever_goes_away_while_files_are_fetched_waits_for_none(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go, fetched = Event(), Event(), list[str]()
    waits: list[Event | None] = []

    def fetch_slowly(place: Folder, name: str, ended: Event | None = None) -> Path:
        fetched.append(name)
        waits.append(ended)
        began.set()
        assert go.wait(20)
        return place.root / name

    scores = select(select_scores(copied.business.id, Span(0, 10**6, None)))
    async with copied.database.reader.connect() as connection:
        tables = await copied.lake.open_tables(connection, copied.business.id, find_tables(scores))
    monkeypatch.setattr(Folder, "fetch", fetch_slowly)
    asked = asyncio.create_task(copied.lake.engine.run(tables, scores))
    assert await asyncio.to_thread(began.wait, 20)

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asked, 10)

    (ended,) = waits
    assert ended is not None
    assert ended.is_set()
    go.set()
    with pytest.raises(InterruptedError):
        engines._fetch_files(tables, find_tables(scores), ended)
    assert len(fetched) == 1


async def test_who_changed_is_read_once_a_write_where_too_many_did(copied: Copied) -> None:
    await copied.buy(*range(SHOPPERS // 2))
    statements: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if "removed_customer" in statement:
            statements.append(statement)

    listen(copied.database.reader.sync_engine, "before_cursor_execute", note)

    assert [await copied.ask(), await copied.ask()] == ["too much has changed"] * 2

    assert len(statements) == 1
    await copied.buy(0)
    assert await copied.ask() == "too much has changed"
    assert len(statements) == 2
