"""The record of an import that is worked on, and its lease: a thread of its own keeps it by heartbeats, by which it
learns that it is to end. Whoever is to end has the statement that he is at broken off, or gives up waiting for the
lock, and writes nothing more."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.attributes import add_kinds
from domain.calendar import Clock, from_micros, to_micros
from domain.errors import AllRejected, DomainError, ImportEnded, ImportStopped, InvalidInput, StoreUpgraded
from domain.jobs.model import JobKind, JobReason, JobStatus, Lease, NewJob, Outcome
from domain.model import Actor, AttributeKind, AttributeKinds, AuditOutcome, Business
from persistence.audit import append_event
from persistence.database.dialects import break_off_when
from persistence.database.engines import BUSY_SECONDS
from persistence.database.transactions import open_blocking_session, raise_change, require_step, wait_for_lock
from persistence.erasure import hide_rejects
from persistence.jobs import build_finish, build_heartbeat, build_release, build_row, is_held
from persistence.tables.businesses import BusinessRow, business
from persistence.tables.imports import PurchaseImportRow, purchase_import
from persistence.tables.jobs import job

BEAT_SECONDS = 0.5
"""Between two heartbeats, by which a holder learns that he is to end."""
PATIENCE_SECONDS = 5.0
"""How long an import that sends them within its own transactions, and does not rest, is left to it: what another
connection writes lets SQLite forget the pages that the import will write next."""
BREAK_SECONDS = 0.1
"""Between two attempts to break off what he does then."""
LEAVE_SECONDS = 0.3
"""How long a process that is to end waits for a store that is locked, to tell it of that."""
INTERNAL = "INTERNAL"
REJECTS = """INSERT INTO import_reject (business_id, import_id, line, text, reason, kind)
    SELECT :business, :id, line, COALESCE(text, ''), reason, COALESCE(kind, reason) FROM rejected ORDER BY line"""


class ImportRecord:
    """One import that is worked on: its job is held by `lease` while it runs. `reason` is why it is to end, once it
    is; `settled` how it ended, once its row says so."""

    def __init__(
        self, engine: Engine, business: Business, clock: Clock, actor: str, source: str, lease: Lease | None = None
    ) -> None:
        self.engine = engine
        self.business = business
        self.clock = clock
        self.actor = actor
        self.source = source
        self.lease = lease or Lease(JobKind.IMPORT, 0, uuid4().hex, 1)
        self.reason: DomainError | None = None
        self.settled: JobStatus | None = None
        self._beaten_at = time.monotonic()
        self._patience = 0.0
        self._news = threading.Event()
        self._break_off: Callable[[], None] = do_nothing
        self._progress: tuple[str, int, int | None] = ("starting", 0, None)

    @property
    def id(self) -> int:
        """The import's number."""
        return self.lease.job_id

    def begin(self) -> None:
        """Make an import that did not wait, and hold it."""
        with open_blocking_session(self.engine) as session, session.begin():
            change = self.lock(session.connection())
            self.lease = replace(self.lease, job_id=int(change.change_number))
            new = NewJob(JobKind.IMPORT, JobReason.REQUEST, requested_by=self.actor)
            held = build_row(self.business.id, self.id, new, from_micros(change.last_instant))
            held.status, held.phase, held.started_at = JobStatus.RUNNING.value, "starting", change.last_instant
            held.owner, held.attempts = self.lease.owner, self.lease.attempt
            held.heartbeat_at = to_micros(self.clock())
            own = PurchaseImportRow(
                business_id=self.business.id, id=self.id, source=self.source, time_zone=self.business.time_zone
            )
            session.add_all((held, own))

    def lock(self, connection: Connection) -> Row[Any]:
        """What a transaction that writes begins with; what `check` raises where it is to end while it waits."""
        return wait_for_lock(connection, lambda: self._raise_change(connection), self.check)

    def _raise_change(self, connection: Connection) -> Row[Any]:
        return raise_change(connection, self.business.id, self.clock())

    def keep_digest(self, connection: Connection, digest: str | None, adds: bool) -> None:
        """Say what is imported before any of it is written, so that what was is known again."""
        mine = (purchase_import.c.business_id == self.business.id, purchase_import.c.id == self.id)
        said = update(PurchaseImportRow).where(*mine).values(content=digest, adds=adds)
        with connection.begin():
            wait_for_lock(connection, lambda: connection.execute(said), self.check)

    def keep_attributes(self, connection: Connection, kinds: Mapping[str, AttributeKind]) -> None:
        """Fix the kinds of attributes before there are values; InvalidInput where one has another kind by now."""
        if not kinds:
            return
        own = business.c.id == self.business.id
        with connection.begin():
            row = self.lock(connection)
            known = AttributeKinds.of(row.attributes or {})
            added = add_kinds(known, "purchase", kinds)
            if added != known:
                connection.execute(update(BusinessRow).where(own).values(attributes=added.as_json()))

    def report(self, phase: str, done: int, total: int | None) -> None:
        """How far the import is; stored with the next heartbeat. What `check` raises where it is to end."""
        self._progress = (phase, done, total)
        self.check()

    def stop(self, reason: DomainError) -> None:
        """It is to end, wherever it is; whoever says so first has said why."""
        self.reason = self.reason or reason
        self._news.set()

    def check(self) -> None:
        """ImportEnded where somebody ended it, ImportStopped where its process is to end."""
        if self.reason is not None:
            raise self.reason

    def rest(self, seconds: float) -> None:
        """Wait so long; what `check` raises where it is to end meanwhile."""
        self._patience = 0.0
        until = time.monotonic() + seconds
        while self.reason is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, BREAK_SECONDS))
        self.check()

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Heartbeats as long as the block lasts."""
        over = threading.Event()
        thread = threading.Thread(target=self._send_heartbeats, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            self._news.set()
            thread.join()

    @contextmanager
    def guard(self, connection: Connection, interrupt: Callable[[], None]) -> Iterator[None]:
        """Whatever the connection executes within the block is broken off where the import is to end, and what
        `interrupt` ends beside it."""
        with break_off_when(connection, lambda: self.reason is not None) as break_off:

            def break_both_off() -> None:
                interrupt()
                break_off()

            self._break_off = break_both_off
            try:
                yield
            finally:
                self._break_off = do_nothing

    def _send_heartbeats(self, over: threading.Event) -> None:
        pause = BEAT_SECONDS
        while not over.is_set():
            self._news.wait(pause if self.reason is None else BREAK_SECONDS)
            self._news.clear()
            if self.reason is not None:
                # Again and again: what comes between two statements breaks off none.
                self._break_off()
                over.wait(BREAK_SECONDS)
            elif not over.is_set():
                began = time.monotonic()
                self._try_to_beat(over)
                pause = max(BREAK_SECONDS, BEAT_SECONDS - (time.monotonic() - began))

    def _try_to_beat(self, over: threading.Event) -> None:
        """A store that is busy now hears of it with the next one; what it says is read all the same."""

        def check() -> None:
            self.check()
            if over.is_set():
                raise ImportStopped("The import has ended.")

        with suppress(DBAPIError, PoolTimeout, DomainError):
            with self.engine.begin() as connection:
                self._look(connection)
            if time.monotonic() - self._beaten_at < self._patience:
                return
            with self.engine.begin() as connection:
                wait_for_lock(connection, lambda: self._beat(connection), check, BEAT_SECONDS)

    def _beat(self, connection: Connection) -> None:
        """StoreUpgraded, and nothing is written, where another version of the program has the store now: it ends."""
        statement = build_heartbeat(self.business.id, self.lease, self.clock(), *self._progress)
        self._take_note(connection.execute(statement.returning(job.c.cancel_requested)).scalar_one_or_none())
        try:
            require_step(connection)
        except StoreUpgraded as error:
            self.stop(error)
            raise
        self._beaten_at = time.monotonic()

    def _look(self, connection: Connection) -> None:
        """Take note of what the row says. Reading waits for nobody."""
        held = select(job.c.cancel_requested).where(is_held(self.business.id, self.lease))
        self._take_note(connection.execute(held).scalar_one_or_none())

    def _take_note(self, cancel_requested: bool | None) -> None:
        """Of what the row says; None where it is not held so any more."""
        if cancel_requested is not False:
            self.stop(ImportEnded("The import was cancelled, or taken over by another process."))

    def require(self, connection: Connection) -> None:
        """ImportEnded where the lease is lost. For transactions that hold the business's lock, between which the
        heartbeats of the thread may find no gap: where none was sent for long, it is sent here."""
        self._patience = PATIENCE_SECONDS
        if time.monotonic() - self._beaten_at > BEAT_SECONDS:
            self._beat(connection)
        else:
            self._look(connection)
        self.check()

    def finish(
        self,
        connection: Connection,
        counts: Mapping[str, int],
        orders: int,
        more: Mapping[str, object],
        failure: str | None,
    ) -> None:
        """It came to its end, though with a `failure` where every row was rejected; these are kept with it."""
        succeeded = failure is None
        outcome = Outcome(JobStatus.SUCCEEDED) if succeeded else Outcome(JobStatus.FAILED, AllRejected.code, failure)
        with connection.begin():
            hidden = hide_rejects(connection, self.business.id)
        with connection.begin():
            row = self.lock(connection)
            self.require(connection)
            own = {"business": self.business.id, "id": self.id}
            connection.execute(text("DELETE FROM import_reject WHERE business_id = :business AND import_id = :id"), own)
            hide_rejects(connection, self.business.id, hidden)
            connection.execute(text(REJECTS), own)
            mine = (purchase_import.c.business_id == self.business.id, purchase_import.c.id == self.id)
            connection.execute(update(PurchaseImportRow).where(*mine).values(**counts, **more))
            self._finish(connection, outcome, row.last_instant, done=orders, total=orders)
            failed = (AuditOutcome.FAILED, {"error": AllRejected.code, **counts})
            ended = (AuditOutcome.DONE, counts) if succeeded else failed
            self._audit(connection, row.change_number, row.last_instant, *ended)
        self.settled = outcome.status

    def fail(self, error: BaseException) -> None:
        """It ended otherwise; an import that was stopped waits again. One that the store cannot be told of, or is not
        to be told of by this version of the program, is found with an expired lease and gone on with."""
        if isinstance(error, ImportStopped):
            self.release()
            return
        status = JobStatus.CANCELLED if isinstance(error, ImportEnded) else JobStatus.FAILED
        code, sentence = describe_error(error)
        ended = False
        patience = LEAVE_SECONDS if isinstance(error, KeyboardInterrupt) else BUSY_SECONDS
        with suppress(DBAPIError, PoolTimeout, StoreUpgraded), self.engine.begin() as connection:
            row = wait_for_lock(connection, lambda: self._raise_change(connection), seconds=patience)
            # How far it came is what its phase goes on to say.
            ended = self._finish(connection, Outcome(status, code, sentence), row.last_instant, phase=job.c.phase)
            if ended:
                self._audit(
                    connection, row.change_number, row.last_instant, AuditOutcome(status.value), {"error": code}
                )
        self.settled = status if ended else None

    def _finish(self, connection: Connection, outcome: Outcome, at: int, **values: object) -> bool:
        statement = build_finish(is_held(self.business.id, self.lease), outcome, at, **values)
        return bool(connection.execute(statement).rowcount)

    def release(self) -> None:
        """It waits for another process, as if this one had not begun it; one that the store cannot be told of at once
        is found with an expired lease."""
        with suppress(DBAPIError, PoolTimeout, StoreUpgraded), self.engine.begin() as connection:
            released = build_release(self.business.id, self.lease)
            wait_for_lock(connection, lambda: connection.execute(released), seconds=LEAVE_SECONDS)
            require_step(connection)

    def _audit(
        self, connection: Connection, number: int, at: int, outcome: AuditOutcome, detail: Mapping[str, object]
    ) -> None:
        detail = {"source": self.source, "import": self.id, **detail}
        actor = Actor(self.actor)
        append_event(connection, self.business.id, at, actor, "importPurchases", None, detail, outcome, number)


def do_nothing() -> None:
    """Nothing is under way that could be broken off."""


def describe_error(error: BaseException) -> tuple[str, str]:
    """Code and sentence of what ended an import: nothing of the store's own words."""
    if isinstance(error, InvalidInput):
        return "INVALID_FILE", error.message
    if isinstance(error, DomainError):
        return error.code, error.message
    if isinstance(error, KeyboardInterrupt):
        return "INTERRUPTED", "The import was interrupted. Run it again: nothing is written twice."
    if isinstance(error, OSError):
        return "UNREADABLE", "The file could not be read to its end."
    return INTERNAL, f"The import ended with an error ({type(error).__name__})."
