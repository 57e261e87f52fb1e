"""The pool that makes heavy files: so many at once, slots freed by the end of the work and not by the impatience of who
waits."""

import asyncio
import threading

import pytest

from domain.errors import Unavailable
from gql.http.exports import AT_ONCE, RenderPool

pytestmark = pytest.mark.anyio


async def test_only_so_many_are_made_at_once() -> None:
    pool, lock = RenderPool(10), threading.Lock()
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

    made = await asyncio.gather(*(pool.run(work) for _ in range(6)))

    assert (made, most) == ([7] * 6, AT_ONCE)


async def test_whoever_waits_too_long_is_refused_and_the_slot_is_free_when_the_work_ends() -> None:
    pool, end = RenderPool(0.05), threading.Event()

    slow = [asyncio.create_task(pool.run(end.wait)) for _ in range(AT_ONCE)]
    await asyncio.wait(slow)
    with pytest.raises(Unavailable):
        await pool.run(lambda: None)
    end.set()
    await asyncio.sleep(0.05)

    assert [type(task.exception()) for task in slow] == [Unavailable] * AT_ONCE
    assert await pool.run(lambda: "again") == "again"


async def test_a_failure_is_passed_on_and_frees_the_slot() -> None:
    pool = RenderPool(1)

    for _ in range(AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0)
