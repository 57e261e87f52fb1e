"""Who follows which piece of background work in this process. One poll of the row serves all followers of it; what they
have not taken yet is bounded, so a slow one misses steps in between but never the end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from domain.jobs.model import JobKind, JobStatus
from domain.model import Business

STEPS = 64
"""Steps kept for a follower that is slow."""
POLL_SECONDS = 1.0
Key = tuple[int, JobKind, int]
"""Business, kind, and the id among those of its kind."""


class Progress(Protocol):
    """A state of some work."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> JobKind: ...
    @property
    def status(self) -> JobStatus: ...
    @property
    def phase(self) -> str: ...
    @property
    def done(self) -> int: ...


P = TypeVar("P", bound=Progress)
Ended = Callable[[Business, JobKind, JobStatus, float], None]
"""Told of work of a business that this process has brought to its end, how it ended, and the seconds since it was begun
first."""


def tell_nobody(business: Business, kind: JobKind, status: JobStatus, seconds: float) -> None:
    """Nobody is told."""


class _Follower:
    def __init__(self) -> None:
        self.steps: deque[Any] = deque(maxlen=STEPS)
        self.news = asyncio.Event()

    def push(self, state: Progress) -> None:
        self.steps.append(state)
        self.news.set()


class ProgressFeed:
    """Hands the states of work to those who follow it, and wakes whoever waits for work or for changes of members."""

    def __init__(self, poll_seconds: float = POLL_SECONDS, ended: Ended = tell_nobody) -> None:
        self.poll_seconds = poll_seconds
        self.ended = ended
        self._followers: dict[Key, set[_Follower]] = {}
        self._polling: dict[Key, asyncio.Task[None]] = {}
        self._work = asyncio.Event()
        self._members_changed: dict[int, asyncio.Event] = {}

    def publish(self, business_id: int, state: Progress) -> None:
        """Hand a state to everybody who follows; the row may already say more."""
        for follower in self._followers.get((business_id, state.kind, state.id), ()):
            follower.push(state)

    def notify_work(self) -> None:
        """There may be something to work on."""
        self._work.set()

    async def wait_work(self, seconds: float) -> None:
        """Wait until there may be something to work on, at most so long."""
        # Not wait_for: where both come at once, Python 3.11 loses that the worker was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._work.wait()
        self._work.clear()

    def notify_members_changed(self, business_id: int) -> None:
        """Memberships of the business may have changed."""
        event = self._members_changed.pop(business_id, None)
        if event is not None:
            event.set()

    async def wait_members_changed(self, business_id: int) -> None:
        """Wait until memberships may have changed, at most as long as between two polls."""
        event = self._members_changed.setdefault(business_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(self.poll_seconds):
                await event.wait()

    async def follow(self, key: Key, poll: Callable[[], Awaitable[P | None]]) -> AsyncIterator[P]:
        """The work as its row is, then every change, until it has ended; nothing where there is no such row."""
        follower = _Follower()
        # Registered before the first poll, so that no change falls between the two.
        self._followers.setdefault(key, set()).add(follower)
        try:
            last = await poll()
            if last is None:
                return
            yield last
            if key not in self._polling:
                self._polling[key] = asyncio.create_task(self._poll(key, poll))
            while not last.status.final:
                await follower.news.wait()
                follower.news.clear()
                while follower.steps and not last.status.final:
                    state = follower.steps.popleft()
                    # Of two ways a state may come, the slower one brings old news.
                    if state != last and not (
                        state.status is last.status and state.phase == last.phase and state.done < last.done
                    ):
                        last = state
                        yield state
        finally:
            self._followers[key].discard(follower)
            if not self._followers[key]:
                del self._followers[key]
                polling = self._polling.pop(key, None)
                if polling is not None:
                    polling.cancel()

    async def _poll(self, key: Key, poll: Callable[[], Awaitable[P | None]]) -> None:
        """Poll the row for all followers: another process may do the work."""
        while True:
            await asyncio.sleep(self.poll_seconds)
            try:
                state = await poll()
            except asyncio.CancelledError:
                raise
            except Exception:
                # A store that is out of reach now is polled again.
                continue
            if state is None:
                continue
            for follower in self._followers.get(key, ()):
                follower.push(state)
