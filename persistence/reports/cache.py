"""Reports that are kept, over aiocache: in memory, and on a shelf that workers share. Whatever is missing is computed
once, by one worker of all that share the store; the others wait for it. Keys hold the data version, so that a write is
seen at once and the time limit is only hygiene.

A cache in memory over aiocache. Concurrent misses of one key compute once; what was computed is kept in an envelope,
so that None is a value too; a failure is nobody's but the caller's.

What workers share without Redis: a row a report in the store itself. Its value is there for ten minutes, and until
it is there one worker has the lease of computing it.

Reports that workers share in Redis. A server in trouble is as good as an empty one.
"""

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from aiocache import RedisCache
from aiocache.serializers import JsonSerializer
from redis.exceptions import RedisError
from sqlalchemy import Executable, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import InvalidInput
from domain.store import Kept
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.tables import kept_report

T = TypeVar("T")
SECONDS = 600


def in_memory() -> Any:
    """An empty cache of this process. The library is loaded with the first question: it brings clients of servers
    along. Without its time limit, since the wait that it brings would swallow a cancellation."""
    from aiocache import SimpleMemoryCache

    return SimpleMemoryCache(ttl=SECONDS, timeout=0)


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


ENTRIES = 1_000
"""Kept in memory at most; the oldest go first."""
ANSWER_SECONDS = 0.25
"""A cache that does not answer in this time is passed over, and left alone for a while."""
LEASE_SECONDS = 15
LOOK_SECONDS = 0.05
Json = Any


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


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and when it was computed, in seconds since 1970."""

    value: Json
    made_at: float


class ReportCache:
    """What this process keeps, before what is shared."""

    def __init__(self, shelf: Shelf | None = None, clock: Callable[[], float] = time.time) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._making: dict[str, asyncio.Task[tuple[Entry, bool]]] = {}
        self._shelf = shelf
        self._clock = clock

    @cached_property
    def _memory(self) -> Any:
        return in_memory()

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


column = kept_report.c


class StoreShelf:
    """One database. While its write lock is held by others, everybody computes for himself."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, key: str) -> Any | None:
        """What is kept."""
        fresh = column.made_at > int(time.time()) - SECONDS
        statement = select(column.value).where(*_of(key), column.value.is_not(None), fresh)
        async with self.database.reader.connect() as connection:
            value = (await connection.execute(statement)).scalar_one_or_none()
        return None if value is None else json.loads(value)

    async def put(self, key: str, value: Any) -> None:
        """Keep it for all; what is too old goes."""
        now = int(time.time())
        unborn = and_(column.made_at.is_(None), column.leased_until < now - SECONDS)
        await self._quickly(
            update(kept_report).where(*_of(key)).values(value=json.dumps(value), made_at=now),
            delete(kept_report).where(
                column.business_id == _business(key), or_(column.made_at < now - SECONDS, unborn)
            ),
        )

    async def begin(self, key: str, owner: str) -> bool:
        """Whoever makes the row computes, and whoever finds a lease that ran out."""
        now = int(time.time())
        insert = insert_postgresql if self.database.dialect == "postgresql" else insert_sqlite
        row = {"owner": owner, "leased_until": now + LEASE_SECONDS, "made_at": None, "value": None}
        statement = (
            insert(kept_report)
            .values(business_id=_business(key), key=key, **row)
            .on_conflict_do_update(
                index_elements=["business_id", "key"],
                set_=row,
                where=or_(column.made_at <= now - SECONDS, and_(column.value.is_(None), column.leased_until < now)),
            )
        )
        changed = await self._quickly(statement)
        return changed is None or changed > 0

    async def end(self, key: str, owner: str) -> None:
        """A lease that came to nothing is free."""
        await self._quickly(delete(kept_report).where(*_of(key), column.owner == owner, column.value.is_(None)))

    async def close(self) -> None:
        """The store is closed by whoever opened it."""

    async def _quickly(self, *statements: Executable) -> int | None:
        """Rows that the first one changed, in a short transaction; None where that cannot be had at once."""
        sqlite = self.database.dialect == "sqlite"
        try:
            async with self.database.reader.connect() as connection:
                if sqlite:
                    # Its wait for the write lock cannot be broken off, so it must be a short one.
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(ANSWER_SECONDS * 1000)}")
                try:
                    async with asyncio.timeout(None if sqlite else ANSWER_SECONDS):
                        counted = {"preserve_rowcount": True}
                        changed = [
                            (await connection.execute(statement, execution_options=counted)).rowcount
                            for statement in statements
                        ]
                        await connection.commit()
                finally:
                    await asyncio.shield(self._leave(connection))
                return changed[0]
        except (SQLAlchemyError, TimeoutError):
            return None

    async def _leave(self, connection: AsyncConnection) -> None:
        await connection.rollback()
        if self.database.dialect == "sqlite":
            await connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            await connection.rollback()


def _business(key: str) -> int:
    return int(key.split(":")[1])


def _of(key: str) -> tuple[Any, ...]:
    return column.business_id == _business(key), column.key == key


REST_SECONDS = 5.0
"""How long a server that did not answer is left alone."""
log = logging.getLogger("segments")


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
