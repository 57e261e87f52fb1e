"""A purchases file into the store. Rows are staged in a temporary table, which locks nothing; then their orders are
merged in ranges, one short write transaction each. Whole orders commit or nothing of them, and orders stand in the
order of their customers, so a run that was killed is simply run again."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, text

from domain.calendar import Clock, to_micros, zone
from domain.imports.orders import put_together
from domain.imports.quality import Quality
from domain.imports.rows import RejectedRow, StagedColumns
from domain.model import Business
from persistence import merge
from persistence.database.dialects import analyze
from persistence.database.engines import Database
from persistence.database.transactions import raise_change, translated
from persistence.import_checks import look
from persistence.import_journal import keep_before, keep_given
from persistence.import_record import ImportRecord
from persistence.import_staging import ONLY_NEGATIVE, arrange, refuse, stage

LOCK_SECONDS = 0.4
"""How long one write transaction is meant to take; how many orders that is, the ones before it show."""
FEWEST, MOST = 500, 60_000
CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Rows of the file by what became of them; the four add up to `rows_read`. `future` of them wait for their day;
    `quality` says what is doubtful, `import_id` is the record's, None for a dry run."""

    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    future: int = 0
    quality: Quality | None = None
    import_id: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: "reading" counts rows, "merging" counts orders."""

    phase: str
    done: int
    total: int | None


def next_size(size: int, seconds: float) -> int:
    """How many orders the next range holds, after one of that size took so long: at most twice as many, so that what
    was slow for a moment, whatever it was, recovers within a few ranges."""
    return min(MOST, max(FEWEST, int(size * min(2.0, LOCK_SECONDS / seconds))))


class PurchaseImporter:
    """Imports files into one business. Runs outside the event loop."""

    def __init__(self, database: Database, business: Business, clock: Clock) -> None:
        self.engine = database.bulk
        self.business = business
        self.clock = clock

    def run(
        self,
        source: str,
        rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedColumns]],
        texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]],
        *,
        actor: str,
        dry_run: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
        rejects: Callable[[RejectedRow], None] = lambda _: None,
        record: ImportRecord | None = None,
        of_orders: bool = False,
    ) -> ImportSummary:
        """Import the rows; `texts` finds the text of rows that turn out wrong only when orders are put together. A
        `record` that is given is one that waited and is held now. `of_orders`: a row carried its order's amount, so
        that zeros beside it mean nothing."""
        with translated(), self.engine.connect() as connection:
            if dry_run:
                return self._run(connection, rows, texts, None, progress, rejects, of_orders)
            held = record or ImportRecord(self.engine, self.business, self.clock, actor, source)
            if record is None:
                held.begin()

            def say(step: Progress) -> None:
                held.say(step.phase, step.done, step.total)
                progress(step)

            with held.alive():
                try:
                    return self._run(connection, rows, texts, held, say, rejects, of_orders)
                except BaseException as error:
                    connection.rollback()
                    held.fail(error)
                    raise

    def _run(
        self,
        connection: Connection,
        rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedColumns]],
        texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]],
        record: ImportRecord | None,
        progress: Callable[[Progress], None],
        rejects: Callable[[RejectedRow], None],
        of_orders: bool,
    ) -> ImportSummary:
        now = self.clock()
        refused: list[RejectedRow] = []
        with connection.begin():
            portions = put_together(rows(refused.append))
            read, near = stage(connection, portions, refused, lambda count: progress(Progress("reading", count, None)))
            orders, far = arrange(connection)
            tz = zone(self.business.time_zone)
            quality = look(connection, orders, near + far, ONLY_NEGATIVE, now, tz, of_orders)
        summary = replace(self._merge(connection, orders, now, record, progress), rows_read=read, quality=quality)
        self._fill_texts(connection, texts)
        for row in self._rejected(connection):
            rejects(row)
        if record is None:
            return summary
        counts = {
            "rows_read": summary.rows_read,
            "created": summary.created,
            "updated": summary.updated,
            "unchanged": summary.unchanged,
            "rejected": summary.rejected,
        }
        kept = {"future": summary.future, "quality": quality.document(), "done": orders, "total": orders}
        record.finish(connection, counts, kept)
        return replace(summary, import_id=record.id)

    def _merge(
        self,
        connection: Connection,
        orders: int,
        now: datetime,
        record: ImportRecord | None,
        progress: Callable[[Progress], None],
    ) -> ImportSummary:
        rows = [0, 0, 0, 0, 0]
        future = low = 0
        counted, size = FEWEST, FEWEST * 10
        writer = None if record is None else record.id
        expected: int | None = None
        while low < orders:
            high = min(low + size, orders)
            began = time.perf_counter()
            with connection.begin():
                if record is not None:
                    # First of all, so that the write lock is waited for and nothing was read before it is held.
                    row = connection.execute(raise_change(self.business.id, self.clock())).one()
                    began = time.perf_counter()
                    record.require(connection)
                next_purchase, empty = self._state(connection, expected)
                part = merge.Range(self.business.id, low + 1, high, to_micros(now), empty, writer)
                tally = merge.resolve(connection, part)
                if not tally.all_known:
                    refuse(connection)
                if record is not None and tally.changes:
                    keep_before(connection, record.id, tally)
                    merge.apply(connection, tally)
                    keep_given(connection, record.id, tally)
                    connection.execute(
                        text("UPDATE business SET data_version = :number WHERE id = :id"),
                        {"number": row.change_number, "id": self.business.id},
                    )
                if empty:
                    expected = next_purchase + (0 if record is None else high - low)
            took = time.perf_counter() - began
            for effect, count in tally.rows.items():
                rows[effect] += count
            future += tally.future
            progress(Progress("merging", high, orders))
            low, size = high, next_size(size, took)
            if record is not None and high >= counted:
                # Or PostgreSQL would plan the next ranges, and whoever asks meanwhile, as if there was what was before.
                with connection.begin():
                    analyze(connection, *merge.WRITTEN, *merge.JOURNALS)
                counted = high * 2
        with connection.begin():
            rejected = int(connection.execute(text("SELECT COUNT(*) FROM rejected")).scalar_one())
        return ImportSummary(0, rows[merge.CREATED], rows[merge.UPDATED], rows[merge.UNCHANGED], rejected, future)

    def _state(self, connection: Connection, expected: int | None) -> tuple[int, bool]:
        """The next purchase's id, and whether the business holds no purchase but those of this import."""
        own = {"business": self.business.id}
        held = "EXISTS (SELECT 1 FROM purchase WHERE business_id = :business)" if expected is None else "false"
        state = text(f"SELECT next_purchase, {held} FROM business WHERE id = :business")
        row = connection.execute(state, own).one_or_none()
        if row is None:
            return 1, True
        return row[0], row[0] == expected if expected is not None else not row[1]

    def _fill_texts(self, connection: Connection, texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]]) -> None:
        with connection.begin():
            wanted = connection.execute(text("SELECT line FROM rejected WHERE text IS NULL ORDER BY line")).scalars()
            lines = list(wanted)
            if lines:
                found = texts(lines)
                while chunk := [{"line": line, "text": content} for line, content in islice(found, CHUNK)]:
                    connection.execute(text("UPDATE rejected SET text = :text WHERE line = :line"), chunk)

    def _rejected(self, connection: Connection) -> Iterator[RejectedRow]:
        statement = text("SELECT line, COALESCE(text, ''), reason FROM rejected ORDER BY line")
        with connection.begin(), closing(connection.execute(statement.execution_options(yield_per=1000))) as result:
            for row in result:
                yield RejectedRow(*row)
