"""Every statement that adds up purchases says the same on SQLite, PostgreSQL, DuckDB and Sail: with ties, amounts of
zero, two storefronts, lines with and without categories, purchases in the night in which the clocks change, and
customers who changed since the copy was written."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text, true

from domain.calendar import Span
from domain.classification.groups import CHANNEL, OMNICHANNEL, Method
from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classification.rfm import Quintiles, RfmScheme, Score
from domain.errors import Unavailable
from domain.model import Actor, Business
from domain.store import Grouping, Labelled, Moved, Reported, Scored, Transition
from gql.composition import Services
from persistence.database.engines import Database
from persistence.labels.sql import select_label_counts, select_labels
from persistence.lake.engines import DuckDbEngine, Engine, Statement, find_tables
from persistence.lake.manifest import NoCopy
from persistence.lake.places import Place, read_address
from persistence.lake.reading import Lake
from persistence.lake.spark import SparkEngine, write_statement
from persistence.lake.writing import CopyWriter
from persistence.reports.reports import (
    select_behavior_sums,
    select_label_sums,
    select_quintiles,
    select_reported,
    select_transition_sums,
)
from persistence.reports.windows import select_score_counts, select_scores
from persistence.tables.copies import store_identity
from persistence.tables.purchases import purchase as stored_purchase
from tests.conftest import SetClock
from tests.drivers.sail import serve_sail
from tests.drivers.server import free_port
from tests.shops.factories import purchase

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
LAST = date(2024, 3, 31).toordinal()
"""The clocks of the business change on this day."""
FESTIVE = ((LAST - 20, LAST - 10), (LAST - 400, LAST - 380))
BULK = (
    """INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, counted,
        amount, storefront_id, channel, written_by)
    WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :purchases)
    SELECT :business, 1000 + ((i * 7919) % :customers) * ((i * 104729) % :customers) / :customers, 1000 + i,
        'bulk-' || i, 0, :last - (i * 6151) % 900, CASE WHEN i % 13 = 0 THEN 4 ELSE 0 END,
        CASE WHEN i % 13 = 0 THEN 0 ELSE 1 END,
        CASE WHEN i % 11 = 0 THEN 0 ELSE (i * 3571 % 200) * 50 END, 1 + i % 2,
        CASE i % 3 WHEN 0 THEN 'web' WHEN 1 THEN 'shop' END, 0
    FROM n ORDER BY 2, 3""",
    """INSERT INTO purchase_line (business_id, customer_id, purchase_id, position, category, amount, status)
    SELECT p.business_id, p.customer_id, p.id, k.place, CASE WHEN p.id % 7 > 0 THEN 'c' || p.id * k.place % 5 END,
        100, CASE WHEN p.id % 17 = 0 THEN 4 ELSE 0 END
    FROM purchase p JOIN (SELECT 1 AS place UNION ALL SELECT 2) k ON p.id % 3 >= k.place
    WHERE p.business_id = :business AND p.id > 1000""",
    """INSERT INTO customer_metrics (business_id, customer_id, order_count, revenue, first_day, last_day, last_sort)
    SELECT business_id, customer_id, sum(counted), sum(counted * amount), min(CASE counted WHEN 1 THEN local_day END),
        max(CASE counted WHEN 1 THEN local_day END), 0
    FROM purchase WHERE business_id = :business AND id > 1000 GROUP BY business_id, customer_id""",
    """UPDATE business SET next_customer = 1000 + :customers, next_purchase = 1001 + :purchases
    WHERE id = :business""",
)


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    """The address of a Sail server within this process."""
    with serve_sail() as address:
        yield address


async def fill(services: Services, database: Database, purchases: int) -> Business:
    """A business with so many purchases and some in the night; ids are the same in every store."""
    business = await services.businesses.create(f"shop-{purchases}", None, "Europe/Berlin", "EUR")
    night = ("2024-03-30T22:59", "2024-03-30T23:00", "2024-03-31T00:59", "2024-03-31T01:00", "2024-03-31T22:00")
    stated = [
        purchase(f"N{place}", f"night-{place}", f"{at}:00+00:00", 100 * place, storefront_key=f"s{place % 2}")
        for place, at in enumerate(night)
    ]
    await services.purchases.record(business, stated, Actor("tester"))
    values = {"business": business.id, "purchases": purchases, "customers": purchases // 11, "last": LAST}
    with database.bulk.begin() as connection:
        for statement in BULK:
            connection.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
    return await services.businesses.open(business.key)


def list_reported(before: Span, span: Span) -> Iterator[Reported]:
    """Customers by what a report says of them, of each kind."""
    cuts = Quintiles((2, 5, 9, 14), (10_000, 30_000, 60_000, 90_000), 9_000)
    yield Scored(span, cuts, (Score(5, 5, 5), Score(1, 1, 1), Score(4, 3, 3)))
    grouping = Grouping(Method.RFM, RfmScheme.ELEVEN_SEGMENT, FESTIVE)
    yield Labelled(span, grouping, "rfm", "CHAMPIONS")
    yield Moved(before, span, grouping, Transition("rfm", None, "NEW"))
    yield Labelled(span, Grouping(Method.BEHAVIOR, RfmScheme.ELEVEN_SEGMENT, FESTIVE), CHANNEL, OMNICHANNEL)


def list_statements(business: Business, *lengths: int) -> Iterator[tuple[str, Statement]]:
    """All that are asked of a copy, in windows of so many days, each with what it is."""
    key = business.id
    for days in lengths:
        for storefront in (None, 1):
            span = Span(LAST - days + 1, LAST, storefront)
            yield f"cells {span}", select_score_counts(key, span)
        span, before = Span(LAST - days + 1, LAST), Span(LAST - days - 9, LAST - 10)
        yield f"quintiles {span}", select_quintiles(key, span)
        yield f"scores {span}", select(select_scores(key, span))
        yield f"behaviors {span}", select_behavior_sums(key, span, FESTIVE)
        for method in Method:
            grouping = Grouping(method, RfmScheme.ELEVEN_SEGMENT, FESTIVE)
            if method is not Method.BEHAVIOR:
                yield f"groups {method} {span}", select_label_sums(key, span, grouping)
            if method is not Method.VALUE:
                yield f"transitions {method} {span}", select_transition_sums(key, before, span, grouping)
        for chosen in list_reported(before, span) if days == lengths[0] else ():
            yield f"customers of {chosen}", select_reported(key, chosen)
    span = Span(LAST + 10_000, LAST + 10_001)
    yield "cells of nobody", select_score_counts(key, span)
    yield "quintiles of nobody", select_quintiles(key, span)
    thresholds = ClassificationSettings(Decimal(30), Decimal(500), Decimal(20))
    classified = ClassificationSpan(LAST - 180, LAST, FESTIVE)
    yield "labels", select_labels(key, classified, thresholds, 2)
    yield "labels of a range", select_labels(key, classified, thresholds, 2, ids=(1_000, 1_500))
    yield "label counts", select_label_counts(key, classified, thresholds, 2)


def as_set(rows: Any) -> set[tuple[Any, ...]]:
    """Rows in no order, sums as whole numbers."""
    return {tuple(each if each is None or isinstance(each, str) else int(each) for each in row) for row in rows}


@dataclass
class Copied:
    """A business, and its copy."""

    business: Business
    database: Database
    lake: Lake
    place: Place

    async def run(self, engine: Engine, statement: Statement) -> Any:
        """The rows of the engine, with whoever changed since."""
        async with self.database.reader.connect() as connection:
            tables = await self.lake.open_tables(connection, self.business.id, find_tables(statement))
        return await engine.run(tables, statement)

    async def compare(self, engines: Sequence[Engine], statements: Iterable[tuple[str, Statement]]) -> None:
        """Each statement on each engine has the rows of the store."""
        for name, statement in statements:
            async with self.database.reader.connect() as connection:
                stored = as_set(await connection.execute(statement))
            for engine in engines:
                assert as_set(await self.run(engine, statement)) == stored, f"{name}: {type(engine).__name__}"


async def copy(services: Services, database: Database, clock: SetClock, folder: Path, purchases: int) -> Copied:
    """A business with so many purchases, copied."""
    clock.now = datetime(2024, 6, 1, tzinfo=UTC)
    return copy_business(database, clock, folder, await fill(services, database, purchases))


def copy_business(database: Database, clock: SetClock, folder: Path, business: Business) -> Copied:
    """A business as it is, copied."""
    lake = Lake(read_address(str(folder / "lake"), folder / "held"), DuckDbEngine(), 1)
    with database.bulk.connect() as connection:
        place = lake.open_place(connection.execute(select(store_identity.c.id)).scalar_one(), business.id)
    assert CopyWriter(database, business.id, place, clock).renew() is not None
    return Copied(business, database, lake, place)


async def compare_all(services: Services, copied: Copied, engines: Sequence[Engine]) -> None:
    """Every statement, and most of them again with customers who changed since."""
    await copied.compare(engines, list_statements(copied.business, 90, 730))
    files = copied.place.list_names()
    changed = [purchase(f"N{n}", f"again-{n}", "2024-03-20T12:00:00+00:00", 7, storefront_key="s1") for n in range(5)]
    await services.purchases.record(copied.business, changed, Actor("tester"))
    await copied.compare(engines, list_statements(copied.business))
    await copied.compare(engines, [("cells", select_score_counts(copied.business.id, Span(LAST - 89, LAST)))])
    assert copied.place.list_names() == files
    for engine in engines:
        await engine.close()


async def test_every_engine_gives_the_rows_of_the_store(
    services: Services, database: Database, clock: SetClock, tmp_path: Path, sail: str
) -> None:
    # What PostgreSQL copies is what SQLite does, so one of both is enough for the slowest.
    light = database.dialect == "sqlite"
    copied = await copy(services, database, clock, tmp_path, 100_000 if light else 20_000)

    await compare_all(services, copied, [DuckDbEngine(), SparkEngine(sail)] if light else [DuckDbEngine()])


@pytest.mark.slow
async def test_every_engine_gives_the_rows_of_ten_million_purchases(
    services: Services, database: Database, clock: SetClock, tmp_path: Path, sail: str
) -> None:
    copied = await copy(services, database, clock, tmp_path, 10_000_000)

    await compare_all(services, copied, [DuckDbEngine("4GB"), SparkEngine(sail, seconds=600)])


async def test_a_shop_that_states_no_lines_is_copied_too(
    fresh_sqlite: Database, clock: SetClock, tmp_path: Path, sail: str
) -> None:
    clock.now = datetime(2024, 6, 1, tzinfo=UTC)
    services, engines = Services(fresh_sqlite, clock), (DuckDbEngine(), SparkEngine(sail))
    business = await services.businesses.create("plain", None, "UTC", "EUR")
    bought = [purchase(f"C{number % 3}", f"O{number}", "2024-03-01", number) for number in range(9)]
    await services.purchases.record(business, bought, Actor("tester"))
    copied = copy_business(fresh_sqlite, clock, tmp_path, business)

    behaviors = select_behavior_sums(business.id, Span(LAST - 89, LAST), FESTIVE)
    await copied.compare(engines, [*list_statements(business), ("behaviors", behaviors)])

    for engine in engines:
        await engine.close()


@pytest.fixture
async def copied(fresh_sqlite: Database, clock: SetClock, tmp_path: Path) -> Copied:
    return await copy(Services(fresh_sqlite, clock), fresh_sqlite, clock, tmp_path, 5_000)


@pytest.mark.usefixtures("sail")
async def test_a_cluster_that_is_away_is_told_unless_another_engine_is_asked_for(copied: Copied) -> None:
    statement = select_quintiles(copied.business.id, Span(LAST - 89, LAST))
    address = f"sc://127.0.0.1:{free_port()}"

    with pytest.raises(Unavailable, match=r"^The cluster that SEGMENTS_ENGINE names does not answer\.$"):
        await copied.run(SparkEngine(address), statement)
    local = DuckDbEngine()
    there = await copied.run(SparkEngine(address, local), statement)

    assert there == await copied.run(local, statement)
    await local.close()


async def test_the_log_of_a_cluster_that_is_away_holds_no_token(
    copied: Copied, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, token = f"sc://127.0.0.1:{free_port()}", "a%2Fsecret"
    engine = SparkEngine(f"{host}/;use_ssl=true;token={token}")
    # What a client says of an address that it does not like.
    raised = ValueError(f"{engine.address} with a/secret\nis wrong")

    def fail(engine: SparkEngine) -> Any:
        raise raised

    monkeypatch.setattr(SparkEngine, "_open", fail)

    with pytest.raises(Unavailable):
        await copied.run(engine, select_quintiles(copied.business.id, Span(LAST - 89, LAST)))

    told = f"the cluster at {host} does not answer: {host}/;use_ssl=…;token=… with … is wrong"
    assert [record.message for record in caplog.records if record.name == "segments"] == [told]
    assert "secret" not in repr(engine)


async def test_a_statement_ends_with_whoever_waits_for_it(copied: Copied, sail: str) -> None:
    one, other, third = (purchases.alias() for purchases in [stored_purchase] * 3)
    endless = select(func.sum(one.c.amount + other.c.amount * third.c.amount)).select_from(
        one.join(other.join(third, true()), true())
    )
    engine, limited = SparkEngine(sail), SparkEngine(sail, seconds=0.5)
    work = asyncio.create_task(copied.run(engine, endless))
    await asyncio.sleep(0.5)

    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, 30)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(copied.run(limited, endless), 30)

    few = select_quintiles(copied.business.id, Span(LAST - 89, LAST))
    assert len(await copied.run(engine, few)) == 1
    for each in (engine, limited):
        await each.close()


async def test_what_is_gone_from_the_place_is_told_so_that_the_store_answers(copied: Copied, sail: str) -> None:
    engine, statement = SparkEngine(sail), select_quintiles(copied.business.id, Span(LAST - 89, LAST))
    assert await copied.run(engine, statement)

    copied.place.remove([name for name in copied.place.list_names() if ".purchase." in name])

    with pytest.raises(NoCopy, match="gone"):
        await copied.run(engine, statement)
    await engine.close()


async def test_only_sums_of_customers_cross_an_exchange(
    copied: Copied, sail: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the purchases themselves nothing does."""
    engine, statement = SparkEngine(sail), select_score_counts(copied.business.id, Span(LAST - 89, LAST, 1))
    async with copied.database.reader.connect() as connection:
        tables = await copied.lake.open_tables(connection, copied.business.id, find_tables(statement))
    text, values = write_statement(tables, statement, {})
    capsys.readouterr()
    engine._open().sql(text, args=values).explain()
    above: list[tuple[int, str]] = []
    found = []
    for line in capsys.readouterr().out.splitlines():
        depth, step = len(line) - len(line.lstrip()), line.strip()
        above = [each for each in above if each[0] < depth]
        if step.startswith("DataSourceExec") and ".purchase." in step:
            steps = (name for _, name in reversed(above) if name.startswith(("Aggregate", "Repartition")))
            found.append([name.split(",")[0] for name in steps][:2])
        above.append((depth, step))
    assert found
    assert all(steps[0] == "AggregateExec: mode=Partial" and "partitioning=Hash" in steps[1] for steps in found)
    await engine.close()
