"""Subscriptions and the many things that may happen to a socket that has some: lines W3, W4, W6 and W7 of the
reliability requirements, against a real server on a loopback port and a schema that counts."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import websockets

from domain.model import Actor, NewCustomer
from gql.http.uvicorn_protocol import PatientSocket
from gql.http.websocket import MAXIMUM_OPERATIONS, MAXIMUM_SOCKETS
from gql.settings import Settings
from tests.conftest import NOW
from tests.drivers.face import SECRET, Face
from tests.drivers.probe import DSN, Journal, probe_app
from tests.drivers.sockets import Live, becomes, fetch_answer, live, receive, send, subscribe, wait_closed

pytestmark = pytest.mark.anyio
COUNT = "subscription Count($to: Int! = 1000000, $pause: Float! = 0.01) { count(to: $to, pause: $pause) }"
LARGE = "subscription { count(size: 100000) }"


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def server(face: Face, journal: Journal) -> AsyncIterator[Live]:
    """The counting schema behind a real server; operations have half a second, subscriptions have no deadline."""
    settings = Settings(jwt_secret=SECRET, deadline_seconds=0.5)
    app = probe_app(settings, face.clock, face.services, face.database, journal)
    async with live(app) as made:
        yield made


async def test_a_subscription_sends_each_event_and_ends(server: Live, face: Face, journal: Journal) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", COUNT, {"to": 3})
        messages = [await receive(client) for _ in range(4)]

    assert messages == [
        {"type": "next", "id": "1", "payload": {"data": {"count": "0"}}},
        {"type": "next", "id": "1", "payload": {"data": {"count": "1"}}},
        {"type": "next", "id": "1", "payload": {"data": {"count": "2"}}},
        {"type": "complete", "id": "1"},
    ]
    assert journal.counters == 0


async def test_a_subscription_outlives_the_deadline_that_stops_a_query(server: Live, face: Face) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", COUNT, {"to": 3, "pause": 0.25})
        await subscribe(client, "2", "{ slow }")
        found: dict[str, list[Any]] = {"1": [], "2": []}
        for _ in range(6):
            message = await receive(client)
            found[message["id"]].append(message)

    assert [message["type"] for message in found["1"]] == ["next", "next", "next", "complete"]
    assert found["2"][0]["payload"]["errors"][0]["extensions"]["code"] == "TIMEOUT"


async def test_a_subscription_that_breaks_is_masked_with_the_id_that_is_in_the_log(
    server: Live, face: Face, caplog: pytest.LogCaptureFixture
) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", "subscription { breaks }")
        messages = [await receive(client) for _ in range(2)]

    assert [message["type"] for message in messages] == ["next", "error"]
    error = messages[1]["payload"][0]
    assert error["extensions"]["code"] == "INTERNAL"
    assert f"id={error['extensions']['requestId']} " in caplog.text
    assert DSN not in caplog.text + json.dumps(messages)


async def test_each_event_sees_the_store_as_it_is_then(server: Live, face: Face) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", "subscription { changes }")
        before = (await receive(client))["payload"]["data"]["changes"]
        await face.services.customers.upsert(
            await face.services.businesses.open("shop"), [NewCustomer("A")], Actor("tester")
        )
        seen = [(await receive(client))["payload"]["data"]["changes"] for _ in range(20)]

    assert before == 0
    assert seen[-1] == 1


async def test_a_completed_subscription_stops_and_others_go_on(server: Live, face: Face, journal: Journal) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", COUNT)
        await subscribe(client, "2", COUNT)
        await becomes(lambda: journal.counters == 2)
        await send(client, type="complete", id="1")
        await becomes(lambda: journal.counters == 1)
        await send(client, type="ping")
        while (await receive(client))["type"] != "pong":
            pass
        ids = {(await receive(client))["id"] for _ in range(10)}

    assert ids == {"2"}
    await becomes(lambda: journal.counters == 0)


async def test_w3_the_socket_is_closed_when_the_token_ends(server: Live, face: Face, journal: Journal) -> None:
    async with server.initiate(face.token(hours=1)) as client:
        await subscribe(client, "1", COUNT)
        first = await receive(client)
        face.clock.now = NOW + timedelta(hours=1)
        code = await wait_closed(client, 5)
        await becomes(lambda: journal.counters == 0)
        counted = len(journal.counted)
        await asyncio.sleep(0.1)

    async with server.initiate(face.token()) as client:
        again = await fetch_answer(client, "1", "{ notANumber }")

    assert first["type"] == "next"
    assert code == 4403
    assert len(journal.counted) == counted
    assert again == {"data": {"notANumber": 1.5}}


async def test_w3_nothing_begins_after_the_token_has_ended(server: Live, face: Face, journal: Journal) -> None:
    async with server.initiate(face.token(hours=1)) as client:
        face.clock.now = NOW + timedelta(hours=1)
        await subscribe(client, "1", "mutation { touch }")
        code = await wait_closed(client, 5)

    assert code == 4403
    assert journal.began == []


async def test_w4_a_socket_runs_twenty_operations_at_once(server: Live, face: Face, journal: Journal) -> None:
    async with server.initiate(face.token()) as client:
        for number in range(MAXIMUM_OPERATIONS):
            await subscribe(client, f"{number}", COUNT, {"pause": 60})
        await becomes(lambda: journal.counters == 20)
        await subscribe(client, "more", COUNT)
        messages = [await receive(client) for _ in range(21)]
        await send(client, type="complete", id="0")
        await becomes(lambda: journal.counters == 19)
        more = await fetch_answer(client, "more", "{ notANumber }")

    refused = [message for message in messages if message["type"] == "error"]
    assert [message["id"] for message in refused] == ["more"]
    assert refused[0]["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert more == {"data": {"notANumber": 1.5}}


async def test_w4_a_subject_has_a_hundred_sockets_and_others_have_theirs(server: Live, face: Face) -> None:
    token, init = face.token(), {"Authorization": f"Bearer {face.token()}"}
    clients = [await server.connect() for _ in range(MAXIMUM_SOCKETS)]
    for client in clients:
        await send(client, type="connection_init", payload=init)
        assert (await receive(client))["type"] == "connection_ack"

    async with server.connect() as one_too_many:
        await send(one_too_many, type="connection_init", payload=init)
        refused = await wait_closed(one_too_many)
    async with server.initiate(face.token(subject="another")) as other:
        answer = await fetch_answer(other, "1", "{ notANumber }")
    await asyncio.gather(*(client.close() for client in clients))
    await becomes(lambda: server.server.connections == 0)
    async with server.initiate(token) as later:
        after = await fetch_answer(later, "1", "{ notANumber }")

    assert refused == 1013
    assert answer == after == {"data": {"notANumber": 1.5}}


async def test_w4_a_subscription_is_held_to_the_limits_of_documents(server: Live, face: Face) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", "subscription { count " + "@include(if: true) " * 1000 + "}")
        refused = await receive(client)

    assert refused["type"] == "error"
    assert refused["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_w4_messages_are_not_compressed(server: Live, face: Face) -> None:
    async with server.connect(compression="deflate") as client:
        extensions = client.protocol.extensions

    assert extensions == []


async def test_w6_nothing_is_queued_for_a_subscriber_that_stops_reading(
    server: Live, face: Face, journal: Journal
) -> None:
    async with server.initiate(face.token(), max_queue=1) as stopped:
        await subscribe(stopped, "1", LARGE)
        await becomes(lambda: len(journal.counted) > 1)
        held = still = 0
        while still < 3:
            await asyncio.sleep(0.2)
            still = still + 1 if held == len(journal.counted) else 0
            held = len(journal.counted)
        async with server.initiate(face.token()) as quick:
            began = asyncio.get_running_loop().time()
            other = await fetch_answer(quick, "1", "{ notANumber }")
            took = asyncio.get_running_loop().time() - began
        numbers = [int((await receive(stopped))["payload"]["data"]["count"].rstrip("x")) for _ in range(held + 20)]
        stopped.transport.abort()

    # What it cannot take waits in the buffers of the connection, 100 kB an event; none is lost, none is made ahead.
    assert held < 200
    assert other == {"data": {"notANumber": 1.5}}
    assert took < 0.5
    assert numbers == list(range(held + 20))


async def test_w6_a_subscriber_that_takes_nothing_loses_its_socket(
    server: Live, face: Face, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientSocket, "take_seconds", 0.3)
    client = await server.connect(max_queue=1)
    await send(client, type="connection_init", payload={"Authorization": f"Bearer {face.token()}"})
    await subscribe(client, "1", LARGE)
    await becomes(lambda: journal.counters == 1)

    await becomes(lambda: journal.counters == 0 and server.server.connections == 0, 10)

    client.transport.abort()


async def test_w7_abrupt_disconnects_leave_nothing_behind(server: Live, face: Face, journal: Journal) -> None:
    before = len(asyncio.all_tasks())

    async def leave(number: int) -> None:
        client = await server.connect()
        await send(client, type="connection_init", payload={"Authorization": f"Bearer {face.token()}"})
        if number % 3:
            await receive(client)
            await subscribe(client, "1", COUNT)
        if number % 3 == 1:
            await receive(client)
        client.transport.abort()
        await client.wait_closed()

    for start in range(0, 300, 50):
        await asyncio.gather(*(leave(start + number) for number in range(50)))
    await becomes(lambda: server.server.connections == 0 and journal.counters == 0)
    await becomes(lambda: len(asyncio.all_tasks()) == before)

    assert face.database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_w7_an_operation_is_stopped_when_its_socket_goes(server: Live, face: Face, journal: Journal) -> None:
    client = await server.connect()
    await send(client, type="connection_init", payload={"Authorization": f"Bearer {face.token()}"})
    await subscribe(client, "1", "{ heavy }")
    await becomes(lambda: journal.began == ["heavy"])

    client.transport.abort()

    await becomes(lambda: journal.ended == ["heavy"])
    assert face.database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_w7_a_server_that_ends_closes_its_sockets_with_1012(face: Face, journal: Journal) -> None:
    app = probe_app(Settings(jwt_secret=SECRET), face.clock, face.services, face.database, journal)
    async with live(app) as server, server.initiate(face.token()) as client:
        await subscribe(client, "1", COUNT)
        await becomes(lambda: journal.counters == 1)
        server.server.should_exit = True
        code = await wait_closed(client)

    assert code == 1012
    assert journal.counters == 0
    with pytest.raises(OSError):
        await websockets.connect(f"ws://{server.host}/graphql", proxy=None)
