"""What a real server writes at its most talkative: no token, secret, document, variable or customer's data, whatever
is sent to it and however it fails. Lines D4 and T10 of the reliability requirements."""

import asyncio
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import websockets

from tests.drivers.server import SECRET, Server, run, running

MARK = "Zelda"
"""Stands in everything that a client sends, and may stand in no line."""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
LINE = re.compile(TIME + r" level=(DEBUG|INFO|WARNING|ERROR) (segments(\.sql)?|uvicorn\.error) \S")
PURCHASE = {
    "customerExternalId": f"{MARK}-customer",
    "externalId": f"{MARK}-order",
    "purchasedAt": "2024-05-01",
    "amount": "12345.67",
    "storefrontKey": f"{MARK.lower()}-store",
    "channel": f"{MARK}-channel",
    "lines": [{"category": f"{MARK}-category", "amount": "12345.67"}],
}
CUSTOMER = {"externalId": f"{MARK}-two", "name": f"{MARK} Fitz", "email": f"{MARK}@example.com", "loyaltyLevel": MARK}
RECORD = "mutation ($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
UPSERT = "mutation ($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created userErrors { message } } }"
OPERATIONS: list[tuple[str, Any]] = [
    (RECORD, {"input": [PURCHASE]}),
    (UPSERT, {"input": [CUSTOMER]}),
    (RECORD, {"input": [{**PURCHASE, "customerExternalId": f"{MARK}-thief"}]}),
    (RECORD, {"input": [{**PURCHASE, "amount": f"{MARK}"}]}),
    (RECORD, {"input": [{**PURCHASE, "purchasedAt": f"{MARK}"}]}),
    (UPSERT, {"input": [{**CUSTOMER, "name": f"{MARK}" * 500}]}),
    (f"{{ {MARK}: viewer {{ subject }} }}", None),
    (f"{{ viewer {{ {MARK} }} }}", None),
    (f"{{ {MARK}", None),
    (f'{{ customer(externalId: "{MARK}-customer") {{ id externalId rfm {{ score }} }} }}', None),
    (f'{{ customers(filter: {{search: "{MARK}"}}) {{ totalCount nodes {{ name email }} }} }}', None),
    (f'{{ customers(after: "{MARK}") {{ totalCount }} }}', None),
    (f'{{ node(id: "{MARK}") {{ id }} }}', None),
    (f'{{ segmentationReport(segmentName: "{MARK}") {{ days }} }}', None),
    (f"{{ segmentationReport(method: {MARK}) {{ days }} }}", None),
    (f'mutation {{ deletePurchases(externalIds: ["{MARK}-order"]) {{ deletedCount }} }}', None),
]


@pytest.fixture(scope="module")
def talked(folder: Path) -> Iterator[tuple[Server, Path, list[str]]]:
    """A server at DEBUG to which everything was sent over both transports, its data folder, and its surprises' ids."""
    with running(folder, SEGMENTS_LOG_LEVEL="DEBUG") as server:
        headers = {
            "Authorization": f"Bearer {server.token}",
            "Content-Type": "application/json",
            "Cookie": f"session={MARK}",
            "User-Agent": MARK,
            "X-Request-Id": MARK,
            "Referer": f"https://{MARK}.example/",
        }
        for query, variables in OPERATIONS:
            ask(server, "POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
        ask(server, "POST", "/graphql", f'{{"query": "{MARK}', headers)
        ask(server, "POST", f"/graphql?token={server.token}&name={MARK}", "{}", {"Content-Type": "application/json"})
        ask(server, "POST", "/graphql", "{}", {**headers, "Authorization": f"Bearer {MARK}.{MARK}.{MARK}"})
        ask(server, "GET", f"/graphql?query=%7B{MARK}%7D", "", headers)
        ask(server, "GET", f"/{MARK}?token={server.token}", "", headers)
        ask(server, MARK.upper(), "/graphql", "", headers)
        asyncio.run(ask_over_a_socket(server))
        with closing(sqlite3.connect(folder / "data" / "segments.sqlite")) as store:
            store.execute("ALTER TABLE customer RENAME COLUMN external_id TO gone")
        ids = [broken(server, headers) for _ in range(2)]
        yield server, folder, ids


def ask(server: Server, method: str, path: str, body: str, headers: dict[str, str]) -> tuple[int, str]:
    with closing(server.connection()) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def broken(server: Server, headers: dict[str, str]) -> str:
    """The id of a surprise: a question to a table that somebody has changed."""
    body = json.dumps({"query": f'{{ customer(externalId: "{MARK}-customer") {{ id }} }}'})
    error = json.loads(ask(server, "POST", "/graphql", body, headers)[1])["errors"][0]
    assert error["extensions"]["code"] == "INTERNAL"
    return str(error["extensions"]["requestId"])


async def ask_over_a_socket(server: Server) -> None:
    url = f"ws://127.0.0.1:{server.port}/graphql?token={server.token}"
    protocols: Any = ["graphql-transport-ws"]
    async with websockets.connect(url, subprotocols=protocols, proxy=None, user_agent_header=MARK) as client:
        init = {"type": "connection_init", "payload": {"Authorization": f"Bearer {server.token}", "name": MARK}}
        await client.send(json.dumps(init))
        for number, (query, variables) in enumerate(OPERATIONS):
            payload = {"query": query, "variables": variables}
            await client.send(json.dumps({"type": "subscribe", "id": f"{MARK}{number}", "payload": payload}))
        ended = 0
        async with asyncio.timeout(20):
            while ended < len(OPERATIONS):
                ended += json.loads(await client.recv())["type"] in ("complete", "error")
        await client.send(f'{{"type": "{MARK}"}}')
        await client.wait_closed()


def read_output(server: Server) -> str:
    out = server.log.with_suffix(".out").read_text()
    return server.log.read_text() + out


def test_t10_no_line_holds_what_a_client_sent(talked: tuple[Server, Path, list[str]]) -> None:
    server, _, _ = talked

    text = read_output(server)

    assert [line for line in text.splitlines() if MARK.lower() in line.lower()] == []
    assert "12345" not in text


def test_t10_no_line_holds_a_token_or_the_secret(talked: tuple[Server, Path, list[str]]) -> None:
    server, _, _ = talked

    text = read_output(server)

    assert SECRET not in text
    assert [part for part in server.token.split(".") if part in text] == []
    assert "Bearer" not in text


def test_t10_the_id_of_each_surprise_is_in_the_log_and_no_trace_of_it(talked: tuple[Server, Path, list[str]]) -> None:
    server, _, ids = talked

    lines = server.log.read_text().splitlines()
    surprises = [line for line in lines if "unexpected error" in line]

    assert len(set(ids)) == 2
    assert [sum(f"id={one} " in line for line in surprises) for one in ids] == [1, 1]
    assert "Traceback" not in server.log.read_text()


def test_t10_the_log_is_one_line_a_record_with_statements_and_their_durations(
    talked: tuple[Server, Path, list[str]],
) -> None:
    server, _, _ = talked

    lines = server.log.read_text().splitlines()
    statements = [line for line in lines if " segments.sql ms=" in line]
    requests = [line for line in lines if " segments request id=" in line]

    assert [line for line in lines if not LINE.match(line)] == []
    assert len(statements) > 50
    assert len(requests) >= 2 * len(OPERATIONS)
    assert sum("method=WS" in line for line in requests) == len(OPERATIONS)


def test_d4_the_log_of_a_request_is_small(talked: tuple[Server, Path, list[str]]) -> None:
    server, _, _ = talked

    lines = [line for line in server.log.read_text().splitlines() if " segments.sql " not in line]

    assert max(len(line) for line in lines) < 400


def test_t10_failing_commands_show_neither_rows_nor_secrets(talked: tuple[Server, Path, list[str]]) -> None:
    _, folder, _ = talked
    file = folder / "rows.csv"
    file.write_text(f"customer_id,order_id,date,amount\n{MARK}-9,{MARK}-9,2024-05-01,1.00\n")

    done = run(
        folder, "import", str(file), "--business", "shop", SEGMENTS_LOG_LEVEL="DEBUG", SEGMENTS_JWT_SECRET=SECRET
    )

    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert MARK not in done.stderr
    assert SECRET not in done.stdout + done.stderr
