"""Uploads that are to end while they are at something that takes long, whatever it is: somebody cancels them, or the
server ends. Neither waits until it is over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from domain.errors import Unavailable
from domain.jobs.model import LEASE_SECONDS
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.imports import importer, record, uploads
from persistence.imports.customers_file import ProfileNotes
from persistence.sources.csv import CsvSource
from tests.conftest import SetClock, sqlite_alone
from tests.drivers.endless_import import ENDLESS
from tests.drivers.other_process import locked
from tests.drivers.uploading import ROWS, Place, placing

pytestmark = pytest.mark.anyio
PROFILES = "customer_id,order_id,date,amount,who\nA,1,2024-03-01,5,Ada\n"
CANCEL = "mutation C($id: ID!) { cancelJob(id: $id) { userErrors { code } } }"


@dataclass
class Begun:
    """Takes its place in what an import does, says that it was begun, and never comes to an end."""

    event: threading.Event = field(default_factory=threading.Event)

    def execute(self, connection: Connection, *_: object) -> Any:
        self.event.set()
        return connection.execute(text(ENDLESS[connection.dialect.name])).all()

    def read(self, path: Path, *_: object) -> Any:
        while True:
            CsvSource(path)
            self.event.set()

    def refuse(self, *_: object) -> Any:
        self.event.set()
        raise Unavailable("The store is out of reach.")

    async def write(self, *_: object) -> int:
        self.event.set()
        await asyncio.sleep(600)
        return 0

    async def wait(self) -> None:
        assert await asyncio.to_thread(self.event.wait, 20)


Delay = Callable[[pytest.MonkeyPatch, Place, Begun], None]


def opening(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(place.handler, "open", begun.read)


def sorting(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(importer, "arrange", begun.execute)


def looking(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(importer, "look", begun.execute)


def merging(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(importer.merge, "apply", begun.execute)


def finishing(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(record, "hide_rejects", begun.execute)


def writing_customers(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(ProfileNotes, "write", begun.write)


def waiting(patch: pytest.MonkeyPatch, place: Place, begun: Begun) -> None:
    patch.setattr(uploads, "plan_pauses", lambda: iter([600.0]))
    patch.setattr(place.handler, "open", begun.refuse)


@pytest.fixture
async def place(database: Database, clock: SetClock, tmp_path: Path) -> AsyncIterator[Place]:
    async with placing(database, clock, tmp_path) as made:
        yield made


async def cancel_while(place: Place, patch: pytest.MonkeyPatch, delay: Delay) -> None:
    number, begun = (await place.send(PROFILES, "?map=who=name")).json()["id"], Begun()
    delay(patch, place, begun)
    working = asyncio.create_task(place.import_waiting())
    await begun.wait()

    cancelled = await place.face.data(CANCEL, {"id": number})
    async with asyncio.timeout(20):
        await working

    told = await place.told(number)
    assert cancelled["cancelJob"]["userErrors"] == []
    assert (told["status"], told["error"]["code"]) == ("CANCELLED", "CANCELLED")
    assert place.files == []


@pytest.mark.parametrize("delay", [sorting, looking, finishing])
async def test_a_statement_of_a_cancelled_import_is_broken_off(
    place: Place, delay: Delay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cancel_while(place, monkeypatch, delay)


@sqlite_alone
@pytest.mark.parametrize("delay", [opening, writing_customers, waiting])
async def test_what_else_a_cancelled_import_is_at_is_broken_off(
    place: Place, delay: Delay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await cancel_while(place, monkeypatch, delay)


@pytest.mark.parametrize("delay", [sorting, merging])
async def test_what_an_import_is_at_when_the_server_ends_is_broken_off_and_the_next_one_does_it(
    place: Place, delay: Delay, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, begun = (await place.send(ROWS)).json()["id"], Begun()
    with monkeypatch.context() as patch:
        # Or it would be left to the next server while it still goes on.
        patch.setattr(uploads, "END_SECONDS", 60.0)
        delay(patch, place, begun)
        server = asyncio.create_task(replace(place.worker).run_forever())
        await begun.wait()
        server.cancel()
        done, _ = await asyncio.wait({server}, timeout=20)
    left, kept = await place.told(number), place.files
    place.handler.stopping = False
    await place.import_waiting()

    assert done
    assert (left["status"], kept) == ("QUEUED", ["file.csv"])
    assert (await place.told(number))["created"] == 30


async def test_a_server_that_ends_does_not_wait_for_the_lock_that_an_import_waits_for(
    place: Place, database: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, begun, go = (await place.send(ROWS)).json()["id"], Begun(), threading.Event()
    arrange = importer.arrange

    def wait(*given: Any) -> Any:
        begun.event.set()
        assert go.wait(20)
        return arrange(*given)

    with monkeypatch.context() as patch:
        patch.setattr(uploads, "END_SECONDS", 60.0)
        patch.setattr(importer, "arrange", wait)
        server = asyncio.create_task(replace(place.worker).run_forever())
        await begun.wait()
        with locked(database):
            go.set()
            server.cancel()
            done, _ = await asyncio.wait({server}, timeout=BUSY_SECONDS / 2)
    kept = place.files
    # SQLite could not be told; whoever comes next finds that nobody gives a sign of life.
    clock.now += timedelta(seconds=LEASE_SECONDS + 1)
    place.handler.stopping = False
    await place.import_waiting()

    assert done
    assert kept == ["file.csv"]
    assert (await place.told(number))["created"] == 30
