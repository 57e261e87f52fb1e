"""A purchases file into the store. Rows are staged in a temporary table, which locks nothing; then their orders are
merged in ranges, one short write transaction each. Whole orders commit or nothing of them, and orders stand in the
order of their customers, so a run that was killed is simply run again. Before they are merged, what is doubtful about
the rows is counted; and while they are, its record keeps the lease of the import: whoever lost it, or is asked to end,
has the statement that he is at broken off and writes nothing more."""

import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import merge as merge_sorted
from itertools import islice
from operator import attrgetter
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from domain.calendar import Clock, load_zone, to_local_date, to_micros
from domain.imports.model import ImportSummary, Progress, RejectReason, add_reasons, describe_failure
from domain.imports.quality import NAMED, Outlier, Quality, compute_outlier_fence, find_usual_days
from domain.imports.rows import RejectedRow, StagedColumns
from domain.model import NO_ATTRIBUTES, AttributeKind, Business
from persistence import merge
from persistence.database.dialects import analyze
from persistence.database.engines import Database, write_ranges
from persistence.database.failures import is_interruption
from persistence.database.transactions import translate_error, translate_errors
from persistence.imports.additions import Additions
from persistence.imports.plain import PlainRows
from persistence.imports.record import ImportRecord
from persistence.imports.scratch import Scratch, open_scratch
from persistence.imports.staging import ONLY_NEGATIVE, Arranged, ArrangedOrders, Staging, arrange
from persistence.imports.undo import keep_before, keep_given

SAMPLE = 50_000
"""Orders whose amounts decide what is usual: every so many-th in the order of customers."""
NO_DATE = "the date is absent"
ORDERS = """SELECT coalesce(sum(row_count) FILTER (instant > $now), 0),
    coalesce(sum(row_count) FILTER (NOT day BETWEEN $first AND $last), 0),
    count(*) FILTER (row_count = 1 AND amount = 0), count(*) FILTER (row_count = 1 AND category IS NULL)
    FROM arranged"""
LINES = """SELECT count(*) FILTER (amount < 0), count(*) FILTER (amount = 0), count(*) FILTER (category IS NULL)
    FROM arranged_line"""
FREE_ORDERS = "SELECT count(*) FROM (SELECT 1 FROM arranged_line GROUP BY first HAVING bool_and(amount = 0))"
REJECTED = "SELECT COUNT(*) FROM rejected WHERE reason = :reason"
AMOUNTS = "SELECT amount FROM arranged WHERE (rowid + 1) % ? = 0 AND status <= 1 AND amount > 0"
BEYOND = "SELECT count(*) FROM arranged WHERE status <= 1 AND amount > ?"
NAMES = """SELECT order_id, amount FROM arranged WHERE status <= 1 AND amount > ?
    ORDER BY amount DESC, order_id LIMIT ?"""


@contextmanager
def pause_collector() -> Iterator[None]:
    """For an import that its process is there for: rows are tuples of texts and numbers, among which there are no
    circles to look for; looking takes a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def look(
    connection: Connection, scratch: Scratch, arranged: ArrangedOrders, now: datetime, tz: ZoneInfo, of_orders: bool
) -> Quality:
    """What is doubtful about the arranged orders and `rejected`. Where rows carry amounts of orders, an amount of zero
    is an order's."""
    first, last = find_usual_days(to_local_date(now, tz))
    times = {"now": to_micros(now), "first": first, "last": last}
    future, doubtful, zero, nameless = scratch.read_one(ORDERS, times)
    negative, zero_lines, nameless_lines = scratch.read_one(LINES)
    if of_orders:
        (zero_lines,) = scratch.read_one(FREE_ORDERS)
    dateless, refused = (
        connection.execute(text(REJECTED), {"reason": reason}).scalar_one() for reason in (NO_DATE, ONLY_NEGATIVE)
    )
    step = max(1, -(-arranged.count // SAMPLE))
    fence = compute_outlier_fence([amount for (amount,) in scratch.read(AMOUNTS, (step,))])
    outliers, named = 0, list[Outlier]()
    if fence is not None:
        (outliers,) = scratch.read_one(BEYOND, (fence,))
    if outliers:
        named = [Outlier(*row) for row in scratch.read(NAMES, (fence, NAMED))]
    return Quality(
        dateless,
        int(future),
        int(doubtful),
        arranged.repeated,
        negative + refused,
        zero + zero_lines,
        nameless + nameless_lines,
        outliers,
        fence,
        tuple(named),
        arranged.refunds,
        arranged.refunded,
    )


REJECTED_ROWS = "SELECT line, COALESCE(text, '') AS text, reason, order_id FROM rejected ORDER BY line"
# Orders of which a line that another import wrote is not among the new ones, whatever its status.
REPLACED = """SELECT COUNT(*) FROM resolved r JOIN incoming i ON i.seq = r.seq JOIN purchase p
    ON p.business_id = :business AND p.customer_id = r.customer_id AND p.id = r.purchase_id
    JOIN purchase_import m ON m.business_id = :business AND m.id = p.written_by
    WHERE r.effect = 1 AND p.written_by <> :writer AND EXISTS (SELECT 1 FROM purchase_line k
    WHERE k.business_id = :business AND k.customer_id = p.customer_id AND k.purchase_id = p.id
    AND NOT (i.last IS NULL AND k.amount = i.amount AND k.category IS NOT DISTINCT FROM i.category
    AND k.product IS NOT DISTINCT FROM i.product)
    AND NOT EXISTS (SELECT 1 FROM incoming_line l WHERE l.line BETWEEN i.line AND i.last AND l.amount = k.amount
    AND l.category IS NOT DISTINCT FROM k.category AND l.product IS NOT DISTINCT FROM k.product))"""
KINDS = "SELECT COALESCE(kind, reason), COUNT(*), MIN(line) FROM rejected GROUP BY COALESCE(kind, reason)"


def load_reasons(connection: Connection) -> tuple[RejectReason, ...]:
    """Why rows of `rejected` were."""
    with connection.begin():
        return add_reasons(RejectReason(*row) for row in connection.execute(text(KINDS)))


LOCK_SECONDS = 0.4
"""How long one write transaction is meant to take; how many orders that is, the ones before it show."""
FEWEST, MOST = 500, 60_000
CHUNK = 20_000


def compute_next_size(size: int, seconds: float) -> int:
    """How many orders the next range holds, after one of that size took so long: at most twice as many, so that what
    was slow for a moment, whatever it was, recovers within a few ranges."""
    return min(MOST, max(FEWEST, int(size * min(2.0, LOCK_SECONDS / seconds))))


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What `PurchaseImporter.run` was asked for, in its words."""

    rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedColumns | PlainRows]]
    texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]]
    rejects: Callable[[RejectedRow], None]
    beside: Callable[[RejectedRow], None] | None
    of_orders: bool
    digest: str | None
    stated: Callable[[], Iterable[str]] | None
    attributes: Mapping[str, AttributeKind]
    finish: Callable[[], None]


class PurchaseImporter:
    """Imports files into one business. Runs outside the event loop."""

    def __init__(self, database: Database, business: Business, clock: Clock) -> None:
        self.engine = database.bulk
        self.business = business
        self.clock = clock

    def run(
        self,
        source: str,
        rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedColumns | PlainRows]],
        texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]],
        *,
        actor: str,
        dry_run: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
        rejects: Callable[[RejectedRow], None] = lambda _: None,
        beside: Callable[[RejectedRow], None] | None = None,
        record: ImportRecord | None = None,
        of_orders: bool = False,
        digest: str | None = None,
        stated: Callable[[], Iterable[str]] | None = None,
        attributes: Mapping[str, AttributeKind] = NO_ATTRIBUTES.purchase,
        finish: Callable[[], None] = lambda: None,
    ) -> ImportSummary:
        """Import the rows; `texts` finds the text of rows that turn out wrong only when orders are put together. A
        `record` that is given is one that waited and is held now, and whoever gives it says how it failed. `beside` is
        told, among those that `rejects` is, the rows that were imported of orders of which another was not.
        `of_orders`: a row carried its order's amount, so that zeros beside it mean nothing. `digest` is the hash of the
        file; `stated` are the orders that it states completely, where the rows of the others are added to what is
        there; None: all. `attributes` are the kinds of those that the rows have. `finish` is called when all orders are
        written, before the import is said to have succeeded."""
        plan = ImportPlan(rows, texts, rejects, beside, of_orders, digest, stated, attributes, finish)
        with translate_errors():
            if record is not None:
                return self._run_guarded(plan, record, progress)
            own = ImportRecord(self.engine, self.business, self.clock, actor, source)
            if dry_run:
                return self._run_guarded(plan, own, progress, dry=True)
            own.begin()
            with own.keep_alive():
                try:
                    return self._run_guarded(plan, own, progress)
                except BaseException as error:
                    own.fail(translate_error(error) or error)
                    raise

    def _run_guarded(
        self, plan: "ImportPlan", record: ImportRecord, progress: Callable[[Progress], None], *, dry: bool = False
    ) -> ImportSummary:
        """Run it so that it ends at once when it is to."""

        def say(step: Progress) -> None:
            record.report(step.phase, step.done, step.total)
            progress(step)

        with self.engine.connect() as connection, open_scratch() as scratch:
            try:
                with record.guard(connection, scratch.interrupt):
                    return self._run(connection, scratch, plan, None if dry else record, say)
            except BaseException as error:
                if record.reason is not None:
                    # Its statement may have been broken off, or be about to.
                    connection.invalidate()
                    raise record.reason from (None if error is record.reason else error)
                connection.rollback()
                if is_interruption(error):
                    # SQLite tells so that Ctrl-C came while it was at work.
                    raise KeyboardInterrupt from error
                raise

    def _run(
        self,
        connection: Connection,
        scratch: Scratch,
        plan: "ImportPlan",
        record: ImportRecord | None,
        progress: Callable[[Progress], None],
    ) -> ImportSummary:
        now = self.clock()
        staging = Staging(connection, scratch, lambda count: progress(Progress("reading", count, None)))
        additions: Additions | None = None
        with connection.begin():
            names = merge.load_other_names(connection, self.business.id)
        with connection.begin():
            read = staging.stage(plan.rows(staging.reject))
            staging.rename(names)
            if plan.stated is not None:
                additions = Additions(connection, plan.stated(), plan.digest)
            made = arrange(connection, scratch, None if additions is None else self.business.id)
            zone = load_zone(self.business.time_zone)
            quality = look(connection, scratch, made, now, zone, plan.of_orders)
        arranged = Arranged(connection, scratch)
        if record is not None:
            record.keep_digest(connection, plan.digest, additions is not None)
            record.keep_attributes(connection, plan.attributes)
        orders = made.count
        with write_ranges(connection):
            summary, replaced = self._merge(connection, arranged, orders, now, record, progress, additions)
        quality = replace(quality, replaced_orders=replaced)
        reasons = load_reasons(connection)
        failure = describe_failure(read, reasons)
        summary = replace(summary, rows_read=read, quality=quality, failure=failure, reasons=reasons)
        self._fill_texts(connection, plan.texts)
        standing = arranged.find_standing() if plan.beside is not None else iter(())
        beside = (RejectedRow(line, "", "", order) for line, order in standing)
        for row in merge_sorted(self._read_rejects(connection), beside, key=attrgetter("line")):
            (plan.rejects if row.reason or plan.beside is None else plan.beside)(row)
        if record is None:
            return summary
        counts = {
            "rows_read": summary.rows_read,
            "created": summary.created,
            "updated": summary.updated,
            "unchanged": summary.unchanged,
            "rejected": summary.rejected,
        }
        more = {"future": summary.future, "quality": quality.to_document()}
        if failure is None:
            plan.finish()
        record.finish(connection, counts, orders, more, failure)
        return replace(summary, import_id=record.id)

    def _merge(
        self,
        connection: Connection,
        arranged: Arranged,
        orders: int,
        now: datetime,
        record: ImportRecord | None,
        progress: Callable[[Progress], None],
        additions: Additions | None,
    ) -> tuple[ImportSummary, int]:
        """What became of the rows, and in how many orders they replaced lines of another import."""
        rows = [0, 0, 0, 0, 0]
        future = low = replaced = 0
        counted, size = FEWEST, FEWEST * 10
        writer = None if record is None else record.id
        expected: int | None = None
        while low < orders:
            high = min(low + size, orders)
            with connection.begin():
                arranged.fill(high - low)
                analyze(connection, *merge.INCOMING)
            began = time.perf_counter()
            with connection.begin():
                if record is not None:
                    # First of all, so that the write lock is waited for and nothing was read before it is held.
                    row = record.lock(connection)
                    began = time.perf_counter()
                    record.require(connection)
                next_purchase, empty = self._read_state(connection, expected)
                extend = None if additions is None else additions.extend
                all_new = empty or (extend is None and not merge.holds_any(connection, self.business.id))
                part = merge.Range(self.business.id, low + 1, high, to_micros(now), all_new, writer)
                result = merge.resolve(connection, part, extend)
                if not result.all_known:
                    arranged.refuse()
                if result.orders.get(merge.UPDATED):
                    replaced += connection.execute(text(REPLACED), {**result.span, "writer": writer or 0}).scalar_one()
                if record is not None and result.changes:
                    keep_before(connection, record.id, result)
                    merge.apply(connection, result)
                    keep_given(connection, record.id, result)
                    connection.execute(
                        text("UPDATE business SET data_version = :number WHERE id = :id"),
                        {"number": row.change_number, "id": self.business.id},
                    )
                if empty:
                    expected = next_purchase + (0 if record is None else high - low)
            took = time.perf_counter() - began
            for effect, count in result.rows.items():
                rows[effect] += count
            future += result.future
            progress(Progress("merging", high, orders))
            low, size = high, compute_next_size(size, took)
            if record is not None and high >= counted:
                # Or PostgreSQL would plan the next ranges, and whoever asks meanwhile, as if there was what was before.
                with connection.begin():
                    analyze(connection, *merge.WRITTEN, *merge.JOURNALS)
                counted = high * 2
        with connection.begin():
            rejected = int(connection.execute(text("SELECT COUNT(*) FROM rejected")).scalar_one())
        counts = (rows[merge.CREATED], rows[merge.UPDATED], rows[merge.UNCHANGED], rejected, future)
        return ImportSummary(0, *counts), replaced

    def _read_state(self, connection: Connection, expected: int | None) -> tuple[int, bool]:
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
                row_texts = texts(lines)
                while chunk := [{"line": line, "text": content} for line, content in islice(row_texts, CHUNK)]:
                    connection.execute(text("UPDATE rejected SET text = :text WHERE line = :line"), chunk)

    def _read_rejects(self, connection: Connection) -> Iterator[RejectedRow]:
        """The rejected rows by their lines."""
        statement = text(REJECTED_ROWS)
        with connection.begin(), closing(connection.execute(statement.execution_options(yield_per=1000))) as result:
            for row in result:
                yield RejectedRow(*row)
