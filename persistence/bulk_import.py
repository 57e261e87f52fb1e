"""A purchases file into the store. Rows are staged in a temporary table, which locks nothing; then their orders are
merged in ranges, one short write transaction each. Whole orders commit or nothing of them, and orders stand in the
order of their customers, so a run that was killed is simply run again."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, insert, text

from domain.calendar import to_micros
from domain.import_rows import RejectedRow, StagedRow
from domain.model import Business
from domain.ports import Clock
from persistence import merge
from persistence.database import Database
from persistence.tables import audit_event, purchase_import
from persistence.unit_of_work import raise_change, translated

RANGE = 40_000
"""Orders merged in one write transaction: well under a second of the write lock."""
CHUNK = 20_000
OTHER_CUSTOMER = "the order id belongs to another customer"
ERASED = "the customer was erased"
ONLY_NEGATIVE = "a negative amount without a positive row in its order"

STAGE = (
    "DROP TABLE IF EXISTS stage",
    "DROP TABLE IF EXISTS rejected",
    "DROP TABLE IF EXISTS odd",
    """CREATE TEMPORARY TABLE stage (line INTEGER PRIMARY KEY, order_id TEXT NOT NULL, customer TEXT NOT NULL,
    at BIGINT NOT NULL, day BIGINT NOT NULL, status SMALLINT NOT NULL, amount BIGINT NOT NULL, category TEXT,
    storefront TEXT, channel TEXT)""",
    "CREATE TEMPORARY TABLE rejected (line INTEGER PRIMARY KEY, text TEXT, reason TEXT NOT NULL)",
)
REJECT_WITHIN = (
    """CREATE TEMPORARY TABLE odd AS SELECT order_id, MIN(line) AS first_line FROM stage GROUP BY order_id
    HAVING MIN(customer) <> MAX(customer) OR (MIN(amount) < 0 AND MAX(amount) <= 0)""",
    f"""INSERT INTO rejected (line, reason) SELECT s.line, '{OTHER_CUSTOMER}' FROM odd o
    JOIN stage f ON f.line = o.first_line JOIN stage s ON s.order_id = o.order_id AND s.customer <> f.customer""",
    "DELETE FROM stage WHERE line IN (SELECT line FROM rejected WHERE text IS NULL)",
    f"""INSERT INTO rejected (line, reason) SELECT s.line, '{ONLY_NEGATIVE}' FROM stage s WHERE s.amount < 0
    AND s.order_id IN (SELECT t.order_id FROM odd o JOIN stage t ON t.order_id = o.order_id
    GROUP BY t.order_id HAVING MAX(t.amount) <= 0)""",
    "DELETE FROM stage WHERE line IN (SELECT line FROM rejected WHERE text IS NULL)",
)
ORDERS = """INSERT INTO incoming (seq, external_id, customer, at, day, status, amount, storefront, channel, row_count,
    counted) SELECT ROW_NUMBER() OVER (ORDER BY g.customer, g.first_line), g.order_id, g.customer, g.at, g.day,
    g.status, CASE WHEN g.amount < 0 THEN 0 ELSE g.amount END, f.storefront, f.channel, g.row_count,
    CASE WHEN g.status <= 1 AND g.at <= :now THEN 1 ELSE 0 END
    FROM (SELECT order_id, MIN(line) AS first_line, MIN(customer) AS customer, MIN(at) AS at, MIN(day) AS day,
        MIN(status) AS status, CAST(SUM(CASE WHEN status <= 1 THEN amount ELSE 0 END) AS BIGINT) AS amount,
        COUNT(*) AS row_count FROM stage GROUP BY order_id) g
    JOIN stage f ON f.line = g.first_line"""
LINES = """INSERT INTO incoming_line (seq, position, category, amount, status)
    SELECT i.seq, ROW_NUMBER() OVER (PARTITION BY i.seq ORDER BY s.line), s.category, s.amount, s.status
    FROM incoming i JOIN stage s ON s.order_id = i.external_id WHERE i.seq BETWEEN :low AND :high"""
REFUSE = f"""INSERT INTO rejected (line, reason) SELECT s.line,
    CASE i.effect WHEN {merge.FOREIGN} THEN '{OTHER_CUSTOMER}' ELSE '{ERASED}' END
    FROM incoming i JOIN stage s ON s.order_id = i.external_id
    WHERE i.seq BETWEEN :low AND :high AND i.effect >= {merge.FOREIGN}"""


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """Rows of the file by what became of them; the four add up to `rows_read`. `future` of them wait for their day."""

    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    future: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: "reading" counts rows, "merging" counts orders."""

    phase: str
    done: int
    total: int | None


class PurchaseImporter:
    """Imports files into one business. Runs outside the event loop."""

    def __init__(self, database: Database, business: Business, clock: Clock) -> None:
        self.engine = database.bulk
        self.business = business
        self.clock = clock

    def run(
        self,
        source: str,
        rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedRow]],
        texts: Callable[[Iterable[int]], Iterator[tuple[int, str]]],
        *,
        actor: str,
        dry_run: bool = False,
        progress: Callable[[Progress], None] = lambda _: None,
        rejects: Callable[[RejectedRow], None] = lambda _: None,
    ) -> ImportSummary:
        """Import the rows; `texts` finds the text of rows that turn out wrong only when orders are put together."""
        with translated(), self.engine.connect() as connection:
            now = self.clock()
            import_id = None if dry_run else self._begin(connection, source, now)
            try:
                summary = self._stage(connection, rows, progress)
                summary = self._merge(connection, summary, now, dry_run, progress)
                self._fill_texts(connection, texts)
                for row in self._rejected(connection):
                    rejects(row)
                if import_id is not None:
                    self._finish(connection, import_id, summary, actor, source)
                return summary
            except BaseException as error:
                connection.rollback()
                if import_id is not None and isinstance(error, Exception):
                    self._fail(connection, import_id, error)
                raise

    def _stage(
        self,
        connection: Connection,
        rows: Callable[[Callable[[RejectedRow], None]], Iterable[StagedRow]],
        progress: Callable[[Progress], None],
    ) -> ImportSummary:
        refused: list[RejectedRow] = []
        staged = rejected = 0
        with connection.begin():
            for statement in STAGE:
                connection.execute(text(statement))
            accepted = iter(rows(refused.append))
            while chunk := list(islice(accepted, CHUNK)):
                _copy(connection, "stage", chunk)
                staged += len(chunk)
                rejected += self._keep(connection, refused)
                progress(Progress("reading", staged + rejected, None))
            rejected += self._keep(connection, refused)
            connection.execute(text("CREATE INDEX stage_order ON stage (order_id, line)"))
            _analyze(connection, "stage")
            for statement in REJECT_WITHIN:
                connection.execute(text(statement))
            merge.prepare(connection)
            connection.execute(text(ORDERS), {"now": to_micros(self.clock())})
            _analyze(connection, "incoming")
        return ImportSummary(rows_read=staged + rejected)

    def _keep(self, connection: Connection, refused: list[RejectedRow]) -> int:
        count = len(refused)
        if refused:
            _copy(connection, "rejected", refused)
            refused.clear()
        return count

    def _merge(
        self,
        connection: Connection,
        summary: ImportSummary,
        now: datetime,
        dry_run: bool,
        progress: Callable[[Progress], None],
    ) -> ImportSummary:
        with connection.begin():
            total = int(connection.execute(text("SELECT COUNT(*) FROM incoming")).scalar_one())
            future = connection.execute(
                text("SELECT COALESCE(SUM(row_count), 0) FROM incoming WHERE status <= 1 AND at > :now"),
                {"now": to_micros(now)},
            ).scalar_one()
        rows = [0, 0, 0, 0, 0]
        for low in range(1, total + 1, RANGE):
            high = min(low + RANGE - 1, total)
            span = {"low": low, "high": high}
            with connection.begin():
                connection.execute(text("DELETE FROM incoming_line"))
                connection.execute(text(LINES), span)
                _analyze(connection, "incoming_line")
            with connection.begin():
                if not dry_run:
                    # First of all, so that the write lock is waited for and nothing was read before it is held.
                    row = connection.execute(raise_change(self.business.id, self.clock())).one()
                tally = merge.resolve(connection, self.business.id, low, high)
                connection.execute(text(REFUSE), span)
                if not dry_run and tally.changes:
                    merge.apply(connection, self.business.id, low, high, tally)
                    connection.execute(
                        text("UPDATE business SET data_version = :number WHERE id = :id"),
                        {"number": row.change_number, "id": self.business.id},
                    )
            for effect, count in tally.rows.items():
                rows[effect] += count
            progress(Progress("merging", high, total))
        with connection.begin():
            rejected = int(connection.execute(text("SELECT COUNT(*) FROM rejected")).scalar_one())
        return replace(
            summary,
            created=rows[merge.CREATED],
            updated=rows[merge.UPDATED],
            unchanged=rows[merge.UNCHANGED],
            rejected=rejected,
            future=int(future),
        )

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

    def _begin(self, connection: Connection, source: str, now: datetime) -> int:
        with connection.begin():
            row = connection.execute(raise_change(self.business.id, now)).one()
            connection.execute(
                insert(purchase_import).values(
                    business_id=self.business.id,
                    id=row.change_number,
                    source=source,
                    status="RUNNING",
                    created_at=row.last_instant,
                )
            )
            return int(row.change_number)

    def _finish(self, connection: Connection, import_id: int, summary: ImportSummary, actor: str, source: str) -> None:
        with connection.begin():
            row = connection.execute(raise_change(self.business.id, self.clock())).one()
            counts = {
                "rows_read": summary.rows_read,
                "created": summary.created,
                "updated": summary.updated,
                "unchanged": summary.unchanged,
                "rejected": summary.rejected,
            }
            connection.execute(
                text(
                    "INSERT INTO import_reject (business_id, import_id, line, text, reason) "
                    "SELECT :business, :id, line, COALESCE(text, ''), reason FROM rejected ORDER BY line"
                ),
                {"business": self.business.id, "id": import_id},
            )
            self._set(connection, import_id, {**counts, "status": "SUCCEEDED", "finished_at": row.last_instant})
            connection.execute(
                insert(audit_event).values(
                    business_id=self.business.id,
                    id=row.change_number,
                    at=row.last_instant,
                    actor=actor,
                    action="importPurchases",
                    outcome="DONE",
                    detail={"source": source, "import": import_id, **counts},
                )
            )

    def _fail(self, connection: Connection, import_id: int, error: Exception) -> None:
        with connection.begin():
            row = connection.execute(raise_change(self.business.id, self.clock())).one()
            self._set(
                connection,
                import_id,
                {"status": "FAILED", "finished_at": row.last_instant, "error": type(error).__name__},
            )

    def _set(self, connection: Connection, import_id: int, values: dict[str, object]) -> None:
        connection.execute(
            purchase_import.update()
            .where(purchase_import.c.business_id == self.business.id, purchase_import.c.id == import_id)
            .values(**values)
        )


def _copy(connection: Connection, table: str, rows: list[StagedRow] | list[RejectedRow]) -> None:
    """Fill a temporary table the fastest way the database has."""
    if connection.dialect.name == "postgresql":
        columns = ", ".join(rows[0]._fields)
        with connection.connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len(rows[0]))
        connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({marks})", rows)


def _analyze(connection: Connection, table: str) -> None:
    # PostgreSQL knows nothing of a temporary table until it is told; SQLite plans these statements well without.
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {table}"))
