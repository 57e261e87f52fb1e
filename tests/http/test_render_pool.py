"""The workshop: so many at once, places freed by the end of the work and not by the impatience of who waits."""

import asyncio
import threading

import pytest

from domain.errors import Unavailable
from gql.http.exports import AT_ONCE, Workshop

pytestmark = pytest.mark.anyio


async def test_only_so_many_are_made_at_once() -> None:
    shop, lock = Workshop(10), threading.Lock()
    now, most = 0, 0
    wait = threading.Event()

    def work() -> int:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        wait.wait(0.05)
        with lock:
            now -= 1
        return 7

    made = await asyncio.gather(*(shop.make(work) for _ in range(6)))

    assert (made, most) == ([7] * 6, AT_ONCE)


async def test_whoever_waits_too_long_is_refused_and_the_place_is_free_when_the_work_ends() -> None:
    shop, end = Workshop(0.05), threading.Event()

    slow = [asyncio.create_task(shop.make(end.wait)) for _ in range(AT_ONCE)]
    await asyncio.wait(slow)
    with pytest.raises(Unavailable):
        await shop.make(lambda: None)
    end.set()
    await asyncio.sleep(0.05)

    assert [type(task.exception()) for task in slow] == [Unavailable] * AT_ONCE
    assert await shop.make(lambda: "again") == "again"


async def test_a_failure_is_passed_on_and_frees_the_place() -> None:
    shop = Workshop(1)

    for _ in range(AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            await shop.make(lambda: 1 // 0)
