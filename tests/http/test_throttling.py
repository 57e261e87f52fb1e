"""What callers may ask for: a bucket of cost each, over HTTP and over a socket, and buckets of failed tokens by
address. Lines D9 and T8 of the reliability requirements; that workers settle stands in
tests/persistence/test_buckets.py."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from domain.model import Actor, NewCustomer
from gql.http.throttling import FAILED_TOKENS, Buckets
from gql.settings import Settings
from tests.drivers.face import SECRET, Face, Opening, code_of
from tests.drivers.probe import Journal, probe_app
from tests.drivers.sockets import live, receive, send, subscribe, wait_closed

pytestmark = pytest.mark.anyio
SMALL = Settings(jwt_secret=SECRET, cost_bucket=1_000, cost_restore=1)
VIEWER = "{ viewer { subject } }"
METRICS = "{ customers(first: 100) { nodes { externalId metrics { orderCount } } } }"
REPORT = "{ segmentationReport { customerCount } }"
UPSERT = 'mutation { upsertCustomers(input: [{externalId: "A"}]) { created } }'


@pytest.fixture
async def small(opening: Opening) -> AsyncIterator[Face]:
    """With a bucket of 1,000, of which one a second is restored."""
    async with opening(SMALL) as face:
        yield face


def cost_of(answer: httpx.Response) -> dict[str, int]:
    cost: dict[str, int] = answer.json()["extensions"]["cost"]
    return cost


async def spend(face: Face, token: str | None = None) -> None:
    """Ask until nothing is left."""
    for _ in range(100):
        if (await face.post(REPORT, token=token)).status_code == 429:
            break
    for _ in range(20):
        if (await face.post(VIEWER, token=token)).status_code == 429:
            return
    raise AssertionError("nobody was refused")


async def test_d9_an_answer_says_what_it_may_have_come_to_and_what_it_did(small: Face) -> None:
    shop = await small.services.businesses.open("shop")
    await small.services.customers.upsert(shop, [NewCustomer(f"C{n}") for n in range(30)], Actor("test"))

    cost = cost_of(await small.post(METRICS))

    # A hundred customers may come, each with metrics; thirty came.
    assert (cost["requested"], cost["actual"], cost["restoreRate"]) == (200, 60, 1)
    assert 940 <= cost["available"] <= 945


@pytest.mark.parametrize(("query", "status"), [(VIEWER, 200), ("{ nope }", 400), ("{", 400)])
async def test_d9_what_comes_to_little_costs_the_least(small: Face, query: str, status: int) -> None:
    answer = await small.post(query)

    assert answer.status_code == status
    assert cost_of(answer)["actual"] == 10
    assert 990 <= cost_of(answer)["available"] <= 995


async def test_d9_a_document_of_which_too_little_is_left_is_refused_before_any_work(small: Face) -> None:
    for _ in range(9):
        assert (await small.post(REPORT)).status_code == 200
    statements = small.statements()

    refused = await small.post("{ a: segmentationReport { customerCount } b: segmentationReport { customerCount } }")
    made = list(statements)
    one = await small.post(VIEWER)

    assert (refused.status_code, code_of(refused)) == (429, "THROTTLED")
    assert "data" not in refused.json()
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert refused.json()["errors"][0]["extensions"]["retryAfter"] == int(refused.headers["retry-after"])
    assert (cost_of(refused)["requested"], cost_of(refused)["actual"]) == (200, 0)
    assert made == []
    assert one.status_code == 200


async def test_d9_a_write_of_which_too_little_is_left_is_not_made(small: Face) -> None:
    await spend(small)

    assert (await small.post(UPSERT)).status_code == 429

    other = await small.post("{ customers { totalCount } }", token=small.token(subject="another"))
    assert other.json()["data"] == {"customers": {"totalCount": 0}}


async def test_t8_an_empty_bucket_refuses_before_the_body_is_read(small: Face) -> None:
    await spend(small)
    statements = small.statements()

    answer = await small.raw(b"[" * 1000)

    assert (answer.status_code, code_of(answer)) == (429, "THROTTLED")
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert statements == []


async def test_t8_a_bucket_is_of_a_subject_of_a_business(small: Face) -> None:
    await spend(small)

    refused = await small.post(VIEWER, token=small.token("customers:view", hours=2))
    others = [await small.post(VIEWER, token=small.token(subject="another")) for _ in range(2)]
    elsewhere = await small.post(VIEWER, token=small.token(business="other"))

    assert refused.status_code == 429
    assert [answer.status_code for answer in (*others, elsewhere)] == [200, 200, 200]


async def test_d9_over_a_socket_it_is_an_error_of_the_operation(small: Face) -> None:
    async with live(small.app) as server, server.initiate(small.token()) as client:
        await subscribe(client, "1", REPORT)
        answer, _ = json.loads(await client.recv()), await receive(client)
        await spend(small)
        await subscribe(client, "2", VIEWER)
        refused = await receive(client)

    assert answer["payload"]["extensions"]["cost"]["actual"] == 100
    assert (refused["type"], refused["id"]) == ("error", "2")
    extensions = refused["payload"][0]["extensions"]
    assert (extensions["code"], extensions["retryAfter"] <= 10) == ("THROTTLED", True)


async def test_d9_a_subscription_is_charged_at_its_begin_and_with_every_message(small: Face) -> None:
    app = probe_app(SMALL, small.clock, small.services, small.database, Journal())
    async with live(app) as server, server.initiate(small.token()) as client:
        await subscribe(client, "1", "subscription { count(to: 150) }")
        costs = [json.loads(await client.recv())["payload"]["extensions"]["cost"] for _ in range(150)]
        assert (await receive(client))["type"] == "complete"
        await subscribe(client, "2", "subscription { count }")
        refused = await receive(client)

    assert {(cost["requested"], cost["actual"]) for cost in costs} == {(10, 10)}
    assert [costs[place]["available"] // 10 for place in (0, 50, 99)] == pytest.approx([99, 49, 0], abs=1)
    # What has begun goes on, and what it came to beyond the bucket is waited for.
    assert costs[-1]["available"] == 0
    assert refused["payload"][0]["extensions"]["code"] == "THROTTLED"
    assert refused["payload"][0]["extensions"]["retryAfter"] > 400


async def test_d9_files_are_charged_and_what_is_not_made_is_given_back(small: Face) -> None:
    async def left() -> int:
        return cost_of(await small.post(VIEWER))["available"]

    path, headers = "/exports/segmentation.csv?days=30", small.bearer()
    began = await left()
    made = await small.client.get(path, headers=headers)
    after = await left()
    again = await small.client.get(path, headers={**headers, "If-None-Match": made.headers["etag"]})
    wrong = await small.client.get("/exports/segmentation.csv?days=-1", headers=headers)
    end = await left()
    await spend(small)
    refused = await small.client.get(path, headers=headers)
    upload = await small.client.post("/imports/purchases", content=b"", headers={**headers, "Content-Type": "text/csv"})

    assert (made.status_code, again.status_code, wrong.status_code) == (200, 304, 400)
    assert began - after == pytest.approx(110, abs=3)
    assert after - end == pytest.approx(30, abs=3)
    assert refused.status_code == upload.status_code == 429
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert refused.json()["detail"].startswith("This costs 100 and ")


async def test_d9_a_size_of_zero_switches_it_off(opening: Opening) -> None:
    async with opening(replace(SMALL, cost_bucket=0)) as face:
        answers = [await face.post(REPORT) for _ in range(15)]
        last = await face.post(VIEWER)
        file = await face.client.get("/exports/segmentation.csv", headers=face.bearer())

    assert {answer.status_code for answer in answers} == {200}
    assert "extensions" not in last.json()
    assert file.status_code == 200


async def test_d9_a_page_of_the_setting_may_read_when_to_try_again(opening: Opening) -> None:
    origin = "https://shop.example"
    async with opening(replace(SMALL, cors_origins=(origin,))) as face:
        await spend(face)
        answer = await face.client.post("/graphql", content=b"{}", headers={**face.bearer(), "Origin": origin})

    assert answer.status_code == 429
    assert "Retry-After" in answer.headers["access-control-expose-headers"]


async def test_t8_tokens_that_do_not_hold_are_counted_by_address(small: Face) -> None:
    known = small.token()
    assert (await small.post(VIEWER, token=known)).status_code == 200

    statuses = [(await small.post(VIEWER, token=f"x.{number}.y")).status_code for number in range(FAILED_TOKENS + 5)]
    unseen = await small.post(VIEWER, token=small.token(subject="another"))
    file = await small.client.get("/exports/segmentation.csv", headers=small.bearer("x.y.z"))
    held = await small.post(VIEWER, token=known)
    none = await small.client.post("/graphql", json={"query": VIEWER})

    assert statuses[:FAILED_TOKENS] == [401] * FAILED_TOKENS
    assert statuses[-1] == 429
    assert (unseen.status_code, code_of(unseen), unseen.headers["retry-after"]) == (429, "THROTTLED", "1")
    assert file.status_code == 429
    # Whoever has been let in with the same token is let in, and no token at all guesses nothing.
    assert held.status_code == 200
    assert none.status_code == 401


async def test_t8_over_a_socket_tokens_that_do_not_hold_are_counted_too(small: Face) -> None:
    codes = []
    async with live(small.app) as server:
        for number in range(FAILED_TOKENS + 3):
            async with server.connect() as client:
                await send(client, type="connection_init", payload={"Authorization": f"Bearer x.{number}.y"})
                codes.append(await wait_closed(client))

    assert codes[:FAILED_TOKENS] == [4403] * FAILED_TOKENS
    assert codes[-1] == 1013


def test_a_bucket_is_filled_again_as_time_goes_by() -> None:
    now = [1000.0]
    buckets: Buckets[str] = Buckets(100, 10, lambda: now[0])

    def then(seconds: float) -> float:
        now[0] += seconds
        return round(buckets.read("a"), 6)

    buckets.take("a", 150)
    waits = [buckets.find_wait("a", amount) for amount in (1, 100, 500)]
    found = [then(0), then(5), then(5), then(4.5), then(100)]
    buckets.take("a", 30)
    buckets.take("a", -20)

    assert waits == [pytest.approx(5.1), 15, 15]
    assert found == [-50, 0, 50, 95, 100]
    assert then(0) == 90
    assert buckets.read("b") == 100


def test_buckets_that_are_full_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gql.http.throttling.MOST_HELD", 10)
    now = [1000.0]
    buckets: Buckets[Any] = Buckets(100, 10, lambda: now[0])

    for number in range(25):
        buckets.take(number, 10)
        now[0] += 0.2

    assert len(buckets._full_at) <= 10
    assert buckets.read(24) == pytest.approx(92)
