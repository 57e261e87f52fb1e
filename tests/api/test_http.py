"""HTTP as an attacker and a careless client use it: lines B1 to B3, C1, C2 and D8 of the reliability requirements."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from gql.settings import Settings
from persistence.database import Database
from tests.api.conftest import SECRET, Face, Opening, code_of
from tests.api.probe import Journal, probe_app
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
RECORD = """mutation Record($input: [PurchaseInput!]!) {
  recordPurchases(input: $input) { created userErrors { field message code } } }"""
UPSERT = 'mutation { upsertCustomers(input: [{externalId: "A"}]) { created } }'
COUNT = "{ customers { totalCount } }"
PURCHASE = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "10.50"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b"true",
        b'"x"',
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"{",
        b'{"query": NaN}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": Infinity}}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": 1e400}}',
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"9" * 5000 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b'{"query": "{ viewer { subject } }", "variables": [1]}',
        b'{"query": "{ viewer { subject } }", "operationName": 1}',
        b'{"query": "{ viewer { subject } }", "operationName": "Nope"}',
        b'{"query": "{ viewer { subject } }", "extensions": 1}',
        b'{"query": null}',
        b'{"query": ""}',
        b'{"query": "  "}',
        b'{"query": 1}',
        b'{"query": ["{ viewer { subject } }"]}',
        b'{"query": "{ \\ud800 }"}',
        b'{"query": "query Q($a: String) { customer(externalId: $a) { id } }", "variables": {"a": "\\udfff"}}',
        b"[" * 200_000,
        b'{"query": "query A { __typename } query B { __typename }"}',
        b'{"query": "fragment F on Query { __typename }"}',
    ],
)
async def test_b1_bad_bodies_are_refused_in_strict_json(face: Face, body: bytes) -> None:
    answer = await face.raw(body)
    again = await face.post("{ viewer { subject } }")

    assert 400 <= answer.status_code < 500
    assert code_of(answer) in ("BAD_USER_INPUT", "LIMIT_EXCEEDED")
    assert "data" not in answer.json()
    assert again.status_code == 200


@pytest.mark.parametrize("value", ["NaN", "1e400", "Infinity", "-1", "1e-5", "", " ", "0x10", "9" * 5000])
async def test_b1_strange_amounts_are_user_errors_and_write_nothing(face: Face, value: str) -> None:
    answer = await face.post(RECORD, {"input": [{**PURCHASE, "amount": value}]})

    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json()["data"]["recordPurchases"]["userErrors"][0]["field"] == ["input", "0", "amount"]
    else:
        assert code_of(answer) == "BAD_USER_INPUT"
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


@pytest.mark.parametrize("name", ["externalId", "customerExternalId", "storefrontKey", "channel"])
@pytest.mark.parametrize("value", ["\0", "a\0b", "x" * 100_000, "\u202e", "\r\nSet-Cookie: a=b", "", 5, {"a": 1}, True])
async def test_b1_strange_texts_are_never_our_fault(both: Face, name: str, value: object) -> None:
    answer = await both.post(RECORD, {"input": [{**PURCHASE, name: value}]})

    assert answer.status_code in (200, 400)
    assert "INTERNAL" not in answer.text


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("query Q($v: ID!) { node(id: $v) { id } }", ["", "x", "\0", "é", "A" * 50_000, 1, "Q3VzdG9tZXI6MS4x", "===="]),
        ("query Q($v: String) { customers(after: $v) { nodes { id } } }", ["", "x", "\0", "W10", "bnVsbA", "A" * 9000]),
        ("query Q($v: Int!) { segmentationReport(days: $v) { days } }", [0, -1, 10**9, 2**40, 1.5, "1", True]),
        ("query Q($v: Date) { segmentationReport(asOf: $v) { days } }", ["0001-01-01", "9999-12-31", "x", "", 1]),
        ("query Q($v: ID) { segmentationReport(storefrontId: $v) { days } }", ["", "x", "\0", 1]),
        ("query Q($v: String) { segmentationReport(segmentName: $v) { days } }", ["", "\0", "x" * 50_000]),
        ("query Q($v: String) { customer(externalId: $v) { id } }", ["", "\0", "x" * 50_000, "'; DROP TABLE x; --"]),
        (
            "query Q($v: CustomerFilter) { customers(filter: $v) { totalCount } }",
            [{"search": "\0"}, {"search": "%_\\"}, {"search": "x" * 5000}, {"loyaltyLevels": ["\0"]}, {"nope": 1}, []],
        ),
    ],
)
async def test_b1_strange_arguments_are_never_our_fault(both: Face, query: str, variables: list[object]) -> None:
    for value in variables:
        answer = await both.post(query, {"v": value})

        assert answer.status_code in (200, 400), (value, answer.text)
        assert "INTERNAL" not in answer.text, value


async def test_b2_a_body_over_a_mebibyte_is_refused(face: Face) -> None:
    answer = await face.raw(b'{"query": "' + b"x" * (1 << 20) + b'"}')

    assert (answer.status_code, code_of(answer)) == (413, "LIMIT_EXCEEDED")


async def test_b2_a_body_without_length_is_read_no_further_than_the_limit(face: Face) -> None:
    given: list[int] = []

    async def endless() -> AsyncIterator[bytes]:
        while True:
            given.append(65_536)
            yield b"x" * 65_536

    headers = {"Content-Type": "application/json", **face.bearer()}
    answer = await face.client.post("/graphql", content=endless(), headers=headers)

    assert answer.status_code == 413
    assert sum(given) <= (1 << 20) + 2 * 65_536


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip", "GZIP"])
async def test_b2_compressed_bodies_are_refused_unread(face: Face, encoding: str) -> None:
    bomb = gzip.compress(b" " * (100 << 20))

    answer = await face.raw(bomb, **{"Content-Encoding": encoding})

    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_b3_other_methods_are_refused_with_those_that_work(face: Face, method: str) -> None:
    answer = await face.client.request(method, "/graphql", headers=face.bearer())

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    ("accept", "query", "status", "media"),
    [
        (None, "{ viewer { subject } }", 200, "application/json"),
        ("*/*", "{ nope }", 400, "application/json"),
        ("application/json", "{ nope }", 200, "application/json"),
        ("application/json", "{ viewer { subject } }", 200, "application/json"),
        ("application/graphql-response+json", "{ nope }", 400, "application/graphql-response+json"),
        ("application/graphql-response+json", "{ viewer { subject } }", 200, "application/graphql-response+json"),
        ("application/graphql-response+json, application/json;q=0.9", "{", 400, "application/graphql-response+json"),
    ],
)
async def test_b3_the_media_type_and_status_follow_what_is_accepted(
    face: Face, accept: str | None, query: str, status: int, media: str
) -> None:
    answer = await face.raw(json.dumps({"query": query}).encode(), **({"Accept": accept} if accept else {}))

    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{media}; charset=utf-8"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/json; charset=utf-16",
        "application/json, text/plain",
        "text/plain; application/json",
        "",
    ],
)
async def test_c1_only_the_exact_content_type_is_read(face: Face, kind: str) -> None:
    body = json.dumps({"query": UPSERT}).encode()

    answer = await face.raw(body, **{"Content-Type": kind})

    assert answer.status_code == 415
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


@pytest.mark.parametrize(
    "query", [UPSERT, "query Q { viewer { subject } } " + UPSERT.replace("mutation", "mutation M")]
)
async def test_c1_a_mutation_by_get_is_refused_and_not_executed(face: Face, query: str) -> None:
    parameters = {"query": query, "operationName": "M"} if "Q" in query else {"query": query}

    answer = await face.client.get("/graphql", params=parameters, headers=face.bearer())

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


async def test_c1_a_query_by_get_needs_the_header_that_no_foreign_page_can_send(face: Face) -> None:
    parameters = {"query": "{ viewer { subject } }"}

    without = await face.client.get("/graphql", params=parameters, headers={"Accept": "text/html"})
    given = await face.client.get("/graphql", params=parameters, headers=face.bearer())

    assert without.status_code == 401
    assert given.json() == {"data": {"viewer": {"subject": "tester"}}}


async def test_c2_without_a_setting_no_foreign_page_may_read(face: Face) -> None:
    origin = {"Origin": "https://evil.example"}

    asked = await face.client.options("/graphql", headers={**origin, "Access-Control-Request-Method": "POST"})
    answer = await face.client.post("/graphql", json={"query": COUNT}, headers={**origin, **face.bearer()})

    assert asked.status_code == 405
    assert not [name for name in (*asked.headers, *answer.headers) if name.startswith("access-control")]


async def test_c2_pages_of_the_setting_may_read_and_others_may_not(opening: Opening) -> None:
    settings = Settings(jwt_secret=SECRET, cors_origins=("https://shop.example",))
    async with opening(settings) as face:
        asking = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        own = await face.client.options("/graphql", headers={"Origin": "https://shop.example", **asking})
        foreign = await face.client.options("/graphql", headers={"Origin": "https://shop.example.evil", **asking})
        read = await face.client.post(
            "/graphql", json={"query": COUNT}, headers={"Origin": "https://shop.example", **face.bearer()}
        )

    assert own.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in own.headers
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers
    assert read.headers["access-control-allow-origin"] == "https://shop.example"
    assert "origin" in read.headers["vary"].lower()


@pytest.mark.parametrize("query", ["{ viewer { subject } }", "{ nope }", ""])
async def test_c2_answers_are_neither_sniffed_nor_stored(face: Face, query: str) -> None:
    answer = await face.post(query)
    stranger = await face.client.post("/graphql", json={"query": query})

    for one in (answer, stranger):
        assert one.headers["x-content-type-options"] == "nosniff"
        assert one.headers["cache-control"] == "no-store"
        assert "server" not in one.headers
        assert len(one.headers["x-request-id"]) == 16


@pytest.mark.parametrize(
    "path",
    [
        "/graphql/",
        "//graphql",
        "/graphql/../etc/passwd",
        "/graphiql/../../pyproject.toml",
        "/graphiql/%2e%2e/x",
        "/GRAPHQL",
        "/graphql%00",
        "/graphql;x",
        "/graphiql/..%2f..%2fpyproject.toml",
    ],
)
async def test_c2_other_paths_are_not_there(face: Face, path: str) -> None:
    url = httpx.URL("http://127.0.0.1", raw_path=path.encode())

    answer = await face.client.get(url, headers={**face.bearer(), "Host": "evil.example"})

    assert answer.status_code == 404
    assert "evil.example" not in answer.text


async def test_c2_the_host_header_decides_nothing(face: Face) -> None:
    answer = await face.client.post(
        "/graphql", json={"query": "{ viewer { subject } }"}, headers={**face.bearer(), "Host": "evil.example/x?y"}
    )

    assert answer.json() == {"data": {"viewer": {"subject": "tester"}}}


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
async def probe(both: Face, database: Database, clock: SetClock, journal: Journal) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the misbehaving schema on each database, with short deadlines."""
    settings = Settings(jwt_secret=SECRET, deadline_seconds=0.3)
    app = probe_app(settings, clock, both.services, database, journal)
    headers = both.bearer()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=headers
    ) as client:
        yield client


@pytest.mark.parametrize("field", ["slow", "heavy", "heavyByLoader"])
async def test_d8_an_operation_that_takes_too_long_is_stopped(
    probe: httpx.AsyncClient, database: Database, journal: Journal, field: str
) -> None:
    began = time.perf_counter()
    answer = await probe.post("/graphql", json={"query": f"{{ {field} }}"})
    took = time.perf_counter() - began

    assert answer.status_code == 200
    assert answer.json()["data"] is None
    assert code_of(answer) == "TIMEOUT"
    assert 0.3 <= took < 1.3
    await asyncio.sleep(0.2)
    assert journal.began == journal.ended
    assert database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", ["slow", "heavy", "heavyByLoader"])
async def test_d8_work_stops_within_a_second_of_the_disconnect(
    both: Face, database: Database, clock: SetClock, journal: Journal, field: str
) -> None:
    app = probe_app(Settings(jwt_secret=SECRET), clock, both.services, database, journal)
    body = json.dumps({"query": f"{{ {field} }}"}).encode()
    headers = [(b"content-type", b"application/json"), (b"authorization", both.bearer()["Authorization"].encode())]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
    }
    gone = asyncio.Event()
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, object]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        pass

    serving = asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]
    await asyncio.sleep(0.3)
    assert not serving.done()
    began = time.perf_counter()
    gone.set()
    await asyncio.wait_for(serving, 1)
    await asyncio.sleep(0.1)

    assert time.perf_counter() - began < 1
    assert journal.began == journal.ended
    assert database.reader.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_d8_a_stopped_statement_leaves_the_store_usable(probe: httpx.AsyncClient, both: Face) -> None:
    for _ in range(8):
        assert code_of(await probe.post("/graphql", json={"query": "{ heavy }"})) == "TIMEOUT"

    await both.post(RECORD, {"input": [PURCHASE]})
    assert (await both.data(COUNT))["customers"]["totalCount"] == 1
