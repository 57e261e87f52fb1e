"""How often SQLite's thread is asked: a statement and its rows are one trip, with which a reading transaction begins
and behind which it ends."""

import asyncio
import sqlite3
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from domain.model import Actor, Business
from domain.pages import PageRequest
from domain.store import CustomerFilter, CustomerSort
from gql.composition import Services
from persistence import customers, purchases
from persistence.database.engines import Database
from persistence.database.sqlite_driver import InterruptibleConnection
from tests.shops.reported_shop import orders

pytestmark = pytest.mark.anyio
LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Database:
    """A store of SQLite, unless a test asks for each."""
    opened: Database = request.getfixturevalue(f"fresh_{getattr(request, 'param', 'sqlite')}")
    return opened


class Counted:
    """The queue to a thread."""

    def __init__(self, queue: Any, asked: list[bool]) -> None:
        self.queue, self.asked = queue, asked

    def put_nowait(self, item: tuple[Any, Any]) -> None:
        self.asked.append(item[0] is not None)
        self.queue.put_nowait(item)


@pytest.fixture
async def trips(fresh_sqlite: Database) -> list[bool]:
    """Grows with each trip to the thread of a reader, and says whether somebody waits for it."""
    asked: list[bool] = []
    async with fresh_sqlite.reader.connect() as connection:
        await connection.execute(text("SELECT 1"))
        raw = (await connection.get_raw_connection()).driver_connection
        assert isinstance(raw, InterruptibleConnection)
        raw._tx = Counted(raw._tx, asked)  # type: ignore[assignment]
    asked.clear()
    return asked


async def test_a_unit_of_two_statements_waits_for_its_thread_twice(
    services: Services, shop: Business, trips: list[bool]
) -> None:
    async with services.store.read(shop) as unit:
        await unit.purchases.has_any()
        await unit.purchases.load_storefronts()

    assert trips == [True, True, False]


async def test_a_unit_that_asks_nothing_makes_no_trip(services: Services, shop: Business, trips: list[bool]) -> None:
    async with services.store.read(shop):
        pass

    assert trips == []


async def test_all_statements_of_a_unit_see_one_state_and_the_next_unit_sees_the_next(
    services: Services, shop: Business
) -> None:
    async with services.store.read(shop) as unit:
        before = await unit.purchases.has_any()
        await services.purchases.record(shop, orders()[:1], Actor("test"))
        after = await unit.purchases.has_any()
    async with services.store.read(shop) as unit:
        later = await unit.purchases.has_any()

    assert (before, after, later) == (False, False, True)


async def test_a_statement_that_is_cancelled_leaves_a_connection_that_answers(
    fresh_sqlite: Database, services: Services, shop: Business
) -> None:
    async def count() -> None:
        async with fresh_sqlite.reader.connect() as connection:
            await connection.execute(text(LONG))

    counting = [asyncio.create_task(count()) for _ in range(4)]
    await asyncio.sleep(0.05)
    for each in counting:
        each.cancel()
    await asyncio.gather(*counting, return_exceptions=True)

    async with services.store.read(shop) as unit:
        assert not await unit.purchases.has_any()
    # No reader holds the journal back.
    with sqlite3.connect(str(fresh_sqlite.bulk.url.database)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def test_a_commit_that_fails_leaves_nothing_behind(fresh_sqlite: Database, shop: Business) -> None:
    columns = "business_id, customer_id, order_count, revenue, last_sort, changed_at"
    with pytest.raises(IntegrityError):
        async with fresh_sqlite.writer.begin() as connection:
            await connection.execute(text("PRAGMA defer_foreign_keys = ON"))
            await connection.execute(text(f"INSERT INTO customer_metrics ({columns}) VALUES (99, 99, 0, 0, 0, 0)"))

    with sqlite3.connect(str(fresh_sqlite.bulk.url.database), timeout=0) as other:
        other.execute("UPDATE business SET name = 'free'")


async def test_rows_that_are_streamed_begin_with_the_transaction_too(fresh_sqlite: Database, shop: Business) -> None:
    async with fresh_sqlite.reader.connect() as connection:
        result = await connection.stream(text("SELECT key FROM business ORDER BY key"))
        keys = [row.key async for row in result]
        raw: Any = (await connection.get_raw_connection()).driver_connection

        assert shop.key in keys
        assert raw.in_transaction


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_pages_of_one_form_are_statements_that_are_built_once(services: Services, shop: Business) -> None:
    async def ask(size: int, after: tuple[str, int] | None, ids: list[int]) -> None:
        async with services.store.read(shop) as unit:
            request = PageRequest(size, after=after)
            await unit.customers.load_page(request, CustomerFilter(), CustomerSort.EXTERNAL_ID, False)
            await unit.purchases.load_pages(ids, PageRequest(size))

    await ask(5, ("C1", 1), [1])
    built = [each.cache_info().misses for each in (customers._select_page, purchases._select_pages)]
    await ask(20, ("C2", 2), [1, 2, 3])

    assert [each.cache_info().misses for each in (customers._select_page, purchases._select_pages)] == built
