"""What it costs the database to record a purchase, to let memberships follow it, to look at runs and to erase a
customer, in steps of SQLite's machine or in blocks that PostgreSQL looks at: as much among many as among few. Nothing
here depends on the clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from domain.calendar import from_micros
from domain.jobs.model import JobKind
from domain.segments.model import Definition, SegmentCriteria
from gql.composition import Services
from persistence import evaluation
from persistence.database.dialects import analyze
from persistence.database.engines import Database
from tests.drivers.working import ACTOR, Working
from tests.persistence.imports.test_cost import BLOCKS
from tests.persistence.jobs.conftest import DAY, over, uses
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2_000, "C3": 100}
FEW, MANY = 1_500, 18_000
BOUGHT = 3
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(:low AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :high)"
FILL = (
    f"{NUMBERS} INSERT INTO customer (business_id, id, external_id, erased, name_sort) "
    "SELECT 1, i, 'F' || i, false, 'f' FROM n",
    f"{NUMBERS} INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, "
    f"counted, amount, written_by) SELECT 1, i, {BOUGHT} * i + k, 'F' || i || '-' || k, 1717200000000000, 19875, 0, 1, "
    "100 * (i % 40), 0 FROM n CROSS JOIN (SELECT 0 AS k UNION ALL SELECT 1 UNION ALL SELECT 2) AS few",
    f"{NUMBERS} INSERT INTO customer_metrics (business_id, customer_id, order_count, revenue, first_at, last_at, "
    f"first_day, last_day, last_sort, changed_at) SELECT 1, i, {BOUGHT}, {BOUGHT} * 100 * (i % 40), 1717200000000000, "
    "1717200000000000, 19875, 19875, 1717200000000000, 0 FROM n",
    f"UPDATE business SET next_customer = :high + 1, next_purchase = {BOUGHT} * :high + {BOUGHT} WHERE id = 1",
)


def fill(database: Database, low: int, high: int, statements: Sequence[str] = FILL) -> None:
    """Customers of these numbers, each with a few purchases, or what else the statements add of so many."""
    with database.bulk.begin() as connection:
        for statement in statements:
            given = {name: value for name, value in {"low": low, "high": high}.items() if f":{name}" in statement}
            connection.execute(text(statement), given)


@asynccontextmanager
async def counting(database: Database) -> AsyncIterator[list[int]]:
    """How much the transactions of the event loop cost in the block, as the one number of the list."""
    counted = [0]
    engines = {database.reader.sync_engine, database.writer.sync_engine, database.worker.sync_engine}

    def count() -> int:
        counted[0] += 1
        return 0

    def watch(connection: Any, record: object) -> None:
        connection.run(lambda raw: raw.set_progress_handler(count, 1))

    def tell(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")

    def total() -> int:
        with database.bulk.connect() as connection:
            # What this connection itself did before is told now, not within the block.
            tell(connection)
            connection.commit()
            return int(connection.execute(BLOCKS).scalar_one())

    listened = ("connect", watch) if database.dialect == "sqlite" else ("commit", tell)
    for engine in (database.reader, database.writer, database.worker):
        await engine.dispose()
    before = 0 if database.dialect == "sqlite" else total()
    for each in engines:
        event.listen(each, *listened)
    try:
        yield counted
    finally:
        for each in engines:
            event.remove(each, *listened)
        for engine in (database.reader, database.writer, database.worker):
            await engine.dispose()
        if database.dialect == "postgresql":
            counted[0] = total() - before


async def test_a_purchase_and_what_follows_it_cost_as_much_however_many_customers_there_are(
    working: Working, services: Services, database: Database
) -> None:
    async def buy(name: str) -> int:
        """What it costs that somebody buys who was there, and somebody new, who enters every segment."""
        items = [purchase(customer, f"{name}-{customer}", DAY, 90_000) for customer in ("C1", name)]
        async with counting(database) as counted:
            await services.purchases.record(working.business, items, ACTOR)
            assert await working.handler.follow(working.business) == 2
        return counted[0]

    async def run_all() -> None:
        """Let every rule have members; PostgreSQL looks at what it holds, as it does by itself in time."""
        await working.recalculations.start_all(working.business, ACTOR)
        assert await working.runner.run_next(working.business)
        with database.bulk.begin() as connection:
            analyze(connection, "customer", "purchase", "customer_metrics", "membership")

    for number in range(6):
        await working.segment(f"s{number}", over(number))
    await working.segment(
        "more", {"and": [uses("s1"), {"some": [{"var": "purchases"}, {">": [{"var": "amount"}, 5]}]}]}
    )
    await working.define("often", Definition(over(1), SegmentCriteria(min_orders=1)))
    fill(database, 1_000, 1_000 + FEW)
    await run_all()
    await buy("warm")
    few = await buy("few")
    fill(database, 10_000, 10_000 + MANY)
    await run_all()
    await buy("warmer")
    many = await buy("many")

    print(few, many)
    assert many < 1.25 * few


OF_OTHERS = (
    f"{NUMBERS} INSERT INTO customer_term (business_id, term, customer_id) SELECT 1, 'f' || i, i FROM n",
    f"{NUMBERS} INSERT INTO purchase_before (business_id, import_id, customer_id, purchase_id, purchased_at, "
    "local_day, status, amount, written_by) SELECT 1, 1, i, i, 1717200000000000, 19875, 0, 100, 0 FROM n",
)
GONE = (
    f"{NUMBERS} INSERT INTO customer (business_id, id, external_id, erased, name_sort) "
    "SELECT 1, i, 'erased:' || i, true, 'f' FROM n",
    FILL[-1],
)


async def test_a_purchase_costs_as_much_however_many_customers_were_erased(
    working: Working, services: Services, database: Database
) -> None:
    await services.erasure.erase(working.business, 2, ACTOR)

    async def buy(name: str, low: int, high: int) -> int:
        """What it costs, after so many more were erased, that somebody buys who was there, and somebody new."""
        fill(database, low, high, GONE)
        with database.bulk.begin() as connection:
            analyze(connection, "customer")
        items = [purchase(customer, f"{name}-{customer}", DAY, 100) for customer in ("C1", name)]
        async with counting(database) as counted:
            await services.purchases.record(working.business, items, ACTOR)
        return counted[0]

    await buy("warm", 1_000, 1_010)
    few = await buy("few", 1_020, 1_030)
    many = await buy("many", 2_000, 27_000)

    print(few, many)
    # PostgreSQL counts the temporary tables only as long as their connection is there.
    assert many < 2 * few


async def test_erasing_a_customer_costs_as_much_however_many_there_are(
    working: Working, services: Services, database: Database
) -> None:
    async def erase(customer: int, low: int, high: int) -> int:
        fill(database, low, low + (high - low) // 20)
        fill(database, low, high, OF_OTHERS)
        with database.bulk.begin() as connection:
            analyze(connection, "customer", "customer_term", "purchase_before")
        async with counting(database) as counted:
            await services.erasure.erase(working.business, customer, ACTOR)
        return counted[0]

    await erase(1, 1_000, 1_010)
    few = await erase(2, 1_020, 1_030)
    many = await erase(3, 2_000, 22_000)

    print(few, many)
    assert many < 1.5 * few


RUNS = (
    f"{NUMBERS} INSERT INTO job (business_id, kind, id, reason, segment_id, status, phase, created_at, finished_at) "
    "SELECT 1, 'RECALCULATION', i, 'FOLLOW', s.id, 'SUCCEEDED', 'finished', 1718452800000000, 1718452800000000 "
    "FROM n JOIN segment s ON s.id = 1 + i % 2",
    f"{NUMBERS} INSERT INTO membership_change (business_id, at, segment_id, entered, left_count, member_count) "
    "SELECT 1, i, s.id, 1, 0, 5 FROM n CROSS JOIN segment s",
)


async def test_a_look_at_runs_costs_as_much_however_many_have_ended(working: Working, database: Database) -> None:
    segments = [(await working.segment(f"s{number}", over(number))).id for number in range(2)]

    async def look(low: int, high: int) -> int:
        """What it costs to look for work that waits, for runs that are active and for those, after so many more."""
        fill(database, low, high, RUNS)
        with database.bulk.begin() as connection:
            analyze(connection, "job", "membership_change")
        async with counting(database) as counted, working.store.read(working.business) as unit:
            agenda = await working.store.load_agenda(working.business, working.clock.now)
            assert not await unit.jobs.find_active(segments) and await unit.jobs.find_active_parent() is None
            runs = await unit.jobs.find_newest(segments)
            changes = await unit.memberships.find_last_changes(segments)
        async with counting(database) as more, working.store.open_heartbeats(working.business) as jobs:
            assert await jobs.acquire(JobKind.RECALCULATION, "worker", working.clock.now) is None
        assert not agenda.waiting
        assert {key: run.id for key, run in runs.items()} == {1 + number % 2: number for number in (high - 1, high)}
        assert changes == dict.fromkeys(segments, from_micros(high))
        return counted[0] + more[0]

    await look(1, 10)
    few = await look(11, 20)
    many = await look(21, 3_000)

    print(few, many)
    assert many < 2 * few


READ = text(
    "SELECT (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'purchase') "
    "+ (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'purchase')"
)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
async def test_a_run_by_ranges_of_customers_reads_the_purchases_of_each_range_alone(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "RANGE", 250)
    monkeypatch.setattr(evaluation, "QUICK_SECONDS", 0.0)
    await working.segment("some", {"some": [{"var": "purchases"}, {">": [{"var": "amount"}, 5]}]})
    fill(database, 1_000, 1_000 + 3_000)
    with database.bulk.begin() as connection:
        analyze(connection, "customer", "purchase", "customer_metrics")
        before = connection.execute(READ).scalar_one()

    async with counting(database):
        await working.recalculations.start_all(working.business, ACTOR)
        assert await working.runner.run_next(working.business)

    with database.bulk.connect() as connection:
        read = connection.execute(READ).scalar_one() - before
    print(read)
    assert 0 < read < 2 * BOUGHT * 3_000
