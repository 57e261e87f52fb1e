"""Buckets of cost that workers settle, in the store and in real Redis: what one worker gave out the others hear of, by
one short write a second at most; without the place where they settle, each goes on by itself. Line T8 of the
reliability requirements."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from sqlalchemy import event, text

from domain.model import Business, Viewer
from gql.http.throttling import SharedBuckets, Throttle, Throttled
from persistence.buckets import DatabaseBuckets, RedisBuckets
from persistence.database.engines import Database
from persistence.reports.cache import RedisCache
from tests.conftest import NOW
from tests.drivers.server import free_port
from tests.drivers.sockets import becomes

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("shop")]
ANN = Viewer("ann", "shop", frozenset(), NOW + timedelta(hours=1), None)
BEN = Viewer("ben", "shop", frozenset(), NOW + timedelta(hours=1), None)
SIZE, RATE = 1_000, 1
LONGEST = 2_000.0


@pytest.fixture(params=["redis", "store"])
async def shared(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[SharedBuckets]:
    if request.param == "store":
        yield DatabaseBuckets(database)
        return
    cache = RedisCache(f"redis://127.0.0.1:{request.getfixturevalue('redis_port')}/0")
    await cache._cache.client.flushall()
    yield RedisBuckets(cache)
    await cache.close()


def left(worker: Throttle, viewer: Viewer = ANN) -> int:
    return worker.describe(viewer)["available"]


async def test_t8_what_one_worker_gave_out_the_others_hear_of(shared: SharedBuckets) -> None:
    first, second = Throttle(SIZE, RATE, shared), Throttle(SIZE, RATE, shared)

    first.charge(ANN, 900)
    await becomes(lambda: first._settling is None)
    second.charge(ANN, 50)
    await becomes(lambda: left(second) <= 55)

    with pytest.raises(Throttled) as refused:
        second.charge(ANN, 100)
    assert 40 <= refused.value.retry_seconds <= 50
    assert left(second, BEN) == SIZE


async def test_what_is_given_back_after_a_settlement_is_settled_too(shared: SharedBuckets) -> None:
    first, second = Throttle(SIZE, RATE, shared), Throttle(SIZE, RATE, shared)
    first.charge(ANN, 900)
    await becomes(lambda: first._settling is None)
    first.take(ANN, -800)
    await becomes(lambda: first._settling is None)
    second.charge(ANN, 1)
    await becomes(lambda: left(second) < SIZE - 1)

    assert 895 <= left(first) <= 910
    assert 895 <= left(second) <= 910


async def test_t8_a_settlement_is_not_made_for_a_request(database: Database, shop: Business) -> None:
    sent: list[str] = []

    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        sent.append(statement)

    event.listen(database.reader.sync_engine, "before_cursor_execute", note)
    worker = Throttle(100_000, 2_000, DatabaseBuckets(database))
    for _ in range(500):
        worker.charge(ANN, 10)
        await asyncio.sleep(0)
    await becomes(lambda: worker._settling is None)
    settled = sum(statement.startswith("INSERT INTO cost_bucket") for statement in sent)
    worker.charge(BEN, 1_999)
    begun = worker._settling

    # What was pending when the first began, and at most the rest a second later.
    assert 1 <= settled <= 2
    assert begun is None
    with database.bulk.connect() as connection:
        assert connection.execute(text("SELECT change_number FROM business")).scalar_one() == shop.change_number


async def test_a_bucket_that_a_clock_was_set_for_counts_as_full(shared: SharedBuckets) -> None:
    await shared.add({("shop", "ann"): 36_000.0}, LONGEST * 100)

    found = await shared.add({("shop", "ann"): 10.0}, LONGEST)

    assert found[("shop", "ann")] == pytest.approx(10, abs=0.01)


async def test_buckets_of_names_that_look_alike_are_different(shared: SharedBuckets) -> None:
    await shared.add({("shop", 'a", "b'): 100.0}, LONGEST)

    found = await shared.add({("shop", "a"): 10.0, ("shop", "b"): 20.0}, LONGEST)

    assert found == {("shop", "a"): pytest.approx(10, abs=0.01), ("shop", "b"): pytest.approx(20, abs=0.01)}


async def test_a_full_bucket_is_not_kept(database: Database) -> None:
    shared = DatabaseBuckets(database)
    await shared.add({("shop", "ann"): 0.0}, LONGEST)
    await asyncio.sleep(0.01)
    found = await shared.add({("nowhere", "ann"): 10.0, ("shop", "ben"): 10.0}, LONGEST)

    with database.bulk.connect() as connection:
        kept = connection.execute(text("SELECT subject FROM cost_bucket")).scalars().all()
    assert kept == ["ben"]
    assert list(found) == [("shop", "ben")]


@pytest.mark.parametrize("place", ["redis", "store"])
async def test_t8_without_the_place_where_they_settle_each_worker_goes_on_by_itself(
    place: str, database: Database
) -> None:
    cache = RedisCache(f"redis://127.0.0.1:{free_port()}/0")
    shared: SharedBuckets = RedisBuckets(cache) if place == "redis" else DatabaseBuckets(database)
    if place == "store":
        with database.bulk.begin() as connection:
            connection.execute(text("DROP TABLE cost_bucket"))
    worker = Throttle(SIZE, RATE, shared)
    worker.charge(ANN, 900)
    await becomes(lambda: worker._settling is None)

    assert left(worker) in range(100, 110)
    with pytest.raises(Throttled):
        worker.charge(ANN, 200)
    await cache.close()
