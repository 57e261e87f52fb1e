"""A store that another process has locked, or has upgraded: what that means to whoever writes, and that reading goes
on. Line R5 of the reliability requirements."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.errors import StoreUpgraded
from domain.jobs.model import JobKind, JobStatus
from domain.model import Actor
from gql.settings import Settings
from persistence.database import engines
from persistence.database.engines import Database, open_database
from persistence.database.failures import LOCKED
from persistence.database.steps import find_head
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, facing
from tests.drivers.other_process import locked, set_step
from tests.drivers.server import wait_until
from tests.drivers.working import Working

pytestmark = pytest.mark.anyio
WRITE = 'mutation { createSegment(input: {name: "%s", kind: MANUAL}) { userErrors { code } } }'
READ = "{ segments { totalCount } }"


@pytest.fixture
async def face(database: Database, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Face]:
    """Whose writes wait for a second instead of several."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 1)
    monkeypatch.setattr("persistence.database.transactions.BUSY_SECONDS", 1)
    opened = open_database(database.bulk.url.render_as_string(hide_password=False))
    async with facing(opened, clock, Settings(jwt_secret=SECRET)) as made:
        yield made
    await opened.close()


def find_error(body: dict[str, Any]) -> tuple[str, str]:
    (error,) = body["errors"]
    return error["extensions"]["code"], error["message"]


async def test_r5_writes_to_a_store_that_is_locked_for_long_are_unavailable_and_reads_go_on(
    face: Face, database: Database
) -> None:
    with locked(database):
        writing = [asyncio.create_task(face.post(WRITE % number)) for number in range(3)]
        read = await face.data(READ)
        still_waiting = not any(task.done() for task in writing)
        refused = [(await task).json() for task in writing]
    again = await face.data(WRITE % "later")

    assert (read, still_waiting) == ({"segments": {"totalCount": 0}}, True)
    codes, sentences = zip(*map(find_error, refused), strict=True)
    assert set(codes) == {"UNAVAILABLE"}
    assert LOCKED in sentences
    assert again == {"createSegment": {"userErrors": []}}


async def test_r5_a_write_waits_for_a_lock_that_is_held_for_a_moment(face: Face, database: Database) -> None:
    with locked(database):
        writing = asyncio.create_task(face.data(WRITE % "one"))
        await asyncio.sleep(0.3)
        assert not writing.done()

    assert await writing == {"createSegment": {"userErrors": []}}


@pytest.mark.slow
async def test_r5_a_lock_is_told_before_the_deadline_of_the_request(database: Database, clock: SetClock) -> None:
    """With the seconds that a server has."""
    async with facing(database, clock, Settings(jwt_secret=SECRET)) as face:
        with locked(database):
            writing = asyncio.create_task(face.data(WRITE % "one"))
            await asyncio.sleep(3)
        succeeded = await writing
        with locked(database):
            began = time.monotonic()
            first = asyncio.create_task(face.post(WRITE % "two"))
            await asyncio.sleep(2)
            later = asyncio.create_task(face.post(WRITE % "three"))
            refused = [find_error((await task).json())[0] for task in (first, later)]
            took = time.monotonic() - began

    assert succeeded == {"createSegment": {"userErrors": []}}
    assert refused == ["UNAVAILABLE"] * 2
    assert took < 12


async def test_a_process_writes_nothing_into_a_store_that_another_version_has_upgraded(
    both: Face, database: Database, clock: SetClock
) -> None:
    before = (await both.services.businesses.open("shop")).change_number
    set_step(database, "9999")

    code, sentence = find_error((await both.post(WRITE % "one")).json())
    read = await both.data(READ)
    ready = await both.client.get("/readyz")

    assert (code, ready.status_code) == ("UNAVAILABLE", 503)
    assert sentence == "The store was brought to 9999 by another version of this program. Restart this one."
    assert read == {"segments": {"totalCount": 0}}
    assert (await both.services.businesses.open("shop")).change_number == before


async def test_the_worker_begins_nothing_in_a_store_that_another_version_has_upgraded(
    both: Face, database: Database, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await both.services.businesses.open("shop")
    working = Working.of(database, clock, shop)
    segment = await working.segment("big", {">": [{"var": "total_revenue"}, 10]})
    job = await working.recalculations.start(shop, segment.id, Actor("tester"))

    async def load_status() -> JobStatus:
        async with working.store.read(shop) as unit:
            return (await unit.jobs.find_by_ids([job.id]))[job.id].status

    async def was_told() -> bool:
        return "another version" in caplog.text

    async def has_succeeded() -> bool:
        working.feed.notify_work()
        return await load_status() is JobStatus.SUCCEEDED

    set_step(database, "9999")
    server = asyncio.create_task(working.worker.run_forever())
    await wait_until(was_told)
    waits = await load_status()
    set_step(database, find_head())
    await wait_until(has_succeeded)
    server.cancel()
    await asyncio.wait({server}, timeout=10)

    assert waits is JobStatus.QUEUED


async def test_a_run_gives_no_sign_of_life_to_a_store_that_another_version_has_upgraded(
    both: Face, database: Database, clock: SetClock
) -> None:
    shop = await both.services.businesses.open("shop")
    working = Working.of(database, clock, shop)
    segment = await working.segment("big", {">": [{"var": "total_revenue"}, 10]})
    await working.recalculations.start(shop, segment.id, Actor("tester"))
    async with working.store.open_heartbeats(shop) as jobs:
        job = await jobs.acquire(JobKind.RECALCULATION, "worker", clock())
    assert job is not None

    def load_row() -> object:
        with database.bulk.connect() as connection:
            return connection.execute(text("SELECT * FROM job WHERE kind = 'RECALCULATION'")).one()

    before = load_row()
    set_step(database, "9999")
    clock.now += timedelta(seconds=5)
    with pytest.raises(StoreUpgraded):
        await working.runner.run(shop, job)

    assert load_row() == before


async def test_a_request_with_a_key_claims_nothing_in_a_store_that_another_version_has_upgraded(
    both: Face, database: Database
) -> None:
    set_step(database, "9999")
    statements = both.statements()

    answer = await both.raw(json.dumps({"query": WRITE % "one"}).encode(), **{"Idempotency-Key": "first"})

    assert find_error(answer.json())[0] == "UNAVAILABLE"
    assert [statement for statement in statements if "idempotent_request" in statement] == []
