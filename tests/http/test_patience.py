"""Clients that do not take their answers: the other half of line S1 of the reliability requirements, against a real
server whose patience is a second."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from gql.http.uvicorn_protocol import PatientProtocol
from gql.settings import Settings
from tests.drivers.face import SECRET, Face
from tests.drivers.probe import Journal, probe_app
from tests.drivers.sockets import Live, becomes, live

pytestmark = pytest.mark.anyio
LARGE = 30_000_000


@pytest.fixture
async def server(face: Face, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Live]:
    monkeypatch.setattr(PatientProtocol, "take_seconds", 1.0)
    app = probe_app(Settings(jwt_secret=SECRET), face.clock, face.services, face.database, Journal())
    async with live(app) as made:
        yield made


def request(server: Live, face: Face, connection: str = "close") -> bytes:
    body = json.dumps({"query": f"{{ large(size: {LARGE}) }}"})
    lines = ("POST /graphql HTTP/1.1", f"Host: {server.host}", f"Authorization: {face.bearer()['Authorization']}")
    more = ("Content-Type: application/json", f"Content-Length: {len(body)}", f"Connection: {connection}")
    return "\r\n".join((*lines, *more, "", body)).encode()


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_s1_a_client_that_takes_nothing_loses_its_connection(server: Live, face: Face, connection: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request(server, face, connection))
    await becomes(lambda: server.server.connections == 1)

    await becomes(lambda: server.server.connections == 0)

    writer.transport.abort()


async def test_s1_a_client_that_takes_its_answer_slowly_keeps_its_connection(server: Live, face: Face) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 16)
    writer.write(request(server, face))
    taken = 0
    while data := await reader.read(1 << 20):
        taken += len(data)
        # Sixty pauses: the answer takes longer than the patience with a client that takes nothing.
        await asyncio.sleep(0.03 if taken < LARGE // 2 else 0)
    writer.close()

    assert taken > LARGE
