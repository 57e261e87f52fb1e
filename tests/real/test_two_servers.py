"""Two servers on one store, each with its worker, that are asked the same at once: lines R2, R3 and R15 of the
reliability requirements, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from persistence.database.engines import Database
from tests.drivers.server import Server, run, running

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
CUSTOMERS = 400
TIMES = 8
RULES = {">": [{"var": "total_revenue"}, 100]}
CREATE = """mutation C($input: CreateSegmentInput!) { createSegment(input: $input) {
  segment { id } recalculation { id } userErrors { code } } }"""
RECALCULATE = """mutation R($id: ID!) { recalculateSegment(segmentId: $id) {
  recalculation { id } userErrors { code } } }"""
MOVE = "mutation M($id: ID!, $who: [ID!]!) { %s(segmentId: $id, customerIds: $who) { userErrors { code } } }"
JOB = "query J($id: ID!) { job(id: $id) { status } }"
PEOPLE = "{ customers(first: 20, sort: EXTERNAL_ID) { nodes { id externalId } } }"
MEMBERS = """query M($id: ID!) { segment(id: $id) { memberCount
  members(first: 250) { totalCount nodes { externalId } } } }"""
UPSERT = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created userErrors { code } } }"


@dataclass
class Pair:
    """The two, and a client that asks now the one, now the other."""

    servers: list[Server]
    client: httpx.AsyncClient
    database: Database
    asked: int = 0

    async def post(self, query: str, variables: object = None, key: str | None = None) -> httpx.Response:
        self.asked += 1
        server = self.servers[self.asked % len(self.servers)]
        headers = {"Authorization": f"Bearer {server.token}"} | ({} if key is None else {"Idempotency-Key": key})
        body = {"query": query, "variables": variables}
        return await self.client.post(f"{server.url}/graphql", json=body, headers=headers)

    async def data(self, query: str, variables: object = None) -> Any:
        body = (await self.post(query, variables)).json()
        assert "errors" not in body, body
        (field,) = body["data"].values()
        return field

    async def wait_end(self, job: str) -> str:
        """How the run ended."""
        for _ in range(1_200):
            status = str((await self.data(JOB, {"id": job}))["status"])
            if status not in ("QUEUED", "RUNNING"):
                return status
            await asyncio.sleep(0.05)
        raise TimeoutError

    def count(self, statement: str) -> int:
        with self.database.bulk.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())


@pytest.fixture
async def pair(database: Database, tmp_path: Path) -> AsyncIterator[Pair]:
    """Of a shop with customers who spent 1 to 400."""
    settings = {"SEGMENTS_DATABASE_URL": database.bulk.url.render_as_string(hide_password=False)}
    rows = (f"C{number},O{number},2024-03-01,{number}" for number in range(1, CUSTOMERS + 1))
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(("customer_id,order_id,date,amount", *rows, "")))
    shop = ("--business", "shop", "--time-zone", "UTC", "--currency", "EUR")
    imported = run(tmp_path, "import", str(file), *shop, **settings)
    assert imported.returncode == 0, imported.stderr
    with ExitStack() as stack:
        servers = [stack.enter_context(running(tmp_path, **settings)) for _ in range(2)]
        async with httpx.AsyncClient(timeout=60) as client:
            yield Pair(servers, client, database)


async def test_r2_recalculations_of_one_segment_and_r3_members_by_hand_come_out_as_one_after_the_other(
    pair: Pair,
) -> None:
    made = await pair.data(CREATE, {"input": {"name": "Big", "rules": RULES, "isDynamic": False}})
    segment, first = made["segment"]["id"], made["recalculation"]["id"]
    hand = (await pair.data(CREATE, {"input": {"name": "Hand", "kind": "MANUAL"}}))["segment"]["id"]
    people = (await pair.data(PEOPLE))["nodes"]

    async def move(who: dict[str, str], stays: bool) -> None:
        for action in ("assignSegment", "removeSegment", "assignSegment", *([] if stays else ["removeSegment"])):
            moved = await pair.data(MOVE % action, {"id": hand, "who": [who["id"]]})
            assert moved["userErrors"] == []

    moves = [move(who, number % 2 == 0) for number, who in enumerate(people)]
    answers, _ = await asyncio.gather(
        asyncio.gather(*(pair.data(RECALCULATE, {"id": segment}) for _ in range(TIMES))), asyncio.gather(*moves)
    )
    runs = {first, *(answer["recalculation"]["id"] for answer in answers)}
    ends = [await pair.wait_end(one) for one in runs]

    begun = [answer for answer in answers if not answer["userErrors"]]
    refused = [answer["userErrors"] for answer in answers if answer["userErrors"]]
    assert refused == [[{"code": "ALREADY_RUNNING"}]] * (TIMES - len(begun))
    assert (len(runs), ends) == (1 + len(begun), ["SUCCEEDED"] * len(runs))
    assert (await pair.data(MEMBERS, {"id": segment}))["members"]["totalCount"] == CUSTOMERS - 100
    # The first run let everybody in, and no other found anybody to move.
    assert pair.count("SELECT SUM(entered + left_count) FROM job WHERE kind = 'RECALCULATION'") == CUSTOMERS - 100
    assert pair.count("SELECT COUNT(*) FROM snapshot WHERE job_id IS NOT NULL") == len(runs)
    held = await pair.data(MEMBERS, {"id": hand})
    stay = sorted(who["externalId"] for who in people[::2])
    assert (held["memberCount"], sorted(node["externalId"] for node in held["members"]["nodes"])) == (len(stay), stay)


async def test_r15_of_many_requests_with_one_key_at_two_servers_one_has_an_effect(pair: Pair) -> None:
    variables = {"input": [{"externalId": "new"}]}

    answers = await asyncio.gather(*(pair.post(UPSERT, variables, "once") for _ in range(TIMES)))
    later = await pair.post(UPSERT, variables, "once")

    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.content for answer in done} == {later.content}
    assert later.json()["data"] == {"upsertCustomers": {"created": 1, "userErrors": []}}
    assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
    assert pair.count("SELECT COUNT(*) FROM audit_event WHERE action = 'upsertCustomers'") == 1
