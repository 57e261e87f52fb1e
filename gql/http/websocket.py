"""GraphQL over WebSocket, protocol graphql-transport-ws. Every frame is checked before it is believed; each operation
has its own context and task; nothing is queued for a slow reader; the socket ends when its token expires or is
revoked."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlsplit

from graphql import FieldNode, GraphQLError, OperationType, get_operation_ast, parse
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from domain.calendar import Clock
from domain.errors import Unavailable
from domain.jobs.progress import Audience
from domain.json_text import BadJson
from domain.model import Permission, Viewer
from gql.auth import Unauthenticated, read_bearer_token
from gql.counters import SOCKETS
from gql.http.endpoint import HttpError
from gql.http.graphql import Answer, Confirm, Executor, Parameters, refuse
from gql.http.json_body import LARGE, decode_body, encode_json, write_json
from gql.http.middleware import build_origin_pattern, find_origin, log_request, make_request_id
from gql.http.strangers import find_host, find_stranger
from gql.http.throttling import MINIMUM_COST, Admission, Throttled
from gql.logs import Activity, activity
from gql.schema.context import Cost
from gql.schema.errors import build_internal_error, build_refusal, log_surprise
from gql.schema.limits import CACHED_DOCUMENTS, MAXIMUM_TOKENS

PROTOCOL = "graphql-transport-ws"
MAXIMUM_OPERATIONS = 20
MAXIMUM_SOCKETS = 100
"""Of one subject of one business, in one process."""
MAXIMUM_ID = 200
MAXIMUM_UNKNOWN = 16_384
"""Characters of all messages of a socket until its token was accepted: twice those of the longest token."""
INIT_SECONDS = 10.0
EXPIRY_SECONDS = 1.0
CLOSE_SECONDS = 2.0
TRY_LATER = 1013
"""The code that says that the same may succeed later."""


class Close(Exception):
    """Ends the socket with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass(slots=True)
class Socket:
    """One connection, from its acceptance to its close."""

    endpoint: "WebSocketEndpoint"
    websocket: WebSocket
    viewer: Viewer | None = None
    initiated: bool = False
    heard: int = 0
    """Characters before the token was accepted."""
    operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    ending: set[asyncio.Task[None]] = field(default_factory=set)
    expiry: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until one side closes, the token expires or a frame breaks the protocol."""
        waiting = asyncio.get_running_loop().time() + self.endpoint.init_seconds
        try:
            while True:
                async with asyncio.timeout_at(None if self.initiated else waiting):
                    message = await self.websocket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self.handle(await self.read(message.get("text")))
        except TimeoutError:
            await self.close(4408, "Connection initialisation timeout")
        except Close as close:
            await self.close(close.code, close.reason)
        finally:
            self.stop()
            if self.expiry is not None:
                self.expiry.cancel()
            if self.viewer is not None:
                self.endpoint.leave(self.viewer)
            # What an operation holds is given back before the socket counts as gone.
            await asyncio.gather(*self.ending, return_exceptions=True)

    def stop(self) -> None:
        """End every operation."""
        for task in self.operations.values():
            task.cancel()

    async def close(self, code: int, reason: str) -> None:
        """Close, unless it is closed; a client that does not read is not waited for."""
        self.stop()
        if self.websocket.application_state is WebSocketState.CONNECTED:
            with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.websocket.close(code, reason)

    async def read(self, text: str | None) -> dict[str, Any]:
        """A message. A large one is paid for as a request is, unless it begins an operation, which is paid for itself;
        Close where it is none, or comes from somebody who may not send as much."""
        if text is None:
            raise Close(4400, "Frames must be text")
        if self.viewer is None:
            self.heard += len(text)
            if self.heard > MAXIMUM_UNKNOWN:
                raise Close(4400, f"Messages before the token have at most {MAXIMUM_UNKNOWN:,} characters together")
            return await _decode_frame(text)
        if len(text) <= LARGE:
            return await _decode_frame(text)
        throttle = self.endpoint.executor.throttle
        try:
            throttle.check(self.viewer)
        except Throttled as error:
            raise Close(TRY_LATER, error.message) from error
        frame = await _decode_frame(text)
        if frame.get("type") != "subscribe":
            throttle.take(self.viewer, MINIMUM_COST)
        return frame

    async def handle(self, frame: dict[str, Any]) -> None:
        """Do what one message asks; Close where it breaks the protocol."""
        kind = frame.get("type")
        if not isinstance(frame.get("payload", {}), dict | None) and kind in ("ping", "pong", "connection_init"):
            raise Close(4400, "payload must be an object")
        if kind == "connection_init":
            await self.initiate(frame.get("payload"))
        elif kind == "ping":
            await self.send({"type": "pong"})
        elif kind == "subscribe":
            await self.subscribe(frame)
        elif kind == "complete":
            task = self.operations.pop(_read_operation_id(frame), None)
            if task is not None:
                task.cancel()
        elif kind != "pong":
            raise Close(4400, "Unknown message type")

    async def initiate(self, payload: dict[str, Any] | None) -> None:
        """Check the token and acknowledge."""
        if self.initiated:
            raise Close(4429, "Too many initialisation requests")
        self.initiated = True
        values = [value for name, value in (payload or {}).items() if name.lower() == "authorization"]
        headers = {"authorization": values[0]} if len(values) == 1 and isinstance(values[0], str) else {}
        try:
            viewer = await self.endpoint.admission.admit(self.websocket, read_bearer_token(headers))
        except Unauthenticated as error:
            raise Close(4403, "Forbidden") from error
        except Throttled as error:
            raise Close(TRY_LATER, error.message) from error
        except Unavailable as error:
            raise Close(TRY_LATER, "Try again later") from error
        if not self.endpoint.enter(viewer):
            raise Close(TRY_LATER, f"At most {MAXIMUM_SOCKETS} sockets are open at once for one subject")
        self.viewer = viewer
        self.expiry = asyncio.create_task(self.watch_token(viewer))
        await self.send({"type": "connection_ack"})

    async def watch_token(self, viewer: Viewer) -> None:
        """Close when the token ends or is revoked, or where that cannot be known. The clock is asked again and again:
        it may have been set."""
        try:
            while True:
                await self.confirm(viewer)
                left = (viewer.expires_at - self.endpoint.clock()).total_seconds()
                await asyncio.sleep(min(max(left, 0), EXPIRY_SECONDS))
        except Close as close:
            await self.close(close.code, close.reason)
        except Exception as error:
            log_surprise(error, self.websocket.state.request_id)
            await self.close(1011, "Internal error")

    async def confirm(self, viewer: Viewer) -> None:
        """Close where the viewer's token holds no more, or where that cannot be known."""
        try:
            await self.endpoint.confirm(viewer)
        except Unauthenticated as error:
            raise Close(4403, "Token expired or revoked") from error
        except Unavailable as error:
            raise Close(TRY_LATER, "Try again later") from error

    async def subscribe(self, frame: dict[str, Any]) -> None:
        """Begin an operation in a task of its own."""
        if self.viewer is None:
            raise Close(4401, "Unauthorized")
        await self.confirm(self.viewer)
        key, payload = _read_operation_id(frame), frame.get("payload")
        if not isinstance(payload, dict):
            raise Close(4400, "payload must be an object")
        parts = ("query", "variables", "operationName", "extensions")
        query, variables, name, extensions = (payload.get(part) for part in parts)
        # A document that is kept may be named instead.
        if not isinstance(query, str | None) or (query is None and not extensions):
            raise Close(4400, "payload.query must be a string")
        if not isinstance(variables, dict | None) or not isinstance(extensions, dict | None):
            raise Close(4400, "payload.variables and payload.extensions must be objects")
        if not isinstance(name, str | None):
            raise Close(4400, "payload.operationName must be a string")
        if key in self.operations:
            raise Close(4409, f"Subscriber for {key[:50]} already exists")
        if len(self.operations) >= MAXIMUM_OPERATIONS:
            error = build_refusal(f"At most {MAXIMUM_OPERATIONS} operations run at once on a socket.", "LIMIT_EXCEEDED")
            await self.send({"id": key, "type": "error", "payload": [error]})
            return
        task = asyncio.create_task(self.operate(key, self.viewer, payload))
        self.operations[key] = task
        self.ending.add(task)
        task.add_done_callback(self.ending.discard)

    async def operate(self, key: str, viewer: Viewer, payload: dict[str, Any]) -> None:
        """Run one operation and say how it ended."""
        executor, request_id, began = self.endpoint.executor, make_request_id(), time.perf_counter()
        activity.set(Activity(request_id, business=viewer.business))
        end: dict[str, Any] = {"id": key, "type": "complete"}
        operation, codes = "-", Counter[str]()
        try:
            parameters = executor.read_parameters(viewer, payload)
            operation = parameters.name_for_log
            origin = find_origin(self.websocket, executor.settings.public_url)
            async with aclosing(self.endpoint.stream(viewer, parameters, request_id, origin)) as answers:
                async for answer, text in answers:
                    codes.update(answer.codes)
                    if answer.status != 200:
                        end = {"id": key, "type": "error", "payload": answer.body["errors"]}
                        break
                    await self.send_text(f'{{"id":{encode_json(key)},"type":"next","payload":{text}}}')
        except HttpError as error:
            codes[error.code] += 1
            end = {"id": key, "type": "error", "payload": [build_refusal(error.message, error.code)]}
        except Throttled as error:
            codes[error.code] += 1
            end = {"id": key, "type": "error", "payload": refuse(error).body["errors"]}
        except Exception as error:
            log_surprise(error, request_id)
            codes["INTERNAL"] += 1
            end = {"id": key, "type": "error", "payload": [build_internal_error(request_id)]}
        finally:
            # The id is free before the end is told, so that the client may use it again at once.
            if self.operations.get(key) is asyncio.current_task():
                del self.operations[key]
            log_request(request_id, "WS", operation, began, codes=codes)
        await self.send(end)

    async def send(self, message: dict[str, Any]) -> None:
        """One frame, unless the other side is gone; waits while the client does not read."""
        await self.send_text(await write_json(message))

    async def send_text(self, text: str) -> None:
        """The same of one that is written already."""
        if self.websocket.application_state is WebSocketState.CONNECTED:
            with suppress(WebSocketDisconnect, RuntimeError):
                await self.websocket.send_text(text)


FOLLOWING = frozenset({"recalculationProgress", "jobProgress"})
"""Subscriptions that tell all who may see the business the same, and of which a slow reader misses steps."""
Shared = tuple[str, frozenset[str], str, str | None, str, str]
"""Business, permissions, document, operation, variables, origin: what answers follow from."""


def find_shared(viewer: Viewer, parameters: Parameters, origin: str) -> Shared | None:
    """What the answers of an operation that many may ask for follow from; None where it is another one."""
    if Permission.VIEW.value not in viewer.permissions:
        return None
    if not is_following(parameters.query, parameters.operation_name):
        return None
    variables = json.dumps(parameters.variables or {}, sort_keys=True)
    return viewer.business, viewer.permissions, parameters.query, parameters.operation_name, variables, origin


@lru_cache(maxsize=CACHED_DOCUMENTS)
def is_following(document: str, operation_name: str | None) -> bool:
    """Whether the operation is a subscription to one of FOLLOWING, without a fragment in its place."""
    try:
        operation = get_operation_ast(parse(document, no_location=True, max_tokens=MAXIMUM_TOKENS), operation_name)
    except (GraphQLError, RecursionError):
        return False
    if operation is None or operation.operation is not OperationType.SUBSCRIPTION:
        return False
    fields = operation.selection_set.selections
    return len(fields) == 1 and isinstance(fields[0], FieldNode) and fields[0].name.value in FOLLOWING


@dataclass(slots=True)
class Broadcast:
    """One execution of a subscription whose answers go to all who asked for the same: each is executed and written
    once. Whoever joins waits for one that was begun after that, so it is told nothing older than its question."""

    give_back: Callable[[Mapping[str, int]], None]
    audience: Audience = field(default_factory=Audience)
    answer: Answer | None = None
    text: str = ""
    heard: int = 0
    version: int = 0
    followers: int = 0
    first_left: bool = False
    error: BaseException | None = None
    ended: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def run(self, answers: AsyncGenerator[Answer, None]) -> None:
        """Hand on what is answered, to its end."""
        try:
            async with aclosing(answers):
                async for answer in answers:
                    body = {name: value for name, value in answer.body.items() if name != "extensions"}
                    text, cost = await write_json(body), answer.body.get("extensions", {}).get("cost")
                    if cost is not None and (
                        self.first_left or (self.answer and self.version == self.audience.version)
                    ):
                        # Whoever asked first pays for what it is told.
                        self.give_back(cost)
                    self.text = text
                    self.answer, self.heard, self.version = answer, self.audience.heard, self.audience.version
                    self.wake()
        except Exception as error:
            self.error = error
        finally:
            self.ended = True
            self.wake()

    def wake(self) -> None:
        """Let those look who wait."""
        self.changed.set()
        self.changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class WebSocketEndpoint:
    """Accepts sockets of our own host and of the origins in the settings."""

    executor: Executor
    admission: Admission
    confirm: Confirm
    clock: Clock
    init_seconds: float = INIT_SECONDS
    open: Counter[tuple[str, str]] = field(default_factory=Counter)
    broadcasts: dict[Shared, Broadcast] = field(default_factory=dict)

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve a socket until it closes; a foreign origin is refused with 4403, another protocol with 4406. Until its
        token was shown it is a stranger's, also where a proxy has brought it."""
        stranger = find_stranger(websocket)
        if stranger is not None:
            stranger.enter(find_host(websocket))
        origin, allowed = websocket.headers.get("origin"), build_origin_pattern(self.executor.settings)
        known = origin is None or (allowed is not None and re.fullmatch(allowed, origin) is not None)
        if not known and not _is_own(origin or "", websocket.headers.get("host", "")):
            await websocket.close(4403)
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", []):
            await websocket.accept()
            await websocket.close(4406, "Subprotocol not acceptable")
            return
        await websocket.accept(PROTOCOL)
        with SOCKETS.track_inprogress():
            await Socket(self, websocket).run()

    async def stream(
        self, viewer: Viewer, parameters: Parameters, request_id: str, origin: str
    ) -> AsyncGenerator[tuple[Answer, str], None]:
        """The answers of an operation, each as it is and as JSON. Those of one that others ask for, too, are made once
        for all of them; what they cost is taken from each."""
        key, is_told = find_shared(viewer, parameters, origin), False
        while key is not None and not is_told:
            async with aclosing(self._stream_shared(key, viewer, parameters, request_id, origin)) as told:
                async for each in told:
                    is_told = True
                    yield each
        if key is None:
            async with aclosing(self.executor.stream(viewer, parameters, request_id, origin)) as answers:
                async for answer in answers:
                    yield answer, (await answer.write()).decode()

    async def _stream_shared(
        self, key: Shared, viewer: Viewer, parameters: Parameters, request_id: str, origin: str
    ) -> AsyncGenerator[tuple[Answer, str], None]:
        """The answers that others get, too, from the first on that was begun after this call; none where they came to
        their end before it."""
        shared, bill, place = self.broadcasts.get(key), None, 1
        if shared is None or shared.ended:
            shared = self.broadcasts[key] = Broadcast(partial(self.executor.throttle.give_back, viewer))
            answers = self.executor.stream(viewer, parameters, request_id, origin, shared.audience)
            shared.task = asyncio.create_task(shared.run(answers))
        else:
            bill = self.executor.throttle.open(viewer)
            place = shared.audience.join()
        shared.followers += 1
        last, version = None, 0
        try:
            while True:
                answer = shared.answer
                is_meant = place == 1 if last is None and shared.heard < place else answer is not last
                if (
                    answer is not None
                    and is_meant
                    and (last is None or answer.status != 200 or shared.version != version)
                ):
                    last, version = answer, shared.version
                    yield answer, self._write_answer(shared, answer, viewer, parameters, bill)
                elif shared.ended:
                    if shared.error is not None and (place == 1 or last is not None):
                        raise shared.error
                    return
                else:
                    await shared.changed.wait()
        finally:
            shared.followers -= 1
            shared.first_left = shared.first_left or place == 1
            if not shared.followers:
                if shared.task is not None:
                    shared.task.cancel()
                if self.broadcasts.get(key) is shared:
                    del self.broadcasts[key]

    def _write_answer(
        self, shared: Broadcast, answer: Answer, viewer: Viewer, parameters: Parameters, bill: Cost | None
    ) -> str:
        """The JSON of an answer that others get, too, with what it costs this caller."""
        extensions = dict(answer.body.get("extensions", {}))
        cost = extensions.get("cost")
        if bill is not None and cost is not None:
            extensions["cost"] = self.executor.throttle.settle_shared(bill, cost)
        if parameters.digest is not None:
            self.executor.documents.keep(viewer, parameters.digest, parameters.query)
        return f'{shared.text[:-1]},"extensions":{encode_json(extensions)}}}' if extensions else shared.text

    def enter(self, viewer: Viewer) -> bool:
        """Count a socket of the viewer's; False where there are too many."""
        key = (viewer.business, viewer.subject)
        if self.open[key] >= MAXIMUM_SOCKETS:
            return False
        self.open[key] += 1
        return True

    def leave(self, viewer: Viewer) -> None:
        """Count it no more."""
        key = (viewer.business, viewer.subject)
        self.open[key] -= 1
        if self.open[key] <= 0:
            del self.open[key]


def _is_own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc == host != ""


async def _decode_frame(text: str) -> dict[str, Any]:
    try:
        frame = await decode_body(text)
    except BadJson as error:
        raise Close(4400, str(error)) from error
    if not isinstance(frame, dict):
        raise Close(4400, "Frames must be JSON objects")
    return frame


def _read_operation_id(frame: dict[str, Any]) -> str:
    key = frame.get("id")
    if not isinstance(key, str) or not key or len(key) > MAXIMUM_ID:
        raise Close(4400, f"id must be a string of 1 to {MAXIMUM_ID} characters")
    return key
