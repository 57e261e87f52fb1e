"""How the making of answers shares the event loop. What makes one asks before each piece of work whether the loop's
turn has been used up, and if so waits until the loop has looked after everybody else: whatever a document asks for,
nobody waits for it longer than a turn takes. Operations that wait go on alternately, a piece at a time."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from inspect import isawaitable, iscoroutine
from itertools import chain
from time import perf_counter
from typing import Any

from graphql import GraphQLOutputType, GraphQLResolveInfo
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import AwaitableOrValue, Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

TURN_SECONDS = 0.002
"""How much of one turn of the loop goes to making answers."""
RELEASED = 4
"""Pieces that go on in one turn; each is short, and all but the first end at once where the turn is used up."""
DISCARDED: ContextVar[bool] = ContextVar("DISCARDED", default=False)
"""Whether nobody will have what is made in this task."""
CALM_TURNS = 5
"""After how many turns without a pause whatever will ask the loaders has asked: a field with arguments, permissions and
siblings gets there in three."""


class Turns:
    """The turns of one event loop, and what waits for one."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._waiting: dict[Pace, deque[asyncio.Future[None]]] = {}
        self._releasing: asyncio.Task[None] | None = None

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
                for _ in range(RELEASED):
                    self._release_next()
                await asyncio.sleep(0)
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


class PacedExecutor(StrawberryGraphQLCoreExecutionContext):
    """The library's executor, which looks after the loop between the items of a list and between fields that wait. The
    context of an operation has its `pace`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._stopped = False
        """Whether nobody waits for the answer any more."""
        self._resolving: set[asyncio.Task[Any]] = set()
        """The tasks that wait for resolvers."""

    def execute_operation(self, serially: bool | None = None) -> AwaitableOrValue[Any]:
        """The answer, or what will have made it."""
        made = super().execute_operation(serially)
        return self._finish(made) if isawaitable(made) else made

    async def _finish(self, making: Awaitable[Any]) -> Any:
        """What is made. Where nobody waits for it any more, what resolvers are at is cancelled, and all else comes to
        its end by itself: cancelled before its first step it would leave behind, never awaited, what it waits for."""
        task = asyncio.ensure_future(making)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stopped = True
            for resolving in self._resolving:
                resolving.cancel()
            await asyncio.wait([task])
            raise

    def _require_reader(self) -> None:
        """CancelledError where nobody will have what is made here."""
        if self._stopped or DISCARDED.get():
            raise asyncio.CancelledError

    def complete_iterable_value(
        self,
        item_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        items: Iterable[Any],
        position_context: Any,
    ) -> AwaitableOrValue[list[Any]]:
        """The completed items of a list, of which none is awaitable: at once, or at a later turn from where this one
        was used up."""
        pace = self._pace
        results: list[Any] = []
        waiting: list[int] = []

        def complete(index: int, item: Any) -> None:
            key = path.add_key(index, None)
            if self.complete_list_item_value(item, results, item_type, field_details_list, info, key, position_context):
                waiting.append(index)

        async def complete_later(rest: Iterable[tuple[int, Any]]) -> list[Any]:
            try:
                for index, item in rest:
                    if pace.is_over():
                        await pace.next()
                        self._require_reader()
                    complete(index, item)
            except BaseException:
                self._discard(results[index] for index in waiting)
                raise
            return await wait()

        async def wait() -> list[Any]:
            completed = await gather_with_cancel(*(results[index] for index in waiting))
            for index, value in zip(waiting, completed, strict=True):
                results[index] = value
            return results

        listed = enumerate(items)
        try:
            for index, item in listed:
                if pace.is_over():
                    return complete_later(chain([(index, item)], listed))
                complete(index, item)
        except Exception:
            self._discard(results[index] for index in waiting)
            raise
        return wait() if waiting else results

    def _discard(self, awaitables: Iterable[Awaitable[Any]]) -> None:
        """End what was begun for a list that will not be: each is started, as Python demands, and stops by itself."""
        token = DISCARDED.set(True)
        self.settle_in_background(list(awaitables))
        DISCARDED.reset(token)

    async def with_abort_signal(self, awaitable: Awaitable[Any]) -> Any:
        """What a resolver will have found."""
        pace = self._pace
        try:
            self._require_reader()
            if pace.is_over():
                await pace.next()
                self._require_reader()
        except asyncio.CancelledError:
            if iscoroutine(awaitable):
                awaitable.close()
            raise
        task = asyncio.current_task()
        assert task is not None
        self._resolving.add(task)
        try:
            found = await super().with_abort_signal(awaitable)
        finally:
            self._resolving.discard(task)
        if pace.is_over():
            await pace.next()
        return found

    @property
    def _pace(self) -> Pace:
        pace: Pace = self.context_value.pace
        return pace
