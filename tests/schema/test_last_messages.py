"""What the last message of a run says agrees with any query made after it: quick runs, each of which changes the
members, followed over a real socket while the server's own worker calculates them."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.jobs.model import Job
from domain.model import Actor, Business, NewCustomer, Permission, Viewer
from domain.segments.model import Definition, SegmentKind
from domain.segments.recalculation import Recalculations
from domain.segments.runner import Runner
from domain.segments.validation import Draft
from gql.http.graphql import Executor, Parameters
from gql.http.throttling import Throttle
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
async def face(database: Database) -> AsyncIterator[Face]:
    async with facing(database, TickingClock(), Settings(jwt_secret=SECRET)) as made:
        yield made


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

    async def follow(self, business: Business, job_id: int) -> AsyncIterator[Job]:
        assert self.runner is not None
        await self.runner.run_next(business)
        async for job in super(EndedMeanwhile, self).follow(business, job_id):
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
    services = replace(face.services, recalculations=runs)
    settings = Settings(jwt_secret=SECRET)
    executor = Executor(
        make_schema(settings),
        settings,
        lambda viewer, key, cost: Context(viewer, services, key, ExportLinks(settings, face.clock), cost=cost),
        Throttle(settings.cost_bucket, settings.cost_restore),
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


@pytest.mark.parametrize("rounds", [2, pytest.param(50, marks=pytest.mark.slow)], ids=["20 runs", "500 runs"])
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
                message = await receive(client)
                if message["type"] == "next":
                    (last[message["id"]],) = message["payload"]["data"].values()
                    continue
                assert message["type"] == "complete"
                said = last[message["id"]]
                after = (await fetch_answer(ask, "q", QUERY, {"id": runs.pop(message["id"])}))["data"]["job"]
                if said == after and said["segment"]["memberCount"] == number + 1:
                    agreeing += 1
                else:
                    differing.append((said, after))

    assert differing == []
    assert agreeing == SEGMENTS * rounds
