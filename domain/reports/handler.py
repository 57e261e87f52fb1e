"""What the worker does of reports: those that are due are written as files, by one worker of all, each after the audit
log has it. What cannot be written is told, and the next time comes all the same."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from domain.calendar import Clock
from domain.customers.purchases import Purchases
from domain.errors import DomainError, StoreUpgraded, Unavailable
from domain.jobs.model import ATTEMPTS, GAVE_UP, JobKind, JobStatus, Lease, Outcome, may_pass, plan_pauses
from domain.jobs.progress import ProgressFeed
from domain.model import Actor, Business
from domain.reports.document import TRENDED, ReportDocument, ReportFiles, ReportRequest
from domain.reports.scheduled import ScheduledReport, plan_reports, read_scheduled_reports
from domain.store import Agenda, Store

HEARTBEAT_SECONDS = 5.0
RELEASE_SECONDS = 1.0
"""How long a worker that is told to end tries to say so."""
ACTOR = Actor("schedule")
log = logging.getLogger("segments.runs")
Render = Callable[[str, ReportDocument], Awaitable[bytes]]
"""Makes the file of a format."""
Write = Callable[[Business, ScheduledReport, datetime, bytes], "WrittenFile"]
"""Writes a file of that instant beside those that are there; blocks."""
Alarm = Callable[[Business, str, str, str, datetime], Awaitable[None]]
"""Told of a report that failed: its name, the code and the sentence."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that is whole on the disk: `publish` gives it its name, and takes away those that are too old, `drop`
    takes it away."""

    name: str
    publish: Callable[[], None]
    drop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class ScheduledReports:
    """What the worker does at the times of the setting `scheduled_reports`."""

    store: Store
    clock: Clock
    feed: ProgressFeed
    files: ReportFiles
    purchases: Purchases
    owner: str
    render: Render
    write: Write
    alarm: Alarm
    kind: JobKind = JobKind.REPORT
    at_once: int = 1

    async def prepare(self, business: Business, agenda: Agenda) -> Agenda:
        """Queue what is due, and say when each report comes next."""
        now, before = self.clock(), agenda.reports
        reports = read_scheduled_reports(business.settings.scheduled_reports)
        after = plan_reports(reports, before, now, business.time_zone)
        if after == before:
            return agenda
        async with self.store.open_heartbeats(business) as jobs:
            queued = await jobs.plan_reports(before, after, now)
        return replace(agenda, waiting=agenda.waiting | {self.kind}, reports=after) if queued else agenda

    async def work(self, business: Business, agenda: Agenda) -> bool:
        """Write the reports that wait; whether there were any."""
        async with self.store.open_heartbeats(business) as jobs:
            job = await jobs.acquire(self.kind, self.owner, self.clock())
        if job is None:
            return False
        lease, waiting = Lease.of(job, self.owner), agenda.reports.waiting
        mine = [one for one in read_scheduled_reports(business.settings.scheduled_reports) if one.name in waiting]
        outcome = Outcome(JobStatus.SUCCEEDED)
        alive = asyncio.create_task(self._keep_alive(business, lease))
        try:
            for report in mine:
                given_up = GAVE_UP, f"The reports were begun {ATTEMPTS} times and never came to an end."
                failure = given_up if job.attempts > ATTEMPTS else await self._try(business, report)
                if failure is not None:
                    outcome = Outcome(JobStatus.FAILED, *failure)
                    await self.alarm(business, report.name, *failure, self.clock())
        except asyncio.CancelledError:
            # Where the store cannot be told in time, the next one finds that the lease has expired.
            with suppress(DomainError, TimeoutError):
                async with asyncio.timeout(RELEASE_SECONDS), self.store.open_heartbeats(business) as jobs:
                    await jobs.release(lease)
            raise
        finally:
            alive.cancel()
        ended = self.clock()
        async with self.store.open_heartbeats(business) as jobs:
            if await jobs.finish_reports(lease, outcome, waiting, ended):
                seconds = (ended - (job.started_at or ended)).total_seconds()
                self.feed.ended(business, self.kind, outcome.status, max(0.0, seconds))
        return True

    async def _try(self, business: Business, report: ScheduledReport) -> tuple[str, str] | None:
        """Write the report, again and again as long as only the store, or a disk that is full, is what keeps it; code
        and sentence where it cannot be done."""
        for pause in (*plan_pauses(), None):
            try:
                await self._write(business, report)
                return None
            except StoreUpgraded:
                # Whoever knows the new tables finds that the lease has expired.
                raise
            except (DomainError, OSError) as error:
                told = error.message if isinstance(error, DomainError) else f"{error.filename}: {error.strerror}"
                code = error.code if isinstance(error, DomainError) else Unavailable.code
                if pause is not None and may_pass(error):
                    log.warning("report %s of business %s waits: %s", report.name, business.id, told)
                    await asyncio.sleep(pause)
                    continue
            except Exception:
                log.exception("report %s of business %s failed", report.name, business.id)
                return "INTERNAL", "The report failed inside the server. Its log says more."
            log.warning("report %s of business %s failed: %s", report.name, business.id, told)
            return code, told
        return None

    async def _write(self, business: Business, report: ScheduledReport) -> None:
        """The audit log has the file before it has its name."""
        place = None
        if report.storefront is not None:
            place = await self.purchases.find_storefront(business, report.storefront)
        asked = ReportRequest(report.method, report.days, None, place, report.scheme)
        document = await self.files.make_document(business, asked, trend=report.format in TRENDED)
        body = await self.render(report.format, document)
        file = await asyncio.to_thread(self.write, business, report, self.clock(), body)
        detail = {**report.as_json(), "file": file.name}
        try:
            await self.store.audit(business.id, ACTOR, "writeReport", None, detail)
            await asyncio.to_thread(file.publish)
        except Exception:
            await asyncio.to_thread(file.drop)
            raise
        log.info("report %s of business %s written: %s", report.name, business.id, file.name)

    async def _keep_alive(self, business: Business, lease: Lease) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            # A store that is busy now hears of it with the next one.
            with suppress(DomainError):
                async with self.store.open_heartbeats(business) as jobs:
                    await jobs.heartbeat(lease, self.clock(), "writing", 0, None)
