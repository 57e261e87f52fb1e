"""The cache computes once what is asked for at once, keeps any value, None too, and keeps no failure."""

import asyncio

import pytest

from persistence.reports.cache import MemoryCache

pytestmark = pytest.mark.anyio


class Slow:
    """Counts how often it is computed."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.times = 0

    async def __call__(self) -> object:
        self.times += 1
        await asyncio.sleep(0.01)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def test_a_hundred_concurrent_misses_compute_once() -> None:
    cache, slow = MemoryCache(), Slow((1, 2))

    found = await asyncio.gather(*(cache.get_or_make("key", slow) for _ in range(100)))

    assert [cached.value for cached in found] == [(1, 2)] * 100
    assert sum(not cached.hit for cached in found) == 1
    assert slow.times == 1


async def test_nothing_is_a_value_too() -> None:
    cache, slow = MemoryCache(), Slow(None)

    assert [(await cache.get_or_make("key", slow)).value for _ in range(3)] == [None] * 3

    assert slow.times == 1


async def test_keys_do_not_meet() -> None:
    cache = MemoryCache()

    assert [(await cache.get_or_make(key, Slow(key))).value for key in ("a:1", "a:11", "a")] == ["a:1", "a:11", "a"]


async def test_a_failure_reaches_everyone_who_waits_and_is_not_kept() -> None:
    cache, failing = MemoryCache(), Slow(ValueError("no"))

    found = await asyncio.gather(*(cache.get_or_make("key", failing) for _ in range(3)), return_exceptions=True)

    assert [str(error) for error in found] == ["no"] * 3
    assert failing.times == 1
    assert (await cache.get_or_make("key", Slow(5))).value == 5


async def test_one_who_gives_up_does_not_stop_the_others() -> None:
    cache, slow = MemoryCache(), Slow(7)
    first = asyncio.ensure_future(cache.get_or_make("key", slow))
    second = asyncio.ensure_future(cache.get_or_make("key", slow))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).value == 7
    assert first.cancelled()
    assert slow.times == 1
