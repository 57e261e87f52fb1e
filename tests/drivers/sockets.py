"""A real server on a loopback port, in the loop of the test, and a client that speaks graphql-transport-ws to it. What
the server is told here is what `segments serve` tells it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import uvicorn
import websockets
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from gql.http.uvicorn_protocol import PatientProtocol
from gql.http.websocket import PROTOCOL


class QuietServer(uvicorn.Server):
    """A server that leaves the signals of the test run alone."""

    @property
    def connections(self) -> int:
        return len(self.server_state.connections)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        await self._serve(sockets)


@dataclass
class Live:
    """The server and its address."""

    server: QuietServer
    port: int

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connect(self, **options: Any) -> websockets.connect:
        """A socket of the protocol; options as those of the client library."""
        given: dict[str, Any] = {"subprotocols": [PROTOCOL], "proxy": None, "compression": None} | options
        return websockets.connect(f"ws://{self.host}/graphql", **given)

    @asynccontextmanager
    async def initiate(self, token: str, **options: Any) -> AsyncIterator[ClientConnection]:
        """A socket whose token was accepted."""
        async with self.connect(**options) as client:
            await send(client, type="connection_init", payload={"Authorization": f"Bearer {token}"})
            assert await receive(client) == {"type": "connection_ack"}
            yield client


@asynccontextmanager
async def live(app: ASGIApp, port: int = 0) -> AsyncIterator[Live]:
    """The application behind a real server until the block ends, on that port or a free one."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=1 << 20,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
    )
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve([listener]))
    await becomes(lambda: server.started, 10)
    try:
        yield Live(server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        await serving


async def send(client: ClientConnection, **message: Any) -> None:
    await client.send(json.dumps(message))


async def receive(client: ClientConnection, seconds: float = 5) -> Any:
    """The next message, without what an answer says of its cost."""
    async with asyncio.timeout(seconds):
        message = json.loads(await client.recv())
    if message["type"] == "next":
        extensions = message["payload"].pop("extensions", {})
        extensions.pop("cost", None)
        message["payload"] |= {"extensions": extensions} if extensions else {}
    return message


async def subscribe(client: ClientConnection, key: str, query: str, variables: object = None) -> None:
    await send(client, type="subscribe", id=key, payload={"query": query, "variables": variables})


async def fetch_answer(
    client: ClientConnection, key: str, query: str, variables: object = None, seconds: float = 5
) -> Any:
    """The one answer of a query or mutation, complete."""
    await subscribe(client, key, query, variables)
    answer, end = await receive(client, seconds), await receive(client, seconds)
    assert (answer["type"], answer["id"]) == ("next", key), answer
    assert end == {"type": "complete", "id": key}
    return answer["payload"]


async def wait_closed(client: ClientConnection, seconds: float = 5) -> int | None:
    """The code that the server closed with; whatever it sent before is passed over."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionClosed):
            while True:
                await client.recv()
        await client.wait_closed()
    return client.close_code


async def becomes(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until it holds."""
    for _ in range(int(seconds * 100)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")
