"""The outermost layer: every request has an id, and whatever nobody expected is masked, logged once under that id, and
answered. Nothing passes to the server, whose log would show the words of the error.

Whether the process lives and whether it can serve; nobody needs a token for that, and nobody is told more.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from gql.http.graphql import within
from gql.http.json_body import encode_json
from gql.schema.errors import internal, log_surprise


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or socket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        request_id = uuid.uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
            await send(message)

        try:
            await self.app(scope, receive, sending)
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
                body = encode_json({"errors": [internal(request_id)]})
                await Response(body, 500, media_type="application/json")(scope, receive, sending)


READY_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
HEADERS = {"Cache-Control": "no-store"}


class Operations:
    """The two probes."""

    def __init__(self, is_ready: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.is_ready = is_ready
        self.draining = False
        self._known: tuple[float, bool] | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def healthz(self, request: Request) -> Response:
        """The process answers; depends on nothing."""
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def readyz(self, request: Request) -> Response:
        """The store is reachable and migrated, and the process is not ending."""
        ready = not self.draining and await self._is_ready()
        return JSONResponse({"status": "ready" if ready else "unavailable"}, 200 if ready else 503, HEADERS)

    async def _is_ready(self) -> bool:
        """Asked at most once a second, by one for all."""
        if self._known is not None and time.monotonic() - self._known[0] < READY_SECONDS:
            return self._known[1]
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            ready = await within(PATIENCE_SECONDS, self.is_ready())
        except Exception as error:
            log_surprise(error, "readyz")
            ready = False
        self._known = (time.monotonic(), ready)
        self._asking = None
        return ready

    def routes(self) -> list[Route]:
        """Where they answer."""
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz)]
