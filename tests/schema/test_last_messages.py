"""What a message says agrees with any query made after it: the last one of a run, of a run of all segments and of an
import, and every one of changes of members; each followed over a real socket while the server's own worker is at work,
500 times in the slow lane."""

import time
from collections.abc import AsyncIterator
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from domain.jobs.model import Job
from domain.jobs.progress import Audience
from domain.model import Actor, Business, NewCustomer, Permission, Viewer
from domain.segments.model import Definition, SegmentKind
from domain.segments.recalculation import Recalculations
from domain.segments.runner import Runner
from domain.segments.validation import Draft
from gql.http.graphql import Executor, Parameters
from gql.http.persisted import PersistedDocuments
from gql.http.throttling import Throttle
from gql.schema.answers import AnswerMemory
from gql.schema.context import Context
from gql.schema.schema import make_schema
from gql.schema.types.ids import encode
from gql.settings import Settings
from gql.signed_links import ExportLinks
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing
from tests.drivers.sockets import fetch_answer, live, receive, subscribe
from tests.drivers.working import Working

pytestmark = pytest.mark.anyio
ACTOR = Actor("tester")
PATIENCE = 60
"""Seconds for a message: what it says is tested, not when."""
SEGMENTS = 10
"""Calculated at once: the last still wait when they are followed, and the first have ended."""
GOLD = {"==": [{"var": "loyalty_level"}, "GOLD"]}
STATE = """id status createdAt startedAt finishedAt progress { done total fraction phase }
    ... on Recalculation { evaluated entered left snapshot { snapshotDate memberCount }
        segment { memberCount lastCalculated members { totalCount } latestRecalculation { id status } } }"""
FOLLOW = f"subscription F($id: ID!) {{ recalculationProgress(id: $id) {{ {STATE} }} }}"
ANY = f"subscription F($id: ID!) {{ jobProgress(id: $id) {{ {STATE} }} }}"
QUERY = f"query Q($id: ID!) {{ job(id: $id) {{ {STATE} }} }}"


class TickingClock(SetClock):
    """A clock that goes on from the instant of the tests."""

    def __init__(self) -> None:
        super().__init__()
        self.began = time.monotonic()

    def __call__(self) -> datetime:
        return self.now + timedelta(seconds=time.monotonic() - self.began)


@pytest.fixture
async def face(database: Database, tmp_path: Path) -> AsyncIterator[Face]:
    async with facing(database, TickingClock(), Settings(jwt_secret=SECRET, data=tmp_path, cost_bucket=0)) as made:
        yield made


def often(few: int, many: int, runs: int = 1) -> pytest.MarkDecorator:
    """So many rounds of so many runs; the many in the slow lane."""
    slow = pytest.param(many, marks=pytest.mark.slow)
    return pytest.mark.parametrize("rounds", [few, slow], ids=[f"{few * runs} runs", f"{many * runs} runs"])


async def start_runs(face: Face, keys: list[str]) -> list[str]:
    """A run of each of these segments."""
    parts = (
        f's{place}: recalculateSegment(segmentId: "{key}") {{ recalculation {{ id }} userErrors {{ code }} }}'
        for place, key in enumerate(keys)
    )
    answer = await face.data(f"mutation {{ {' '.join(parts)} }}")
    return [one["recalculation"]["id"] for one in answer.values()]


@dataclass(frozen=True, slots=True)
class EndedMeanwhile(Recalculations):
    """Runs each of which ends after somebody has begun to follow it and before the first look at its row."""

    runner: Runner | None = None

    async def follow(self, business: Business, job_id: int, audience: Audience | None = None) -> AsyncIterator[Job]:
        assert self.runner is not None
        await self.runner.run_next(business)
        async for job in super(EndedMeanwhile, self).follow(business, job_id, audience):
            yield job


@pytest.mark.parametrize("follow", [FOLLOW, ANY], ids=["recalculationProgress", "jobProgress"])
async def test_a_run_that_ends_while_somebody_begins_to_follow_it_is_told_with_its_members(
    face: Face, follow: str
) -> None:
    business = await face.services.businesses.open("shop")
    working = Working.of(face.database, face.clock, business)
    await face.services.customers.upsert(business, [NewCustomer("C1", loyalty_level="GOLD")], ACTOR)
    segment = await working.segment("gold", GOLD, dynamic=False)
    (run,) = await start_runs(face, [encode("Segment", business.id, segment.id)])
    runs = EndedMeanwhile(working.store, face.clock, working.feed, working.runner)
    services = copy(face.services)
    services.recalculations = runs
    settings = Settings(jwt_secret=SECRET)
    schema = make_schema(settings)
    executor = Executor(
        schema,
        settings,
        lambda viewer, key, cost: Context(viewer, services, key, ExportLinks(settings, face.clock), cost=cost),
        Throttle(settings.cost_bucket, settings.cost_restore),
        PersistedDocuments(),
        AnswerMemory(schema._schema, services.businesses.open, face.clock, 0),
    )
    viewer = Viewer("tester", "shop", frozenset(Permission), face.clock(), datetime.max.replace(tzinfo=UTC))

    told = [
        answer.body["data"] async for answer in executor.stream(viewer, Parameters(follow, {"id": run}, None), "test")
    ]

    (last,) = told[-1].values()
    assert len(told) == 1
    assert last == (await face.data(QUERY, {"id": run}))["job"]
    assert (last["status"], last["segment"]["memberCount"], last["segment"]["members"]["totalCount"]) == (
        "SUCCEEDED",
        1,
        1,
    )


@often(1, 50, SEGMENTS)
async def test_the_last_message_of_a_run_agrees_with_a_query_made_after_it(face: Face, rounds: int) -> None:
    business = await face.services.businesses.open("shop")
    definition = Definition(rules=GOLD)
    keys = []
    for number in range(SEGMENTS):
        draft = Draft(f"Gold {number}", SegmentKind.AUTOMATIC, is_dynamic=False, definition=definition)
        segment, _ = await face.services.segments.create(business, draft, ACTOR)
        keys.append(encode("Segment", business.id, segment.id))
    agreeing, differing = 0, list[tuple[Any, Any]]()

    async with (
        live(face.app) as server,
        server.initiate(face.token()) as client,
        server.initiate(face.token()) as ask,
    ):
        for number in range(rounds):
            gold = NewCustomer(f"C{number}", loyalty_level="GOLD")
            await face.services.customers.upsert(business, [gold], ACTOR)
            runs = dict(zip(map(str, range(SEGMENTS)), await start_runs(face, keys), strict=True))
            last: dict[str, Any] = {}
            for place, run in runs.items():
                await subscribe(client, place, FOLLOW if int(place) % 2 else ANY, {"id": run})
            while runs:
                message = await receive(client, PATIENCE)
                if message["type"] == "next":
                    (last[message["id"]],) = message["payload"]["data"].values()
                    continue
                assert message["type"] == "complete"
                said = last[message["id"]]
                after = (await fetch_answer(ask, "q", QUERY, {"id": runs.pop(message["id"])}, PATIENCE))["data"]["job"]
                if said == after and said["segment"]["memberCount"] == number + 1:
                    agreeing += 1
                else:
                    differing.append((said, after))

    assert differing == []
    assert agreeing == SEGMENTS * rounds


async def follow_to_the_end(client: ClientConnection, query: str, variables: object) -> Any:
    """What the last message of the one subscription says."""
    await subscribe(client, "f", query, variables)
    last = None
    while (message := await receive(client, PATIENCE))["type"] == "next":
        (last,) = message["payload"]["data"].values()
    assert message == {"type": "complete", "id": "f"}
    return last


ALL_STATE = f"""{STATE}
    ... on Recalculation {{ parts {{ nodes {{
        status entered segment {{ key memberCount members {{ totalCount }} }} }} }} }}"""
FOLLOW_ALL = f"subscription F($id: ID!) {{ jobProgress(id: $id) {{ {ALL_STATE} }} }}"
QUERY_ALL = f"query Q($id: ID!) {{ job(id: $id) {{ {ALL_STATE} }} segments {{ nodes {{ memberCount }} }} }}"


@often(2, 500)
async def test_the_last_message_of_a_run_of_all_agrees_with_a_query_made_after_it(face: Face, rounds: int) -> None:
    business = await face.services.businesses.open("shop")
    for number in range(3):
        draft = Draft(f"Gold {number}", SegmentKind.AUTOMATIC, is_dynamic=False, definition=Definition(rules=GOLD))
        await face.services.segments.create(business, draft, ACTOR)

    async with (
        live(face.app) as server,
        server.initiate(face.token()) as client,
        server.initiate(face.token()) as ask,
    ):
        for number in range(rounds):
            await face.services.customers.upsert(business, [NewCustomer(f"C{number}", loyalty_level="GOLD")], ACTOR)
            answer = await face.data("mutation { recalculateSegments { recalculation { id } } }")
            run = answer["recalculateSegments"]["recalculation"]["id"]
            said = await follow_to_the_end(client, FOLLOW_ALL, {"id": run})
            after = (await fetch_answer(ask, "q", QUERY_ALL, {"id": run}, PATIENCE))["data"]

            assert said == after["job"]
            assert said["status"] == "SUCCEEDED"
            assert [part["segment"]["memberCount"] for part in said["parts"]["nodes"]] == [number + 1] * 3
            assert [one["memberCount"] for one in after["segments"]["nodes"]] == [number + 1] * 3


IMPORT_STATE = """id status startedAt finishedAt progress { done total fraction phase } error { code message }
    ... on PurchaseImport { source rowsRead created updated unchanged rejected undoneAt
        quality { missingDates negativeAmounts unknownCategories } rejectReasons { reason count firstLine }
        rejects { totalCount nodes { line text reason } } }"""
FOLLOW_IMPORT = f"subscription F($id: ID!) {{ jobProgress(id: $id) {{ {IMPORT_STATE} }} }}"
QUERY_IMPORT = f"""query Q($id: ID!) {{ job(id: $id) {{ {IMPORT_STATE} }} customers {{ totalCount }}
    segmentationReport(days: 90, asOf: "2024-03-31") {{ customerCount totalRevenue }} }}"""


@often(3, 500)
async def test_the_last_message_of_an_import_agrees_with_a_query_made_after_it(face: Face, rounds: int) -> None:
    header = "customer_id,order_id,date,amount,category"
    async with (
        live(face.app) as server,
        server.initiate(face.token()) as client,
        server.initiate(face.token()) as ask,
    ):
        for number in range(rounds):
            rows = f"{header}\nC{number},O{number},2024-03-01,1.00,Tea\n,x,2024-03-01,1,Tea\n".encode()
            kind = {"Content-Type": "text/csv", **face.bearer()}
            sent = await face.client.post("/imports/purchases", content=rows, headers=kind)
            run = sent.json()["id"]
            said = await follow_to_the_end(client, FOLLOW_IMPORT, {"id": run})
            after = (await fetch_answer(ask, "q", QUERY_IMPORT, {"id": run}, PATIENCE))["data"]

            assert said == after.pop("job")
            assert (said["status"], said["created"], said["rejects"]["totalCount"]) == ("SUCCEEDED", 1, 1)
            report = {"customerCount": number + 1, "totalRevenue": f"{number + 1}.00"}
            assert after == {"customers": {"totalCount": number + 1}, "segmentationReport": report}


CHANGES = """subscription F { membershipChanges { cursor changes { cursor kind at
    segment { id key memberCount members { totalCount } }
    customer { externalId segments { segment { key } assignedAt } } } } }"""
QUERY_CHANGES = """query Q($id: ID!, $who: String!, $after: String) {
    segment(id: $id) { id key memberCount members { totalCount nodes { externalId } }
        changes(after: $after) { nodes { cursor kind at customer { externalId } } } }
    customer(externalId: $who) { segments { segment { key } assignedAt } } }"""
MOVE = """mutation M($id: ID!, $who: [ID!]!, $in: Boolean!) {
    assignSegment(segmentId: $id, customerIds: $who) @include(if: $in) { assignedCount }
    removeSegment(segmentId: $id, customerIds: $who) @skip(if: $in) { removedCount } }"""


@often(10, 500)
async def test_a_message_of_changes_of_members_agrees_with_a_query_made_after_it(face: Face, rounds: int) -> None:
    business = await face.services.businesses.open("shop")
    people = 5
    await face.services.customers.upsert(business, [NewCustomer(f"C{n}") for n in range(people)], ACTOR)
    draft = Draft("VIP", SegmentKind.MANUAL, is_dynamic=False, definition=Definition())
    segment, _ = await face.services.segments.create(business, draft, ACTOR)
    key, inside = encode("Segment", business.id, segment.id), set[str]()

    async with (
        live(face.app) as server,
        server.initiate(face.token()) as client,
        server.initiate(face.token()) as ask,
    ):
        await subscribe(client, "f", CHANGES)
        cursor = (await receive(client))["payload"]["data"]["membershipChanges"]["cursor"]
        for number in range(rounds):
            who = f"C{number * 3 % people}"
            entering = who not in inside
            inside ^= {who}
            customer = encode("Customer", business.id, number * 3 % people + 1)
            await face.data(MOVE, {"id": key, "who": [customer], "in": entering})
            said = (await receive(client, PATIENCE))["payload"]["data"]["membershipChanges"]
            asked = {"id": key, "who": who, "after": cursor}
            after = (await fetch_answer(ask, "q", QUERY_CHANGES, asked, PATIENCE))["data"]

            (change,) = said["changes"]
            cursor = said["cursor"]
            assert cursor == change["cursor"]
            assert (change["kind"], change["customer"].pop("externalId")) == ("ENTERED" if entering else "LEFT", who)
            assert change["customer"] == after["customer"]
            assert bool(after["customer"]["segments"]) == entering
            found = after["segment"].pop("changes")["nodes"]
            members = after["segment"]["members"].pop("nodes")
            assert change["segment"] == after["segment"]
            assert {one["externalId"] for one in members} == inside
            assert (len(inside), found) == (
                change["segment"]["memberCount"],
                [{**{name: change[name] for name in ("cursor", "kind", "at")}, "customer": {"externalId": who}}],
            )
