"""What every request passes through, whatever answers it: an id, where the client has reached the server, one line in
the log, a deadline, and an end of its work when the client goes. Whatever nobody expected is masked and logged once
under the id; nothing passes to the server, whose log would show the words of the error."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from gql.auth import is_loopback
from gql.counters import count_request
from gql.http.json_body import encode_json
from gql.http.strangers import find_stranger
from gql.logs import Activity, activity
from gql.schema.errors import build_internal_error, log_surprise
from gql.settings import Settings
from gql.tracing import CALLER_HEADERS, TRACING

T = TypeVar("T")
CLOSED = 499
"""The status that stands in the log for a client that went away; nobody receives it."""
STOP_SECONDS = 1.0
"""How long work that is stopped is waited for; a store that is frozen takes no notice for longer."""
UNWATCHED_SECONDS = 0.05
"""How long work goes on before its client is watched."""
HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
"""What may stand between the scheme and the path of an address."""
SECURE = ("https", "wss")
NOSNIFF = (b"x-content-type-options", b"nosniff")
LOOPBACK_ORIGINS = r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?"
log = logging.getLogger("segments")


def build_origin_pattern(settings: Settings) -> str | None:
    """What the origins match whose pages may ask: those of the settings and, where the demo is served on a loopback
    address, any of this machine, so that a client under development needs no setting. None where there are none."""
    origins = [re.escape(origin) for origin in settings.cors_origins]
    if settings.demo and is_loopback(settings.host):
        origins.append(LOOPBACK_ORIGINS)
    return "|".join(origins) or None


def find_origin(connection: HTTPConnection, public_url: str = "") -> str:
    """Where the client has reached the server, such as https://shop.example: what is set, else what a trusted proxy
    forwards, else what the request says itself. Whatever a client says of a host is told to nobody but that client."""
    if public_url:
        return public_url
    stranger, headers, scope = find_stranger(connection), connection.headers, connection.scope
    address, port = scope.get("server") or ("127.0.0.1", None)
    own = f"[{address}]" if ":" in address else address
    hosts, scheme = [headers.get("host", ""), f"{own}:{port}" if port else own], scope.get("scheme", "http")
    if stranger is not None and stranger.forwarded:
        forwarded = _read_last(headers, "forwarded")
        pairs = (part.partition("=") for part in forwarded.split(";"))
        parts = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        hosts = [_read_last(headers, "x-forwarded-host"), parts.get("host", ""), *hosts]
        scheme = _read_last(headers, "x-forwarded-proto") or parts.get("proto") or scheme
    host = next(each for each in hosts if HOST.fullmatch(each))
    return f"{'https' if scheme.lower() in SECURE else 'http'}://{host}"


def _read_last(headers: Headers, name: str) -> str:
    """Of several values the last is the one that the proxy next to us has written itself."""
    return ",".join(headers.getlist(name)).rpartition(",")[2].strip()


def make_request_id() -> str:
    """A random id of a request, or of an operation on a socket."""
    return os.urandom(8).hex()


class RequestMiddleware:
    """The outermost layer of the application: gives each request or socket its id, as `request.state.request_id` and as
    the header X-Request-Id, and answers in place of what failed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """RuntimeError, without words of ours, where half an answer was sent already."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = make_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        said = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in CALLER_HEADERS}
        activity.set(Activity(request_id, said))
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                own = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                message["headers"] = own if NOSNIFF in own else [*own, NOSNIFF]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except WebSocketDisconnect:
            return
        except Exception as error:
            log_surprise(error, request_id)
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1011})
            elif started:
                # Half an answer cannot be mended: the server closes the connection and logs no words of ours.
                raise RuntimeError("the answer broke off") from None
            else:
                body = encode_json({"errors": [build_internal_error(request_id)]})
                await Response(body, 500, media_type="application/json")(scope, receive, send_with_id)


def log_request(
    request_id: str,
    method: str,
    operation: str,
    began: float,
    *,
    status: int | None = None,
    codes: Collection[str] | None = None,
) -> None:
    """What is kept of a request that began at `began` of time.perf_counter: its line, its numbers and its span. An
    operation on a socket has no status, a plain request no codes."""
    seconds = time.perf_counter() - began
    outcome = {} if status is None else {"status": status}
    problems = {} if codes is None else {"codes": list(codes)}
    fields = {"method": method, "operation": operation, **outcome, "ms": round(seconds * 1000, 1), **problems}
    log.info("request id=%s", request_id, extra={"fields": fields})
    count_request(operation, seconds, status, codes or ())
    doing = activity.get()
    if doing is not None:
        TRACING.tell_request(doing, method, operation, seconds, status, codes or ())


async def run_with_deadline(
    seconds: float, work: Coroutine[Any, Any, T], allow_more: Callable[[], float] | None = None
) -> T:
    """The result of the work; TimeoutError, with the work stopped, where it takes longer. How many seconds it has
    besides is asked when the first have passed."""
    task = asyncio.ensure_future(work)
    # Whoever waits may be gone when it fails.
    task.add_done_callback(_retrieve_exception)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done() and allow_more is not None:
            await asyncio.wait({task}, timeout=allow_more())
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=STOP_SECONDS)


def _retrieve_exception(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """The result of the work; ClientDisconnect, with the work stopped, where the client goes first. The body must have
    been read. Most work ends before anybody need watch for that."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    watching: list[asyncio.Task[None]] = []
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    timer = loop.call_later(UNWATCHED_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        return await work
    except asyncio.CancelledError:
        # Others may stop the task at the same time, and they are told so.
        if gone and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        timer.cancel()
        for watcher in watching:
            watcher.cancel()
