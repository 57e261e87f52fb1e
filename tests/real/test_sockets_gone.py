"""Clients of sockets that vanish without a word, from a real server: the part of line W7 of the reliability
requirements about descriptors, which only a process has."""

import asyncio
import json

import pytest
import websockets

from tests.drivers.server import Server, until

CLIENTS, AT_ONCE = 500, 100
CREATE = 'mutation { createSegment(input: {name: "VIP", kind: MANUAL}) { segment { id } } }'
FOLLOW = "subscription($id: ID!) { membershipChanges(segmentId: $id) { cursor } }"


async def vanish(server: Server, segment: str, number: int) -> None:
    """Follow a segment, a third of the clients not even begin to, and go without a close."""
    url = f"ws://127.0.0.1:{server.port}/graphql"
    client = await websockets.connect(url, subprotocols=["graphql-transport-ws"], proxy=None)  # type: ignore[list-item]
    init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {server.token}"}}
    await client.send(json.dumps(init))
    if number % 3:
        assert json.loads(await client.recv()) == {"type": "connection_ack"}
        payload = {"query": FOLLOW, "variables": {"id": segment}}
        await client.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
    client.transport.abort()
    await client.wait_closed()


@pytest.mark.slow
def test_w7_five_hundred_sockets_that_vanish_leave_no_open_file(server: Server) -> None:
    segment = server.query(CREATE)["createSegment"]["segment"]["id"]
    before = server.sockets

    async def come_and_go() -> None:
        for start in range(0, CLIENTS, AT_ONCE):
            await asyncio.gather(*(vanish(server, segment, start + number) for number in range(AT_ONCE)))

    asyncio.run(come_and_go())

    until(lambda: server.sockets <= before)
    assert server.query("{ viewer { subject } }") == {"viewer": {"subject": "tester"}}
    assert "Traceback" not in server.log.read_text()
