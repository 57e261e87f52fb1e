"""Works on the files that wait to be imported: in threads beside the event loop, so many at once, those of a process
that died too where their file is here. A file goes when its import has ended; what breaks off goes with time."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from sqlalchemy.exc import DBAPIError

from domain.calendar import Clock
from domain.errors import DomainError, ImportStopped, InvalidInput
from domain.imports.imports import AT_ONCE, ImportBoard, PurchaseImports
from domain.imports.model import Progress, PurchaseImport
from domain.imports.rows import RejectedRow, StagedColumns
from domain.jobs.model import ATTEMPTS, LEASE_SECONDS, JobKind, JobStatus, Lease, Outcome
from domain.model import Business
from persistence.database.engines import Database
from persistence.imports.importer import ImportRecord, PurchaseImporter
from persistence.store import SqlStore

THREADS = 2
IDLE_SECONDS = 1.0
BEAT = timedelta(seconds=5)
ORPHAN_SECONDS = 300.0
"""After so long without a write a file that no import waits for is what broke off."""
log = logging.getLogger("segments.imports")


class OpenedFile(Protocol):
    """A file whose header fits the business."""

    @property
    def name(self) -> str: ...
    @property
    def of_orders(self) -> bool: ...
    def rows(self, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]: ...
    def texts(self, lines: Iterable[int]) -> Iterator[tuple[int, str]]: ...


OpenFile = Callable[[Path, Business, Mapping[str, object]], OpenedFile]


@dataclass(slots=True)
class UploadWork:
    """One process's care for the uploads of all businesses, in `folder`. `done` is called when an import has ended."""

    database: Database
    clock: Clock
    imports: PurchaseImports
    folder: Path
    open: OpenFile
    done: Callable[[], None]
    owner: str = field(default_factory=lambda: uuid4().hex)
    stopping: bool = False
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "import"))
    _running: dict[tuple[int, int], tuple["asyncio.Future[None]", ImportRecord]] = field(default_factory=dict)

    @property
    def board(self) -> ImportBoard:
        """Who follows."""
        return self.imports.board

    async def forever(self) -> None:
        """Until it is cancelled; trouble with one business does not keep the others."""
        while True:
            try:
                await self.once()
            except Exception:
                log.exception("imports cannot be looked after now")
            await self.board.work(IDLE_SECONDS)

    async def once(self) -> None:
        """Begin what waits, mark what died, clear what broke off."""
        store, active = SqlStore(self.database, self.clock), set[str]()
        for business in await store.businesses():
            await self._begin(store, business)
            await self.imports.sweep(business)
            async with store.read(business) as unit:
                active |= {folder_of(one) for one in await unit.imports.active()}
        await asyncio.to_thread(self._clear, active)

    async def _begin(self, store: SqlStore, business: Business) -> None:
        """Take the files of the business that wait and are here, and say that they are waited for."""
        async with store.read(business) as unit:
            free = [one for one in await unit.imports.active() if self._is_free(business, one)]
            busy = await unit.imports.busy(self.clock())
        if not free:
            return
        await self._keep_waiting(store, business, free)
        for one in free[: max(0, min(AT_ONCE - busy, THREADS - len(self._running)))]:
            async with store.write(business) as unit:
                if await unit.imports.busy(unit.instant) >= AT_ONCE:
                    return
                job = await unit.imports.acquire(one.id, self.owner, unit.instant)
                if job is None:
                    continue
                lease = Lease.of(job, self.owner)
                if job.attempts > ATTEMPTS:
                    sentence = f"The process ended {ATTEMPTS} times while it worked on the file."
                    await unit.jobs.finish(lease, Outcome(JobStatus.FAILED, "GAVE_UP", sentence), unit.instant)
                    continue
                current = unit.business
            engine, actor = self.database.bulk, one.requested_by or ""
            self._start(current, one, ImportRecord(engine, current, self.clock, actor, one.source, lease))

    async def _keep_waiting(self, store: SqlStore, business: Business, free: list[PurchaseImport]) -> None:
        """Say now and then that the files of these are here: those that wait, and those whose process died."""
        now = self.clock()
        ids = [one.id for one in free if now - last_heartbeat(one) > BEAT]
        if ids:
            async with store.heartbeats(business) as jobs:
                await jobs.keep_waiting(JobKind.IMPORT, ids, now)

    def _is_free(self, business: Business, one: PurchaseImport) -> bool:
        if not folder_of(one) or (business.id, one.id) in self._running:
            return False
        lease = timedelta(seconds=LEASE_SECONDS)
        waits = one.status is JobStatus.QUEUED or self.clock() - last_heartbeat(one) > lease
        return waits and self._path(one).is_file()

    def _start(self, business: Business, one: PurchaseImport, record: ImportRecord) -> None:
        key = (business.id, one.id)
        work = asyncio.get_running_loop().run_in_executor(self._threads, self._import, business, one, record)
        self._running[key] = work, record

        def over(_: "asyncio.Future[None]") -> None:
            self._running.pop(key, None)
            self.done()
            self.board.wake()

        work.add_done_callback(over)

    def _import(self, business: Business, one: PurchaseImport, record: ImportRecord) -> None:
        """In a thread. The record says how it ended."""
        path = self._path(one)
        try:
            try:
                opened = self.open(path, business, one.options or {})
            except Exception as error:
                record.fail(error)
                raise
            PurchaseImporter(self.database, business, self.clock).run(
                opened.name,
                lambda reject: not_empty(opened, reject),
                opened.texts,
                actor=record.actor,
                progress=self._go_on,
                record=record,
                of_orders=opened.of_orders,
            )
        except ImportStopped:
            pass
        except (DomainError, DBAPIError, OSError) as error:
            log.warning("import %s of business %s ended: %s", one.id, business.id, type(error).__name__)
        except Exception:
            log.exception("import %s of business %s failed", one.id, business.id)
        # The next process needs the file of an import that was given back.
        if not record.released:
            shutil.rmtree(path.parent, ignore_errors=True)

    def _go_on(self, _: Progress) -> None:
        if self.stopping:
            raise ImportStopped("The server ends; the import goes on with the next one.")

    async def stop(self, seconds: float) -> None:
        """Let what runs end after its present write; it waits for the next process then, and so does what has not come
        so far in time."""
        self.stopping = True
        running = dict(self._running)
        if running:
            await asyncio.wait({work for work, _ in running.values()}, timeout=seconds)
        for work, record in running.values():
            if not work.done():
                with suppress(DBAPIError):
                    await asyncio.to_thread(record.release)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _path(self, one: PurchaseImport) -> Path:
        return self.folder / folder_of(one) / str((one.options or {}).get("name", ""))

    def _clear(self, active: set[str]) -> None:
        before = time.time() - ORPHAN_SECONDS
        with suppress(FileNotFoundError):
            for folder in self.folder.iterdir():
                if folder.name not in active and last_written(folder) < before:
                    shutil.rmtree(folder, ignore_errors=True)


def folder_of(one: PurchaseImport) -> str:
    """The folder that the uploaded file is in; empty where the import is not of an upload."""
    return str((one.options or {}).get("file", ""))


def last_heartbeat(one: PurchaseImport) -> datetime:
    """Of whoever works on it or has its file."""
    return one.last_heartbeat or one.created_at


def last_written(folder: Path) -> float:
    """When the folder or a file in it was written last, in seconds since 1970."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return time.time()


def not_empty(opened: OpenedFile, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns]:
    """The rows; InvalidInput where there is neither a good one nor a bad one."""
    refused = 0

    def count(row: RejectedRow) -> None:
        nonlocal refused
        refused += 1
        reject(row)

    found = False
    for portion in opened.rows(count):
        found = True
        yield portion
    if not (found or refused):
        raise InvalidInput(f"No data found in {opened.name}.")
