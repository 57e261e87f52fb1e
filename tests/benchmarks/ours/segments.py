"""Recalculation measured: `python -m tests.benchmarks.segments CUSTOMERS` prints seconds and peak memory as JSON.

The store is made by a few statements: customers with five purchases each, whose revenue is spread so that 48 % of them
spent more than the rule asks for. The peer is the bare INSERT … SELECT with the same WHERE into the same table.
"""

import asyncio
import json
import resource
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from sqlalchemy import Connection, text

from domain.jobs.progress import ProgressFeed
from domain.model import Actor, Business
from domain.pages import PageRequest
from domain.segments.model import Definition, NewSegment, Segment, SegmentKind
from domain.segments.runner import Runner
from domain.store import MemberList
from gql.composition import Services
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import upgrade
from persistence.store import SqlStore
from tests.benchmarks.data import FOLDER
from tests.benchmarks.processes import time_runs

PURCHASES = 5
ENTERING = 48
ACTOR = Actor("bench")
NOW = datetime(2025, 12, 31, tzinfo=UTC)
BENCH = (
    "INSERT INTO business (id, key, name, currency, time_zone, settings, created_at) "
    "VALUES (1, 'bench', 'bench', 'USD', 'UTC', '{}', 0)"
)
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)"
FILL = (
    f"{NUMBERS} INSERT INTO customer (business_id, id, external_id, erased, name_sort) "
    "SELECT 1, i, 'C' || i, 0, char(1114111) FROM n",
    # The remainder scatters the spenders over all ids.
    f"{NUMBERS} INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, "
    "counted, amount) SELECT 1, (i - 1) / :each + 1, i, 'O' || i, 1700000000000000 + i, 739000 + i % 730, 0, 1, "
    "((i - 1) / :each * 7919 % 100) * 100 FROM n",
    "INSERT INTO customer_metrics (business_id, customer_id, order_count, revenue, first_at, last_at, first_day, "
    "last_day, last_sort) SELECT 1, customer_id, COUNT(*), SUM(amount), MIN(purchased_at), MAX(purchased_at), "
    "MIN(local_day), MAX(local_day), MAX(purchased_at) FROM purchase WHERE business_id = 1 GROUP BY customer_id",
)
BARE = (
    "INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source) "
    "SELECT 1, :segment, customer_id, 1, 0 FROM customer_metrics WHERE business_id = 1 AND revenue > :more"
)


def make_store(customers: int) -> Path:
    """The store's file, which is made first where it is not there."""
    path = FOLDER / f"segments-{customers}.sqlite"
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        database = open_database(f"sqlite:///{unfinished}")
        upgrade(database.bulk)
        with database.bulk.begin() as connection:
            connection.execute(text(BENCH))
            for statement, count in zip(FILL, (customers, customers * PURCHASES, 0), strict=True):
                given = {"count": count, "each": PURCHASES}
                used = {name: value for name, value in given.items() if f":{name}" in statement}
                connection.execute(text(statement), used)
        database.bulk.dispose()
        unfinished.replace(path)
    return path


async def segment(store: SqlStore, business: Business, key: str, rules: object) -> Segment:
    """One that nothing queued."""
    new = NewSegment(key, key, None, SegmentKind.AUTOMATIC, False, False, Definition(rules=rules), None, "bench")
    async with store.write(business) as unit:
        return await unit.segments.add(new, unit.instant)


def bare(connection: Connection, number: int, more: int) -> float:
    """Seconds of the bare statement; what it wrote is taken away again."""
    start = time.perf_counter()
    with connection.begin():
        connection.execute(text(BARE), {"segment": number, "more": more})
    took = time.perf_counter() - start
    with connection.begin():
        connection.execute(text("DELETE FROM membership WHERE segment_id = :segment"), {"segment": number})
    return took


async def measure(database: Database) -> dict[str, object]:
    """Everything, in one process."""
    feed = ProgressFeed()
    store, services = SqlStore(database, lambda: NOW), Services(database, lambda: NOW, feed)
    runner = Runner(store, lambda: NOW, feed, "bench")
    business = await services.businesses.open("bench")
    more = (100 - ENTERING) * PURCHASES - 1
    rule = {">": [{"var": "total_revenue"}, more]}
    wanted = await segment(store, business, f"big-{time.time_ns()}", rule)
    with database.bulk.connect() as connection:
        peer = min(bare(connection, 10**6 + number, more * 100) for number in range(3))
    found: dict[str, object] = {"bare": peer}
    before = peak()
    for name in ("first", "again"):
        start = time.perf_counter()
        job = await services.recalculations.start(business, wanted.id, ACTOR)
        await runner.run_next(business)
        found[name] = time.perf_counter() - start
        async with store.read(business) as unit:
            found.setdefault("entered", (await unit.jobs.find_by_ids([job.id]))[job.id].entered)
    found["megabytes"] = [before, peak()]
    found["preview"] = median(
        (await time_runs(5, lambda: services.analysis.preview(business, Definition(rules=rule))))[0]
    )
    found["page"] = median((await time_runs(5, lambda: members(store, business, wanted)))[0])
    await clear(store, business, wanted)
    return found


async def members(store: SqlStore, business: Business, held: Segment) -> None:
    """A page of 100 members with their memberships."""
    async with store.read(business) as unit:
        page = await unit.members.load_page(MemberList(held.id), PageRequest(100))
        await unit.memberships.find_open_memberships([record.customer.id for record, _ in page.items])


async def clear(store: SqlStore, business: Business, held: Segment) -> None:
    """Leave the store as it was found."""
    with store.database.bulk.begin() as connection:
        for table in ("membership", "membership_change", "snapshot", "job"):
            connection.execute(text(f"DELETE FROM {table} WHERE segment_id = :segment"), {"segment": held.id})
    async with store.write(business) as unit:
        await unit.segments.change(replace(held, deleted_at=unit.instant))


async def many(database: Database, count: int) -> float:
    """Seconds of one run of so many segments."""
    feed = ProgressFeed()
    store, services = SqlStore(database, lambda: NOW), Services(database, lambda: NOW, feed)
    runner = Runner(store, lambda: NOW, feed, "bench")
    business = await services.businesses.open("bench")
    kept = [
        await segment(store, business, f"many-{time.time_ns()}", {">": [{"var": "total_revenue"}, 445 + number]})
        for number in range(count)
    ]
    start = time.perf_counter()
    await services.recalculations.start_all(business, ACTOR)
    await runner.run_next(business)
    took = time.perf_counter() - start
    for each in kept:
        await clear(store, business, each)
    return took


def peak() -> float:
    """The most memory this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1_000_000


async def main(customers: int, segments: int) -> None:
    """Measure and print."""
    database = open_database(f"sqlite:///{make_store(customers)}")
    # The kept store may be of an earlier version.
    upgrade(database.bulk)
    try:
        if segments:
            print(json.dumps({"many": await many(database, segments)}))
        else:
            print(json.dumps(await measure(database)))
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
