"""Who follows which run in this process. One look at the row serves all followers of a run; what they have not taken
yet is bounded, so a slow one misses steps in between but never the end."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from domain.jobs.model import Job, JobStatus

STEPS = 64
"""Steps kept for a follower that is slow."""
LOOK_SECONDS = 1.0
Key = tuple[int, int]


class Followed(Protocol):
    """A state of a run."""

    @property
    def id(self) -> int: ...
    @property
    def status(self) -> JobStatus: ...
    @property
    def phase(self) -> str: ...
    @property
    def done(self) -> int: ...


R = TypeVar("R", bound=Followed)


class _Follower(Generic[R]):
    def __init__(self) -> None:
        self.steps: deque[R] = deque(maxlen=STEPS)
        self.news = asyncio.Event()

    def tell(self, job: R) -> None:
        self.steps.append(job)
        self.news.set()


class Board(Generic[R]):
    """Hands the states of runs to their followers. Keys are the business's and the run's id."""

    def __init__(self, look_seconds: float = LOOK_SECONDS) -> None:
        self.look_seconds = look_seconds
        self._followers: dict[Key, set[_Follower[R]]] = {}
        self._looking: dict[Key, asyncio.Task[None]] = {}
        self._work = asyncio.Event()
        self._stirs: dict[int, asyncio.Event] = {}

    def post(self, business_id: int, job: R) -> None:
        """Tell everybody who follows the run; the row may already say more."""
        for follower in self._followers.get((business_id, job.id), ()):
            follower.tell(job)

    def wake(self) -> None:
        """There may be something to work on."""
        self._work.set()

    def stir(self, business_id: int) -> None:
        """Memberships of the business may have changed."""
        event = self._stirs.pop(business_id, None)
        if event is not None:
            event.set()

    async def stirred(self, business_id: int) -> None:
        """Wait until memberships may have changed, at most as long as between two looks."""
        event = self._stirs.setdefault(business_id, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(self.look_seconds):
                await event.wait()

    async def work(self, seconds: float) -> None:
        """Wait until there may be something to work on, at most so long."""
        # Not wait_for: where both come at once, Python 3.11 loses that the worker was cancelled.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._work.wait()
        self._work.clear()

    async def follow(self, key: Key, look: Callable[[], Awaitable[R | None]]) -> AsyncIterator[R]:
        """The run as it is, then every change, until it has ended; nothing where there is no such run."""
        follower = _Follower[R]()
        # Registered before the first look, so that no change falls between the two.
        self._followers.setdefault(key, set()).add(follower)
        try:
            last = await look()
            if last is None:
                return
            yield last
            if key not in self._looking:
                self._looking[key] = asyncio.create_task(self._watch(key, look))
            while not last.status.final:
                await follower.news.wait()
                follower.news.clear()
                while follower.steps and not last.status.final:
                    job = follower.steps.popleft()
                    # Of two ways a state may come, the slower one brings old news.
                    if job != last and not (
                        job.status is last.status and job.phase == last.phase and job.done < last.done
                    ):
                        last = job
                        yield job
        finally:
            self._followers[key].discard(follower)
            if not self._followers[key]:
                del self._followers[key]
                watching = self._looking.pop(key, None)
                if watching is not None:
                    watching.cancel()

    async def _watch(self, key: Key, look: Callable[[], Awaitable[R | None]]) -> None:
        """Look at the row for all followers: another process may work on the run."""
        while True:
            await asyncio.sleep(self.look_seconds)
            try:
                job = await look()
            except asyncio.CancelledError:
                raise
            except Exception:
                # A store that is out of reach now is looked at again.
                continue
            if job is None:
                continue
            for follower in self._followers.get(key, ()):
                follower.tell(job)


class RunBoard(Board[Job]):
    """Who follows which recalculation."""
