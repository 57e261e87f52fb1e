"""What an import costs the database, counted in steps of SQLite's machine or in blocks that PostgreSQL looks at: twice
as many rows are about twice as many, whatever becomes of them and however small the ranges are. Nothing here depends on
the clock."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from domain.model import Business
from gql.composition import Services
from persistence.database.condition import PAGE_BYTES
from persistence.database.engines import BULK_CACHE_KIB, Database
from persistence.imports import importer as bulk_import
from persistence.imports import record
from persistence.imports import undo as import_undo
from persistence.imports.undo import ImportUndo
from tests.conftest import NOW, sample_cases
from tests.drivers.files import HEADER, Importer
from tests.persistence.imports.test_undo import ACTOR, newest
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
EVERY = 100
LINES = 3
BLOCKS = text(
    "SELECT SUM(pg_stat_get_blocks_fetched(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'public' OR n.nspname LIKE 'pg_temp%'"
)
RANGE_TABLES = text(
    "SELECT COALESCE(SUM(pg_relation_size(c.oid)), 0) FROM pg_class c "
    "WHERE pg_table_is_visible(c.oid) AND c.relpersistence = 't' "
    "AND c.relname IN ('buyer', 'resolved', 'touched', 'undo_purchase')"
)
"""Bytes of the tables that hold a range, with rows that are deleted and still in the way."""
SETTINGS = ("foreign_keys", "cache_size", "wal_autocheckpoint")
Counted = Callable[[Database], AbstractContextManager[list[int]]]


@contextmanager
def steps_of(database: Database) -> Iterator[list[int]]:
    """How many steps of SQLite the statements of the block take, in hundreds, as the one number of the list."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    def watch(connection: Any, record: object) -> None:
        connection.set_progress_handler(count, EVERY)

    database.bulk.dispose()
    event.listen(database.bulk, "connect", watch)
    try:
        yield counted
    finally:
        event.remove(database.bulk, "connect", watch)
        database.bulk.dispose()


@contextmanager
def blocks_of(database: Database) -> Iterator[list[int]]:
    """How many blocks of tables and indexes PostgreSQL looks at in the transactions of the block."""
    counted = [0]

    def tell(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")

    def total() -> int:
        with database.bulk.connect() as connection:
            return int(connection.execute(BLOCKS).scalar_one())

    before = total()
    engines = (database.bulk, database.writer.sync_engine)
    for engine in engines:
        event.listen(engine, "commit", tell)
    try:
        yield counted
    finally:
        for engine in engines:
            event.remove(engine, "commit", tell)
        counted[0] = total() - before


@contextmanager
def never_break_off(connection: Connection, is_over: Callable[[], bool]) -> Iterator[Callable[[], None]]:
    """A connection of SQLite has one handler for its steps, and here that is the one that counts them."""
    yield lambda: None


@pytest.fixture
def counted(database: Database, monkeypatch: pytest.MonkeyPatch) -> Counted:
    monkeypatch.setattr(record, "break_off_when", never_break_off)
    return steps_of if database.dialect == "sqlite" else blocks_of


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is slow."""
    for module in (bulk_import, import_undo):
        monkeypatch.setattr(module, "FEWEST", 50)
        monkeypatch.setattr(module, "MOST", 50)


def orders(count: int, category: str) -> list[str]:
    return [
        f"C{number % (count // 4)},O{number},2024-03-01,{line + 1}.00,{category}"
        for number in range(count)
        for line in range(LINES)
    ]


def cost(importer: Importer, count: int, counter: Counted) -> dict[str, int]:
    header = f"{HEADER},category"
    with counter(importer.database) as creating:
        made = importer.lines(*orders(count, "Tea"), header=header)
    with counter(importer.database) as changing:
        changed = importer.lines(*orders(count, "Cups"), header=header)
    with counter(importer.database) as undoing:
        ImportUndo(importer.database, importer.business, lambda: importer.now, newest(importer.database)).run(ACTOR)
    assert (made.created, changed.updated) == (count * LINES, count * LINES)
    return {"created": creating[0], "changed": changing[0], "undone": undoing[0]}


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize(("rows", "most"), sample_cases(((1_200, 4.7), (2_400, 5)), (1_200, 4.7)))
async def test_an_import_and_its_undo_cost_as_much_a_row_however_many_rows_there_are(
    services: Services, shop: Business, database: Database, tmp_path: Path, counted: Counted, rows: int, most: float
) -> None:
    other = await services.businesses.create("other", "Other", "UTC", "EUR")

    few = cost(Importer(database, shop, tmp_path, NOW), rows, counted)
    many = cost(Importer(database, other, tmp_path, NOW), 4 * rows, counted)

    print(few, many)
    assert {name: many[name] / few[name] < most for name in few} == dict.fromkeys(few, True), (few, many)


@pytest.mark.slow
@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_what_ranges_leave_behind_in_temporary_tables_does_not_pile_up(
    importer: Importer, database: Database
) -> None:
    sizes = []

    def look(connection: Connection) -> None:
        sizes.append(int(connection.execute(RANGE_TABLES).scalar_one()))

    event.listen(database.bulk, "commit", look)
    try:
        for category in ("Tea", "Cups"):
            importer.lines(*orders(9_600, category), header=f"{HEADER},category")
        ImportUndo(importer.database, importer.business, lambda: importer.now, newest(importer.database)).run(ACTOR)
    finally:
        event.remove(database.bulk, "commit", look)

    print(max(sizes), len(sizes))
    assert len(sizes) > 2 * 9_600 // 50
    # Those of an import and those of its undoing may each grow to a quarter of a megabyte and a range.
    assert 100_000 < max(sizes) < 600_000


@pytest.mark.parametrize("times", sample_cases((100, 300), 100))
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_few_purchases_cost_as_much_however_many_there_are_and_however_often_some_were_recorded(
    services: Services, shop: Business, importer: Importer, database: Database, times: int
) -> None:
    async def record(name: str) -> int:
        items = [purchase(f"C{number}", f"{name}-{number}", "2024-03-02", 100) for number in range(0, 1000, 200)]
        with blocks_of(database) as counted:
            await services.purchases.record(shop, items, ACTOR)
        return counted[0]

    def fill(count: int) -> None:
        # Counted too, so that nothing of it is counted later.
        with blocks_of(database):
            importer.lines(*orders(count, "Tea"), header=f"{HEADER},category")

    fill(4_000)
    # As a store is before PostgreSQL has looked at what it holds: by itself it does so once a minute.
    with database.bulk.begin() as connection:
        connection.execute(text("DELETE FROM pg_statistic WHERE starelid = 'purchase'::regclass"))
    few = await record("few")
    for number in range(times):
        await record(f"more-{number}")
    many = await record("many")
    fill(16_000)
    large = await record("large")

    print(few, many, large)
    assert many < 1.7 * few
    assert large < 3 * few


def count_kept_pages() -> int:
    """How many pages are kept, each behind its number, in temporary files that SQLite has open in this process."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            pages, rest = divmod(link.stat().st_size, PAGE_BYTES + 4)
            if "etilqs" in str(link.readlink()) and not rest:
                found += pages
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files are open")
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_sqlite_keeps_no_copy_of_the_pages_that_new_orders_are_spread_over(
    importer: Importer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_import, "MOST", 3_000)
    kept = list[int]()

    def look(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if "INTO purchase_line" in statement:
            kept.append(count_kept_pages())

    event.listen(database.bulk, "after_cursor_execute", look)
    made = importer.lines(*(f"C{number % 40},O{number * 7919 % 12_007},2024-03-01,5" for number in range(12_000)))

    assert made.created == 12_000
    # Of a range before, those of the totals of customers, which are few.
    assert (kept[0], len(kept)) == (0, 4)
    assert max(kept) < 10
    with database.bulk.connect() as connection:
        settings = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in SETTINGS]
    assert settings == [1, -BULK_CACHE_KIB, 1_000]


def test_ranges_that_became_small_in_a_moment_of_slowness_grow_again() -> None:
    sizes = [60_000]
    for _ in range(12):
        sizes.append(bulk_import.compute_next_size(sizes[-1], 4.0))
    slow = sizes[-1]
    for _ in range(8):
        sizes.append(bulk_import.compute_next_size(sizes[-1], 0.05 + sizes[-1] * 1e-5))

    assert slow == bulk_import.FEWEST
    assert sizes[-1] > 30_000
