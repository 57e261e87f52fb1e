"""The library's executor, with two things of ours: it looks after the loop between the items of a list and between
fields that wait, and it takes fields that are only attributes of their object from there. Whatever is not plain (a
resolver, a missing value, an error) goes the library's way, which alone says what an answer is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable, iscoroutine
from itertools import chain
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLType,
    get_nullable_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql.schema.fields import GET, WRITE, Read, make_reader
from gql.schema.pacing import Pace

DISCARDED: ContextVar[bool] = ContextVar("DISCARDED", default=False)
"""Whether nobody will have what is made in this task."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of an object: the fields that are read from it, and those that are executed."""

    fields: GroupedFieldSet
    plain: list[tuple[str, Read]]
    others: GroupedFieldSet


class PacedExecutor(StrawberryGraphQLCoreExecutionContext):
    """The library's executor, which looks after the loop between the items of a list and between fields that wait. The
    context of an operation has its `pace`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._stopped = False
        """Whether nobody waits for the answer any more."""
        self._resolving: set[asyncio.Task[Any]] = set()
        """The tasks that wait for resolvers."""
        self._selections: dict[int, Selection] = {}
        """What is asked of objects, by the identity of the fields, which it holds."""

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

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """The fields of an object, in the order they are asked for."""
        selection = self._select(parent_type, grouped_field_set)
        results: dict[str, Any] = dict.fromkeys(grouped_field_set)
        try:
            for name, read in selection.plain:
                results[name] = read(source_value)
        except Exception:
            # Asked again below, where it is told what is wrong and where.
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        if not selection.others:
            return results
        others = super().execute_fields(parent_type, source_value, path, selection.others, position_context)
        if isinstance(others, dict):
            results.update(others)
            return results

        async def wait() -> dict[str, Any]:
            results.update(await others)
            return results

        return wait()

    def _select(self, parent_type: GraphQLObjectType, fields: GroupedFieldSet) -> "Selection":
        """Which of the fields are plain. One that the type has not is left out of an answer, so all go the library's
        way."""
        known = self._selections.get(id(fields))
        if known is None:
            known = self._selections[id(fields)] = self._sort(parent_type, fields)
        return known

    def _sort(self, parent_type: GraphQLObjectType, fields: GroupedFieldSet) -> "Selection":
        plain: list[tuple[str, Read]] = []
        others: GroupedFieldSet = {}
        for name, details in fields.items():
            definition = self.schema.get_field(parent_type, details[0].node.name.value)
            if definition is None:
                return Selection(fields, [], fields)
            read = self._make_reader(definition, details)
            if read is None:
                others[name] = details
            else:
                plain.append((name, read))
        return Selection(fields, plain, others)

    def _make_reader(self, definition: GraphQLField, details: FieldDetailsList) -> Read | None:
        """What takes a field from its object; None for one that is executed."""
        get, write = definition.extensions.get(GET), definition.extensions.get(WRITE)
        if get is None:
            return None
        if write is None:
            write = self._make_object_reader(get_nullable_type(definition.type), details)
        return None if write is None else make_reader(get, write, is_non_null_type(definition.type))

    def _make_object_reader(self, kind: GraphQLType, details: FieldDetailsList) -> Read | None:
        """What takes all that is asked of an object from it, where every field of it is plain."""
        if not is_object_type(kind):
            return None
        collected = self.collect_subfields(kind, details)
        selection = self._select(kind, collected.grouped_field_set)
        if selection.others or not selection.plain or collected.new_defer_usages:
            return None
        plain = selection.plain
        # Strawberry looks at the class of the object alone.
        belongs: Callable[[Any, Any], Any] | None = kind.is_type_of

        def read(item: Any) -> dict[str, Any]:
            if belongs is not None and belongs(item, None) is not True:
                raise TypeError
            return {name: read_field(item) for name, read_field in plain}

        return read

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
        read_item = self._make_object_reader(get_nullable_type(item_type), field_details_list)

        def complete(index: int, item: Any) -> None:
            if read_item is not None:
                try:
                    results.append(read_item(item))
                    return
                except Exception:
                    # Looked at again below, where it is told what is wrong and where.
                    pass
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
