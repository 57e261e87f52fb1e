"""How the making of answers shares the event loop. What makes one asks before each piece of work whether the loop's
turn has been used up, and if so waits until the loop has looked after everybody else: whatever a document asks for,
nobody waits for it longer than a turn takes. Operations that wait go on alternately, a piece at a time."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from time import perf_counter

TURN_SECONDS = 0.002
"""How much of one turn of the loop goes to making answers."""
MOST_RELEASED = 16
"""Pieces that go on in one turn at most; each is short, and ends at once where the turn is used up. There are twice as
many as in the last turn, half as many where they used it up."""
CALM_TURNS = 5
"""After how many turns without a pause whatever will ask the loaders has asked: a field with arguments, permissions and
siblings gets there in three."""


class Turns:
    """The turns of one event loop, and what waits for one."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._waiting: dict[Pace, deque[asyncio.Future[None]]] = {}
        self._releasing: asyncio.Task[None] | None = None
        self._released = 1

    def is_over(self) -> bool:
        """Whether this turn has been used up. It begins with the first who asks."""
        now = perf_counter()
        if self._began is None:
            self._began = now
            asyncio.get_running_loop().call_soon(self._end)
        return now - self._began > TURN_SECONDS

    def _end(self) -> None:
        self._began = None

    async def wait(self, pace: "Pace") -> None:
        """Until a later turn."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(pace, deque()).append(future)
        if self._releasing is None:
            self._releasing = asyncio.create_task(self._release())
        await future

    async def _release(self) -> None:
        try:
            while self._waiting:
                for _ in range(self._released):
                    self._release_next()
                # They go on now.
                await asyncio.sleep(0)
                fewer, more = max(1, self._released // 2), min(MOST_RELEASED, self._released * 2)
                self._released = fewer if self.is_over() else more
        finally:
            self._releasing = None

    def _release_next(self) -> None:
        pace = next(iter(self._waiting), None)
        if pace is None:
            return
        # What is left of it goes behind the others.
        futures = self._waiting.pop(pace)
        future = futures.popleft()
        if futures:
            self._waiting[pace] = futures
        if not future.done():
            future.set_result(None)


@dataclass(slots=True, eq=False)
class Pace:
    """One operation's share of the turns."""

    turns: Turns = field(default_factory=Turns)
    _paused: bool = field(init=False, default=False)
    _waiting: int = field(init=False, default=0)

    def is_over(self) -> bool:
        """Whether to wait for the next turn."""
        return self.turns.is_over()

    async def next(self) -> None:
        """Until a later turn."""
        self._paused = True
        self._waiting += 1
        try:
            await self.turns.wait(self)
        finally:
            self._waiting -= 1

    async def settle(self) -> None:
        """Until whoever is about to ask a loader has asked: what is paused may hold many who will, and all of them are
        to be answered together."""
        await asyncio.sleep(0)
        calm = 0
        while self._paused and calm < CALM_TURNS:
            await asyncio.sleep(0)
            calm = 0 if self._waiting else calm + 1
