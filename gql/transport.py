"""GraphQL over HTTP. Only a JSON object in an exact content type is read, only with a token, one operation a request;
whatever comes in, what goes out is strict JSON with a fitting status. When the client goes, its work stops."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from strawberry.schema.exceptions import InvalidOperationTypeError

from domain.model import Viewer
from gql.bodies import MAXIMUM_BODY, BadBody, decode_json, encode_json
from gql.execution import QUERIES, QUERIES_AND_MUTATIONS, Answer, Authenticate, Executor, Parameters, Refused
from gql.refusals import UNAUTHENTICATED_MESSAGE, Unauthenticated

T = TypeVar("T")
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
