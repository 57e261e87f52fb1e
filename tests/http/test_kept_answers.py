"""Answers that are kept whole: found without a statement, never older than the newest commit of any worker, and never
somebody else's."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from graphql import parse

from domain.businesses.businesses import Businesses
from domain.model import Viewer
from gql.counters import ANSWERS
from gql.schema.answers import AnswerMemory, KeptAnswer
from gql.schema.schema import make_schema
from gql.settings import Settings
from persistence.database.engines import open_database
from tests.conftest import NOW, SetClock
from tests.drivers.face import EVERYTHING, SECRET, Face, presenting
from tests.drivers.once import ACTOR, CALLS, fill_shop, send
from tests.drivers.sockets import fetch_answer, live
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
PAGE = """query Page($first: Int) { customers(first: $first) { totalCount nodes {
    externalId name email attributes erased metrics { orderCount totalRevenue daysSinceLastPurchase }
    rfm { segmentCode score } classification { frequency spending category }
    segments { assignedAt segment { key } } purchases(first: 5) { nodes { externalId amount status } }
    membershipHistory(first: 5) { nodes { kind at } } } } }"""
SEGMENTS = """{ segments { nodes { key name description memberCount nextRunAt metrics { totalMembers }
    members(first: 5) { nodes { externalId } } changes(first: 5) { nodes { kind } }
    snapshots { nodes { snapshotDate } } } } }"""
REPORT = "{ segmentationReport(days: 30) { customerCount totalRevenue segments { segmentCode customerCount } } }"
VIEWER = "{ viewer { subject permissions tokenId business { name settings } } }"
DOCUMENTS = (
    PAGE,
    SEGMENTS,
    REPORT,
    VIEWER,
    "{ storefronts { key name } sourceFormats { name updatedAt } ruleVariables { name values } }",
    "{ classificationStatistics { label customerCount } }",
    '{ segmentationTrend(from: "2024-05-01", to: "2024-06-01") { customerCount } }',
    "{ segmentPreview(definition: {criteria: {minOrders: 1}}) { matchCount population } }",
)
FEW = (PAGE, REPORT, VIEWER)


@pytest.fixture
async def keeping(both: Face) -> AsyncIterator[Face]:
    """A worker that keeps what it answers, over each database, with connections of its own; the other one executes."""
    database = open_database(both.database.bulk.url.render_as_string(hide_password=False))
    try:
        async with presenting(
            database, both.clock, Settings(jwt_secret=SECRET, answer_memory=1 << 20, cost_restore=1)
        ) as made:
            yield made
    finally:
        await database.close()


async def ask_all(face: Face, documents: Sequence[str]) -> list[Any]:
    token = face.token(token_id="the-same")
    return [await face.data(document, None, token) for document in documents]


def hits() -> float:
    return float(ANSWERS.labels("hit")._value.get())


async def test_an_answer_that_is_kept_costs_no_statement_and_is_the_same(keeping: Face) -> None:
    await fill_shop(keeping)
    first = [await ask_all(keeping, FEW) for _ in range(2)]
    before, statements = hits(), keeping.statements()

    again = await ask_all(keeping, FEW)

    assert [again] * 2 == first
    assert statements == []
    assert hits() - before == len(FEW)


SOME = ("recordPurchases", "eraseCustomer")


@pytest.mark.parametrize(
    ("names", "documents"),
    [(SOME, FEW), pytest.param(tuple(CALLS), DOCUMENTS, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
async def test_whatever_is_written_by_any_worker_and_whatever_day_begins_the_next_answer_is_as_if_none_were_kept(
    names: tuple[str, ...], documents: tuple[str, ...], both: Face, keeping: Face
) -> None:
    ids = await fill_shop(both)
    for name in names:
        await ask_all(keeping, documents)
        await send(both, CALLS[name].document, CALLS[name].fill(ids), None)
        assert await ask_all(keeping, documents) == await ask_all(both, documents), name
    tomorrow = both.clock() + timedelta(days=1)
    shop = await both.services.businesses.open("shop")
    await both.services.purchases.record(shop, [purchase("E", "O7", tomorrow.isoformat(), 700)], ACTOR)
    for hours in (1, 23, 24 * 40):
        await ask_all(keeping, documents)
        both.clock.now += timedelta(hours=hours)
        assert await ask_all(keeping, documents) == await ask_all(both, documents), hours


async def test_nobody_is_given_what_others_asked(keeping: Face) -> None:
    view = keeping.token("customers:view")
    for _ in range(3):
        assert (await keeping.data(VIEWER))["viewer"]["subject"] == "tester"
        assert len((await keeping.data(VIEWER))["viewer"]["permissions"]) == 2
        assert (await keeping.data(VIEWER, None, keeping.token(subject="another")))["viewer"]["subject"] == "another"
        assert (await keeping.data(VIEWER, None, view))["viewer"]["permissions"] == ["customers:view"]
        assert (await keeping.data(VIEWER, None, keeping.token(business="other")))["viewer"]["business"][
            "name"
        ] == "other"
        assert await keeping.code(REPORT, None, keeping.token("customers:none")) == "FORBIDDEN"
        assert await keeping.code(VIEWER, None, "not-a-token") == "UNAUTHENTICATED"


async def test_numbers_that_are_one_double_are_questions_of_their_own(keeping: Face) -> None:
    asked = "query P($least: Decimal) { segmentPreview(definition: {criteria: {minLifetimeValue: $least}}) {"
    asked += " matchCount problems { message } } }"

    async def ask(least: str) -> Any:
        body = f'{{"query": {json.dumps(asked)}, "variables": {{"least": {least}}}}}'
        return (await keeping.raw(body.encode())).json()["data"]["segmentPreview"]

    several = [await ask(least) for least in ("100.5", "100.5", "100.50000000000000000001")]

    two = [{"message": "minLifetimeValue must have at most 2 decimals"}]
    assert several == [{"matchCount": 0, "problems": []}] * 2 + [{"matchCount": None, "problems": two}]


async def test_a_socket_is_told_what_was_kept_for_requests_and_the_other_way_round(keeping: Face) -> None:
    asked = "{ customers { totalCount } }"
    async with live(keeping.app) as server, server.initiate(keeping.token()) as client:
        told = [await keeping.data(asked), (await fetch_answer(client, "1", asked))["data"]]
        told.append((await fetch_answer(client, "2", VIEWER))["data"])
        before = hits()
        told.append(await keeping.data(VIEWER, None, keeping.token(subject="another")))
        told.append((await fetch_answer(client, "3", asked))["data"])
        told.append((await fetch_answer(client, "4", VIEWER))["data"])

    assert [one["customers"]["totalCount"] for one in (told[0], told[1], told[4])] == [0, 0, 0]
    assert [one["viewer"]["subject"] for one in (told[2], told[3], told[5])] == ["tester", "another", "tester"]
    assert hits() - before == 2


async def test_a_kept_answer_is_paid_for_and_says_how_old_its_report_is(keeping: Face) -> None:
    told = [(await keeping.post(REPORT)).json()["extensions"] for _ in range(3)]

    assert [one["cache"]["hit"] for one in told] == [0, 1, 1]
    assert [one["cache"]["miss"] for one in told] == [1, 0, 0]
    assert told[1]["cache"]["age"] <= told[2]["cache"]["age"] < 60
    assert len({(one["cost"]["requested"], one["cost"]["actual"]) for one in told}) == 1
    assert told[0]["cost"]["available"] > told[1]["cost"]["available"] > told[2]["cost"]["available"]


async def test_refusals_and_the_progress_of_work_are_not_kept(keeping: Face) -> None:
    ids = await fill_shop(keeping)
    documents = (
        "{ recalculations { nodes { status progress { done } } } }",
        "{ segments { nodes { latestRecalculation { status } } } }",
        "{ auditEvents { nodes { action } } }",
        f'{{ node(id: "{ids["run"]}") {{ id }} }}',
        '{ segment(id: "x", key: "y") { key } }',
    )
    before = hits()

    for _ in range(3):
        for document in documents:
            await keeping.post(document)

    assert hits() == before


def make_memory(maximum: int, seconds: list[float]) -> AnswerMemory:
    nobody: Any = None
    asked = Businesses(nobody, SetClock())
    return AnswerMemory(make_schema(Settings())._schema, asked, SetClock(), maximum, lambda: seconds[0])


def test_the_memory_is_bounded_in_bytes_and_in_time() -> None:
    seconds = [0.0]
    memory = make_memory(100_000, seconds)
    document = ("{ __typename }", None)
    memory.learn(document, parse(document[0]))
    viewer = Viewer("tester", "shop", frozenset(EVERYTHING), NOW, NOW, None)
    keys = [memory.find_key(viewer, document, {"n": number}) for number in range(20)]

    for key in filter(None, keys):
        memory.add(key, None, NOW, KeptAnswer(b"x" * 9_000, 10, 10, 1, 500.0))
        assert memory.size <= 100_000
    found = [memory.find(key) is not None for key in filter(None, keys)]
    memory.add(keys[0], None, NOW, KeptAnswer(b"x" * 13_000, 10, 10, 0, 0.0))  # type: ignore[arg-type]
    too_large = memory.find(keys[0])  # type: ignore[arg-type]
    seconds[0] = 101.0
    kept = memory.find(keys[-1])  # type: ignore[arg-type]
    too_old = memory.use(keys[-1], kept, None)  # type: ignore[arg-type]

    assert found == [False] * 11 + [True] * 9
    assert too_large is None
    assert too_old is None


def test_whoever_asks_most_pushes_out_the_answers_of_no_other_business() -> None:
    memory = make_memory(100_000, [0.0])
    document = ("{ __typename }", None)
    memory.learn(document, parse(document[0]))
    keys = []

    for business, number in (("quiet", 0), *(("flood", number) for number in range(20)), ("quiet", 1)):
        viewer = Viewer("tester", business, frozenset(EVERYTHING), NOW, NOW, None)
        key = memory.find_key(viewer, document, {"n": number})
        assert key is not None
        memory.add(key, None, NOW, KeptAnswer(b"x" * 9_000, 10, 10, 0, 0.0))
        keys.append(key)

    assert [memory.find(key) is not None for key in keys] == [True, *[False] * 13, *[True] * 7, True]
    assert memory.size <= 100_000


def test_answers_are_counted_with_their_documents_as_they_are_held() -> None:
    memory = make_memory(4_000_000, [0.0])
    viewer = Viewer("tester", "shop", frozenset(EVERYTHING), NOW, NOW, None)

    for number in range(20):
        document = (f"{{ __typename }} #{number} \U0001f600".ljust(60_000), None)
        memory.learn(document, parse(document[0]))
        key = memory.find_key(viewer, document, None)
        assert key is not None
        memory.add(key, None, NOW, KeptAnswer(b"{}", 10, 10, 0, 0.0))

    assert 16 * 240_000 < memory.size < 17 * 240_000
