"""Where files that take a processor for a while are made: beside the requests, and only so many at once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from domain.errors import Unavailable

T = TypeVar("T")
AT_ONCE = 2
BUSY = "Too many files are being made, or this one takes too long. Try again in a moment."


@dataclass(slots=True)
class Workshop:
    """Places to work at; whoever waits longer than `seconds` is refused."""

    seconds: float
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place, for as long as the block lasts."""
        try:
            await asyncio.wait_for(self._places.acquire(), self.seconds)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error
        try:
            yield
        finally:
            self._places.release()

    async def make(self, work: Callable[[], T]) -> T:
        """What the work makes, in a thread. A thread cannot be stopped: its place is free when it ends, also where
        nobody waits for it any more."""
        try:
            async with asyncio.timeout(self.seconds):
                await self._places.acquire()
                making = asyncio.ensure_future(asyncio.to_thread(work))
                making.add_done_callback(self._done)
                return await asyncio.shield(making)
        except TimeoutError as error:
            raise Unavailable(BUSY) from error

    def _done(self, made: "asyncio.Future[T]") -> None:
        self._places.release()
        # Whoever waited may be gone when it fails.
        if not made.cancelled():
            made.exception()
