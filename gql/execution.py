"""One operation, whatever it came over: its parameters checked, its deadline kept, its answer put into words. Work that
nobody waits for any more is stopped."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from graphql import GraphQLError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from domain.model import Viewer
from gql.schema.context import Context
from gql.schema.errors import MAXIMUM_ERRORS, formatted, is_surprise, refusal
from gql.settings import Settings

NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")
SLOW = re.compile(
    r"\b([a-zA-Z]*[sS]egmentationReport|segmentationTrend|segment(Preview|Overlap|Transitions)|classificationStatistics)\b"
)
QUERIES = frozenset({OperationType.QUERY})
QUERIES_AND_MUTATIONS = QUERIES | {OperationType.MUTATION}
Authenticate = Callable[[str], Awaitable[Viewer]]
MakeContext = Callable[[Viewer, str], Context]
T = TypeVar("T")
STOP_SECONDS = 1.0
"""How long work that is stopped is waited for; a store that is frozen takes no notice for longer."""


class Refused(Exception):
    """A request that is answered without being executed."""

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.code = code
        self.error = refusal(message, code)


@dataclass(frozen=True, slots=True)
class Parameters:
    """One operation as a client sends it."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None

    @classmethod
    def of(cls, values: object, maximum: int) -> "Parameters":
        """From a decoded body; Refused where a part has the wrong shape or the document is too long."""
        if not isinstance(values, dict):
            raise Refused(400, "The body must be one JSON object.", "BAD_USER_INPUT")
        query, variables, name = values.get("query"), values.get("variables"), values.get("operationName")
        if not isinstance(query, str) or not query.strip():
            raise Refused(400, "query must be a GraphQL document.", "BAD_USER_INPUT")
        if len(query.encode("utf-8", "replace")) > maximum:
            raise Refused(413, f"query must be at most {maximum} bytes.", "LIMIT_EXCEEDED")
        if variables is not None and not isinstance(variables, dict):
            raise Refused(400, "variables must be a JSON object.", "BAD_USER_INPUT")
        if name is not None and not isinstance(name, str):
            raise Refused(400, "operationName must be a string.", "BAD_USER_INPUT")
        if values.get("extensions") is not None and not isinstance(values["extensions"], dict):
            raise Refused(400, "extensions must be a JSON object.", "BAD_USER_INPUT")
        return cls(query, variables, name or None)

    @property
    def name_for_log(self) -> str:
        """The operation's name where it is one, else a dash."""
        name = self.operation_name or ""
        return name if NAME.fullmatch(name) else "-"


@dataclass(frozen=True, slots=True)
class Answer:
    """A body and its status: 400 without `data` where nothing was executed, 500 where the server is at fault."""

    body: dict[str, Any]
    status: int = 200

    @property
    def codes(self) -> list[str]:
        """The codes of its errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of the work; TimeoutError, with the work stopped, where it takes longer."""
    task = asyncio.ensure_future(work)
    # Whoever waits may be gone when it fails.
    task.add_done_callback(_forget)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs operations on one schema."""

    schema: Any
    settings: Settings
    make_context: MakeContext

    async def run(
        self, viewer: Viewer, parameters: Parameters, request_id: str, allowed: Collection[OperationType]
    ) -> Answer:
        """The answer of a query or mutation within the deadline; InvalidOperationTypeError for what is not allowed."""
        slow = SLOW.search(parameters.query) is not None
        deadline = self.settings.report_deadline_seconds if slow else self.settings.deadline_seconds
        context = self.make_context(viewer, request_id)
        try:
            execution = self.schema.execute(
                parameters.query,
                variable_values=parameters.variables,
                context_value=context,
                operation_name=parameters.operation_name,
                allowed_operation_types=allowed,
            )
            return self.answer(await within(deadline, execution), request_id, context)
        except TimeoutError:
            error = refusal(f"The operation took longer than {deadline:g} seconds.", "TIMEOUT")
            return Answer({"errors": [error], "data": None})
        except CannotGetOperationTypeError as error:
            raise Refused(400, "operationName must name an operation of the document.", "BAD_USER_INPUT") from error
        finally:
            context.close()

    async def stream(self, viewer: Viewer, parameters: Parameters, request_id: str) -> AsyncGenerator[Answer, None]:
        """The one answer of a query or mutation, or each of a subscription. Nothing is fetched from a subscription
        before the answer before it was taken, so a slow reader holds one answer and no queue."""
        try:
            answer = await self.run(viewer, parameters, request_id, QUERIES_AND_MUTATIONS)
        except InvalidOperationTypeError:
            pass
        else:
            yield answer
            return
        context = self.make_context(viewer, request_id)
        try:
            results = await self.schema.subscribe(
                parameters.query,
                variable_values=parameters.variables,
                context_value=context,
                operation_name=parameters.operation_name,
            )
            async with aclosing(results):
                async for result in results:
                    yield self.answer(result, request_id, context)
                    context.renew()
        except GraphQLError as error:
            yield Answer({"errors": [formatted(error, request_id, self.schema)]}, 400)
        finally:
            context.close()

    def answer(self, result: Any, request_id: str, context: Context) -> Answer:
        """The body of a result; `extensions.cache` says of its reports how many were kept, and since when."""
        errors = list(result.errors or [])
        body: dict[str, Any] = {}
        if errors:
            body["errors"] = [formatted(error, request_id, self.schema) for error in errors[:MAXIMUM_ERRORS]]
        if result.data is None and not any(error.path for error in errors):
            return Answer(body, 500 if any(is_surprise(error) for error in errors) else 400)
        body["data"] = result.data
        kept = context.kept
        if kept.hit or kept.miss:
            body["extensions"] = {"cache": {"hit": kept.hit, "miss": kept.miss, "age": round(kept.age, 3)}}
        return Answer(body)
