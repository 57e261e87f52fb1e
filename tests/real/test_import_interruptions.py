"""Imports that are interrupted: from the keyboard in the middle of a long statement or of a wait for a lock, and at
moments of all kinds in the middle of many rows. Each ends at once; what it has written is whole, and it is simply begun
again."""

import asyncio
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from domain.errors import ImportEnded
from domain.imports.formats import SourceFormat
from domain.imports.model import ImportSummary
from domain.model import Business
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.imports.importer import PurchaseImporter
from persistence.imports.record import ImportRecord
from persistence.sources.opening import open_purchases
from persistence.sources.packing import watch_reading
from tests.conftest import SetClock
from tests.drivers.dying import now
from tests.drivers.files import HEADER, Importer
from tests.drivers.other_process import locked
from tests.drivers.server import wait_until
from tests.drivers.store_image import assert_sound

pytestmark = pytest.mark.anyio
ROWS = 200_000
MOMENTS = 6
DRAW = random.Random(14)
LIMIT = 1.0
"""Seconds within which an import ends that is to."""


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """A file of one order."""
    file = tmp_path / "orders.csv"
    file.write_text(f"{HEADER}\nC1,O1,2024-03-01,5\n")
    return file


def begin_endless(database: Database, orders: Path, *how: str) -> subprocess.Popen[str]:
    """An import of the file that never ends by itself, and tells where it is."""
    url = database.bulk.url.render_as_string(hide_password=False)
    asked = [sys.executable, "-m", "tests.drivers.endless_import", url, str(orders), *how]
    pipe = subprocess.PIPE
    return subprocess.Popen(asked, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def find_end(database: Database) -> tuple[Any, ...]:
    """What the record of the only import says of its end."""
    with database.bulk.connect() as connection:
        return tuple(connection.execute(text("SELECT status, error_code FROM job")).one())


async def test_an_interruption_from_the_keyboard_breaks_off_a_long_statement(
    database: Database, shop: Business, orders: Path
) -> None:
    with begin_endless(database, orders) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        process.wait(20)

    assert find_end(database) == ("FAILED", "INTERRUPTED")


async def test_an_interruption_from_the_keyboard_ends_a_wait_for_a_lock(
    database: Database, shop: Business, orders: Path
) -> None:
    async def has_come() -> bool:
        """What the driver breaks off before PostgreSQL has it is not broken off."""
        if database.dialect == "sqlite":
            return True
        with database.bulk.connect() as connection:
            waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            return bool(connection.execute(text(waiting)).scalar_one())

    with begin_endless(database, orders, "locked") as process:
        assert process.stdin is not None and process.stdout is not None and process.stdout.readline() == "begun\n"
        with locked(database):
            process.stdin.write("go on\n")
            process.stdin.flush()
            assert process.stdout.readline() == "waiting\n"
            await wait_until(has_come)
            process.send_signal(signal.SIGINT)
            # It would wait for as long for the lock, and as long again to say how it ended.
            process.wait(BUSY_SECONDS)

    with database.bulk.connect() as connection:
        written = connection.execute(text("SELECT COUNT(*) FROM purchase")).scalar_one()
    assert (*find_end(database), written) == ("RUNNING", None, 0)


async def test_an_interruption_while_the_driver_executes_is_told_as_one(
    database: Database, shop: Business, orders: Path
) -> None:
    """SQLAlchemy has closed the connection by then, so that nothing can be put back on it."""

    def interrupt(cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("UPDATE purchase_import"):
            event.remove(database.bulk, "do_execute", interrupt)
            raise KeyboardInterrupt

    event.listen(database.bulk, "do_execute", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Importer(database, shop, orders.parent, now()).file(orders)

    assert find_end(database) == ("FAILED", "INTERRUPTED")


def write_orders(path: Path, rows: int) -> None:
    """Rows of which some are to be mended, and some rejected."""
    with path.open("w") as file:
        file.write(f"{HEADER},category\n")
        for number in range(rows):
            order = number * 7919 % rows if number % 10 else number // 20
            amount = "x" if number % 997 == 0 else f"{number % 90 + 10}.50"
            file.write(f"C{number % (rows // 10)},O{order},2024-03-01T10:00:00,{amount},Tea\n")


@pytest.mark.slow
async def test_an_import_of_many_rows_ends_within_a_second_wherever_it_is(
    database: Database, shop: Business, tmp_path: Path, clock: SetClock, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "orders.csv"
    write_orders(path, ROWS)
    ended: list[float] = []

    def work(record: ImportRecord) -> ImportSummary:
        try:
            with record.keep_alive(), watch_reading(record.check):
                opened = open_purchases(path, shop, SourceFormat(), database=database)
                digest = opened.compute_digest()
                return PurchaseImporter(database, shop, clock).run(
                    opened.name, opened.read_rows, opened.read_texts, actor="test", record=record, digest=digest
                )
        finally:
            ended.append(time.perf_counter())

    def begin() -> ImportRecord:
        record = ImportRecord(database.bulk, shop, clock, "test", path.name)
        record.begin()
        return record

    began = time.perf_counter()
    whole = await asyncio.to_thread(work, begin())
    took = time.perf_counter() - began
    waits = []
    for place in range(MOMENTS):
        with database.bulk.begin() as connection:
            # So that there is something to write again.
            connection.execute(text("UPDATE purchase SET amount = amount + 1 WHERE customer_id % 3 = 0"))
        record = begin()
        working = asyncio.create_task(asyncio.to_thread(work, record))
        # Somewhat beyond the end: what there is to write again takes longer.
        await asyncio.sleep(1.3 * took * (place + DRAW.random()) / MOMENTS)
        phase, stopped = record._progress[0], time.perf_counter()
        record.stop(ImportEnded("The import was cancelled."))
        try:
            await working
        except ImportEnded as error:
            record.fail(error)
            waits.append((ended[-1] - stopped, phase))

    with capsys.disabled():
        told = ", ".join(f"{seconds:.2f} s ({phase})" for seconds, phase in waits)
        print(f"\n{database.dialect}: {took:.1f} s whole; ended after {told}")
    assert waits and max(waits)[0] < LIMIT, waits
    again = await asyncio.to_thread(work, begin())
    assert (again.rows_read, again.rejected) == (whole.rows_read, whole.rejected)
    await assert_sound(database, shop, clock)
