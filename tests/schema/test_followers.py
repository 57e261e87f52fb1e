"""Many who follow the same: what they are told is made once for all of them, nobody is told anything older than the
question, and each pays, may see and leaves for itself. The row is written by others, so nothing but it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from websockets.asyncio.client import ClientConnection

from domain.jobs.model import Difference, Job, JobKind, JobStatus, Lease, Outcome
from domain.model import Business
from gql.http.websocket import is_following
from gql.schema.types.ids import encode
from gql.schema.types.job import Recalculation
from gql.settings import Settings
from persistence.tables.segments import segment as segment_table
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, Opening
from tests.drivers.sockets import Live, live, receive, subscribe
from tests.drivers.working import ACTOR, Working

pytestmark = pytest.mark.anyio
FOLLOW = """subscription F($id: ID!) { recalculationProgress(id: $id) {
    status progress { done total phase } entered segment { key memberCount } } }"""
OTHER = "somebody"


@dataclass
class Run:
    """A run that another process works on."""

    working: Working
    business: Business
    job: Job
    id: str

    async def beat(self, done: int) -> None:
        async with self.working.store.open_heartbeats(self.business) as jobs:
            assert await jobs.heartbeat(Lease.of(self.job, OTHER), self.working.clock(), "evaluating", done, 100)

    async def end(self) -> None:
        outcome = Outcome(JobStatus.SUCCEEDED, None, None, 100, Difference(7, 0, 7))
        async with self.working.store.open_heartbeats(self.business) as jobs:
            assert await jobs.finish(Lease.of(self.job, OTHER), outcome, self.working.clock())


async def make_run(face: Face, clock: SetClock) -> Run:
    business = await face.services.businesses.open("shop")
    working = Working.of(face.database, clock, business)
    segment = await working.segment("all", {">=": [{"var": "order_count"}, 0]})
    await working.recalculations.start(business, segment.id, ACTOR)
    async with working.store.open_heartbeats(business) as jobs:
        job = await jobs.acquire(JobKind.RECALCULATION, OTHER, clock())
    assert job is not None
    return Run(working, business, job, encode("Recalculation", business.id, job.id))


@pytest.fixture
async def run(both: Face, clock: SetClock) -> Run:
    return await make_run(both, clock)


@pytest.fixture
async def server(both: Face, run: Run) -> AsyncIterator[Live]:
    async with live(both.app) as made:
        yield made


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """The states that were made into messages."""
    seen: list[Job] = []
    of = Recalculation.of

    def note(business: Business, job: Job) -> Recalculation:
        seen.append(job)
        return of(business, job)

    monkeypatch.setattr(Recalculation, "of", note)
    return seen


async def join(stack: AsyncExitStack, server: Live, token: str, run: Run, query: str = FOLLOW) -> ClientConnection:
    client = await stack.enter_async_context(server.initiate(token))
    await subscribe(client, "f", query, {"id": run.id})
    return client


async def hear(client: ClientConnection) -> Any:
    """What the next message says."""
    message = await receive(client, 20)
    assert message["type"] == "next", message
    return message["payload"]["data"]["recalculationProgress"]


async def test_many_followers_are_told_the_same_and_it_is_made_once(
    both: Face, server: Live, run: Run, made: list[Job]
) -> None:
    tokens = [both.token(subject=f"s{number % 4}") for number in range(40)]
    async with AsyncExitStack() as stack:
        clients = await asyncio.gather(*(join(stack, server, token, run) for token in tokens))
        first = [await hear(client) for client in clients]
        begun = len(made)
        await run.beat(50)
        middle = [await hear(client) for client in clients]
        await run.end()
        last = [await hear(client) for client in clients]
        ends = [await receive(client, 20) for client in clients]

    assert {message["status"] for message in first} == {"RUNNING"}
    assert {(message["progress"]["done"], message["progress"]["total"]) for message in middle} == {(50, 100)}
    assert {(message["status"], message["entered"]) for message in last} == {("SUCCEEDED", 7)}
    assert ends == [{"type": "complete", "id": "f"}] * 40
    assert begun < 40
    assert len(made) - begun == 2


async def test_whoever_joins_is_told_what_was_written_before_though_nobody_was_told_of_it(
    both: Face, server: Live, run: Run
) -> None:
    async with AsyncExitStack() as stack:
        early = await join(stack, server, both.token(), run)
        assert (await hear(early))["progress"]["done"] == 0
        for done in range(1, 20):
            # By another process: no feed of the server knows.
            await run.beat(done)
            async with run.working.store.write(run.business) as unit:
                segment = (await unit.segments.find_by_keys(["all"]))["all"]
                await unit.session.execute(members_are(segment.id, done))
            async with AsyncExitStack() as briefly:
                told = await hear(await join(briefly, server, both.token(), run))

            assert (told["progress"]["done"], told["segment"]["memberCount"]) == (done, done)
        await run.end()
        heard = []
        while (message := await receive(early, 20))["type"] == "next":
            heard.append(message["payload"]["data"]["recalculationProgress"]["progress"]["done"])

    assert heard == sorted(heard)


def members_are(segment_id: int, count: int) -> Any:
    return update(segment_table).where(segment_table.c.id == segment_id).values(member_count=count)


async def test_the_first_may_leave_and_the_others_go_on(both: Face, server: Live, run: Run) -> None:
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as leaving:
            first = await join(leaving, server, both.token(), run)
            await hear(first)
            second = await join(stack, server, both.token(subject="second"), run)
            await hear(second)
        await run.beat(60)

        assert (await hear(second))["progress"]["done"] == 60
        third = await join(stack, server, both.token(), run)
        assert (await hear(third))["progress"]["done"] == 60
        await run.end()
        assert (await hear(second))["status"] == (await hear(third))["status"] == "SUCCEEDED"


async def test_nothing_is_shared_with_whoever_may_see_less_or_asks_otherwise(
    both: Face, server: Live, run: Run
) -> None:
    async with AsyncExitStack() as stack:
        first = await join(stack, server, both.token(), run)
        await hear(first)
        stranger = await join(stack, server, both.token(business="other"), run)
        blind = await join(stack, server, both.token("customers:edit"), run)
        short = await join(
            stack, server, both.token(), run, "subscription F($id: ID!) { recalculationProgress(id: $id) { status } }"
        )
        refused = [await receive(client, 20) for client in (stranger, blind)]

        assert await hear(short) == {"status": "RUNNING"}

    codes = [errors_of(message)[0]["extensions"]["code"] for message in refused]
    assert codes == ["NOT_FOUND", "FORBIDDEN"]


def errors_of(message: Any) -> Any:
    return message["payload"] if message["type"] == "error" else message["payload"]["errors"]


async def read_cost(client: ClientConnection) -> dict[str, int]:
    """What the next message says of its cost."""
    async with asyncio.timeout(20):
        cost: dict[str, int] = json.loads(await client.recv())["payload"]["extensions"]["cost"]
    return cost


async def test_each_pays_what_it_is_told(opening: Opening, clock: SetClock, tmp_path: Path) -> None:
    settings = Settings(jwt_secret=SECRET, data=tmp_path, cost_bucket=1_000, cost_restore=1)
    async with opening(settings) as face:
        run = await make_run(face, clock)
        async with live(face.app) as server, AsyncExitStack() as stack:
            clients = []
            for number in range(3):
                clients.append(await join(stack, server, face.token(subject=f"s{number}"), run))
                cost = await read_cost(clients[-1])

                assert cost["requested"] >= cost["actual"] > 0
                assert 0 <= cost["available"] - (1_000 - cost["actual"]) <= 1
            await run.beat(10)
            left = [(await read_cost(client))["available"] for client in clients]

    # Nor has the first paid for those who came after it.
    assert max(left) - min(left) <= 1
    assert max(left) < 1_000


@pytest.mark.parametrize(
    ("document", "follows"),
    [
        ("subscription { jobProgress(id: 1) { id } }", True),
        ("subscription { a: recalculationProgress(id: 1) { id } }", True),
        ("subscription { membershipChanges { cursor } }", False),
        ("query { job(id: 1) { id } }", False),
        ("subscription { ...F } fragment F on Subscription { jobProgress(id: 1) { id } }", False),
        ("subscription A { jobProgress(id: 1) { id } } subscription B { membershipChanges { cursor } }", False),
        ("subscription {", False),
    ],
)
def test_only_a_subscription_to_progress_is_shared(document: str, follows: bool) -> None:
    assert is_following(document, None) is follows
