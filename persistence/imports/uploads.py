"""Works on the files that wait to be imported: in threads beside the event loop, so many at once, those of a process
that died too where their file is here. A file goes when its import has ended, and no import ends whose file is here but
by what it holds or by whoever asks for it; what breaks off goes with time. Imports that are to be taken back are taken
back here, too, after those that wait."""

import asyncio
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from domain.calendar import Clock
from domain.customers.customers import Customers
from domain.errors import DomainError, ImportStopped, InvalidInput, Unavailable
from domain.imports.imports import AT_ONCE, PurchaseImports
from domain.imports.model import PurchaseImport
from domain.imports.rows import RejectedRow, StagedColumns
from domain.imports.sources import ReceivedPath
from domain.jobs.model import ATTEMPTS, GAVE_UP, JobKind, JobStatus, Lease, Outcome, plan_pauses
from domain.model import Actor, AttributeKind, Business
from domain.store import Agenda
from persistence.database.engines import Database
from persistence.database.transactions import translate_errors
from persistence.imports.importer import PurchaseImporter
from persistence.imports.plain import PlainRows
from persistence.imports.record import ImportRecord
from persistence.imports.undo import ImportUndo
from persistence.sources.packing import watch_reading
from persistence.store import SqlStore

THREADS = 2
END_SECONDS = 4.0
"""How long an import that has begun may go on when the server ends."""
CHECK_SECONDS = 0.2
"""How often whoever waits for the loop asks whether to go on."""
BEAT = timedelta(seconds=5)
CLEAR_SECONDS = 60.0
"""How often what broke off is looked for."""
ORPHAN_SECONDS = 300.0
"""After so long without a write a file that no import waits for is what broke off."""
STOPPED = "The server ends; the import goes on with the next one."
log = logging.getLogger("segments.imports")


class OpenedFile(Protocol):
    """A file whose header fits the business."""

    @property
    def name(self) -> str: ...
    @property
    def of_orders(self) -> bool: ...
    @property
    def stated(self) -> Callable[[], Iterable[str]] | None: ...
    @property
    def kinds(self) -> Mapping[str, AttributeKind]: ...
    def compute_digest(self) -> str | None: ...
    def read_portions(self, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns | PlainRows]: ...
    def read_texts(self, lines: Iterable[int]) -> Iterator[tuple[int, str]]: ...
    @property
    def finish(self) -> Callable[[Customers, Business], Coroutine[Any, Any, int]]: ...


OpenFile = Callable[[Path, Business, Mapping[str, object]], OpenedFile]


@dataclass(slots=True)
class UploadHandler:
    """One process's care for the uploads of all businesses, whose files are in `folder`."""

    database: Database
    clock: Clock
    imports: PurchaseImports
    customers: Customers
    folder: Path
    open: OpenFile
    owner: str
    stopping: bool = False
    kind: JobKind = JobKind.IMPORT
    at_once: int = THREADS
    _running: set[tuple[int, int]] = field(default_factory=set)
    _failures: Counter[tuple[int, int]] = field(default_factory=Counter)
    _clear_at: float = 0.0

    @property
    def store(self) -> SqlStore:
        """Where the imports are."""
        return SqlStore(self.database, self.clock)

    async def prepare(self, business: Business, agenda: Agenda) -> Agenda:
        """Say that what waits can be done here, mark what died, clear what broke off."""
        if JobKind.IMPORT in agenda.waiting:
            await self._keep_waiting(business)
            await self.imports.sweep(business, self._is_here)
        if time.monotonic() >= self._clear_at:
            self._clear_at = time.monotonic() + CLEAR_SECONDS
            await self._clear()
        return agenda

    async def work(self, business: Business, agenda: Agenda) -> bool:
        """Import the files that wait; whether there were any."""
        worked = False
        while not self.stopping and (await self.run_next(business) or await self.undo_next(business)):
            worked = True
        return worked

    async def run_next(self, business: Business) -> bool:
        """Import the oldest file that waits and is here; whether there was one."""
        acquired = await self._acquire(business)
        if acquired is None:
            return False
        upload, record = acquired
        feed, followed = self.imports.feed, (business.id, JobKind.IMPORT, record.id)
        feed.notify_progress(followed)
        # There may be a place for another one.
        feed.notify_work()
        key = (business.id, record.id)
        self._running.add(key)
        working = asyncio.ensure_future(asyncio.to_thread(self._import, upload, record, asyncio.get_running_loop()))
        working.add_done_callback(lambda _: self._running.discard(key))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            # What it is at is broken off; what does not end in time all the same is left to the next process.
            self.stopping = True
            record.stop(ImportStopped(STOPPED))
            await asyncio.wait({working}, timeout=END_SECONDS)
            if not working.done():
                await asyncio.to_thread(record.release)
            raise
        feed.notify_progress(followed)
        return True

    async def undo_next(self, business: Business) -> bool:
        """Take back the first import of which somebody has asked the server that and that can be; whether there was
        one. Others may be at it, too: each of the transactions takes back what is there still."""
        async with self.store.read(business) as unit:
            asked = [one for one in await unit.imports.load_half_undone() if one.undo.by]
        free = [one for one in asked if (business.id, one.id) not in self._running]
        one = next((one for one in free if self._failures[business.id, one.id] < ATTEMPTS), None)
        if one is None:
            return False
        key = (business.id, one.id)
        self._running.add(key)
        working = asyncio.ensure_future(asyncio.to_thread(self._undo, business, one))
        working.add_done_callback(lambda _: self._running.discard(key))
        try:
            await asyncio.shield(working)
        except asyncio.CancelledError:
            self.stopping = True
            await asyncio.wait({working}, timeout=END_SECONDS)
            raise
        except Unavailable:
            raise
        except ImportStopped:
            return False
        except DomainError as error:
            log.warning("import %s of business %s is not taken back: %s", one.id, business.id, error)
            self._failures[key] += 1
        except Exception:
            log.exception("import %s of business %s could not be taken back", one.id, business.id)
            self._failures[key] += 1
        return True

    def _undo(self, business: Business, one: PurchaseImport) -> None:
        """In a thread beside the loop. What it has done when the server ends stays, and the next one goes on."""

        def watch(done: int, total: int) -> None:
            if self.stopping:
                raise ImportStopped(STOPPED)

        ImportUndo(self.database, business, self.clock, one.id).run(Actor(one.undo.by), watch)

    async def _acquire(self, business: Business) -> tuple[PurchaseImport, ImportRecord] | None:
        active = await self._load_active(business)
        for one in () if self._is_busy(active) else self._find_free(business, active):
            async with self.store.write(business) as unit:
                # Whoever else takes one waits for this transaction.
                if self._is_busy(await unit.imports.load_active()):
                    return None
                job = await unit.imports.acquire(one.id, self.owner, unit.instant)
                if job is None:
                    continue
                lease = Lease.of(job, self.owner)
                if job.attempts > ATTEMPTS:
                    sentence = f"The process ended {ATTEMPTS} times while it worked on the file."
                    await unit.jobs.finish(lease, Outcome(JobStatus.FAILED, GAVE_UP, sentence), unit.instant)
                    continue
                current = unit.business
            actor = one.requested_by or ""
            return one, ImportRecord(self.database.bulk, current, self.clock, actor, one.source, lease)
        return None

    async def _keep_waiting(self, business: Business) -> None:
        """Say now and then that the files are here of those that wait, and of those whose process died."""
        now, free = self.clock(), self._find_free(business, await self._load_active(business))
        ids = [one.id for one in free if now - (one.last_heartbeat or one.created_at) > BEAT]
        if ids:
            async with self.store.open_heartbeats(business) as jobs:
                await jobs.keep_waiting(JobKind.IMPORT, ids, now)

    async def _load_active(self, business: Business) -> list[PurchaseImport]:
        """The uploads that wait or are worked on."""
        async with self.store.read(business) as unit:
            return [one for one in await unit.imports.load_active() if get_folder(one)]

    def _find_free(self, business: Business, active: list[PurchaseImport]) -> list[PurchaseImport]:
        """Those that wait, or whose process died, and whose file is here."""
        mine = [one for one in active if not self._is_held(one) and (business.id, one.id) not in self._running]
        return [one for one in mine if self._is_here(one)]

    def _is_here(self, one: PurchaseImport) -> bool:
        """Whether it is of an upload whose file this process has."""
        return bool(get_folder(one)) and self._build_path(one).is_file()

    def _is_busy(self, active: list[PurchaseImport]) -> bool:
        return sum(map(self._is_held, active)) >= AT_ONCE

    def _is_held(self, one: PurchaseImport) -> bool:
        return bool(get_folder(one)) and one.status is JobStatus.RUNNING and not one.is_expired(self.clock())

    def _import(self, upload: PurchaseImport, record: ImportRecord, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread beside the loop. The record says how it ended."""
        began = upload.started_at or self.clock()
        path = self._build_path(upload)
        if self.stopping:
            record.stop(ImportStopped(STOPPED))
        with record.keep_alive(), watch_reading(record.check):
            try:
                self._import_patiently(path, upload, record, loop)
            except Exception as error:
                record.fail(error)
                if not isinstance(error, DomainError | OSError):
                    log.exception("import %s of business %s failed", record.id, record.business.id)
                elif not isinstance(error, ImportStopped):
                    log.warning("import %s of business %s ended: %s", record.id, record.business.id, error)
        # Whoever goes on with an import that has not ended needs its file.
        if record.settled is not None:
            seconds = (self.clock() - began).total_seconds()
            self.imports.feed.ended(record.business, self.kind, record.settled, max(0.0, seconds))
            shutil.rmtree(path.parent, ignore_errors=True)

    def _import_patiently(
        self, path: Path, upload: PurchaseImport, record: ImportRecord, loop: asyncio.AbstractEventLoop
    ) -> None:
        """Import it, again and again as long as only the store is what keeps it."""
        for pause in (*plan_pauses(), None):
            try:
                record.check()
                with translate_errors():
                    self._import_once(path, upload, record, loop)
                return
            except Unavailable as error:
                if pause is None or not error.passes:
                    raise
                log.warning("import %s of business %s waits: %s", record.id, record.business.id, error)
                record.report("waiting", 0, None)
                record.rest(pause)

    def _import_once(
        self, path: Path, upload: PurchaseImport, record: ImportRecord, loop: asyncio.AbstractEventLoop
    ) -> None:
        business = record.business
        opened = self.open(path, business, upload.options or {})
        PurchaseImporter(self.database, business, self.clock).run(
            opened.name,
            lambda reject: read_non_empty(opened, reject),
            opened.read_texts,
            actor=record.actor,
            record=record,
            of_orders=opened.of_orders,
            digest=opened.compute_digest(),
            stated=opened.stated,
            attributes=opened.kinds,
            finish=lambda: self._finish(opened, record, loop),
        )

    def _finish(self, opened: OpenedFile, record: ImportRecord, loop: asyncio.AbstractEventLoop) -> None:
        """What is to be written after the purchases, in the loop, whose connections it takes."""
        writing = asyncio.run_coroutine_threadsafe(opened.finish(self.customers, record.business), loop)
        try:
            while not wait({writing}, timeout=CHECK_SECONDS).done:
                record.check()
            writing.result()
        except CancelledError as error:
            raise ImportStopped(STOPPED) from error
        finally:
            writing.cancel()

    def _build_path(self, one: PurchaseImport) -> Path:
        said = one.options or {}
        name = str(said.get("name", ""))
        # Files that came before the last upgrade stand under the names of their senders.
        return ReceivedPath.of(self.folder / get_folder(one) / str(said.get("kept", name)), name)

    async def _clear(self) -> None:
        """Remove what no import of any business waits for."""
        active = set[str]()
        for business in await self.store.load_businesses():
            active |= {get_folder(one) for one in await self._load_active(business)}
        await asyncio.to_thread(self._remove_others, active)

    def _remove_others(self, active: set[str]) -> None:
        before = time.time() - ORPHAN_SECONDS
        with suppress(FileNotFoundError):
            for folder in self.folder.iterdir():
                if folder.name not in active and find_last_write(folder) < before:
                    shutil.rmtree(folder, ignore_errors=True)


def get_folder(one: PurchaseImport) -> str:
    """The folder that the uploaded file is in; empty where the import is not of an upload."""
    return str((one.options or {}).get("file", ""))


def find_last_write(folder: Path) -> float:
    """When the folder or a file in it was written last, in seconds since 1970."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return time.time()


def read_non_empty(opened: OpenedFile, reject: Callable[[RejectedRow], None]) -> Iterator[StagedColumns | PlainRows]:
    """The rows; InvalidInput where there is neither a good one nor a bad one."""
    refused = 0

    def count(row: RejectedRow) -> None:
        nonlocal refused
        refused += 1
        reject(row)

    has_rows = False
    for portion in opened.read_portions(count):
        has_rows = True
        yield portion
    if not (has_rows or refused):
        raise InvalidInput(f"No data found in {opened.name}.")
