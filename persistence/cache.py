"""A cache in memory over aiocache. Concurrent misses of one key compute once; what was computed is kept in an envelope,
so that None is a value too; a failure is nobody's but the caller's."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any, TypeVar

from domain.on_demand import loaded

T = TypeVar("T")
SECONDS = 600


def in_memory() -> Any:
    """An empty cache of this process. The library is loaded with the first question: it brings clients of servers
    along. Without its time limit, since the wait that it brings would swallow a cancellation."""
    return loaded("aiocache:SimpleMemoryCache")(ttl=SECONDS, timeout=0)


class MemoryCache:
    """Values of immutable types by key, for ten minutes."""

    def __init__(self) -> None:
        self._making: dict[str, asyncio.Task[Any]] = {}

    @cached_property
    def _cache(self) -> Any:
        return in_memory()

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        """The kept value, or the one being made, or a new one."""
        kept = await self._cache.get(key)
        if kept is not None:
            value: T = kept[0]
            return value
        task = self._making.get(key)
        if task is None:
            task = asyncio.ensure_future(self._make(key, make))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        made: T = await asyncio.shield(task)
        return made

    async def _make(self, key: str, make: Callable[[], Awaitable[T]]) -> T:
        value = await make()
        await self._cache.set(key, (value,))
        return value
