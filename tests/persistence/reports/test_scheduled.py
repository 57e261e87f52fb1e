"""Reports on a schedule, on either database: at their times, once, as files that are whole; the last ten are kept."""

import asyncio
import errno
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.errors import DomainError
from domain.jobs.model import JobKind
from domain.jobs.progress import ProgressFeed
from domain.jobs.worker import Worker
from domain.model import Actor, Business
from domain.pages import PageRequest
from domain.reports import handler
from domain.reports.document import ReportDocument
from domain.reports.handler import ScheduledReports, WrittenFile
from gql.composition import Services, make_writers
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.exports.report_folder import ReportFolder
from persistence.store import SqlStore
from tests.conftest import NOW, SetClock
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
HOURLY = {"name": "hourly", "format": "json", "every": "0 * * * *"}
WEEKLY = {"name": "weekly", "format": "csv", "every": "0 6 * * 1", "method": "value", "days": 30}
WRITERS = make_writers(Settings()).reports


async def render(form: str, document: ReportDocument) -> bytes:
    return await asyncio.to_thread(WRITERS[form], document)


@dataclass
class Server:
    """A worker on the reports of the shop, and whom it told of failures."""

    services: Services
    database: Database
    clock: SetClock
    folder: Path
    alarms: list[tuple[str, str]] = field(default_factory=list)

    def make_worker(self, write: Callable[..., WrittenFile] | None = None, owner: str = "worker") -> Worker:
        async def tell(business: Business, name: str, code: str, message: str, at: datetime) -> None:
            self.alarms.append((name, message))

        writing, feed, store = write or ReportFolder(self.folder).write, ProgressFeed(), self.services.store
        files, purchases = self.services.report_files, self.services.purchases
        reports = ScheduledReports(store, self.clock, feed, files, purchases, owner, render, writing, tell)
        return Worker(store, self.clock, feed, (reports,))

    async def settle(self, *reports: dict[str, Any]) -> Business:
        """The shop with a purchase and these reports, as the worker saw it first."""
        (shop,) = await self.services.businesses.load_all()
        await self.services.purchases.record(shop, [purchase("A", "O1", "2024-06-14", 100)], Actor("test"))
        await self.services.business_changes.set_settings("shop", {"scheduled_reports": list(reports)}, Actor("test"))
        business = await self.services.businesses.open("shop")
        assert not await self.make_worker().run_once(business)
        return business

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "shop").glob("*"))


@pytest.fixture
def server(services: Services, database: Database, shop: Business, clock: SetClock, tmp_path: Path) -> Server:
    return Server(services, database, clock, tmp_path / "reports")


async def test_a_report_is_written_at_its_times_under_its_name_and_the_minute(server: Server) -> None:
    business = await server.settle(HOURLY, WEEKLY)
    worker = server.make_worker()
    assert not server.folder.exists()

    server.clock.now = NOW + timedelta(hours=1, seconds=20)
    ran = [await worker.run_once(business) for _ in range(2)]
    server.clock.now = datetime(2024, 6, 17, 6, 0, 1, tzinfo=UTC)
    ran += [await worker.run_once(business) for _ in range(2)]

    assert ran == [True, False, True, False]
    assert server.files == ["hourly-2024-06-15-1300.json", "hourly-2024-06-17-0600.json", "weekly-2024-06-17-0600.csv"]
    told = json.loads((server.folder / "shop" / server.files[0]).read_text())
    assert (told["data"]["method"], told["data"]["customer_count"]) == ("rfm", 1)
    assert b"2024-05-19" in (server.folder / "shop" / server.files[2]).read_bytes()


async def test_files_are_for_the_group_and_none_for_others_whatever_the_mask(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)
    before = os.umask(0o077)
    try:
        await server.make_worker().run_once(business)
    finally:
        os.umask(before)

    (file,) = (server.folder / "shop").iterdir()
    assert file.stat().st_mode & 0o777 == 0o640
    assert (server.folder / "shop").stat().st_mode & 0o007 == 0


async def test_the_last_ten_of_each_report_are_kept_and_nothing_else_goes(server: Server) -> None:
    business = await server.settle(HOURLY, {**HOURLY, "name": "hourly-two"})
    (server.folder / "shop").mkdir(parents=True)
    (server.folder / "shop" / "hourly-notes.txt").touch()
    worker = server.make_worker()

    for hour in range(1, 13):
        server.clock.now = NOW + timedelta(hours=hour)
        await worker.run_once(business)

    one = [name for name in server.files if name.startswith("hourly-2")]
    assert (len(one), one[0]) == (10, "hourly-2024-06-15-1500.json")
    assert len([name for name in server.files if name.startswith("hourly-two-")]) == 10
    assert "hourly-notes.txt" in server.files


async def test_times_that_were_missed_come_to_one_file_when_the_server_is_back(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(days=3, minutes=7)
    worker = server.make_worker(owner="another")

    assert [await worker.run_once(business) for _ in range(2)] == [True, False]
    assert server.files == ["hourly-2024-06-18-1207.json"]


async def test_of_several_workers_one_writes(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)

    ran = await asyncio.gather(*(server.make_worker(owner=f"w{n}").run_once(business) for n in range(4)))

    assert sorted(ran) == [False, False, False, True]
    assert len(server.files) == 1


async def test_the_audit_log_has_each_file(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)

    await server.make_worker().run_once(business)

    page = await server.services.read(business, lambda unit: unit.audits.load_page(PageRequest(1)))
    (event,) = page.items
    assert (event.actor, event.action) == ("schedule", "writeReport")
    assert event.detail["file"] == "shop/hourly-2024-06-15-1300.json"


async def test_a_file_that_the_audit_log_does_not_have_is_not_given_out(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)

    async def fail(*_: object, **__: object) -> None:
        assert [name[:11] for name in server.files] == [".unfinished"]
        raise DomainError("The audit log is full.")

    monkeypatch.setattr(SqlStore, "audit", fail)

    assert await server.make_worker().run_once(business)
    assert server.files == []
    assert server.alarms == [("hourly", "The audit log is full.")]


async def test_a_report_that_cannot_be_written_is_told_and_keeps_no_other(server: Server) -> None:
    business = await server.settle({**HOURLY, "name": "nowhere", "storefront": "gone"}, HOURLY)
    worker = server.make_worker()

    for hour in (1, 2):
        server.clock.now = NOW + timedelta(hours=hour)
        assert await worker.run_once(business)

    assert server.alarms == [("nowhere", "There is no storefront with the key gone.")] * 2
    assert server.files == ["hourly-2024-06-15-1300.json", "hourly-2024-06-15-1400.json"]


async def test_a_full_disk_is_waited_for_and_leaves_nothing_half(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)
    full = iter([True, False])

    def fsync(descriptor: int) -> None:
        if next(full, False):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("persistence.exports.report_folder.os.fsync", fsync)
    monkeypatch.setattr(handler, "plan_pauses", lambda: iter([0.01]))

    assert await server.make_worker().run_once(business)

    assert "waits" in caplog.text and server.alarms == []
    assert server.files == ["hourly-2024-06-15-1300.json"]


async def test_what_a_worker_did_not_end_is_begun_by_another(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def die(*_: object) -> WrittenFile:
        (server.folder / "shop").mkdir(parents=True, exist_ok=True)
        (server.folder / "shop" / ".unfinished-hourly-1").touch()
        loop.call_soon_threadsafe(begun.set)
        raise OSError(errno.ENOSPC, "No space left on device")

    ending = asyncio.create_task(server.make_worker(die).run_once(business))
    await begun.wait()
    ending.cancel()
    await asyncio.wait({ending})

    assert ending.cancelled()
    assert await server.make_worker(owner="another").run_once(business)
    assert server.files == ["hourly-2024-06-15-1300.json"]


async def test_a_report_whose_process_dies_each_time_is_given_up_after_three(server: Server) -> None:
    business = await server.settle(HOURLY)
    server.clock.now = NOW + timedelta(hours=1)
    worker = server.make_worker()
    (reports,) = worker.handlers
    await reports.prepare(business, await worker.store.load_agenda(business, server.clock()))
    for _ in range(3):
        async with worker.store.open_heartbeats(business) as jobs:
            assert await jobs.acquire(JobKind.REPORT, "dead", server.clock())
        server.clock.now += timedelta(seconds=31)

    assert await worker.run_once(business)

    assert server.alarms == [("hourly", "The reports were begun 3 times and never came to an end.")]
    server.clock.now = NOW + timedelta(hours=2)
    assert await worker.run_once(business)
    assert server.files == ["hourly-2024-06-15-1400.json"]


async def test_what_becomes_due_meanwhile_is_written_next(server: Server) -> None:
    business = await server.settle(HOURLY, {**HOURLY, "name": "later", "every": "1 13 * * *"})
    server.clock.now = NOW + timedelta(hours=1)
    worker = server.make_worker()
    (reports,) = worker.handlers
    await reports.prepare(business, await worker.store.load_agenda(business, server.clock()))
    early = await worker.store.load_agenda(business, server.clock())
    server.clock.now = NOW + timedelta(hours=1, minutes=1)
    await reports.prepare(business, await worker.store.load_agenda(business, server.clock()))

    assert await reports.work(business, early)
    first = server.files
    assert await worker.run_once(business)

    assert first == ["hourly-2024-06-15-1301.json"]
    assert server.files == [*first, "later-2024-06-15-1301.json"]
