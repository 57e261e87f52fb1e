"""The record of an import that is being worked on. A thread of its own gives a sign of life every second, so that a
record whose process died is told from one that only takes its time; whoever lost the record writes nothing more."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from uuid import uuid4

from sqlalchemy import Connection, Engine, Update, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from domain.calendar import Clock, to_micros
from domain.errors import DomainError, InvalidInput
from domain.model import Business
from persistence.database.transactions import raise_change
from persistence.erasure import hide_rejects
from persistence.tables import audit_event, purchase_import

BEAT_SECONDS = 1.0
INTERNAL = "INTERNAL"
REJECTS = """INSERT INTO import_reject (business_id, import_id, line, text, reason)
    SELECT :business, :id, line, COALESCE(text, ''), reason FROM rejected ORDER BY line"""


class ImportEnded(DomainError):
    """Somebody ended the import: it was cancelled, or given up because its process was believed dead."""

    code = "CANCELLED"


class ImportStopped(DomainError):
    """The process is about to end; the import waits for the next one."""

    code = "STOPPED"


class ImportRecord:
    """One import's row in the store, held by `owner` while it runs."""

    def __init__(self, engine: Engine, business: Business, clock: Clock, actor: str, source: str) -> None:
        self.engine = engine
        self.business = business
        self.clock = clock
        self.actor = actor
        self.source = source
        self.owner = uuid4().hex
        self.id = 0
        self.options: Mapping[str, object] | None = None
        self.given_back = False
        self.ended = False
        self._said: tuple[str, int, int | None] = ("starting", 0, None)

    def begin(self) -> None:
        """Make the row."""
        with self.engine.begin() as connection:
            row = connection.execute(raise_change(self.business.id, self.clock())).one()
            self.id = int(row.change_number)
            at = row.last_instant
            values = {"created_at": at, "started_at": at, "heartbeat_at": to_micros(self.clock())}
            connection.execute(
                insert(purchase_import).values(
                    business_id=self.business.id,
                    id=self.id,
                    source=self.source,
                    status="RUNNING",
                    phase="starting",
                    owner=self.owner,
                    requested_by=self.actor,
                    time_zone=self.business.time_zone,
                    **values,
                )
            )

    def say(self, phase: str, done: int, total: int | None) -> None:
        """How far the import is; stored with the next sign of life. ImportEnded where somebody ended it."""
        self._said = (phase, done, total)
        if self.ended:
            raise ImportEnded("The import was cancelled, or taken over by another process.")

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Signs of life as long as the block lasts."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(BEAT_SECONDS):
            phase, done, total = self._said
            values = {"heartbeat_at": to_micros(self.clock()), "phase": phase, "done": done, "total": total}
            # A store that is busy now hears of it a second later.
            with suppress(DBAPIError), self.engine.begin() as connection:
                row = connection.execute(self._mine(values).returning(purchase_import.c.cancel_requested)).one_or_none()
                self.ended = row is None or bool(row[0])

    def require(self, connection: Connection) -> None:
        """ImportEnded where the row is no longer held; for transactions that hold the business's lock."""
        column = purchase_import.c
        row = connection.execute(
            select(column.status, column.owner, column.cancel_requested).where(
                column.business_id == self.business.id, column.id == self.id
            )
        ).one_or_none()
        if row is None or row.status != "RUNNING" or row.owner != self.owner or row.cancel_requested:
            self.ended = True
            raise ImportEnded("The import was cancelled, or taken over by another process.")

    def finish(self, connection: Connection, counts: Mapping[str, int], more: Mapping[str, object]) -> None:
        """It succeeded; its rejected rows are kept with it."""
        with connection.begin():
            hidden = hide_rejects(connection, self.business.id)
        with connection.begin():
            row = connection.execute(raise_change(self.business.id, self.clock())).one()
            self.require(connection)
            own = {"business": self.business.id, "id": self.id}
            connection.execute(text("DELETE FROM import_reject WHERE business_id = :business AND import_id = :id"), own)
            hide_rejects(connection, self.business.id, hidden)
            connection.execute(text(REJECTS), own)
            ended = {"status": "SUCCEEDED", "phase": "finished", "finished_at": row.last_instant}
            connection.execute(self._mine({**counts, **more, **ended}))
            self._audit(connection, row.change_number, row.last_instant, "DONE", counts)

    def fail(self, error: BaseException) -> None:
        """It ended otherwise; an import that was stopped waits again."""
        if isinstance(error, ImportStopped):
            self.give_back()
            return
        status = "CANCELLED" if isinstance(error, ImportEnded) else "FAILED"
        code, sentence = explained(error)
        # Where the store cannot take it now, whoever finds the row without signs of life says so.
        with suppress(DBAPIError), self.engine.begin() as connection:
            row = connection.execute(raise_change(self.business.id, self.clock())).one()
            ended = {"status": status, "finished_at": row.last_instant, "error_code": code, "error": sentence}
            if connection.execute(self._mine(ended)).rowcount:
                self._audit(connection, row.change_number, row.last_instant, status, {"error": code})

    def give_back(self) -> None:
        """It waits for another process, as if this one had not begun it: `options` are those that it had then."""
        waiting = {"status": "QUEUED", "phase": "queued", "owner": None, "options": self.options}
        with self.engine.begin() as connection:
            connection.execute(self._mine(waiting))
        self.given_back = True

    def _mine(self, values: Mapping[str, object]) -> Update:
        column = purchase_import.c
        return (
            update(purchase_import)
            .where(
                column.business_id == self.business.id,
                column.id == self.id,
                column.owner == self.owner,
                column.status == "RUNNING",
            )
            .values(**values)
        )

    def _audit(self, connection: Connection, number: int, at: int, outcome: str, detail: Mapping[str, object]) -> None:
        connection.execute(
            insert(audit_event).values(
                business_id=self.business.id,
                id=number,
                at=at,
                actor=self.actor,
                action="importPurchases",
                outcome=outcome,
                detail={"source": self.source, "import": self.id, **detail},
            )
        )


def explained(error: BaseException) -> tuple[str, str]:
    """Code and sentence of what ended an import; nothing of the store's own words."""
    if isinstance(error, InvalidInput):
        return "INVALID_FILE", error.message
    if isinstance(error, DomainError):
        return error.code, error.message
    if isinstance(error, KeyboardInterrupt):
        return "INTERRUPTED", "The import was interrupted. Run it again: nothing is written twice."
    if isinstance(error, OSError):
        return "UNREADABLE", "The file could not be read to its end."
    return INTERNAL, f"The import ended with an error ({type(error).__name__})."
