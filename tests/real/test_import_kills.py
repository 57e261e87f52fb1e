"""Imports, and the taking back of imports, that are killed in the middle: what was written is whole, the record says
that its process died, and doing it again ends in the state of one that nobody disturbed."""

import asyncio
import signal
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from domain.imports.imports import PurchaseImports
from domain.jobs.model import JobStatus
from domain.jobs.progress import ProgressFeed
from domain.model import Business
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import SetClock
from tests.drivers.files import Importer
from tests.drivers.store_image import assert_sound, image
from tests.persistence.imports.test_undo import RICH, newest, order, tables, undo

pytestmark = pytest.mark.anyio
BEFORE = [order(f"C{number:02}", f"O{number}", category="Tea") for number in range(0, 60, 2)]
AFTER = [order(f"C{number:02}", f"O{number}", "11", storefront="new") for number in range(60)]
BAD = ",x,2024-03-01,1,,,,"


async def kill_import(database: Database, what: str, times: int, statement: str) -> None:
    """Work in a process that dies there."""
    url = database.bulk.url.render_as_string(hide_password=False)
    arguments = ("-m", "tests.drivers.dying_import", url, what, str(times), statement)
    dying = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL


@pytest.fixture
def importer(database: Database, shop: Business, tmp_path: Path, clock: SetClock) -> Importer:
    return Importer(database, shop, tmp_path, clock.now)


@pytest.fixture
def imports(database: Database, clock: SetClock) -> PurchaseImports:
    return PurchaseImports(SqlStore(database, clock), clock, ProgressFeed())


@pytest.mark.parametrize(
    ("times", "statement"),
    [
        (2, "INSERT INTO import_range"),
        pytest.param(1, "INSERT INTO import_reject", marks=pytest.mark.slow),
    ],
)
async def test_i3_an_import_that_is_killed_is_marked_and_run_again_ends_as_if_nobody_had_disturbed_it(
    times: int,
    statement: str,
    importer: Importer,
    database: Database,
    shop: Business,
    clock: SetClock,
    imports: PurchaseImports,
) -> None:
    importer.lines(*BEFORE, header=RICH)
    before = tables(database)
    importer.lines(*AFTER, BAD, header=RICH)
    undisturbed = image(database, shop)
    undo(importer)
    assert tables(database) == before

    await kill_import(database, str(importer.folder / "orders.csv"), times, statement)
    died = newest(database)
    clock.now += timedelta(seconds=31)
    swept = await imports.sweep(shop)
    async with imports.store.read(shop) as unit:
        record = (await unit.imports.find_by_ids([died]))[died]
    importer.lines(*AFTER, BAD, header=RICH)

    assert swept == 1
    assert (record.status, record.error_code) == (JobStatus.FAILED, "ABANDONED")
    assert image(database, shop) == undisturbed
    await assert_sound(database, shop, clock)
    undo(importer)
    undo(importer, died)
    assert tables(database) == before


@pytest.mark.parametrize(
    ("times", "statement"),
    [(3, "DELETE FROM purchase WHERE"), pytest.param(1, "DELETE FROM import_range", marks=pytest.mark.slow)],
)
async def test_i3_a_taking_back_that_is_killed_is_finished_by_the_next(
    times: int, statement: str, importer: Importer, database: Database, shop: Business, clock: SetClock
) -> None:
    importer.lines(*BEFORE, header=RICH)
    before = tables(database)
    importer.lines(*AFTER, header=RICH)
    number = newest(database)

    await kill_import(database, str(number), times, statement)
    await assert_sound(database, shop, clock)
    done = undo(importer, number)

    assert tables(database) == before
    assert (done.removed, done.restored, done.customers_removed) == (30, 30, 30)


async def test_a_file_that_grows_while_it_is_read_is_taken_whole_by_the_next_import(
    importer: Importer, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "growing.csv"
    rows = [order(f"C{number % 97}", f"O{number}") for number in range(12_000)]
    file.write_text("\n".join((RICH, *rows[:6_000], "")))
    over = threading.Event()

    def grow() -> None:
        with file.open("a") as growing:
            for begin in range(6_000, 12_000, 10):
                # Also in the middle of a row, as buffers are written.
                text = "\n".join((*rows[begin : begin + 10], ""))
                growing.write(text[:150])
                growing.flush()
                growing.write(text[150:])
                growing.flush()
        over.set()

    thread = threading.Thread(target=grow)
    thread.start()
    first = await asyncio.to_thread(importer.file, file)
    thread.join()
    again = importer.file(file)

    assert over.is_set()
    assert 6_000 <= first.rows_read <= 12_000
    assert first.rejected <= 1
    assert (again.rows_read, again.rejected) == (12_000, 0)
    assert again.created + again.updated + again.unchanged == 12_000
    with database.bulk.connect() as connection:
        held = connection.exec_driver_sql("SELECT COUNT(*), SUM(amount) FROM purchase").one()
    assert (held[0], int(held[1])) == (12_000, 12_000_000)
