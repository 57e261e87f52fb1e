"""The schema, made once a process from the nouns. `print_sdl` prints what schema.graphql holds."""

from collections.abc import Iterator
from typing import Any

import strawberry
from graphql import ExecutionResult, FieldNode, GraphQLError, get_operation_ast
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from gql.schema.errors import is_surprise, log_surprise
from gql.schema.executor import PacedExecutor
from gql.schema.fields import prepare_fields
from gql.schema.limits import DocumentLimits
from gql.schema.mutations import Mutation
from gql.schema.queries import Query
from gql.schema.subscriptions import Subscription
from gql.schema.types.job import PurchaseImport, Recalculation
from gql.schema.types.scalars import build_scalar_map
from gql.settings import Settings


class ApiSchema(strawberry.Schema):
    """The schema with our own log of errors: kind, place and request id, nothing else. `tells_names` is whether the
    message of a wrong name may say which there are."""

    tells_names = True

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """The first surprise of the operation; the others nearly always have the same cause."""
        request_id = getattr(getattr(execution_context, "context", None), "request_id", "-")
        for error in errors:
            if is_surprise(error):
                assert error.original_error is not None
                log_surprise(error.original_error, request_id)
                return


KEPT = 4
"""So many forms in which clients ask for the whole schema are remembered with their answers."""


class Operation(DocumentLimits):
    """What is done around each operation. The description of the whole schema is made once a process for each form that
    clients ask for it in: nothing but the document decides what it is."""

    def __init__(self, introspection: bool, kept: dict[tuple[str, str | None], ExecutionResult]) -> None:
        super().__init__(introspection)
        self.kept = kept

    def on_execute(self) -> Iterator[None]:
        """Take the answer that there is, or keep the new one."""
        context = self.execution_context
        key = (context.query or "", context._provided_operation_name)
        if not _is_introspection(context):
            yield
            return
        context.result = self.kept.get(key)
        yield
        if isinstance(context.result, ExecutionResult) and not context.result.errors:
            self.kept[key] = context.result
            while len(self.kept) > KEPT:
                del self.kept[next(iter(self.kept))]


def _is_introspection(context: ExecutionContext) -> bool:
    """Whether the operation asks for `__schema` and nothing else, whatever its variables say."""
    document = context.graphql_document
    assert document is not None
    operation = get_operation_ast(document, context.operation_name)
    if operation is None or operation.variable_definitions:
        return False
    return all(
        isinstance(node, FieldNode) and node.name.value == "__schema" for node in operation.selection_set.selections
    )


class OperationExecutor(PacedExecutor):
    """Names in variables that nothing has are answered without likely ones: looking for these fails
    where a name grows in lower case, as İ does."""

    @classmethod
    def build(cls, *given: Any, **named: Any) -> Any:
        return super().build(*given, **{**named, "hide_suggestions": True})


def make_schema(settings: Settings) -> strawberry.Schema:
    """The schema with the limits that the settings ask for."""
    kept: dict[tuple[str, str | None], ExecutionResult] = {}
    schema = ApiSchema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Recalculation, PurchaseImport],
        extensions=[lambda: Operation(settings.introspection, kept)],
        execution_context_class=OperationExecutor,
        config=StrawberryConfig(scalar_map=build_scalar_map()),
    )
    schema.tells_names = settings.introspection
    prepare_fields(schema)
    return schema


def print_sdl() -> str:
    """The schema in GraphQL's own language."""
    return make_schema(Settings()).as_str() + "\n"
