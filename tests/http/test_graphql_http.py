"""HTTP as an attacker and a careless client use it: lines B3, C1 and C2 of the reliability requirements."""

import json

import httpx
import pytest
from websockets import InvalidStatus

from gql.app import create_app
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.sockets import fetch_answer, live

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
UPSERT = 'mutation { upsertCustomers(input: [{externalId: "A"}]) { created } }'
COUNT = "{ customers { totalCount } }"
VIEWER = "{ viewer { subject } }"
TESTER = {"viewer": {"subject": "tester"}}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_b3_other_methods_are_refused_with_those_that_work(face: Face, method: str) -> None:
    answer = await face.client.request(method, "/graphql", headers=face.bearer())

    assert answer.status_code == 405
    assert {"GET", "POST"} <= set(answer.headers["allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    ("accept", "query", "status", "media"),
    [
        (None, VIEWER, 200, "application/json"),
        ("*/*", "{ nope }", 400, "application/json"),
        ("application/json", "{ nope }", 200, "application/json"),
        ("application/json", VIEWER, 200, "application/json"),
        ("application/graphql-response+json", "{ nope }", 400, "application/graphql-response+json"),
        ("application/graphql-response+json", VIEWER, 200, "application/graphql-response+json"),
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
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"),
        *("application/json; charset=utf-16", "application/json, text/plain", "text/plain; application/json", ""),
    ],
)
async def test_c1_only_the_exact_content_type_is_read(face: Face, kind: str) -> None:
    body = json.dumps({"query": UPSERT}).encode()

    answer = await face.raw(body, **{"Content-Type": kind})

    assert answer.status_code == 415
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


@pytest.mark.parametrize("query", [UPSERT, f"query Q {VIEWER} {UPSERT.replace('mutation', 'mutation M')}"])
async def test_c1_a_mutation_by_get_is_refused_and_not_executed(face: Face, query: str) -> None:
    parameters = {"query": query, "operationName": "M"} if "Q" in query else {"query": query}

    answer = await face.client.get("/graphql", params=parameters, headers=face.bearer())

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert (await face.data(COUNT))["customers"]["totalCount"] == 0


async def test_c1_a_query_by_get_needs_the_header_that_no_foreign_page_can_send(face: Face) -> None:
    without = await face.client.get("/graphql", params={"query": VIEWER}, headers={"Accept": "text/html"})
    given = await face.client.get("/graphql", params={"query": VIEWER}, headers=face.bearer())

    assert without.status_code == 401
    assert given.json()["data"] == TESTER


async def test_c2_without_a_setting_no_foreign_page_may_read(face: Face) -> None:
    origin = {"Origin": "https://evil.example"}

    asked = await face.client.options("/graphql", headers={**origin, "Access-Control-Request-Method": "POST"})
    answer = await face.client.post("/graphql", json={"query": COUNT}, headers={**origin, **face.bearer()})

    assert asked.status_code == 405
    assert not [name for name in (*asked.headers, *answer.headers) if name.startswith("access-control")]


LOOPBACK = ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:3000"]
FOREIGN = [
    "http://localhost.evil:80",
    "http://evil.example",
    "http://127.0.0.2:80",
    "http://localhost:80/x",
    "null",
    "",
]


@pytest.mark.parametrize(
    ("demo", "host", "origin", "may"),
    [
        *((True, "127.0.0.1", origin, True) for origin in LOOPBACK),
        *((True, "127.0.0.1", origin, False) for origin in FOREIGN),
        *((demo, host, LOOPBACK[0], False) for demo, host in ((False, "127.0.0.1"), (True, "0.0.0.0"))),
    ],
)
async def test_c2_in_demo_mode_pages_of_this_machine_may_read(
    opening: Opening, demo: bool, host: str, origin: str, may: bool
) -> None:
    ours, control = {"Origin": origin}, "Access-Control-Request"
    asking = {f"{control}-Method": "POST", f"{control}-Headers": "authorization,content-type,idempotency-key"}
    async with opening(Settings(jwt_secret=SECRET, demo=demo, host=host)) as face:
        asked = await face.client.options("/graphql", headers={**ours, **asking})
        read = await face.client.post("/graphql", json={"query": COUNT}, headers={**ours, **face.bearer()})
        async with live(face.app) as server:
            try:
                async with server.initiate(face.token(), additional_headers=ours) as client:
                    answer = await fetch_answer(client, "1", "{ viewer { subject } }")
            except InvalidStatus as refused:
                answer = refused.response.status_code

    allowed = origin if may else None
    assert [one.headers.get("access-control-allow-origin") for one in (asked, read)] == [allowed, allowed]
    assert (asked.status_code == 200) is may
    assert answer == ({"data": {"viewer": {"subject": "tester"}}} if may else 403)


async def test_c2_a_page_of_another_port_is_given_no_token_of_the_demo(face: Face) -> None:
    app = create_app(
        Settings(jwt_secret=SECRET, demo=True), face.clock, demo_token=lambda: "readytoken", database=face.database
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        own = await client.get("/graphql", headers={"Accept": "text/html"})
        other = await client.get("/graphql", headers={"Accept": "text/html", "Origin": "http://localhost:3000"})

    assert ("readytoken" in own.text, "readytoken" in other.text) == (True, False)


async def test_c2_pages_of_the_setting_may_read_and_others_may_not(opening: Opening) -> None:
    settings = Settings(jwt_secret=SECRET, cors_origins=("https://shop.example",))
    ours, evil = {"Origin": "https://shop.example"}, {"Origin": "https://shop.example.evil"}
    control = "Access-Control-Request"
    asking = {f"{control}-Method": "POST", f"{control}-Headers": "authorization,content-type,idempotency-key"}
    async with opening(settings) as face:
        own = await face.client.options("/graphql", headers={**ours, **asking})
        foreign = await face.client.options("/graphql", headers={**evil, **asking})
        read = await face.client.post("/graphql", json={"query": COUNT}, headers={**ours, **face.bearer()})

    assert own.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in own.headers
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers
    assert read.headers["access-control-allow-origin"] == "https://shop.example"
    assert "origin" in read.headers["vary"].lower()
    assert "Idempotency-Replayed" in read.headers["access-control-expose-headers"]


@pytest.mark.parametrize("query", [VIEWER, "{ nope }", ""])
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
        *("/graphql/", "//graphql", "/GRAPHQL", "/graphql%00", "/graphql;x", "/graphql/../etc/passwd"),
        *("/graphiql/../../pyproject.toml", "/graphiql/%2e%2e/x", "/graphiql/..%2f..%2fpyproject.toml"),
    ],
)
async def test_c2_other_paths_are_not_there(face: Face, path: str) -> None:
    url = httpx.URL("http://127.0.0.1", raw_path=path.encode())

    answer = await face.client.get(url, headers={**face.bearer(), "Host": "evil.example"})

    assert answer.status_code == 404
    assert "evil.example" not in answer.text


async def test_c2_the_host_header_decides_nothing(face: Face) -> None:
    headers = {**face.bearer(), "Host": "evil.example/x?y"}

    answer = await face.client.post("/graphql", json={"query": VIEWER}, headers=headers)

    assert answer.json()["data"] == TESTER
