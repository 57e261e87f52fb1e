"""Requests under /exports and /imports: each ends in an answer and in one line of the log, whatever happens."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql.http.graphql import CLOSED
from gql.http.json_body import encode_json
from gql.schema.errors import log_surprise


def wrong_input(message: str) -> Response:
    """The documented body of a wrong parameter."""
    return _json({"success": False, "error": message}, 400)


def refused(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """Any other refusal."""
    return _json({"detail": detail}, status, headers)


def _json(body: object, status: int, headers: Mapping[str, str] | None = None) -> Response:
    kept = {"Cache-Control": "no-store", **(headers or {})}
    return Response(encode_json(body), status, kept, "application/json")


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that the log names."""
log = logging.getLogger("segments")


class Endpoint:
    """Answers requests of every method, so that also a refusal has the documented body."""

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)


def nothing_else() -> list[Route]:
    """What is not there, below the same folders; to stand after what is."""

    async def nothing() -> Response:
        return refused(404, "There is nothing here.")

    async def absent(request: Request) -> Response:
        return await logged(request, "none", nothing())

    return [Route(path, Endpoint(absent)) for path in ("/exports{rest:path}", "/imports{rest:path}")]


async def logged(request: Request, operation: str, answer: Awaitable[Response]) -> Response:
    """The answer; a surprise is masked and has the request's id."""
    began, request_id = time.perf_counter(), request.state.request_id
    try:
        response = await answer
    except ClientDisconnect:
        response = Response(status_code=CLOSED)
    except Exception as error:
        log_surprise(error, request_id)
        response = refused(500, f"Internal error. Quote the request id {request_id}.")
    log.info(
        "request id=%s method=%s operation=%s status=%d ms=%.1f",
        request_id,
        request.method if request.method in METHODS else "-",
        operation,
        response.status_code,
        (time.perf_counter() - began) * 1000,
    )
    return response
