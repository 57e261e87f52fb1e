"""Runs over GraphQL: asked for, told of, followed over a real socket from beginning, middle and end, and stopped."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text

from domain.jobs.model import Job, JobStatus
from domain.model import Actor, NewCustomer
from domain.segments.model import Segment
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.sockets import Live, live, receive, subscribe
from tests.drivers.working import ACTOR, Working

pytestmark = pytest.mark.anyio
ALL = {">=": [{"var": "order_count"}, 0]}
START = """mutation($id: ID!) { recalculateSegment(segmentId: $id) {
    recalculation { id status segment { key } evaluated entered left error { code } }
    userErrors { field message code } } }"""
FOLLOW = """subscription($id: ID!) { recalculationProgress(id: $id) {
    id status progress { done total fraction phase } evaluated entered left finishedAt } }"""

NUMBERS = "WITH RECURSIVE n(id) AS (SELECT :first UNION ALL SELECT id + 1 FROM n WHERE id < :last)"
MANY = (
    f"""INSERT INTO customer (business_id, id, external_id, name_sort)
        {NUMBERS} SELECT :business, id, 'N' || id, '' FROM n""",
    f"""INSERT INTO customer_metrics (business_id, customer_id, order_count, revenue, last_sort)
        {NUMBERS} SELECT :business, id, 0, 0, 0 FROM n""",
)
"""More customers, none of whom bought anything."""


@pytest.fixture
async def working(face: Face) -> Working:
    """A worker on the shop, which has 30 customers."""
    shop = await face.services.businesses.open("shop")
    await face.services.customers.upsert(shop, [NewCustomer(f"C{n}") for n in range(30)], Actor("test"))
    return Working.of(face.database, face.clock, shop)


@pytest.fixture
async def server(face: Face) -> AsyncIterator[Live]:
    async with live(face.app) as made:
        yield made


async def calculate(working: Working, segment: Segment) -> Job:
    """A run that has ended, whoever was quicker to work on it: this worker or the server's own."""
    job = await working.recalculations.start(working.business, segment.id, ACTOR)
    await working.runner.run_next(working.business)
    *_, ended = [state async for state in working.recalculations.follow(working.business, job.id)]
    assert ended.status is JobStatus.SUCCEEDED
    return ended


async def followed(server: Live, face: Face, run: str, query: str = FOLLOW) -> list[Any]:
    """Every message of the run until its end."""
    found = []
    async with server.initiate(face.token("customers:view")) as client:
        await subscribe(client, "1", query, {"id": run})
        # Nothing is told while many memberships are written.
        while (message := await receive(client, 60))["type"] == "next":
            found.append(message["payload"])
        assert message == {"type": "complete", "id": "1"}
    return found


async def test_a_run_is_queued_worked_on_and_told_of(face: Face, working: Working) -> None:
    segment = await working.segment("everybody", ALL)
    key = encode("Segment", working.business.id, segment.id)

    asked = (await face.data(START, {"id": key}))["recalculateSegment"]
    again = (await face.data(START, {"id": key}))["recalculateSegment"]
    await working.runner.run_next(working.business)

    run = asked["recalculation"]
    assert (run["status"], run["segment"], asked["userErrors"]) == ("QUEUED", {"key": "everybody"}, [])
    assert again["recalculation"]["id"] == run["id"]
    assert [(error["code"], error["field"]) for error in again["userErrors"]] == [("ALREADY_RUNNING", ["segmentId"])]
    query = """query($id: ID!, $segment: ID!) {
        job(id: $id) { id status progress { done total fraction phase } ... on Recalculation { entered } }
        node(id: $id) { id }
        segment(id: $segment) { memberCount latestRecalculation { id } }
        recalculations(segmentId: $segment) { totalCount nodes { id status parts { totalCount } } } }"""
    found = await face.data(query, {"id": run["id"], "segment": key})
    progress = {"done": 30, "total": 30, "fraction": 1.0, "phase": "finished"}
    done = {"id": run["id"], "status": "SUCCEEDED"}
    assert found == {
        "job": {**done, "progress": progress, "entered": 30},
        "node": {"id": run["id"]},
        "segment": {"memberCount": 30, "latestRecalculation": {"id": run["id"]}},
        "recalculations": {"totalCount": 1, "nodes": [{**done, "parts": {"totalCount": 0}}]},
    }


@pytest.mark.parametrize("customers", [30, 200_000])
async def test_progress_is_followed_from_the_present_state_to_the_end(
    face: Face, working: Working, server: Live, customers: int
) -> None:
    if customers > 30:
        async with face.database.writer.begin() as connection:
            for statement in MANY:
                more = {"business": working.business.id, "first": 31, "last": customers}
                await connection.execute(text(statement), more)
    segment = await working.segment("everybody", ALL)
    key = encode("Segment", working.business.id, segment.id)

    run = (await face.data(START, {"id": key}))["recalculateSegment"]["recalculation"]["id"]
    states = [payload["data"]["recalculationProgress"] for payload in await followed(server, face, run)]

    fractions = [state["progress"]["fraction"] for state in states]
    assert {state["id"] for state in states} == {run}
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert customers == 30 or len(set(fractions)) >= 10
    last = states[-1]
    assert (last["status"], last["evaluated"], fractions[-1]) == ("SUCCEEDED", customers, 1.0)
    assert last["progress"]["total"] == customers
    # Those who bought may have entered before, as memberships follow purchases.
    assert last["entered"] in range(customers - 30, customers + 1)
    assert (await working.again(segment)).member_count == customers
    assert [state["status"] for state in states].count("SUCCEEDED") == 1
    assert sum(state["finishedAt"] is not None for state in states) == 1


async def test_a_late_follower_is_told_the_end_and_nothing_else(face: Face, working: Working, server: Live) -> None:
    segment = await working.segment("everybody", ALL)
    run = encode("Recalculation", working.business.id, (await calculate(working, segment)).id)

    (payload,) = await followed(server, face, run)

    assert payload["data"]["recalculationProgress"]["status"] == "SUCCEEDED"


async def test_a_run_that_another_process_works_on_is_followed_too(face: Face, working: Working, server: Live) -> None:
    segment = await working.segment("everybody", ALL)
    run = encode("Recalculation", working.business.id, (await calculate(working, segment)).id)

    query = "subscription($id: ID!) { jobProgress(id: $id) { id status } }"
    states = await followed(server, face, run, query)

    assert states[-1] == {"data": {"jobProgress": {"id": run, "status": "SUCCEEDED"}}}


@pytest.mark.parametrize("number", [1, 2])
async def test_runs_of_nobody_and_of_another_business_are_not_there(
    number: int, face: Face, working: Working, server: Live
) -> None:
    other = await face.services.businesses.open("other")
    foreign = Working.of(face.database, face.clock, other)
    job = await calculate(foreign, await foreign.segment("everybody", ALL))
    run = encode("Recalculation", working.business.id if number == 1 else other.id, job.id)

    async with server.initiate(face.token()) as client:
        await subscribe(client, "1", FOLLOW, {"id": run})
        message = await receive(client)

    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert errors[0]["extensions"]["code"] == "NOT_FOUND"
    assert (await face.data("query($id: ID!) { job(id: $id) { id } }", {"id": run})) == {"job": None}
    answer = await face.data("mutation($id: ID!) { cancelJob(id: $id) { userErrors { code } } }", {"id": run})
    assert answer == {"cancelJob": {"userErrors": [{"code": "NOT_FOUND"}]}}


async def test_one_run_recalculates_all_segments_in_parts(face: Face, working: Working) -> None:
    await working.segment("everybody", ALL)
    await working.segment("nobody", {"<": [{"var": "order_count"}, 0]})
    query = "mutation { recalculateSegments { recalculation { id } userErrors { code } } }"

    asked = (await face.data(query))["recalculateSegments"]
    await working.runner.run_next(working.business)

    parts = """query($id: ID!) { job(id: $id) { status ... on Recalculation { segment { key } evaluated entered
        parts { nodes { status segment { key } entered } } } } }"""
    found = (await face.data(parts, {"id": asked["recalculation"]["id"]}))["job"]
    told = found.pop("parts")["nodes"]
    assert found == {"status": "SUCCEEDED", "segment": None, "evaluated": 60, "entered": 30}
    assert told == [
        {"status": "SUCCEEDED", "segment": {"key": "everybody"}, "entered": 30},
        {"status": "SUCCEEDED", "segment": {"key": "nobody"}, "entered": 0},
    ]


async def test_one_customers_memberships_agree_at_once(face: Face, working: Working) -> None:
    segment = await working.segment("everybody", ALL)
    query = """mutation($id: ID!) { recalculateCustomer(customerId: $id) {
        customer { externalId } entered { key } left { key } userErrors { code } } }"""
    customer = encode("Customer", working.business.id, 1)

    first = await face.data(query, {"id": customer})
    second = await face.data(query, {"id": customer})

    entered = {"entered": [{"key": "everybody"}], "left": [], "userErrors": []}
    assert first["recalculateCustomer"] == {"customer": {"externalId": "C0"}, **entered}
    assert second["recalculateCustomer"]["entered"] == []
    assert (await working.again(segment)).member_count == 1


async def test_a_manual_segment_is_not_recalculated(face: Face, working: Working) -> None:
    segment = await working.by_hand("vip")

    answer = await face.data(START, {"id": encode("Segment", working.business.id, segment.id)})

    said = {"message": "The members of this segment are put in by hand.", "code": "SEGMENT_IS_MANUAL"}
    error = {"field": ["segmentId"], **said}
    assert answer["recalculateSegment"] == {"recalculation": None, "userErrors": [error]}


async def test_a_run_that_waits_is_cancelled_at_once_and_only_once(face: Face, working: Working) -> None:
    segment = await working.segment("everybody", ALL)
    job = await working.recalculations.start(working.business, segment.id, Actor("test"))
    query = "mutation($id: ID!) { cancelJob(id: $id) { job { status error { code } } userErrors { field code } } }"
    run = {"id": encode("Recalculation", working.business.id, job.id)}

    first, second = await face.data(query, run), await face.data(query, run)

    assert first["cancelJob"] == {"job": {"status": "CANCELLED", "error": {"code": "CANCELLED"}}, "userErrors": []}
    assert second["cancelJob"] == {"job": None, "userErrors": [{"field": ["id"], "code": "NOT_CANCELLABLE"}]}
