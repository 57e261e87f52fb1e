"""GraphQL over a socket, from the handshake on: line W1 of the reliability requirements, and what documents may
ask for. Against a real server on a loopback port."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import websockets

from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.sockets import Live, fetch_answer, live, receive, send, subscribe, wait_closed
from tests.http.test_tokens import ATTACKS

pytestmark = pytest.mark.anyio
VIEWER = "{ viewer { subject } }"


@pytest.fixture
async def server(face: Face) -> AsyncIterator[Live]:
    """The product's own schema behind a real server."""
    async with live(face.app) as made:
        yield made


async def test_queries_and_mutations_are_answered_over_the_socket(server: Live, face: Face) -> None:
    upsert = 'mutation { upsertCustomers(input: [{externalId: "A"}]) { created } }'
    async with server.initiate(face.token()) as client:
        viewer = await fetch_answer(client, "1", VIEWER)
        written = await fetch_answer(client, "2", upsert)
        read = await fetch_answer(client, "3", "{ customers { nodes { externalId } } }")
        again = await fetch_answer(client, "3", "{ customers { totalCount } }")

    assert viewer == {"data": {"viewer": {"subject": "tester"}}}
    assert written == {"data": {"upsertCustomers": {"created": 1}}}
    assert read == {"data": {"customers": {"nodes": [{"externalId": "A"}]}}}
    assert again == {"data": {"customers": {"totalCount": 1}}}


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ nope }", "BAD_USER_INPUT"),
        ("{", "BAD_USER_INPUT"),
        ("", "BAD_USER_INPUT"),
        ("query A { __typename } query B { __typename }", "BAD_USER_INPUT"),
        ("{ customers(first: 250) { nodes { purchases(first: 250) { nodes { id } } } } }", "LIMIT_EXCEEDED"),
        ("{ " + " ".join(f"a{n}: viewer {{ subject }}" for n in range(16)) + " }", "LIMIT_EXCEEDED"),
        ("{ viewer { " + "subject " * 5000 + "} }", "LIMIT_EXCEEDED"),
        (" " * 70_000 + VIEWER, "LIMIT_EXCEEDED"),
        ("subscription { nope }", "BAD_USER_INPUT"),
    ],
)
async def test_w4_a_document_that_is_refused_over_http_is_refused_over_the_socket(
    server: Live, face: Face, query: str, code: str
) -> None:
    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", query)
        refused = await receive(client)
        after = await fetch_answer(client, "1", VIEWER)

    assert (refused["type"], refused["id"]) == ("error", "1")
    assert refused["payload"][0]["extensions"]["code"] == code
    assert after["data"]["viewer"] == {"subject": "tester"}


@pytest.mark.read_only
async def test_a_missing_permission_is_an_error_of_the_field(server: Live, face: Face) -> None:
    async with server.initiate(face.token("customers:view")) as client:
        answer = await fetch_answer(client, "1", 'mutation { deletePurchases(externalIds: ["1"]) { deletedCount } }')

    assert answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["nonsense"], ["graphql-ws", "graphql-transport-w"]])
async def test_w1_a_socket_without_the_protocol_is_closed_with_4406(server: Live, offered: list[str] | None) -> None:
    async with server.connect(subprotocols=offered) as client:
        code = await wait_closed(client)

    assert code == 4406


async def test_w1_of_several_protocols_only_ours_is_chosen(server: Live) -> None:
    async with server.connect(subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        chosen = client.subprotocol

    assert chosen == "graphql-transport-ws"


@pytest.mark.read_only
@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_w1_the_token_comes_in_the_first_message(server: Live, face: Face, name: str, scheme: str) -> None:
    async with server.connect() as client:
        await send(client, type="connection_init", payload={name: f"{scheme} {face.token()}"})
        acknowledged = await receive(client)
        answer = await fetch_answer(client, "1", VIEWER)

    assert acknowledged == {"type": "connection_ack"}
    assert answer["data"]["viewer"] == {"subject": "tester"}


@pytest.mark.read_only
@pytest.mark.parametrize(
    "payload",
    [
        *(None, {}),
        *({"Authorization": one} for one in (None, 1, ["Bearer {}"], "{}", "Bearer", "Basic {}", "Bearer x.y.z")),
        {"authToken": "{}"},
        {"headers": {"Authorization": "Bearer {}"}},
        {"Authorization": "Bearer {}", "authorization": "Bearer {}"},
    ],
)
async def test_w1_without_a_good_token_the_socket_is_closed_with_4403(server: Live, face: Face, payload: Any) -> None:
    text = json.dumps({"type": "connection_init", "payload": payload}).replace("{}", face.token())
    if payload == {}:
        text = '{"type": "connection_init"}'

    async with server.connect() as client:
        await client.send(text)
        code = await wait_closed(client)

    assert code == 4403


@pytest.mark.parametrize("attack", ["expired", "none", "a wrong key", "ten years", "not yet valid"])
async def test_w1_a_bad_token_closes_the_socket_without_a_reason(server: Live, attack: str) -> None:
    async with server.connect() as client:
        await send(client, type="connection_init", payload={"Authorization": f"Bearer {ATTACKS[attack]}"})
        code = await wait_closed(client)

    assert (code, client.close_reason) == (4403, "Forbidden")


@pytest.mark.read_only
async def test_w1_a_token_in_a_header_or_the_address_counts_nothing(server: Live, face: Face) -> None:
    async with server.connect(additional_headers=face.bearer()) as client:
        await send(client, type="connection_init")
        code = await wait_closed(client)

    assert code == 4403


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://[", "file://", "https://shop.example.evil", "http://shop.example", "*"],
)
async def test_w1_a_page_of_another_origin_is_refused(opening: Opening, origin: str) -> None:
    settings = Settings(jwt_secret=SECRET, cors_origins=("https://shop.example",))
    async with opening(settings) as face, live(face.app) as server:
        with pytest.raises(websockets.InvalidStatus) as refused:
            await server.connect(additional_headers={"Origin": origin})

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("origin", ["https://shop.example", "http://{host}", "https://{host}", None])
async def test_w1_pages_of_the_setting_and_our_own_come_in(opening: Opening, origin: str | None) -> None:
    settings = Settings(jwt_secret=SECRET, cors_origins=("https://shop.example",))
    async with opening(settings) as face, live(face.app) as server:
        headers = {} if origin is None else {"Origin": origin.replace("{host}", server.host)}
        async with server.initiate(face.token(), additional_headers=headers) as client:
            answer = await fetch_answer(client, "1", VIEWER)

    assert answer["data"]["viewer"] == {"subject": "tester"}
