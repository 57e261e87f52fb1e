"""Imports that wait for a lock of another process, or meet a store that another version of the program has upgraded:
whoever is to end does so while the lock is still held, and nothing is written."""

import asyncio
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from domain.errors import DomainError, ImportEnded, ImportStopped, StoreUpgraded
from domain.imports.formats import SourceFormat
from domain.imports.model import ImportSummary
from domain.model import Business
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.database.steps import find_head
from persistence.imports import importer
from persistence.imports import record as importing_record
from persistence.imports.importer import PurchaseImporter
from persistence.imports.record import ImportRecord
from persistence.sources.opening import open_purchases
from tests.conftest import SetClock
from tests.drivers.files import HEADER
from tests.drivers.other_process import locked, set_step
from tests.drivers.server import wait_until

pytestmark = pytest.mark.anyio
CANCEL = "UPDATE job SET cancel_requested = true"
FIRST = {"sqlite": "UPDATE purchase_import", "postgresql": "UPDATE business"}
"""The statement with which an import waits for whoever holds the lock."""


class Importing:
    """An import in a thread of its own, which stands still once its rows are sorted until it may `go` on."""

    def __init__(
        self, database: Database, shop: Business, clock: SetClock, path: Path, patch: pytest.MonkeyPatch
    ) -> None:
        path.write_text(f"{HEADER}\nC1,O1,2024-03-01,5\n")
        self.sorted, self.go, self.waits = threading.Event(), threading.Event(), threading.Event()
        self.record = ImportRecord(database.bulk, shop, clock, "test", path.name)
        self.record.begin()
        arrange = importer.arrange

        def stand_still(*given: object) -> object:
            self.sorted.set()
            assert self.go.wait(20)
            return arrange(*given)

        def watch(conn: object, cursor: object, statement: str, *_: object) -> None:
            if self.go.is_set() and statement.startswith(FIRST[database.dialect]):
                self.waits.set()

        def work() -> ImportSummary:
            opened = open_purchases(path, shop, SourceFormat(), database=database)
            with self.record.keep_alive():
                return PurchaseImporter(database, shop, clock).run(
                    opened.name, opened.read_rows, opened.read_texts, actor="test", record=self.record
                )

        patch.setattr(importer, "arrange", stand_still)
        event.listen(database.bulk, "before_cursor_execute", watch)
        self.work = asyncio.create_task(asyncio.to_thread(work))

    async def wait(self, event: threading.Event) -> None:
        assert await asyncio.to_thread(event.wait, 20)


@pytest.fixture
async def importing(
    database: Database, shop: Business, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Importing:
    made = Importing(database, shop, clock, tmp_path / "orders.csv", monkeypatch)
    await made.wait(made.sorted)
    return made


def load_jobs(database: Database) -> list[tuple[object, ...]]:
    with database.bulk.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT status, heartbeat_at, error_code FROM job"))]


async def assert_ended(importing: Importing, reason: type[DomainError]) -> None:
    """In far less than a lock is waited for."""
    with pytest.raises(reason):
        await asyncio.wait_for(asyncio.shield(importing.work), BUSY_SECONDS / 2)


@pytest.mark.parametrize("reason", [ImportEnded, ImportStopped])
async def test_an_import_that_is_to_end_does_not_wait_for_a_lock(
    importing: Importing, database: Database, reason: type[DomainError]
) -> None:
    with locked(database):
        importing.go.set()
        await importing.wait(importing.waits)
        importing.record.stop(reason("It is to end."))
        await assert_ended(importing, reason)


async def test_an_import_hears_that_it_was_cancelled_while_it_waits_for_a_lock(
    importing: Importing, database: Database
) -> None:
    with locked(database, CANCEL):
        importing.go.set()
        await assert_ended(importing, ImportEnded)
    importing.record.fail(ImportEnded("It was cancelled."))

    assert [(status, code) for status, _, code in load_jobs(database)] == [("CANCELLED", "CANCELLED")]


async def test_an_import_waits_for_a_lock_that_is_held_for_a_moment(importing: Importing, database: Database) -> None:
    with locked(database):
        importing.go.set()
        await importing.wait(importing.waits)
        await asyncio.sleep(0.5)

    assert (await importing.work).created == 1


async def test_an_import_gives_no_sign_of_life_to_a_store_that_another_version_has_upgraded(
    importing: Importing, database: Database, clock: SetClock
) -> None:
    async def has_heard() -> bool:
        return importing.record.reason is not None

    set_step(database, "9999")
    before = load_jobs(database)
    clock.now += timedelta(seconds=5)
    await wait_until(has_heard)
    importing.go.set()
    await assert_ended(importing, StoreUpgraded)
    importing.record.fail(StoreUpgraded("The store was upgraded."))
    importing.record.release()

    assert load_jobs(database) == before
    set_step(database, find_head())


async def test_no_sign_of_life_is_given_beside_an_import_that_gives_them_itself(
    database: Database, shop: Business, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing_record, "BEAT_SECONDS", 0.01)
    record = ImportRecord(database.bulk, shop, clock, "test", "orders.csv")
    record.begin()
    looks, given = list[bool](), list[str]()
    looked = threading.Event()
    look = ImportRecord._look

    def watch_looks(self: ImportRecord, connection: Connection) -> None:
        look(self, connection)
        looks.append(True)
        if len(looks) > 5:
            looked.set()

    def watch(conn: object, cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE job"):
            given.append(statement)

    with database.bulk.begin() as connection:
        record.require(connection)
    monkeypatch.setattr(ImportRecord, "_look", watch_looks)
    event.listen(database.bulk, "before_cursor_execute", watch)
    with record.keep_alive():
        assert await asyncio.to_thread(looked.wait, 20)

    assert given == []
