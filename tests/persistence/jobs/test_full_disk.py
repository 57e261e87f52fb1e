"""Work that a disk without space keeps: it waits, and goes on when there is space again; what cannot be waited for is
told by its cause. Line R10 of the reliability requirements."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.errors import Unavailable
from domain.jobs.model import Job, JobStatus
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import Business
from domain.segments import runner
from gql import segmentation
from gql.composition import Services
from gql.segmentation import ScheduledSegmentation
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.database.failures import FULL
from tests.conftest import SetClock
from tests.drivers.files import Importer
from tests.drivers.full_disk import full_disk
from tests.drivers.server import wait_until
from tests.drivers.working import ACTOR, Working
from tests.persistence.conftest import change_settings
from tests.persistence.jobs.conftest import DAY, start_run
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 2000}


def pause_briefly() -> Iterator[float]:
    return iter([0.05] * 400)


async def load_run(working: Working, job: Job) -> Job:
    async with working.store.read(working.business) as unit:
        return (await unit.jobs.find_by_ids([job.id]))[job.id]


async def wait_for_phase(working: Working, job: Job, phase: str) -> None:
    async def is_there() -> bool:
        return (await load_run(working, job)).phase == phase

    await wait_until(is_there)


async def test_r10_a_run_waits_for_space_and_succeeds_once_there_is_some(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "plan_pauses", pause_briefly)
    segment, job = await start_run(working)

    async with full_disk(database, "membership"):
        running = asyncio.create_task(working.worker.run_once(working.business))
        await wait_for_phase(working, job, "waiting")
    await running

    ended = await load_run(working, job)
    assert (ended.status, ended.attempts, ended.entered) == (JobStatus.SUCCEEDED, 1, 1)
    assert await working.members(segment) == ["C2"]


async def test_r10_a_run_that_waited_too_long_fails_with_the_disk_as_its_reason(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "plan_pauses", lambda: iter([0.01]))
    segment, job = await start_run(working)

    async with full_disk(database, "membership"):
        await working.worker.run_once(working.business)

    ended = await load_run(working, job)
    assert (ended.status, ended.error_code, ended.error_message) == (JobStatus.FAILED, "UNAVAILABLE", FULL)
    assert await working.members(segment) == []


async def test_a_run_that_waits_for_space_ends_where_it_is_cancelled(
    working: Working, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "plan_pauses", lambda: iter([600.0]))
    monkeypatch.setattr(runner, "BEAT_SECONDS", 0.02)
    _, job = await start_run(working)

    async with full_disk(database, "membership"):
        running = asyncio.create_task(working.worker.run_once(working.business))
        await wait_for_phase(working, job, "waiting")
        await working.recalculations.cancel(working.business, job.id, ACTOR)
        await asyncio.wait_for(running, 20)

    assert (await load_run(working, job)).status is JobStatus.CANCELLED


async def test_r10_what_follows_of_itself_is_done_when_there_is_space(
    working: Working, services: Services, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    segment, _ = await start_run(working)
    await working.worker.run_once(working.business)
    await services.purchases.record(working.business, [purchase("C1", "O3", DAY, 600)], ACTOR)

    async def was_told() -> bool:
        return FULL in caplog.text

    async def has_followed() -> bool:
        working.feed.notify_work()
        return await working.members(segment) == ["C1", "C2"]

    async with full_disk(database, "membership"):
        server = asyncio.create_task(working.worker.run_forever())
        await wait_until(was_told)
    await wait_until(has_followed)
    server.cancel()
    await asyncio.wait({server}, timeout=10)

    assert "Traceback" not in caplog.text


async def test_r10_a_scheduled_classification_waits_for_space(
    services: Services,
    database: Database,
    shop: Business,
    clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segmentation, "plan_pauses", pause_briefly)
    await services.purchases.record(shop, [purchase("A", "O1", DAY, 100)], ACTOR)
    business = await change_settings(services, database, classify_every="0 * * * *")
    scheduled = ScheduledSegmentation(Settings(data=tmp_path), database, clock)
    worker = Worker(scheduled.store, clock, ProgressFeed(), (scheduled,))
    await worker.run_once(business)
    clock.now += timedelta(hours=1)
    waits = asyncio.Event()
    described = segmentation.describe_error
    monkeypatch.setattr(segmentation, "describe_error", lambda error: (waits.set(), described(error))[1])

    async with full_disk(database, "customer_label"):
        running = asyncio.create_task(worker.run_once(business))
        await asyncio.wait_for(waits.wait(), 20)
    await running

    with database.bulk.connect() as connection:
        assert connection.execute(text("SELECT status, error_code FROM job")).one() == ("SUCCEEDED", None)
        assert connection.execute(text("SELECT COUNT(*) FROM customer_label")).scalar_one() == 1


async def test_r10_an_import_by_hand_says_that_the_disk_is_full_and_is_repeated_as_if_nothing_had_been(
    database: Database, shop: Business, tmp_path: Path, clock: SetClock
) -> None:
    importer = Importer(database, shop, tmp_path, clock.now)
    async with full_disk(database, "purchase"):
        with pytest.raises(Unavailable, match="is full"):
            importer.lines("C1,O1,2024-03-01,5")
    again = importer.lines("C1,O1,2024-03-01,5")

    with database.bulk.connect() as connection:
        ends = connection.execute(text("SELECT status, error_code, error_message FROM job ORDER BY id")).all()
    assert [tuple(end) for end in ends] == [("FAILED", "UNAVAILABLE", FULL), ("SUCCEEDED", None, None)]
    assert again.created == 1
