"""GraphQL over WebSocket, protocol graphql-transport-ws. Every frame is checked before it is believed; each operation
has its own context; the socket ends when its token does."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from domain.model import Viewer
from domain.ports import Clock
from gql.bodies import BadBody, decode_json, encode_json
from gql.errors import Unauthenticated
from gql.settings import Settings
from gql.transport import Authenticate, MakeContext, answer

PROTOCOL = "graphql-transport-ws"
MAXIMUM_OPERATIONS = 20
INIT_SECONDS = 10.0


class Close(Exception):
    """Ends the socket with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Socket:
    """One connection."""

    endpoint: "WebSocketEndpoint"
    websocket: WebSocket
    viewer: Viewer | None = None
    initiated: bool = False
    operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    expiry: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until one side closes, the token expires or a frame breaks the protocol."""
        try:
            async with asyncio.timeout(INIT_SECONDS) as waiting:
                while True:
                    message = await self.websocket.receive()
                    if message["type"] == "websocket.disconnect":
                        return
                    if await self.handle(_frame(message)):
                        waiting.reschedule(None)
        except TimeoutError:
            await self.close(4408, "Connection initialisation timeout")
        except Close as close:
            await self.close(close.code, close.reason)
        except WebSocketDisconnect:
            return
        finally:
            for task in (*self.operations.values(), *([self.expiry] if self.expiry else [])):
                task.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Close, unless it is closed."""
        if self.websocket.application_state is WebSocketState.CONNECTED:
            await self.websocket.close(code, reason)

    async def handle(self, frame: dict[str, Any]) -> bool:
        """One message; whether it was an accepted connection_init."""
        kind = frame.get("type")
        if kind == "connection_init":
            await self.initiate(frame.get("payload"))
            return True
        if kind == "ping":
            await self.send({"type": "pong"})
        elif kind == "subscribe":
            await self.subscribe(frame)
        elif kind == "complete":
            task = self.operations.pop(_id(frame), None)
            if task is not None:
                task.cancel()
        elif kind != "pong":
            raise Close(4400, "Unknown message type")
        return False

    async def initiate(self, payload: object) -> None:
        """Check the token and acknowledge."""
        if self.initiated:
            raise Close(4429, "Too many initialisation requests")
        self.initiated = True
        header = payload.get("Authorization") if isinstance(payload, dict) else None
        scheme, _, token = header.partition(" ") if isinstance(header, str) else ("", "", "")
        if scheme.lower() != "bearer" or not token.strip():
            raise Close(4403, "Forbidden")
        try:
            self.viewer = await self.endpoint.authenticate(token.strip())
        except Unauthenticated as error:
            raise Close(4403, "Forbidden") from error
        self.expiry = asyncio.create_task(self.expire(self.viewer.expires_at))
        await self.send({"type": "connection_ack"})

    async def expire(self, at: datetime) -> None:
        """Close when the token ends."""
        await asyncio.sleep(max((at - self.endpoint.clock()).total_seconds(), 0))
        await self.close(4403, "Token expired")

    async def subscribe(self, frame: dict[str, Any]) -> None:
        """Begin an operation."""
        if self.viewer is None:
            raise Close(4401, "Unauthorized")
        key, payload = _id(frame), frame.get("payload")
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            raise Close(4400, "payload.query must be a string")
        variables, name = payload.get("variables"), payload.get("operationName")
        if not isinstance(variables, dict | None) or not isinstance(name, str | None):
            raise Close(4400, "payload.variables must be an object, payload.operationName a string")
        if key in self.operations:
            raise Close(4409, f"Subscriber for {key[:50]} already exists")
        if len(self.operations) >= MAXIMUM_OPERATIONS:
            error = {"message": f"At most {MAXIMUM_OPERATIONS} operations run at once."}
            await self.send(
                {"id": key, "type": "error", "payload": [error | {"extensions": {"code": "LIMIT_EXCEEDED"}}]}
            )
            return
        self.operations[key] = asyncio.create_task(self.operate(key, self.viewer, payload["query"], variables, name))

    async def operate(
        self, key: str, viewer: Viewer, query: str, variables: dict[str, Any] | None, name: str | None
    ) -> None:
        """Run one operation and say how it ended."""
        endpoint, request_id = self.endpoint, f"{id(self):x}-{key[:16]}"
        schema = endpoint.schema
        try:
            async for result in self.results(query, variables, name, endpoint.make_context(viewer, request_id)):
                body, status = answer(result, request_id, schema)
                body.pop("plain_status", None)
                if status == 400:
                    await self.send({"id": key, "type": "error", "payload": body["errors"]})
                    return
                await self.send({"id": key, "type": "next", "payload": body})
            await self.send({"id": key, "type": "complete"})
        finally:
            self.operations.pop(key, None)

    async def results(
        self, query: str, variables: dict[str, Any] | None, name: str | None, context: object
    ) -> AsyncIterator[Any]:
        """The one result of a query or mutation, or those of a subscription."""
        settings, schema = self.endpoint.settings, self.endpoint.schema
        if len(query) > settings.maximum_document:
            raise Close(4400, "query is too long")
        async with asyncio.timeout(settings.report_deadline_seconds):
            yield await schema.execute(query, variables, context_value=context, operation_name=name)

    async def send(self, message: dict[str, Any]) -> None:
        """One frame, unless the other side is gone."""
        if self.websocket.application_state is WebSocketState.CONNECTED:
            try:
                await self.websocket.send_text(encode_json(message))
            except (WebSocketDisconnect, RuntimeError):
                self.websocket.application_state = WebSocketState.DISCONNECTED


@dataclass(frozen=True, slots=True)
class WebSocketEndpoint:
    """Accepts sockets of our own host and of the origins in the settings."""

    schema: Any
    settings: Settings
    authenticate: Authenticate
    make_context: MakeContext
    clock: Clock

    async def __call__(self, websocket: WebSocket) -> None:
        """One connection."""
        origin = websocket.headers.get("origin")
        host = websocket.headers.get("host", "")
        if origin is not None and origin not in self.settings.cors_origins and urlsplit(origin).netloc != host:
            await websocket.close(4403)
            return
        await websocket.accept(PROTOCOL if PROTOCOL in websocket.scope.get("subprotocols", []) else None)
        if PROTOCOL not in websocket.scope.get("subprotocols", []):
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await Socket(self, websocket).run()


def _frame(message: Any) -> dict[str, Any]:
    text = message.get("text")
    if text is None:
        raise Close(4400, "Frames must be text")
    try:
        frame = decode_json(text)
    except BadBody as error:
        raise Close(4400, str(error)) from error
    if not isinstance(frame, dict):
        raise Close(4400, "Frames must be JSON objects")
    return frame


def _id(frame: dict[str, Any]) -> str:
    key = frame.get("id")
    if not isinstance(key, str) or not key or len(key) > 200:
        raise Close(4400, "id must be a string")
    return key
