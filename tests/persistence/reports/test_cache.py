"""Reports that workers keep, and share in real Redis or in the store itself: what is asked for at once is computed once
by all of them; any value is kept, None too, and no failure; a shared cache in trouble costs a little time and never an
answer."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from domain.errors import InvalidInput
from domain.model import Business
from persistence.database.engines import Database
from persistence.reports.cache import DatabaseCache, MemoryCache, RedisCache, SharedCache
from tests.drivers.server import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("undisturbed")]
KEY = "customer_segmentation:1:2024-01-01:2024-03-31:rfm:all:eight_segment:7"
REPORT = {"groups": [1, 2]}


class Work:
    """Counts how often it is done; takes a little while."""

    def __init__(self, value: object = REPORT, seconds: float = 0.1) -> None:
        self.value, self.seconds, self.times = value, seconds, 0

    async def __call__(self) -> object:
        self.times += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


MakeShared = Callable[[], Awaitable[SharedCache]]


@pytest.fixture(params=["redis", "store"])
async def new_shared(request: pytest.FixtureRequest, database: Database, shop: Business) -> AsyncIterator[MakeShared]:
    """A worker's own way to the cache that all share."""
    if request.param == "store":

        async def of_store() -> SharedCache:
            return DatabaseCache(database)

        yield of_store
        return
    port: int = request.getfixturevalue("redis_port")
    made: list[RedisCache] = []

    async def of_redis() -> RedisCache:
        made.append(RedisCache(f"redis://127.0.0.1:{port}/0"))
        return made[-1]

    await (await of_redis())._cache.client.flushall()
    yield of_redis
    for cache in made:
        await cache.close()


async def test_many_workers_that_miss_at_once_compute_once(new_shared: MakeShared) -> None:
    work = Work()
    workers = [MemoryCache(await new_shared()) for _ in range(4)]

    found = await asyncio.gather(*(worker.get_or_make(KEY, work) for worker in workers for _ in range(5)))

    assert work.times == 1
    assert [cached.value for cached in found] == [REPORT] * 20
    assert sum(not cached.hit for cached in found) == 1


async def test_a_later_worker_finds_what_another_computed(new_shared: MakeShared) -> None:
    first, second, work = MemoryCache(await new_shared()), MemoryCache(await new_shared()), Work()
    made = await first.get_or_make(KEY, work)
    await asyncio.sleep(0.05)

    found = await second.get_or_make(KEY, work)

    assert (made.hit, found.hit, work.times) == (False, True, 1)
    assert 0.05 <= found.age < 5


async def test_another_key_is_another_report(new_shared: MakeShared) -> None:
    cache, work = MemoryCache(await new_shared()), Work()

    await cache.get_or_make(KEY, work)
    newer = await cache.get_or_make(KEY.replace(":7", ":8"), work)

    assert (newer.hit, work.times) == (False, 2)


async def test_a_failure_is_not_kept_and_frees_the_others(new_shared: MakeShared) -> None:
    first, second = MemoryCache(await new_shared()), MemoryCache(await new_shared())

    with pytest.raises(ValueError, match="no luck"):
        await first.get_or_make(KEY, Work(ValueError("no luck")))
    began = time.perf_counter()
    found = await second.get_or_make(KEY, Work())

    assert found.value == REPORT
    assert time.perf_counter() - began < 2


async def test_a_worker_that_died_holds_the_others_up_for_its_lease_only(
    new_shared: MakeShared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("persistence.reports.cache.LEASE_SECONDS", 1)
    assert await (await new_shared()).acquire(KEY, "dead")
    assert not await (await new_shared()).acquire(KEY, "other")
    work = Work()

    found = await asyncio.wait_for(MemoryCache(await new_shared()).get_or_make(KEY, work), 5)

    assert (found.value, work.times) == (REPORT, 1)


async def test_memory_holds_a_bounded_number_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.reports.cache.ENTRIES", 10)
    cache, work = MemoryCache(), Work(seconds=0)
    for number in range(50):
        await cache.get_or_make(f"{KEY}{number}", work)

    assert (await cache.get_or_make(f"{KEY}49", work)).hit
    assert not (await cache.get_or_make(f"{KEY}0", work)).hit


async def test_a_hundred_concurrent_misses_compute_once() -> None:
    cache, work = MemoryCache(), Work((1, 2), 0.01)

    found = await asyncio.gather(*(cache.get_or_make("key", work) for _ in range(100)))

    assert [cached.value for cached in found] == [(1, 2)] * 100
    assert sum(not cached.hit for cached in found) == 1
    assert work.times == 1


async def test_nothing_is_a_value_too() -> None:
    cache, work = MemoryCache(), Work(None, 0.01)

    assert [(await cache.get_or_make("key", work)).value for _ in range(3)] == [None] * 3

    assert work.times == 1


async def test_keys_do_not_meet() -> None:
    cache = MemoryCache()

    assert [(await cache.get_or_make(key, Work(key, 0.01))).value for key in ("a:1", "a:11", "a")] == [
        "a:1",
        "a:11",
        "a",
    ]


async def test_a_failure_reaches_everyone_who_waits_and_is_not_kept() -> None:
    cache, failing = MemoryCache(), Work(ValueError("no"), 0.01)

    found = await asyncio.gather(*(cache.get_or_make("key", failing) for _ in range(3)), return_exceptions=True)

    assert [str(error) for error in found] == ["no"] * 3
    assert failing.times == 1
    assert (await cache.get_or_make("key", Work(5, 0.01))).value == 5


async def test_one_who_gives_up_does_not_stop_the_others() -> None:
    cache, work = MemoryCache(), Work(7, 0.01)
    first, second = [asyncio.ensure_future(cache.get_or_make("key", work)) for _ in range(2)]
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).value == 7
    assert first.cancelled()
    assert work.times == 1


@pytest.mark.parametrize("trouble", ["refuses", "says nothing"])
async def test_a_dead_redis_neither_fails_nor_hangs_a_request(trouble: str) -> None:
    port = free_port()
    listener = socket.socket()
    if trouble == "says nothing":
        listener.bind(("127.0.0.1", port))
        listener.listen(50)
    shared = RedisCache(f"redis://127.0.0.1:{port}/0")
    cache, work = MemoryCache(shared), Work(seconds=0)

    began = time.perf_counter()
    for number in range(20):
        assert (await cache.get_or_make(f"{KEY}{number}", work)).value == REPORT
    took = time.perf_counter() - began

    assert work.times == 20
    assert took < 3
    await cache.close()
    listener.close()


WRONG = [
    b"",
    b"{",
    b"\x80\x04\x95",
    b"7",
    b"[1]",
    b"null",
    b'{"value": {"groups": []}}',
    b'{"value": {"groups": [1]}, "madeAt": "now"}',
    b'{"value": {"groups": "x"}, "madeAt": 1}',
]


@pytest.mark.parametrize("wrong", WRONG)
async def test_r9_what_is_no_such_value_is_a_miss_and_is_put_right(wrong: bytes, redis_port: int) -> None:
    shared = RedisCache(f"redis://127.0.0.1:{redis_port}/1")
    client = shared._cache.client
    await client.flushdb()
    await client.set(KEY, wrong)
    work = Work()

    def fits(value: object) -> bool:
        return isinstance(value, dict) and value.get("groups") == [1, 2]

    found = await MemoryCache(shared).get_or_make(KEY, work, fits)
    later = await MemoryCache(shared).get_or_make(KEY, work, fits)

    assert (found.value, found.hit, later.value, later.hit, work.times) == (REPORT, False, REPORT, True, 1)
    await shared.close()


@pytest.mark.parametrize("trouble", ["full", "read-only", "of another type", "flushed"])
async def test_r8_a_redis_in_trouble_costs_no_answer(trouble: str, redis_port: int) -> None:
    shared = RedisCache(f"redis://127.0.0.1:{redis_port}/2")
    client = shared._cache.client
    await client.flushdb()
    if trouble == "full":
        await client.config_set("maxmemory", "1")
    elif trouble == "read-only":
        await client.replicaof("127.0.0.1", "1")
        await client.config_set("replica-read-only", "yes")
    elif trouble == "of another type":
        await client.lpush(KEY, "x")
    work = Work(seconds=0)
    began = time.perf_counter()
    try:
        for number in range(5):
            if trouble == "flushed":
                await client.flushall()
            key = KEY if number == 0 else f"{KEY}{number}"
            assert (await MemoryCache(shared).get_or_make(key, work)).value == REPORT
    finally:
        await client.replicaof("NO", "ONE")
        await client.config_set("maxmemory", "0")

    assert work.times == 5
    assert time.perf_counter() - began < 3
    await shared.close()


async def test_a_store_that_is_written_to_neither_fails_nor_hangs_a_request(database: Database, shop: Business) -> None:
    cache, work = MemoryCache(DatabaseCache(database)), Work(seconds=0)
    with database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE business SET name = name")
        began = time.perf_counter()
        found = await cache.get_or_make(KEY, work)
        took = time.perf_counter() - began

    assert found.value == REPORT
    assert took < 5


@pytest.mark.parametrize(
    "url", ["http://localhost", "redis://", "redis://host:none/0", "redis://host/zero", "nonsense"]
)
def test_an_address_that_is_no_redis_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"^SEGMENTS_CACHE_URL must be like redis://"):
        RedisCache(url)
