"""Reports that workers share in Redis. A server in trouble is as good as an empty one."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from aiocache import RedisCache
from aiocache.serializers import JsonSerializer
from redis.exceptions import RedisError

from domain.errors import InvalidInput
from persistence.cache import SECONDS
from persistence.report_cache import ANSWER_SECONDS, LEASE_SECONDS, Json

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
