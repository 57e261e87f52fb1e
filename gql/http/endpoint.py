"""Plain HTTP requests, under /exports, /imports and /segments: a method, a token, a permission, then the answer and one
line in the log, whatever happens. The status of every failure stands in one table, by the code of the failure."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from domain.errors import DomainError, Forbidden, Unavailable
from domain.model import Actor, AuditOutcome, Business, Permission, Viewer
from gql.composition import Services
from gql.http.json_body import encode_json
from gql.http.middleware import CLOSED, log_request
from gql.http.throttling import MINIMUM_COST, Throttle, Throttled
from gql.schema.errors import log_surprise
from gql.schema.types.ids import find_target

HALVES = re.compile("[\ud800-\udfff]")
"""What stands for bytes that are no text, and cannot be sent."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Methods that the log names."""
CHALLENGE = {"WWW-Authenticate": "Bearer"}
STATUSES = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "IDEMPOTENCY_IN_PROGRESS": 409,
    "IDEMPOTENCY_MISMATCH": 422,
    "TOO_MANY_IMPORTS": 429,
    "THROTTLED": 429,
    "UNAVAILABLE": 503,
}
"""The status of a failure by its code; every other is the client's input, 400."""
Respond = Callable[[Request], Awaitable[Response]]
Make = Callable[[Request, Viewer, Business], Awaitable[Response]]


class HttpError(Exception):
    """A request that is answered with an error and not worked on; the code is what GraphQL says beside the message."""

    def __init__(
        self, status: int, message: str, code: str = "BAD_USER_INPUT", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}


def make_json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Strict JSON that no cache keeps. What a file holds that is no text is shown by a mark."""
    text = HALVES.sub("\N{REPLACEMENT CHARACTER}", encode_json(body))
    return Response(text, status, {"Cache-Control": "no-store", **(headers or {})}, media_type="application/json")


def make_error_response(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """The documented body of every error but a wrong parameter of an export."""
    return make_json_response({"detail": detail}, status, headers)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Answers requests of every method, so that also a wrong method has the documented body; `operation` is its name in
    the log."""

    operation: str
    respond: Respond

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A surprise is masked, and its answer has the request's id."""
        request = Request(scope, receive, send)
        began, request_id = time.perf_counter(), request.state.request_id
        try:
            response = await self.respond(request)
        except ClientDisconnect:
            response = Response(status_code=CLOSED)
        except Exception as error:
            log_surprise(error, request_id)
            response = make_error_response(500, f"Internal error. Quote the request id {request_id}.")
        method = request.method if request.method in METHODS else "-"
        log_request(request_id, method, self.operation, began, status=response.status_code)
        await response(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Makes the endpoints of one folder of addresses: they share how a viewer is known, the answer to wrong input, made
    of its sentence, and the seconds after which a refused client may try again. The audit log has whatever a known
    viewer is refused."""

    operation: str
    viewer: Callable[[Request], Awaitable[Viewer]]
    services: Services
    answer_wrong_input: Callable[[str], Response]
    retry_seconds: int
    throttle: Throttle

    def make_endpoint(
        self, action: str, methods: Sequence[str], permission: Permission, make: Make, cost: int
    ) -> Endpoint:
        """What `make` answers a viewer with the permission, for the viewer's business; `action` is what the audit log
        calls it, `cost` what it takes of the viewer's bucket where something is made of it."""

        async def answer(request: Request, viewer: Viewer) -> Response:
            try:
                if permission.value not in viewer.permissions:
                    raise Forbidden(f"This needs the permission {permission.value}.")
                return await make(request, viewer, await self.services.businesses.open(viewer.business))
            except (HttpError, DomainError) as error:
                await self._add_refusal(request, viewer, action, error.code)
                raise

        async def respond(request: Request) -> Response:
            if request.method not in methods:
                return make_error_response(405, f"Use {' or '.join(methods)}.", {"Allow": ", ".join(methods)})
            charged: Viewer | None = None
            try:
                viewer = await self.viewer(request)
                self.throttle.charge(viewer, cost)
                charged = viewer
                response = await answer(request, viewer)
            except HttpError as error:
                response = make_error_response(error.status, error.message, error.headers)
            except DomainError as error:
                response = self._answer_failure(error)
            if charged is not None and 300 <= response.status_code < 500:
                self.throttle.take(charged, MINIMUM_COST - cost)
            return response

        return Endpoint(self.operation, respond)

    async def _add_refusal(self, request: Request, viewer: Viewer, action: str, code: str) -> None:
        """What the store cannot answer now is no refusal."""
        stored = None if code == Unavailable.code else await self.services.store.find_business(viewer.business)
        if stored is not None:
            outcome = AuditOutcome.DENIED if code == Forbidden.code else AuditOutcome.REFUSED
            target = find_target(request.path_params, stored[0])
            actor = Actor(viewer.subject, request.state.request_id)
            await self.services.refusals.add(stored[0].id, actor, action, target, outcome, [code])

    def _answer_failure(self, error: DomainError) -> Response:
        status = STATUSES.get(error.code, 400)
        if status == 400:
            return self.answer_wrong_input(error.message)
        headers = {401: CHALLENGE, 429: self._retry, 503: self._retry}
        known = error.headers if isinstance(error, Throttled) else headers.get(status)
        return make_error_response(status, error.message, known)

    @property
    def _retry(self) -> Mapping[str, str]:
        return {"Retry-After": str(self.retry_seconds)}


def make_fallback_routes() -> list[Route]:
    """404 for whatever else is asked for under the same folders; to stand after what is there."""

    async def respond(request: Request) -> Response:
        return make_error_response(404, "There is nothing here.")

    folders = ("/exports", "/imports", "/segments")
    return [Route(f"{folder}{{rest:path}}", Endpoint("none", respond)) for folder in folders]
