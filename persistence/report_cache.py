"""Reports that are kept, over aiocache: in memory, and on a shelf that workers share. Whatever is missing is computed
once, by one worker of all that share the store; the others wait for it. Keys hold the data version, so that a write is
seen at once and the time limit is only hygiene."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

from domain.store import Kept
from persistence.cache import in_memory

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
