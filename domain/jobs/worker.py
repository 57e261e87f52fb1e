"""The one worker of a process: it looks at every business in turn and lets the handler of each kind of work do what
there is to do, in a task of its own and so many at once. Any number of workers may share a store: what is done is held
by a lease, so each piece of work is done by one of them."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from domain.calendar import Clock
from domain.errors import Unavailable
from domain.jobs.model import JobKind
from domain.jobs.progress import ProgressFeed
from domain.model import Business
from domain.store import Agenda, Store

IDLE_SECONDS = 1.0
"""Between two looks at every business: times come, and leases expire."""
REST, LONGEST_REST = 4, 0.25
log = logging.getLogger("segments.runs")


class Handler(Protocol):
    """Does the work of one kind; `at_once` is how many pieces of it one process does at a time."""

    @property
    def kind(self) -> JobKind: ...
    @property
    def at_once(self) -> int: ...
    async def prepare(self, business: Business, agenda: Agenda) -> Agenda:
        """What is quick and must not wait for a place: what is due is queued, what died is marked. The agenda as it is
        then."""
        ...

    async def work(self, business: Business, agenda: Agenda) -> bool:
        """Do what waits, or some of it; whether there was anything. Where it is cancelled, what it held waits again."""
        ...


@dataclass(slots=True)
class Worker:
    """Does the work of all businesses of the store."""

    store: Store
    clock: Clock
    feed: ProgressFeed
    handlers: Sequence[Handler]
    _is_ready: bool = True
    _tasks: dict[JobKind, set["asyncio.Task[None]"]] = field(default_factory=lambda: defaultdict(set))
    _looked: dict[int, int] = field(default_factory=dict)
    """The change number of each business when it was looked at, but for those where there was no place."""
    _rests_until: dict[tuple[JobKind, int], float] = field(default_factory=lambda: defaultdict(float))
    _turns: dict[tuple[JobKind, int], int] = field(default_factory=lambda: defaultdict(int))
    _turn: "count[int]" = field(default_factory=lambda: count(1))

    async def run_once(self, business: Business) -> bool:
        """Do what there is to do of the business now, to its end; whether there was any work that waited."""
        agenda = await self.store.load_agenda(business, self.clock())
        for handler in self.handlers:
            agenda = await handler.prepare(business, agenda)
        worked = False
        for handler in self.handlers:
            while handler.kind in agenda.kinds and await handler.work(business, agenda):
                worked = True
                agenda = await self.store.load_agenda(business, self.clock())
        return worked

    async def run_forever(self) -> None:
        """Until it is cancelled; trouble with one business, or one kind of work, does not keep the others. It looks at
        every business once in IDLE_SECONDS, and at those that were written to as soon as they are."""
        watching = asyncio.create_task(self.store.watch_commits(self.feed.notify_commit))
        looked_at, anywhere = float("-inf"), True
        try:
            while True:
                began = asyncio.get_running_loop().time()
                anywhere = anywhere or began >= looked_at + IDLE_SECONDS
                if anywhere:
                    looked_at = began
                try:
                    if await self._can_work() if anywhere else self._is_ready:
                        await self._begin(anywhere)
                except Unavailable as error:
                    log.warning("nothing can be worked on now: %s", error)
                except Exception:
                    log.exception("the store cannot be worked on now")
                ended = asyncio.get_running_loop().time()
                await asyncio.sleep(plan_rest(ended - began))
                anywhere = await self.feed.wait_work(max(0.0, looked_at + IDLE_SECONDS - ended))
        finally:
            tasks = {watching, *(task for each in self._tasks.values() for task in each)}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _can_work(self) -> bool:
        """Whether the store answers and is at this program's step, which is told where it changes. Nothing is begun
        in a store that another version of the program has upgraded."""
        before, self._is_ready = self._is_ready, await self.store.is_ready()
        if self._is_ready != before:
            told = "can be worked on again" if self._is_ready else "is out of reach, or of another version"
            log.warning("the store %s", told)
        return self._is_ready

    async def _begin(self, anywhere: bool) -> None:
        """Begin what there is a place for, in all businesses or in those that were written to since the last look. Who
        was served last comes last."""
        ready: dict[JobKind, list[tuple[Business, Agenda]]] = defaultdict(list)
        for business in await self.store.load_businesses():
            if not anywhere and self._looked.get(business.id) == business.change_number:
                continue
            self._looked[business.id] = business.change_number
            try:
                agenda = await self.store.load_agenda(business, self.clock())
            except Unavailable:
                raise
            except Exception:
                log.exception("business %s cannot be looked at now", business.id)
                continue
            for handler in self.handlers:
                try:
                    agenda = await handler.prepare(business, agenda)
                except Unavailable as error:
                    log.warning("%s of business %s waits: %s", handler.kind.value, business.id, error)
                except Exception:
                    log.exception("%s of business %s cannot be prepared", handler.kind.value, business.id)
                if handler.kind in agenda.kinds:
                    ready[handler.kind].append((business, agenda))
        now = asyncio.get_running_loop().time()
        for handler in self.handlers:
            kind, tasks = handler.kind, self._tasks[handler.kind]
            for business, agenda in sorted(ready[kind], key=lambda item: self._turns[kind, item[0].id]):
                if len(tasks) < handler.at_once and now >= self._rests_until[kind, business.id]:
                    self._turns[kind, business.id] = next(self._turn)
                    tasks.add(asyncio.create_task(self._serve(handler, business, agenda)))
                else:
                    # Looked at again as soon as there may be a place.
                    self._looked.pop(business.id, None)

    async def _serve(self, handler: Handler, business: Business, agenda: Agenda) -> None:
        worked, loop = False, asyncio.get_running_loop()
        began = loop.time()
        try:
            worked = await handler.work(business, agenda)
        except Unavailable as error:
            log.warning("%s of business %s waits: %s", handler.kind.value, business.id, error)
        except Exception:
            log.exception("%s of business %s failed", handler.kind.value, business.id)
        finally:
            task = asyncio.current_task()
            if task is not None:
                self._tasks[handler.kind].discard(task)
        if worked:
            self.feed.notify_work()
        else:
            rest = plan_rest(loop.time() - began)
            self._rests_until[handler.kind, business.id] = loop.time() + rest
            loop.call_later(rest, self.feed.notify_commit)


def plan_rest(seconds: float) -> float:
    """How long to rest after so many seconds of what every commit asks for: where there are many, it takes no more than
    a fifth of the time."""
    return min(REST * seconds, LONGEST_REST)
