"""Who follows which piece of background work in this process. What they are told is the row of the work and nothing
else, read once for all of them: notifications only say that it may be read now, so no message says what is not
committed, and none is older than the one before. A slow follower misses steps in between but never the end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from domain.jobs.model import JobKind, JobStatus
from domain.model import Business

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


P = TypeVar("P", bound=Progress)
Ended = Callable[[Business, JobKind, JobStatus, float], None]
"""Told of work of a business that this process has brought to its end, how it ended, and the seconds since it was begun
first."""


def tell_nobody(business: Business, kind: JobKind, status: JobStatus, seconds: float) -> None:
    """Nobody is told."""


@dataclass(slots=True)
class Audience:
    """Those who are told the same by one follower. Whoever joins is told the row as it is from then on: `heard` is how
    many had joined before the row was read that was told last, and `version` how often it was another one."""

    joined: int = 1
    heard: int = 0
    version: int = 0
    wake: Callable[[], None] = lambda: None

    def join(self) -> int:
        """One more; its number."""
        self.joined += 1
        self.wake()
        return self.joined

    @property
    def waits(self) -> bool:
        """Whether somebody has not been told anything."""
        return self.heard < self.joined


@dataclass(slots=True)
class _Watch(Generic[P]):
    """One piece of work that somebody follows: its newest state, and who waits for another one."""

    poll: Callable[[], Awaitable[P | None]]
    state: P | None = None
    followers: int = 0
    notified: asyncio.Event = field(default_factory=asyncio.Event)
    polling: "asyncio.Task[None] | None" = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)
    _next: "asyncio.Task[P | None] | None" = None

    async def read(self) -> P | None:
        """The row as it is now. Whoever asks until the next read begins is answered by it, so that many are by few."""
        if self._next is None:
            self._next = asyncio.create_task(self._read_next())
        return await asyncio.shield(self._next)

    async def _read_next(self) -> P | None:
        # One at a time, so that an older state never comes after a newer one.
        async with self._reading:
            self._next = None
            state = await self.poll()
            if state is not None and state != self.state:
                self.state = state
                self.wake()
            return state

    def wake(self) -> None:
        """Let those look who wait."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_other_than(self, last: P, audience: Audience) -> P:
        """The newest state, as soon as it is another one; the same where somebody joins before."""
        while (self.state is None or self.state == last) and not audience.waits:
            await self._changed.wait()
        return last if self.state is None else self.state

    async def keep_reading(self, seconds: float) -> None:
        """Read the row whenever it may have changed, and every so many seconds: another process may do the work."""
        while True:
            await _wait(self.notified, seconds)
            # Before the row is read, so that what is committed meanwhile is read after it.
            self.notified.clear()
            try:
                await self.read()
            except asyncio.CancelledError:
                raise
            except Exception:
                # A store that is out of reach now is asked again.
                continue


class ProgressFeed:
    """Wakes those who follow a piece of work, who wait for work or for changes of members."""

    def __init__(self, poll_seconds: float = POLL_SECONDS, ended: Ended = tell_nobody) -> None:
        self.poll_seconds = poll_seconds
        self.ended = ended
        self._watches: dict[Key, _Watch[Any]] = {}
        self._work = asyncio.Event()
        self._work_anywhere = False
        self._members_changed: dict[int, asyncio.Event] = {}

    def notify_progress(self, key: Key) -> None:
        """The row of the work may say more than before; to be told after the commit."""
        watch = self._watches.get(key)
        if watch is not None:
            watch.notified.set()

    def notify_work(self) -> None:
        """There may be something to work on, in any business."""
        self._work_anywhere = True
        self._work.set()

    def notify_commit(self) -> None:
        """There may be something to work on, in a business whose change number was raised."""
        self._work.set()

    async def wait_work(self, seconds: float) -> bool:
        """Wait until there may be something to work on, at most so long; whether it may be in any business."""
        woken = await _wait(self._work, seconds)
        anywhere = self._work_anywhere or not woken
        self._work_anywhere = False
        self._work.clear()
        return anywhere

    def notify_members_changed(self, business_id: int) -> None:
        """Memberships of the business may have changed; to be told after the commit."""
        event = self._members_changed.pop(business_id, None)
        if event is not None:
            event.set()

    def expect_members_change(self, business_id: int) -> Callable[[], Awaitable[bool]]:
        """What waits until memberships may have changed from this call on, at most as long as between two polls."""
        event = self._members_changed.setdefault(business_id, asyncio.Event())
        return partial(_wait, event, self.poll_seconds)

    async def follow(
        self, key: Key, poll: Callable[[], Awaitable[P | None]], audience: Audience | None = None
    ) -> AsyncIterator[P]:
        """The work as its row is, then every change, until it has ended, and again for whoever joins the audience;
        nothing where there is no such row."""
        audience = Audience() if audience is None else audience
        watch: _Watch[P] = self._watches.setdefault(key, _Watch(poll))
        watch.followers += 1
        audience.wake = watch.wake
        last: P | None = None
        try:
            while last is None or not last.status.final:
                heard = audience.heard
                if last is None or audience.waits:
                    heard = audience.joined
                    try:
                        state = await watch.read()
                    except Exception:
                        if last is None:
                            raise
                        # Those who have been told something are not ended by a store that is out of reach now.
                        await asyncio.sleep(self.poll_seconds)
                        continue
                    if state is None:
                        return
                else:
                    state = await watch.wait_other_than(last, audience)
                    if state == last:
                        continue
                audience.heard, audience.version = heard, audience.version + (state != last)
                last = state
                yield last
                if watch.polling is None:
                    watch.polling = asyncio.create_task(watch.keep_reading(self.poll_seconds))
        finally:
            watch.followers -= 1
            if not watch.followers:
                del self._watches[key]
                if watch.polling is not None:
                    watch.polling.cancel()


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event, at most so long; whether it came."""
    # Not wait_for: where both come at once, Python 3.11 loses that the waiter was cancelled.
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
