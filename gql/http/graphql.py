"""GraphQL over HTTP. Only a JSON object in an exact content type is read, only with a token, one operation a request;
whatever comes in, what goes out is strict JSON with a fitting status. When the client goes, its work stops.

One operation, whatever it came over: its parameters checked, its deadline kept, its answer put into words. Work that
nobody waits for any more is stopped.
"""

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from graphql import GraphQLError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from domain.model import Viewer
from gql.auth import UNAUTHENTICATED_MESSAGE, Unauthenticated
from gql.http.json_body import MAXIMUM_BODY, BadBody, decode_json, encode_json
from gql.schema.context import Context
from gql.schema.errors import MAXIMUM_ERRORS, format_error, is_surprise, refusal
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
            yield Answer({"errors": [format_error(error, request_id, self.schema)]}, 400)
        finally:
            context.close()

    def answer(self, result: Any, request_id: str, context: Context) -> Answer:
        """The body of a result; `extensions.cache` says of its reports how many were kept, and since when."""
        errors = list(result.errors or [])
        body: dict[str, Any] = {}
        if errors:
            body["errors"] = [format_error(error, request_id, self.schema) for error in errors[:MAXIMUM_ERRORS]]
        if result.data is None and not any(error.path for error in errors):
            return Answer(body, 500 if any(is_surprise(error) for error in errors) else 400)
        body["data"] = result.data
        kept = context.cache
        if kept.hit or kept.miss:
            body["extensions"] = {"cache": {"hit": kept.hit, "miss": kept.miss, "age": round(kept.age, 3)}}
        return Answer(body)


log = logging.getLogger("segments")
RESPONSE_JSON = "application/graphql-response+json"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Vary": "Accept, Origin"}
CHARSETS = ("", "charset=utf-8", 'charset="utf-8"')
CLOSED = 499
"""The status that stands in the log for a client that went away; nobody receives it."""


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """Answers POST and GET at /graphql; GET for a page of HTML gives the explorer."""

    executor: Executor
    authenticate: Authenticate
    explorer: Callable[[Request], Response]

    async def __call__(self, request: Request) -> Response:
        """One request, one line in the log."""
        began, request_id = time.perf_counter(), request.state.request_id
        operation = "-"
        codes: list[str] = []
        try:
            if request.method == "GET" and not request.query_params and _wants_page(request):
                response = self.explorer(request)
            else:
                viewer = await self._viewer(request)
                parameters = await self._parameters(request)
                operation = parameters.name_for_log
                answer = await self._execute(request, viewer, parameters, request_id)
                codes = answer.codes
                response = _response(request, answer)
        except Refused as refused:
            codes = [refused.code]
            response = _response(request, Answer({"errors": [refused.error]}, refused.status), request_error=False)
            response.headers.update(refused.headers)
        except ClientDisconnect:
            response = Response(status_code=CLOSED)
        log.info(
            "request id=%s method=%s operation=%s status=%d ms=%.1f codes=%s",
            request_id,
            request.method if request.method in ("GET", "POST") else "-",
            operation,
            response.status_code,
            (time.perf_counter() - began) * 1000,
            ",".join(codes) or "-",
        )
        return response

    async def _viewer(self, request: Request) -> Viewer:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        challenge = {"WWW-Authenticate": "Bearer"}
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused(401, UNAUTHENTICATED_MESSAGE, "UNAUTHENTICATED", challenge)
        try:
            return await self.authenticate(token.strip())
        except Unauthenticated as error:
            raise Refused(401, error.message, error.code, challenge) from error

    async def _parameters(self, request: Request) -> Parameters:
        if request.method == "GET":
            values: Any = dict(request.query_params)
            for part in ("variables", "extensions"):
                if part in values:
                    values[part] = _decoded(values[part].encode("utf-8", "replace"))
        elif request.method == "POST":
            values = _decoded(await _body(request))
        else:
            raise Refused(405, "Use POST, or GET for a query.", "BAD_USER_INPUT", {"Allow": "GET, POST"})
        return Parameters.of(values, self.executor.settings.maximum_document)

    async def _execute(self, request: Request, viewer: Viewer, parameters: Parameters, request_id: str) -> Answer:
        allowed = QUERIES if request.method == "GET" else QUERIES_AND_MUTATIONS
        try:
            return await while_connected(request, self.executor.run(viewer, parameters, request_id, allowed))
        except InvalidOperationTypeError as error:
            if request.method == "GET":
                raise Refused(405, "Use POST for this operation.", "BAD_USER_INPUT", {"Allow": "POST"}) from error
            raise Refused(400, "Use a WebSocket for subscriptions.", "BAD_USER_INPUT") from error


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of the work; ClientDisconnect, with the work stopped, where the client goes first."""
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        gone.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body(request: Request) -> bytes:
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json" or rest.strip().lower() not in CHARSETS:
        raise Refused(415, "The content type must be application/json.", "BAD_USER_INPUT")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "The body must not be compressed.", "BAD_USER_INPUT")
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAXIMUM_BODY:
            raise Refused(413, f"The body must be at most {MAXIMUM_BODY} bytes.", "LIMIT_EXCEEDED")
    return bytes(data)


def _decoded(data: bytes) -> Any:
    try:
        return decode_json(data)
    except BadBody as error:
        raise Refused(400, str(error), "BAD_USER_INPUT") from error


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _response(request: Request, answer: Answer, request_error: bool = True) -> Response:
    accept = request.headers.get("accept", "")
    modern = RESPONSE_JSON in accept
    status = answer.status
    if request_error and status == 400 and not modern and "application/json" in accept:
        # Clients that ask for plain JSON read the status as the transport's, not the operation's.
        status = 200
    media = RESPONSE_JSON if modern else "application/json"
    return Response(encode_json(answer.body), status, {**HEADERS, "Content-Type": f"{media}; charset=utf-8"})
