"""GraphQL over HTTP. Only a JSON object in an exact content type is read, only with a token, one operation a request;
whatever comes in, what goes out is strict JSON with a fitting status."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.graphql import OperationType

from domain.model import Viewer
from gql.bodies import MAXIMUM_BODY, BadBody, decode_json, encode_json
from gql.context import Context
from gql.errors import MAXIMUM_ERRORS, UNAUTHENTICATED_MESSAGE, Unauthenticated, formatted
from gql.settings import Settings

log = logging.getLogger("segments")
RESPONSE_JSON = "application/graphql-response+json"
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]{0,99}")
HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
SLOW = ("segmentationReport",)
Authenticate = Callable[[str], Awaitable[Viewer]]
MakeContext = Callable[[Viewer, str], Context]


class Refused(Exception):
    """A request that is answered without being executed."""

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"errors": [{"message": message, "extensions": {"code": code}}]}


@dataclass(frozen=True, slots=True)
class Parameters:
    """One operation as a client sends it."""

    query: str
    variables: dict[str, Any] | None
    operation_name: str | None


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """Answers POST and GET at /graphql; GET for a page of HTML gives the explorer."""

    schema: Any
    settings: Settings
    authenticate: Authenticate
    make_context: MakeContext
    explorer: Callable[[Request], Response]

    async def __call__(self, request: Request) -> Response:
        """One request, one line in the log."""
        began, request_id = time.perf_counter(), uuid.uuid4().hex[:16]
        operation = "-"
        codes: list[str] = []
        try:
            if (
                request.method == "GET"
                and not request.query_params
                and "text/html" in request.headers.get("accept", "")
            ):
                response = self.explorer(request)
            else:
                viewer = await self._viewer(request)
                parameters = await self._parameters(request)
                name = parameters.operation_name or "-"
                operation = name if NAME.fullmatch(name) else "-"
                body, status = await self._execute(request, viewer, parameters, request_id)
                codes = [error.get("extensions", {}).get("code", "") for error in body.get("errors", [])]
                response = self._response(request, body, status)
        except Refused as refused:
            codes = [refused.body["errors"][0]["extensions"]["code"]]  # type: ignore[index]
            response = self._response(request, refused.body, refused.status)
            response.headers.update(refused.headers)
        response.headers["X-Request-Id"] = request_id
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
                    values[part] = _decoded(values[part].encode())
        elif request.method == "POST":
            values = _decoded(await self._body(request))
        else:
            raise Refused(405, "Use POST, or GET for a query.", "BAD_USER_INPUT", {"Allow": "GET, POST"})
        if not isinstance(values, dict):
            raise Refused(400, "The body must be one JSON object.", "BAD_USER_INPUT")
        query, variables, name = values.get("query"), values.get("variables"), values.get("operationName")
        if not isinstance(query, str) or not query.strip():
            raise Refused(400, "query must be a GraphQL document.", "BAD_USER_INPUT")
        if len(query.encode("utf-8", "replace")) > self.settings.maximum_document:
            raise Refused(413, f"query must be at most {self.settings.maximum_document} bytes.", "LIMIT_EXCEEDED")
        if variables is not None and not isinstance(variables, dict):
            raise Refused(400, "variables must be a JSON object.", "BAD_USER_INPUT")
        if name is not None and not isinstance(name, str):
            raise Refused(400, "operationName must be a string.", "BAD_USER_INPUT")
        if values.get("extensions") is not None and not isinstance(values["extensions"], dict):
            raise Refused(400, "extensions must be a JSON object.", "BAD_USER_INPUT")
        return Parameters(query, variables, name or None)

    async def _body(self, request: Request) -> bytes:
        kind, _, rest = request.headers.get("content-type", "").partition(";")
        if kind.strip().lower() != "application/json" or rest.strip().lower() not in ("", "charset=utf-8"):
            raise Refused(415, "The content type must be application/json.", "BAD_USER_INPUT")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(415, "The body must not be compressed.", "BAD_USER_INPUT")
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAXIMUM_BODY:
                raise Refused(413, f"The body must be at most {MAXIMUM_BODY} bytes.", "LIMIT_EXCEEDED")
        return bytes(data)

    async def _execute(
        self, request: Request, viewer: Viewer, parameters: Parameters, request_id: str
    ) -> tuple[dict[str, Any], int]:
        allowed = {OperationType.QUERY} if request.method == "GET" else {OperationType.QUERY, OperationType.MUTATION}
        slow = any(name in parameters.query for name in SLOW)
        deadline = self.settings.report_deadline_seconds if slow else self.settings.deadline_seconds
        try:
            async with asyncio.timeout(deadline):
                result = await self.schema.execute(
                    parameters.query,
                    variable_values=parameters.variables,
                    context_value=self.make_context(viewer, request_id),
                    operation_name=parameters.operation_name,
                    allowed_operation_types=allowed,
                )
        except TimeoutError as error:
            raise Refused(200, f"The operation took longer than {deadline:g} seconds.", "TIMEOUT") from error
        except InvalidOperationTypeError as error:
            if request.method == "GET":
                raise Refused(405, "Use POST for this operation.", "BAD_USER_INPUT", {"Allow": "POST"}) from error
            raise Refused(400, "Use a WebSocket for subscriptions.", "BAD_USER_INPUT") from error
        except CannotGetOperationTypeError as error:
            raise Refused(400, "operationName must name an operation of the document.", "BAD_USER_INPUT") from error
        return answer(result, request_id, self.schema)

    def _response(self, request: Request, body: dict[str, Any], status: int) -> Response:
        accept = request.headers.get("accept", "")
        modern = RESPONSE_JSON in accept
        if not modern and "application/json" in accept and status == 400:
            # Clients that ask for plain JSON read the status as the transport's, not the operation's.
            status = body.pop("plain_status", status)
        body.pop("plain_status", None)
        media = RESPONSE_JSON if modern else "application/json"
        return Response(encode_json(body), status, {**HEADERS, "Content-Type": f"{media}; charset=utf-8"})


def _decoded(data: bytes) -> Any:
    try:
        return decode_json(data)
    except BadBody as error:
        raise Refused(400, str(error), "BAD_USER_INPUT") from error


def answer(result: Any, request_id: str, schema: Any) -> tuple[dict[str, Any], int]:
    """The body and its status: 400 without `data` where nothing was executed."""
    body: dict[str, Any] = {}
    errors = list(result.errors or [])[:MAXIMUM_ERRORS]
    if errors:
        body["errors"] = [formatted(error, request_id, schema) for error in errors]
    executed = result.data is not None or any(error.path for error in errors)
    if executed:
        body["data"] = result.data
        return body, 200
    body["plain_status"] = 200
    return body, 400
