"""The protocol of the socket, frame by frame: line W2 of the reliability requirements, against a real server on a
loopback port."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from gql.auth import MAXIMUM_TOKEN
from gql.http.json_body import LARGE
from gql.http.websocket import TRY_LATER
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.probe import Journal, probe_app
from tests.drivers.sockets import Live, fetch_answer, live, receive, send, subscribe, wait_closed

pytestmark = pytest.mark.anyio
SLOW = "{ slow }"
INIT = '{"type": "connection_init", "payload": {"Authorization": "Bearer {}"}}'
RUNNING = '{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }"}}'


@pytest.fixture
async def probe(face: Face) -> AsyncIterator[Live]:
    """The misbehaving schema behind a real server that waits a second for the first message."""
    app = probe_app(Settings(jwt_secret=SECRET), face.clock, face.services, face.database, Journal(), 1)
    async with live(app) as made:
        yield made


async def test_w1_a_client_that_never_introduces_itself_is_let_go(probe: Live) -> None:
    began = asyncio.get_running_loop().time()
    async with probe.connect() as client:
        await send(client, type="ping")
        pong = await receive(client)
        code = await wait_closed(client)
    took = asyncio.get_running_loop().time() - began

    assert pong == {"type": "pong"}
    assert code == 4408
    assert 0.9 <= took < 3


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (["null"], 4400),
        (["1"], 4400),
        (['"connection_init"'], 4400),
        (["[]"], 4400),
        ([""], 4400),
        (["{"], 4400),
        (["{}"], 4400),
        (["9" * 5000], 4400),
        (['{"type": "ping", "payload": {"a": ' + "9" * 5000 + "}}"], 4400),
        (['{"type": "ping", "payload": {"a": NaN}}'], 4400),
        (['{"type": "ping", "payload": {"a": ' + "[" * 5000 + "]" * 5000 + "}}"], 4400),
        (["[" * 100_000], 4400),
        ([b"\x00\xff"], 4400),
        ([INIT.encode()], 4400),
        (['{"type": null}'], 4400),
        (['{"type": ["ping"]}'], 4400),
        (['{"type": "start"}'], 4400),
        (['{"type": "connection_ack"}'], 4400),
        (['{"type": "ping", "payload": 1}'], 4400),
        (['{"type": "connection_init", "payload": "x"}'], 4400),
        ([RUNNING], 4401),
        ([INIT, INIT], 4429),
        ([INIT, RUNNING, RUNNING], 4409),
        ([INIT, '{"type": "subscribe", "payload": {"query": "{ slow }"}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": 1, "payload": {"query": "{ slow }"}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "", "payload": {"query": "{ slow }"}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "' + "x" * 201 + '", "payload": {"query": "{ slow }"}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1"}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": null}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": []}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {"query": 1}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }", "variables": 1}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }", "variables": []}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }", "operationName": 1}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": {"query": "{ slow }", "extensions": 1}}'], 4400),
        ([INIT, '{"type": "complete"}'], 4400),
        ([INIT, '{"type": "complete", "id": 1}'], 4400),
        ([INIT, '{"type": "next", "id": "1", "payload": {}}'], 4400),
        ([INIT, '{"type": "connection_terminate"}'], 4400),
        ([INIT, '{"type": "ping", "payload": {"a": "' + "x" * (1 << 20) + '"}}'], 1009),
    ],
)
async def test_w2_a_frame_that_breaks_the_protocol_closes_with_its_code(
    probe: Live, face: Face, frames: list[str | bytes], code: int
) -> None:
    async with probe.connect() as client:
        for frame in frames:
            await client.send(frame.replace("{}", face.token()) if isinstance(frame, str) else frame)
        found = await wait_closed(client)

    assert found == code


@pytest.mark.read_only
async def test_w2_pings_are_answered_before_and_after_the_first_message(probe: Live, face: Face) -> None:
    async with probe.connect() as client:
        await send(client, type="ping", payload=None)
        before = await receive(client)
        await send(client, type="pong")
        await send(client, type="connection_init", payload={"Authorization": f"Bearer {face.token()}"})
        acknowledged = await receive(client)
        await send(client, type="ping", payload={"a": 1})
        after = await receive(client)

    assert [before, acknowledged, after] == [{"type": "pong"}, {"type": "connection_ack"}, {"type": "pong"}]


@pytest.mark.read_only
async def test_w2_a_complete_for_what_is_not_running_is_passed_over(probe: Live, face: Face) -> None:
    async with probe.initiate(face.token()) as client:
        await send(client, type="complete", id="nothing")
        answer = await fetch_answer(client, "1", "{ notANumber }")
        await send(client, type="complete", id="1")
        again = await fetch_answer(client, "1", "{ notANumber }")

    assert answer == again == {"data": {"notANumber": 1.5}}


@pytest.mark.read_only
async def test_w2_an_early_complete_frees_the_id_and_nothing_more_comes_of_it(probe: Live, face: Face) -> None:
    async with probe.initiate(face.token()) as client:
        await subscribe(client, "1", SLOW)
        await send(client, type="complete", id="1")
        answer = await fetch_answer(client, "1", "{ notANumber }")

    assert answer == {"data": {"notANumber": 1.5}}


async def test_w2_a_slow_operation_does_not_hold_up_another(probe: Live, face: Face) -> None:
    async with probe.initiate(face.token()) as client:
        await subscribe(client, "slow", "{ slow(seconds: 0.5) }")
        quick = await fetch_answer(client, "quick", "{ notANumber }")
        slow = await receive(client)

    assert quick == {"data": {"notANumber": 1.5}}
    assert slow == {"type": "next", "id": "slow", "payload": {"data": {"slow": 1}}}


@pytest.mark.read_only
@pytest.mark.parametrize("frames", [["x" * 16_300], ["x" * 8_000, "x" * 8_200]], ids=["one", "several"])
async def test_w4_before_its_token_a_socket_sends_little(probe: Live, frames: list[str]) -> None:
    async with probe.connect() as client:
        for text in frames:
            await send(client, type="pong", payload={"a": text})
        await send(client, type="ping")
        pong = await receive(client)
        await send(client, type="pong", payload={"a": "x" * 200})
        code = await wait_closed(client)

    assert pong == {"type": "pong"}
    assert code == 4400


@pytest.mark.read_only
@pytest.mark.parametrize(("length", "code"), [(MAXIMUM_TOKEN, 4403), (8 * MAXIMUM_TOKEN, 4400)])
async def test_w4_the_longest_token_is_looked_at_and_what_can_be_none_is_not(
    probe: Live, length: int, code: int
) -> None:
    async with probe.connect() as client:
        await send(client, type="connection_init", payload={"Authorization": "Bearer " + "x" * length})
        found = await wait_closed(client)

    assert found == code


async def test_w4_a_large_message_costs_as_much_as_a_request(opening: Opening) -> None:
    frame = '{"type": "pong", "payload": {"a": "' + "x" * LARGE + '"}}'
    settings = Settings(jwt_secret=SECRET, cost_bucket=100, cost_restore=1)
    async with opening(settings) as face, live(face.app) as server, server.initiate(face.token()) as client:
        for _ in range(10):
            await client.send(frame)
        await send(client, type="ping")
        pong = await receive(client)
        await client.send(frame)
        code = await wait_closed(client)

    assert pong == {"type": "pong"}
    assert code == TRY_LATER


async def test_w2_a_text_frame_that_is_no_utf_8_closes_with_1007(probe: Live) -> None:
    async with probe.connect() as client:
        await client.send(b'{"type": "ping", "payload": {"a": "\xff"}}', text=True)
        code = await wait_closed(client)

    assert code == 1007


async def test_w2_a_message_may_come_in_parts(probe: Live) -> None:
    async with probe.connect() as client:
        await client.send(['{"type"', "", ': "ping"', "}"])
        answer = await receive(client)

    assert answer == {"type": "pong"}


@pytest.mark.parametrize("part", ["", "x" * 2000])
async def test_w4_the_parts_of_a_message_are_bounded_in_size_and_number(probe: Live, part: str) -> None:
    async def endless() -> AsyncIterator[str]:
        yield '{"type": "ping", "payload": {"a": "'
        while True:
            yield part
            await asyncio.sleep(0)

    async with probe.connect() as client:
        with pytest.raises(ConnectionClosed):
            await client.send(endless())
        await client.wait_closed()

    assert client.close_code == 1009


async def test_w6_a_client_that_asks_without_reading_the_answers_is_not_read(probe: Live, face: Face) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        raw.setblocking(False)
        # Reset when it is closed: the server, which does not read, would wait for it at its end.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await loop.sock_connect(raw, ("127.0.0.1", probe.port))
        lines = ("GET /graphql HTTP/1.1", f"Host: {probe.host}", "Upgrade: websocket", "Connection: Upgrade")
        keys = ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Version: 13", "Protocol: graphql-transport-ws")
        head = (*lines, *(f"Sec-WebSocket-{key}" for key in keys), "", "")
        await loop.sock_sendall(raw, "\r\n".join(head).encode())
        assert (await loop.sock_recv(raw, 12)) == b"HTTP/1.1 101"
        init = Frame(Opcode.TEXT, INIT.replace("{}", face.token()).encode()).serialize(mask=True)
        await loop.sock_sendall(raw, init)
        pings = Frame(Opcode.PING, b"x" * 125).serialize(mask=True) * 1000
        taken = 0
        with pytest.raises(TimeoutError):
            while taken < 200_000_000:
                async with asyncio.timeout(0.5):
                    await loop.sock_sendall(raw, pings)
                taken += len(pings)

    # What the buffers of the two ends hold.
    assert taken < 20_000_000
