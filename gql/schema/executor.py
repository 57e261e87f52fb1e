"""The library's executor, with two things of ours: it looks after the loop between the items of a list and between
fields that wait, and it takes fields that are only attributes of their object from there. Whatever is not plain (a
resolver, a missing value, an error) goes the library's way, which alone says what an answer is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable, iscoroutine
from itertools import chain
from operator import attrgetter
from typing import Any

import strawberry
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    get_nullable_type,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path, Undefined, gather_with_cancel
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.field import StrawberryField

from gql.schema.pacing import Pace

DISCARDED: ContextVar[bool] = ContextVar("DISCARDED", default=False)
"""Whether nobody will have what is made in this task."""
Resolver = Callable[..., Any]
Read = Callable[[Any], Any]
"""The written value of a field of an object; raises where the library has to say what is wrong."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked of an object: the fields that are read from it, and those that are executed."""

    fields: GroupedFieldSet
    plain: list[tuple[str, Read]]
    others: GroupedFieldSet


def make_reader(definition: GraphQLField) -> Read | None:
    """What takes a field from its object and writes it, where the field is an attribute that holds a number, a text or
    the like; None for every other."""
    known = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    kind = definition.type
    required = is_non_null_type(kind)
    leaf = kind.of_type if is_non_null_type(kind) else kind
    if not isinstance(known, StrawberryField) or not known.is_basic_field or not is_leaf_type(leaf):
        return None
    get, write = attrgetter(known.python_name), leaf.coerce_output_value

    def read(source: Any) -> Any:
        value = get(source)
        if value is None and not required:
            return None
        written = write(value)
        if written is None or written is Undefined:
            raise TypeError
        return written

    return read


def shorten_resolvers(schema: strawberry.Schema) -> None:
    """Let resolvers without permissions be called at once. The library goes through a coroutine and several wrappers
    for each, and names and types of arguments are worked out anew for each object of a page."""
    for kind in schema._schema.type_map.values():
        for definition in kind.fields.values() if is_object_type(kind) else ():
            known = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
            if isinstance(known, StrawberryField) and _is_simple(known):
                definition.resolve = _make_resolver(known, definition, schema.schema_converter)


def _is_simple(field: StrawberryField) -> bool:
    """Whether it is answered by a method of the object that needs nothing but the arguments and `info`."""
    resolver = field.base_resolver
    if resolver is None or field.extensions or field.is_subscription or resolver.self_parameter is None:
        return False
    return resolver.root_parameter is None and resolver.parent_parameter is None


def _make_resolver(field: StrawberryField, definition: GraphQLField, converter: GraphQLCoreConverter) -> Resolver:
    """The method, with what can be worked out beforehand of its arguments."""
    config = converter.config
    asked = {config.name_converter.from_argument(argument): argument for argument in field.arguments}
    same = {name for name in asked if is_leaf_type(get_nullable_type(definition.args[name].type))}
    answer = field.base_resolver
    assert answer is not None
    wants = answer.info_parameter

    def resolve(source: Any, info: GraphQLResolveInfo[Any], **given: Any) -> Any:
        own = config.info_class(_raw_info=info, _field=field)
        arguments = {
            asked[name].python_name: value
            if name in same
            else convert_argument(value, asked[name].type, converter.scalar_registry, config, own, path=(name,))
            for name, value in given.items()
        }
        if wants is not None:
            arguments[wants.name] = own
        return answer(source, **arguments)

    return resolve


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
            read = make_reader(definition)
            if read is None:
                others[name] = details
            else:
                plain.append((name, read))
        return Selection(fields, plain, others)

    def _make_item_reader(
        self, item_type: GraphQLOutputType, details: FieldDetailsList, info: GraphQLResolveInfo[Any]
    ) -> Read | None:
        """What takes all that is asked of an item of a list from it, where every field of it is plain."""
        kind = item_type.of_type if is_non_null_type(item_type) else item_type
        if not is_object_type(kind):
            return None
        collected = self.collect_subfields(kind, details)
        selection = self._select(kind, collected.grouped_field_set)
        if selection.others or not selection.plain or collected.new_defer_usages:
            return None
        plain, belongs = selection.plain, kind.is_type_of

        def read(item: Any) -> dict[str, Any]:
            if belongs is not None and belongs(item, info) is not True:
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
        read_item = self._make_item_reader(item_type, field_details_list, info)

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
