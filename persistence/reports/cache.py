"""The cache of what is dear to compute: in memory, over aiocache, and behind it one that workers share, in the store or
in Redis. Of one key one value is computed at a time, by one worker of all that share; a failure is nobody's but the
caller's, and a cache in trouble costs a little time and never an answer. Keys hold the data version, so that a write is
seen at once and the time limit is only hygiene."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from sqlalchemy import Executable, and_, delete, or_, update
from sqlalchemy.exc import SQLAlchemyError

from domain.errors import InvalidInput
from domain.store import CachedValue
from persistence.database.dialects import make_insert
from persistence.database.engines import Database
from persistence.database.transactions import connect_briefly, open_session, translate_errors
from persistence.tables.requests import CachedReportRow, kept_report

T = TypeVar("T")
Json = Any
SECONDS = 600
"""How long a value holds."""
ENTRIES = 1_000
CHARACTERS = 16_000_000
"""Held in memory at most, the characters of all values that are texts; the oldest go first."""
LEASE_SECONDS = 15
"""How long the others wait for the worker that computes."""
POLL_SECONDS = 0.05
ANSWER_SECONDS = 0.25
"""A shared cache that does not answer in this time is passed over."""
REST_SECONDS = 5.0
"""How long a Redis that did not answer is left alone."""
log = logging.getLogger("segments")
column = kept_report.c


class SharedCache(Protocol):
    """Where workers share what they computed, and agree on who computes. Values are what JSON can hold; one that is out
    of reach keeps nothing and lets everybody compute."""

    async def get(self, key: str) -> Json | None:
        """The value; None where there is none."""
        ...

    async def set(self, key: str, value: Json) -> None:
        """Share the value for ten minutes."""
        ...

    async def acquire(self, key: str, owner: str) -> bool:
        """Whether the owner is to compute it: it has the lease now, or leases cannot be had."""
        ...

    async def release(self, key: str, owner: str) -> None:
        """The owner has computed it, or has failed to."""
        ...

    async def close(self) -> None:
        """Give connections back."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A value and when it was computed, in seconds since 1970; so that None is a value too."""

    value: Any
    made_at: float


def read_entry(document: Any, fits: Callable[[Any], bool]) -> Entry | None:
    """The entry that others have kept; None where there is none, or what is there is no such entry."""
    if not isinstance(document, dict) or document.keys() != {"value", "madeAt"}:
        return None
    value, made_at = document["value"], document["madeAt"]
    return Entry(value, made_at) if isinstance(made_at, int | float) and fits(value) else None


class MemoryCache:
    """What this process holds, before what workers share. Values are immutable; with a shared cache, what JSON can
    hold."""

    def __init__(self, shared: SharedCache | None = None, clock: Callable[[], float] = time.time) -> None:
        self._shared = shared
        self._clock = clock
        # How long each is, by age; aiocache does not bound the number of its entries.
        self._keys: dict[str, int] = {}
        self._computing: dict[str, asyncio.Task[tuple[Entry, bool]]] = {}

    @cached_property
    def _memory(self) -> Any:
        from aiocache import SimpleMemoryCache

        # Without the library's own time limit: the wait that it brings would swallow a cancellation.
        return SimpleMemoryCache(ttl=SECONDS, timeout=0)

    def prepare(self) -> None:
        """Load what takes 100 ms to be loaded, so that no request waits for it."""
        self._memory  # noqa: B018

    async def get_or_make(
        self, key: str, make: Callable[[], Awaitable[T]], fits: Callable[[T], bool] = lambda _: True
    ) -> CachedValue[T]:
        """The value that is there, or the one being computed, or a new one."""
        held: Entry | None = await self._memory.get(key)
        if held is not None:
            return self._build_cached(held, True)
        task = self._computing.get(key)
        joined = task is not None
        if task is None:
            task = asyncio.create_task(self._load(key, make, fits))
            self._computing[key] = task
            task.add_done_callback(lambda _: self._computing.pop(key, None))
        entry, shared = await asyncio.shield(task)
        return self._build_cached(entry, joined or shared)

    async def close(self) -> None:
        """Give the connections of the shared cache back."""
        if self._shared is not None:
            await self._shared.close()

    async def _load(
        self, key: str, make: Callable[[], Awaitable[Any]], fits: Callable[[Any], bool]
    ) -> tuple[Entry, bool]:
        """The value, and whether another worker computed it."""
        if self._shared is None:
            entry, shared = Entry(await make(), self._clock()), False
        else:
            entry, shared = await self._load_shared(self._shared, key, make, fits)
        await self._memory.set(key, entry)
        self._keys.pop(key, None)
        self._keys[key] = len(entry.value) if isinstance(entry.value, str) else 0
        while len(self._keys) > ENTRIES or sum(self._keys.values()) > CHARACTERS:
            oldest = next(iter(self._keys))
            del self._keys[oldest]
            await self._memory.delete(oldest)
        return entry, shared

    async def _load_shared(
        self, cache: SharedCache, key: str, make: Callable[[], Awaitable[Any]], fits: Callable[[Any], bool]
    ) -> tuple[Entry, bool]:
        owner = uuid4().hex
        until = time.monotonic() + LEASE_SECONDS
        while True:
            shared = read_entry(await cache.get(key), fits)
            if shared is not None:
                return shared, True
            if await cache.acquire(key, owner) or time.monotonic() > until:
                break
            await asyncio.sleep(POLL_SECONDS)
        try:
            entry = Entry(await make(), self._clock())
            await cache.set(key, {"value": entry.value, "madeAt": entry.made_at})
            return entry, False
        finally:
            await asyncio.shield(cache.release(key, owner))

    def _build_cached(self, entry: Entry, hit: bool) -> CachedValue[Any]:
        return CachedValue(entry.value, hit, max(0.0, self._clock() - entry.made_at))


class DatabaseCache:
    """A row a value in the store itself, which also holds the lease. While the store's write lock is held by others,
    everybody computes for himself."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, key: str) -> Json | None:
        """The value of a row that is not too old."""
        # A store that cannot be read fails here, since computing the value would fail too.
        with translate_errors():
            async with open_session(self.database.reader) as session:
                row = await session.get(CachedReportRow, (_read_business_id(key), key))
        if row is None or row.value is None or row.made_at is None or row.made_at <= int(time.time()) - SECONDS:
            return None
        return json.loads(row.value)

    async def set(self, key: str, value: Json) -> None:
        """Share it; what is too old of the business goes."""
        now = int(time.time())
        unborn = and_(column.made_at.is_(None), column.leased_until < now - SECONDS)
        await self._write(
            update(CachedReportRow).where(*_is_row(key)).values(value=json.dumps(value), made_at=now),
            delete(CachedReportRow).where(
                column.business_id == _read_business_id(key), or_(column.made_at < now - SECONDS, unborn)
            ),
        )

    async def acquire(self, key: str, owner: str) -> bool:
        """Whoever makes the row computes, and whoever finds a lease that ran out."""
        now = int(time.time())
        row = {"owner": owner, "leased_until": now + LEASE_SECONDS, "made_at": None, "value": None}
        statement = (
            make_insert(self.database.dialect, CachedReportRow)
            .values(business_id=_read_business_id(key), key=key, **row)
            .on_conflict_do_update(
                index_elements=["business_id", "key"],
                set_=row,
                where=or_(column.made_at <= now - SECONDS, and_(column.value.is_(None), column.leased_until < now)),
            )
        )
        changed = await self._write(statement)
        return changed is None or changed > 0

    async def release(self, key: str, owner: str) -> None:
        """A lease that came to nothing is free."""
        await self._write(delete(CachedReportRow).where(*_is_row(key), column.owner == owner, column.value.is_(None)))

    async def close(self) -> None:
        """The store is closed by whoever opened it."""

    async def _write(self, *statements: Executable) -> int | None:
        """Rows that the first one changed, in a short transaction; None where that cannot be had at once."""
        counted = {"preserve_rowcount": True}
        try:
            async with connect_briefly(self.database, ANSWER_SECONDS) as connection:
                changed = [
                    (await connection.execute(statement, execution_options=counted)).rowcount
                    for statement in statements
                ]
                await connection.commit()
                return changed[0]
        except (SQLAlchemyError, TimeoutError):
            return None


def _read_business_id(key: str) -> int:
    return int(key.split(":")[1])


def _is_row(key: str) -> tuple[Any, ...]:
    return column.business_id == _read_business_id(key), column.key == key


class RedisCache:
    """A Redis server, over aiocache; one that did not answer is left alone for five seconds."""

    def __init__(self, url: str) -> None:
        import aiocache
        from redis.exceptions import RedisError, ResponseError

        self._cache: Any = aiocache.RedisCache(timeout=0, **_connection_options(url))
        self._failures = (RedisError, OSError, TimeoutError)
        self._unreadable = (ValueError, ResponseError)
        self._rests_until = 0.0

    async def get(self, key: str) -> Json | None:
        """The value, until Redis forgets it; what is no JSON is none."""
        return await self._ask(self._read, key)

    async def _read(self, key: str) -> Json | None:
        try:
            value: Json | None = await self._cache.get(key)
        except self._unreadable:
            return None
        return value

    async def set(self, key: str, value: Json) -> None:
        """Redis forgets the value by itself."""
        # Not by the library's own set, which uses a command that redis-py has deprecated.
        await self._ask(self._cache.raw, "set", key, json.dumps(value), ex=SECONDS)

    async def acquire(self, key: str, owner: str) -> bool:
        """The first to set the lock computes."""
        taken = await self._ask(self._cache.raw, "set", f"{key}:lock", owner, nx=True, ex=LEASE_SECONDS)
        return bool(taken) or self._rests

    async def release(self, key: str, owner: str) -> None:
        """Take the lock away, if it is still the owner's."""
        await self._ask(self._cache.raw, "eval", self._cache.RELEASE_SCRIPT, 1, f"{key}:lock", owner)

    async def run_script(self, script: str, keys: Sequence[str], arguments: Sequence[float]) -> list[Any]:
        """What the script answers; nothing where Redis is out of reach."""
        return await self._ask(self._cache.raw, "eval", script, len(keys), *keys, *arguments) or []

    async def close(self) -> None:
        """Give the connections back."""
        await self._cache.client.aclose()

    @property
    def _rests(self) -> bool:
        return time.monotonic() < self._rests_until

    async def _ask(self, ask: Callable[..., Awaitable[Any]], *arguments: object, **more: object) -> Any:
        if self._rests:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await ask(*arguments, **more)
        except self._failures as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            log.warning("the cache is out of reach: %s", type(error).__name__)
            return None


def _connection_options(url: str) -> dict[str, Any]:
    """What aiocache is told of the address; InvalidInput for one that is no Redis."""
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
