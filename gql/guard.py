"""The outermost layer: every request has an id, and whatever nobody expected is masked, logged once under that id, and
answered. Nothing passes to the server, whose log would show the words of the error."""

import uuid

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from gql.bodies import encode_json
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
