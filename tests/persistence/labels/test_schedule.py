"""The server's own schedule of classification: at its times, once, into the folder that the business has settled."""

import asyncio
import json
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.jobs.model import JobKind
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import Actor, Business, BusinessSettings
from gql import segmentation
from gql.composition import Services
from gql.segmentation import ScheduledSegmentation
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.labels.run_folder import RunFolder
from tests.conftest import NOW, SetClock
from tests.persistence.conftest import change_settings
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
HOURLY = {"classify_every": "0 * * * *"}


@dataclass(frozen=True)
class Server:
    """A worker on classifications of the shop; its files go into `data`."""

    services: Services
    database: Database
    clock: SetClock
    data: Path
    worker: Worker

    async def settled(self, **settings: str) -> Business:
        """The shop with a purchase that counts from 12:30 on, as the server saw it first."""
        (shop,) = await self.services.businesses.load_all()
        await self.services.purchases.record(shop, [purchase("A", "O1", "2024-06-15T12:30:00", 100)], Actor("test"))
        business = await change_settings(self.services, self.database, **HOURLY | settings)
        assert not await self.worker.run_once(business)
        return business


def new_worker(database: Database, clock: SetClock, data: Path) -> Worker:
    scheduled = ScheduledSegmentation(Settings(data=data), database, clock)
    return Worker(scheduled.store, clock, ProgressFeed(), (scheduled,))


@pytest.fixture
def server(services: Services, database: Database, shop: Business, clock: SetClock, tmp_path: Path) -> Server:
    data = tmp_path / "data"
    return Server(services, database, clock, data, new_worker(database, clock, data))


async def test_the_file_is_written_at_the_times_of_the_setting(server: Server) -> None:
    business = await server.settled(output_dir="labels", output_filename="all.json")
    assert not await server.worker.run_once(business)

    server.clock.now = NOW + timedelta(hours=1, minutes=5)
    ran = [await server.worker.run_once(business) for _ in range(2)]

    assert ran == [True, False]
    folder = server.data / "labels"
    labels = {"purchase_frequency": "New", "spending": "Low Value", "category": "Mixed"}
    assert json.loads((folder / "all.json").read_text()) == [{"customer_id": "A", "segmentation": labels}]
    status = json.loads((folder / "automation_status.json").read_text())
    assert (status["state"], status["source"], status["customers"]) == ("idle", "store", 1)
    assert status["next_run"] == "2024-06-15T14:00:00Z"


async def test_without_a_folder_only_the_labels_of_the_day_are_kept(server: Server) -> None:
    business = await server.settled()
    server.clock.now = NOW + timedelta(hours=7)

    assert await server.worker.run_once(business)

    with server.database.bulk.connect() as connection:
        assert connection.execute(text("SELECT frequency FROM customer_label")).scalars().all() == ["New"]
    assert not server.data.exists()


async def test_of_several_workers_one_classifies(server: Server) -> None:
    business = await server.settled()
    server.clock.now = NOW + timedelta(hours=1)

    others = [new_worker(server.database, server.clock, server.data) for _ in range(4)]
    ran = await asyncio.gather(*(other.run_once(business) for other in others))

    assert sorted(ran) == [False, False, False, True]


async def test_a_schedule_that_comes_sooner_replaces_the_one_before(server: Server) -> None:
    yearly = await server.settled(classify_every="0 0 1 1 *")
    hourly = replace(yearly, settings=BusinessSettings.of(HOURLY))
    await server.worker.run_once(hourly)
    server.clock.now = datetime(2024, 6, 15, 13, 0, tzinfo=UTC)

    assert await server.worker.run_once(hourly)


async def test_a_folder_that_another_run_has_is_said_and_the_next_time_comes(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    business = await server.settled(output_dir="labels")
    server.clock.now = NOW + timedelta(hours=1)
    folder = server.data / "labels"

    with RunFolder.acquire(folder):
        assert await server.worker.run_once(business)

    assert "Another run writes into" in caplog.text
    server.clock.now += timedelta(hours=1)
    assert await server.worker.run_once(business)
    assert (folder / "customer_segmentation.json").exists()


async def test_what_the_end_of_the_server_interrupts_is_due_again_with_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    business = await server.settled(output_dir="labels")
    server.clock.now = NOW + timedelta(hours=1)
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: object) -> None:
        begun.set()
        assert go_on.wait(20)

    with monkeypatch.context() as patch:
        patch.setattr(ScheduledSegmentation, "classify", slow)
        patch.setattr(segmentation, "END_SECONDS", 0.1)
        ending = asyncio.create_task(server.worker.run_once(business))
        assert await asyncio.to_thread(begun.wait, 20)
        ending.cancel()
        await asyncio.wait({ending})
        go_on.set()

    assert ending.cancelled()
    assert [await server.worker.run_once(business) for _ in range(2)] == [True, False]
    assert (server.data / "labels" / "customer_segmentation.json").exists()


async def test_a_classification_whose_process_died_is_taken_up_by_another_and_given_up_after_three(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    business = await server.settled(output_dir="labels")
    server.clock.now = NOW + timedelta(hours=1)
    (handler,) = server.worker.handlers
    await handler.prepare(business, await server.worker.store.load_agenda(business, server.clock()))

    async def die() -> None:
        async with server.worker.store.open_heartbeats(business) as jobs:
            assert await jobs.acquire(JobKind.CLASSIFICATION, "dead", server.clock())

    await die()
    fresh = await server.worker.run_once(business)
    server.clock.now += timedelta(seconds=31)
    taken_up = await server.worker.run_once(business)
    server.clock.now = NOW + timedelta(hours=2)
    await handler.prepare(business, await server.worker.store.load_agenda(business, server.clock()))
    for _ in range(3):
        await die()
        server.clock.now += timedelta(seconds=31)
    given_up = await server.worker.run_once(business)

    assert (fresh, taken_up, given_up) == (False, True, True)
    assert "begun 3 times and never came to an end" in caplog.text
    assert not await server.worker.run_once(business)


async def test_a_classification_is_no_run_that_anybody_asks_for(server: Server) -> None:
    business = await server.settled()
    server.clock.now = NOW + timedelta(hours=1)

    assert await server.worker.run_once(business)

    async with server.services.store.read(business) as unit:
        assert await unit.jobs.count() == await unit.imports.count() == 0
