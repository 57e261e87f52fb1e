"""Reports that are kept, over aiocache: in memory, and in Redis where it is set. Whatever is missing is computed once,
by one worker of all that share the store; the others wait for it. Keys hold the data version, so that a write is seen
at once and the time limit is only hygiene. A cache in trouble is as good as an empty one."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from aiocache import RedisCache, SimpleMemoryCache
from aiocache.serializers import JsonSerializer
from redis.exceptions import RedisError

from domain.errors import InvalidInput
from domain.kept import Kept

SECONDS = 600
ENTRIES = 1_000
"""Kept in memory at most; the oldest go first."""
ANSWER_SECONDS = 0.25
"""A cache that does not answer in this time is passed over, and left alone for a while."""
REST_SECONDS = 5.0
LEASE_SECONDS = 15
LOOK_SECONDS = 0.05
Json = Any
log = logging.getLogger("segments")


class Shelf(Protocol):
    """Where workers share what they computed, and agree on who computes."""

    async def get(self, key: str) -> Json | None:
        """What is kept; None where nothing is."""
        ...

    async def put(self, key: str, value: Json) -> None:
        """Keep it for all."""
        ...

    async def begin(self, key: str, owner: str) -> bool:
        """Whether the owner is the one that computes it."""
        ...

    async def end(self, key: str, owner: str) -> None:
        """The owner has computed it, or has failed to."""
        ...

    async def close(self) -> None:
        """Nothing is asked any more."""
        ...


class RedisShelf:
    """A Redis server; one that is out of reach keeps nothing and lets everybody compute."""

    def __init__(self, url: str) -> None:
        self._cache: Any = _Redis(serializer=JsonSerializer(), timeout=ANSWER_SECONDS, **_address(url))
        self._rests_until = 0.0

    async def get(self, key: str) -> Json | None:
        """What is kept."""
        return await self._asked(self._cache.get, key)

    async def put(self, key: str, value: Json) -> None:
        """Keep it."""
        await self._asked(self._cache.set, key, value, ttl=SECONDS)

    async def begin(self, key: str, owner: str) -> bool:
        """The first to set the lock computes."""
        taken = await self._asked(self._cache.client.set, f"{key}:lock", owner, nx=True, ex=LEASE_SECONDS)
        return bool(taken) or self._resting

    async def end(self, key: str, owner: str) -> None:
        """Take the lock away, if it is still the owner's."""
        await self._asked(self._cache.client.eval, RedisCache.RELEASE_SCRIPT, 1, f"{key}:lock", owner)

    async def close(self) -> None:
        """Give the connections back."""
        await self._cache.client.aclose()

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._rests_until

    async def _asked(self, ask: Callable[..., Awaitable[Any]], *arguments: object, **more: object) -> Any:
        if self._resting:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await ask(*arguments, **more)
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            log.warning("the cache is out of reach: %s", type(error).__name__)
            return None


class _Redis(RedisCache):  # type: ignore[misc]
    """With the command that redis-py has not deprecated."""

    async def _set(self, key: str, value: str, ttl: float | None = None, **rest: object) -> object:
        return await self.client.set(key, value, ex=ttl)


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and when it was computed, in seconds since 1970."""

    value: Json
    made_at: float


class ReportCache:
    """What this process keeps, before what is shared."""

    def __init__(self, shelf: Shelf | None = None, clock: Callable[[], float] = time.time) -> None:
        self._memory: Any = SimpleMemoryCache(ttl=SECONDS, timeout=0)
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._making: dict[str, asyncio.Task[tuple[Entry, bool]]] = {}
        self._shelf = shelf
        self._clock = clock

    async def get_or_make(self, key: str, make: Callable[[], Awaitable[Json]]) -> Kept:
        """The kept value, or the one being made, or a new one. Values are what JSON can hold."""
        held = await self._memory.get(key)
        if held is not None:
            return self._kept(held, True)
        task = self._making.get(key)
        joined = task is not None
        if task is None:
            task = asyncio.create_task(self._found_or_made(key, make))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        entry, made_here = await asyncio.shield(task)
        return self._kept(entry, joined or not made_here)

    async def close(self) -> None:
        """Give the shelf's connections back."""
        if self._shelf is not None:
            await self._shelf.close()

    async def _found_or_made(self, key: str, make: Callable[[], Awaitable[Json]]) -> tuple[Entry, bool]:
        """The value, and whether it was computed here."""
        if self._shelf is None:
            entry, made_here = Entry(await make(), self._clock()), True
        else:
            entry, made_here = await self._shared(self._shelf, key, make)
        await self._memory.set(key, entry)
        self._keys[key] = None
        self._keys.move_to_end(key)
        while len(self._keys) > ENTRIES:
            oldest, _ = self._keys.popitem(last=False)
            await self._memory.delete(oldest)
        return entry, made_here

    async def _shared(self, shelf: Shelf, key: str, make: Callable[[], Awaitable[Json]]) -> tuple[Entry, bool]:
        owner = uuid4().hex
        until = time.monotonic() + LEASE_SECONDS
        while True:
            found = await shelf.get(key)
            if found is not None:
                return Entry(found["value"], found["madeAt"]), False
            if await shelf.begin(key, owner) or time.monotonic() > until:
                break
            await asyncio.sleep(LOOK_SECONDS)
        try:
            entry = Entry(await make(), self._clock())
            await shelf.put(key, {"value": entry.value, "madeAt": entry.made_at})
            return entry, True
        finally:
            await asyncio.shield(shelf.end(key, owner))

    def _kept(self, entry: Entry, hit: bool) -> Kept:
        return Kept(entry.value, hit, max(0.0, self._clock() - entry.made_at))


def _address(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    try:
        port, database = parts.port or 6379, int(parts.path.strip("/") or 0)
    except ValueError:
        port, database = 0, -1
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or database < 0:
        raise InvalidInput("SEGMENTS_CACHE_URL must be like redis://user:password@host:6379/0")
    more: dict[str, Any] = {"socket_timeout": ANSWER_SECONDS}
    if parts.username:
        more["username"] = unquote(parts.username)
    return {
        "endpoint": parts.hostname,
        "port": port,
        "db": database,
        "password": None if parts.password is None else unquote(parts.password),
        "ssl": parts.scheme == "rediss",
        "create_connection_timeout": ANSWER_SECONDS,
        "connection_pool_kwargs": more,
    }
