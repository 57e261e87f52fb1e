"""Taking an import back, by ranges of customers in short write transactions. Each range leaves purchases, totals and
journal in agreement, so an undo that was killed is simply run again; what others have written since is looked for
first and never touched. Customers and storefronts that it made go where nothing else is known of them. What this needs
is kept in the transaction that makes it necessary: which ids an import gave, and how what it changed stood before."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, select, text, update

from domain.calendar import Clock, to_micros
from domain.errors import Conflict, NotFound, UndoRefused
from domain.imports.imports import CHANGED, DELETED, EXAMPLES, MOVED, UndoConflict, UndoSummary
from domain.model import Actor, Business
from persistence import merge
from persistence.audit import append_event
from persistence.database.dialects import analyze, create, empty, fill, lock_table, prefer_index_joins
from persistence.database.engines import Database
from persistence.database.transactions import open_blocking_session, raise_change, translate_errors, wait_for_lock
from persistence.imports.imports import IMPORTS
from persistence.jobs import ACTIVE
from persistence.merge import UPDATED, MergeResult
from persistence.tables.imports import PurchaseImportRow, import_range, purchase_import

STEP = 4_000
"""Customer ids that are looked at in one transaction."""
UNKNOWN = """c.business_id = :business AND c.id BETWEEN :low AND :high AND NOT c.erased
    AND c.name IS NULL AND c.email IS NULL AND c.phone IS NULL AND c.country IS NULL AND c.city IS NULL
    AND c.loyalty_level IS NULL AND c.registered_at IS NULL AND NOT EXISTS (SELECT 1 FROM customer_attribute a
    WHERE a.business_id = :business AND a.customer_id = c.id) AND c.merged_into IS NULL
    AND NOT EXISTS (SELECT 1 FROM customer o WHERE o.business_id = :business AND o.merged_into = c.id)"""
NO_PURCHASE = """NOT EXISTS (SELECT 1 FROM purchase p WHERE p.business_id = :business AND p.customer_id = c.id)"""
NO_MEMBERSHIP = "NOT EXISTS (SELECT 1 FROM membership m WHERE m.business_id = :business AND m.customer_id = c.id)"
BARE = f"SELECT c.id, c.external_id FROM customer c WHERE {UNKNOWN} AND {NO_PURCHASE} AND {NO_MEMBERSHIP}"
EMPTY = f"""SELECT COUNT(*) FROM customer c WHERE c.business_id = :business AND c.id BETWEEN :low AND :high
    AND c.merged_into IS NULL AND {NO_PURCHASE}"""
# Of such a customer only the external id can be searched for.
FORGET_TERM = "DELETE FROM customer_term WHERE business_id = :business AND term = :term AND customer_id = :customer"
TABLES = (("customer_label", "customer_id"), ("customer_metrics", "customer_id"), ("customer", "id"))
FORGET_CUSTOMERS = "DELETE FROM {table} WHERE business_id = :business AND {column} IN (SELECT customer_id FROM touched)"
RUNNING = """SELECT COUNT(*) FROM job WHERE business_id = :business AND kind = 'RECALCULATION'
    AND status = 'RUNNING'"""
STOREFRONTS = """DELETE FROM storefront WHERE business_id = :business AND id BETWEEN :low AND :high AND id NOT IN
    (SELECT storefront_id FROM purchase WHERE business_id = :business AND storefront_id IS NOT NULL
    UNION SELECT storefront_id FROM purchase_before WHERE business_id = :business AND storefront_id IS NOT NULL)"""


def lock_out_evaluations(connection: Connection, business: int) -> bool:
    """Whether no run is about to give memberships to customers that it has read; none begins in this transaction."""
    lock_table(connection, "job")
    return not connection.execute(text(RUNNING), {"business": business}).scalar_one()


def remove_customers(connection: Connection, business: int, low: int, high: int) -> int:
    """Remove those of the span of whom nothing is known; how many. The caller holds the business's lock."""
    rows = connection.execute(text(BARE), {"business": business, "low": low, "high": high}).all()
    if not rows:
        return 0
    connection.execute(
        text(FORGET_TERM), [{"business": business, "term": row[1].casefold(), "customer": row[0]} for row in rows]
    )
    empty(connection, "touched")
    fill(connection, "touched", ("customer_id",), [(row[0],) for row in rows])
    for table, column in TABLES:
        connection.execute(text(FORGET_CUSTOMERS.format(table=table, column=column)), {"business": business})
    return len(rows)


def count_without_purchases(connection: Connection, business: int, low: int, high: int) -> int:
    """How many customers of the span have no purchase."""
    span = {"business": business, "low": low, "high": high}
    return int(connection.execute(text(EMPTY), span).scalar_one())


def remove_storefronts(connection: Connection, business: int, low: int, high: int) -> int:
    """Remove those of the span where nothing was bought; how many."""
    return connection.execute(text(STOREFRONTS), {"business": business, "low": low, "high": high}).rowcount


LOCK_SECONDS = 0.4
"""How long one write transaction is meant to take; how many customers that is, the ones before it show."""
FEWEST, MOST = 100, 1_000
PATIENCE_SECONDS = 30.0
"""How long the end of runs is waited for before customers go; those who cannot go until then stay."""
WAIT_SECONDS = 0.2
Spans = list[tuple[int, int]]

CREATED_SINCE = """FROM purchase p JOIN given g ON p.id BETWEEN g.first AND g.last
    WHERE p.business_id = :business AND p.written_by > :import"""
UPDATED_SINCE = """FROM purchase_before b JOIN purchase p
    ON p.business_id = b.business_id AND p.customer_id = b.customer_id AND p.id = b.purchase_id
    WHERE b.business_id = :business AND b.import_id = :import AND p.written_by <> :import"""
DELETED_SINCE = """SELECT COUNT(*) FROM purchase_before b WHERE b.business_id = :business AND b.import_id = :import
    AND NOT EXISTS (SELECT 1 FROM purchase p WHERE p.business_id = b.business_id AND p.customer_id = b.customer_id
    AND p.id = b.purchase_id)"""
TOUCHED = """INSERT INTO undo_customer (customer_id) SELECT customer_id FROM purchase
    WHERE business_id = :business AND written_by = :import
    UNION SELECT customer_id FROM purchase_before WHERE business_id = :business AND import_id = :import
    ORDER BY customer_id"""
NEXT = "SELECT customer_id FROM undo_customer WHERE customer_id > :after ORDER BY customer_id LIMIT 1 OFFSET :size"
PORTION = """INSERT INTO touched (customer_id) SELECT customer_id FROM undo_customer
    WHERE customer_id > :after AND customer_id <= :to"""
# Cross joins, as in the journal: from the few that are taken back to what the business holds of them.
MINE = """INSERT INTO undo_purchase (customer_id, purchase_id, restored)
    SELECT p.customer_id, p.id, CASE WHEN b.purchase_id IS NULL THEN 0 ELSE 1 END
    FROM touched t CROSS JOIN purchase p
    LEFT JOIN purchase_before b ON b.business_id = :business AND b.import_id = :import
    AND b.customer_id = p.customer_id AND b.purchase_id = p.id
    WHERE p.business_id = :business AND p.customer_id = t.customer_id AND p.written_by = :import"""
TAKE_BACK = (
    """DELETE FROM purchase_line WHERE business_id = :business AND (customer_id, purchase_id) IN
    (SELECT customer_id, purchase_id FROM undo_purchase)""",
    """DELETE FROM purchase WHERE business_id = :business AND (customer_id, id) IN
    (SELECT customer_id, purchase_id FROM undo_purchase WHERE restored = 0)""",
    """UPDATE purchase SET purchased_at = b.purchased_at, local_day = b.local_day, status = b.status,
    counted = CASE WHEN b.status <= 1 AND b.purchased_at <= :now THEN 1 ELSE 0 END, amount = b.amount,
    storefront_id = b.storefront_id, channel = b.channel, attributes = b.attributes, written_by = b.written_by
    FROM purchase_before b WHERE purchase.business_id = :business
    AND (purchase.customer_id, purchase.id) IN (SELECT customer_id, purchase_id FROM undo_purchase)
    AND b.business_id = :business AND b.import_id = :import
    AND b.customer_id = purchase.customer_id AND b.purchase_id = purchase.id""",
    """INSERT INTO purchase_line
    (business_id, customer_id, purchase_id, position, category, amount, status, product, sku, quantity)
    SELECT b.business_id, b.customer_id, b.purchase_id, b.position, b.category, b.amount, b.status, b.product, b.sku,
    b.quantity FROM undo_purchase u CROSS JOIN purchase_line_before b
    WHERE b.business_id = :business AND b.import_id = :import
    AND b.customer_id = u.customer_id AND b.purchase_id = u.purchase_id""",
)
FORGET = "DELETE FROM {table} WHERE business_id = :business AND import_id = :import"
FORGET_TOUCHED = " AND customer_id IN (SELECT customer_id FROM touched)"
JOURNAL = ("purchase_line_before", "purchase_before")
LEFT = "SELECT COUNT(*) FROM purchase_before WHERE business_id = :business AND import_id = :import"


class ImportUndo:
    """Takes back one import of a business. Runs outside the event loop."""

    def __init__(self, database: Database, business: Business, clock: Clock, import_id: int) -> None:
        self.engine = database.bulk
        self.business = business
        self.clock = clock
        self.import_id = import_id
        self.own = {"business": business.id, "import": import_id}

    def run(self, actor: Actor, progress: Callable[[int, int], None] = lambda done, total: None) -> UndoSummary:
        """Take it back; UndoRefused says what has changed since. `progress` is told customers, done and in all."""
        with translate_errors(), self.engine.connect() as connection:
            with connection.begin():
                row = self._load_row(connection)
                spans = self._load_spans(connection, "purchase")
                customers = self._load_spans(connection, "customer")
                storefronts = self._load_spans(connection, "storefront")
                if row.undo_begun_at is None:
                    self._refuse_changed(connection, row, spans)
                summary = UndoSummary(**(row.undo or {}))
            self._begin(connection)
            # From here on no customers are merged, so whoever has purchases of it now has them until the end.
            with connection.begin():
                total = self._prepare(connection)
            summary = self._take_back(connection, summary, total, progress)
            summary = self._remove_customers(connection, customers, summary)
            return self._finish(connection, storefronts, summary, actor)

    def _load_row(self, connection: Connection) -> PurchaseImportRow:
        column = purchase_import.c
        statement = IMPORTS.where(column.business_id == self.business.id, column.id == self.import_id)
        with open_blocking_session(connection) as session:
            rows = session.execute(statement).one_or_none()
        if rows is None:
            raise NotFound(f"There is no import {self.import_id}. segments imports list shows those there are.")
        row, work = rows
        if work.status in ACTIVE:
            raise Conflict(f"Import {self.import_id} has not ended yet.")
        if row.undone_at is not None:
            raise Conflict(f"Import {self.import_id} was taken back already.")
        if row.time_zone is None and (row.created or row.updated):
            raise Conflict(f"Import {self.import_id} was made before imports could be taken back.")
        return row

    def _load_spans(self, connection: Connection, kind: str) -> Spans:
        """The ids that the import gave, as few spans as there are."""
        first, last = import_range.c[f"first_{kind}"], import_range.c[f"last_{kind}"]
        mine = (import_range.c.business_id == self.business.id, import_range.c.import_id == self.import_id)
        spans: Spans = []
        for low, high in connection.execute(select(first, last).where(*mine, first <= last).order_by(first)):
            if spans and spans[-1][1] + 1 == low:
                spans[-1] = (spans[-1][0], high)
            else:
                spans.append((low, high))
        return spans

    def _refuse_changed(self, connection: Connection, row: PurchaseImportRow, spans: Spans) -> None:
        create(connection, "given", "first BIGINT PRIMARY KEY, last BIGINT NOT NULL")
        fill(connection, "given", ("first", "last"), spans)
        reasons = []
        changed, examples = 0, list[str]()
        for where in (CREATED_SINCE, UPDATED_SINCE):
            changed += connection.execute(text(f"SELECT COUNT(*) {where}"), self.own).scalar_one()
            named = text(f"SELECT p.external_id {where} ORDER BY p.id LIMIT {EXAMPLES}")
            examples += connection.execute(named, self.own).scalars()
        if changed:
            reasons.append(UndoConflict(CHANGED, changed, tuple(examples[:EXAMPLES])))
        deleted = connection.execute(text(DELETED_SINCE), self.own).scalar_one()
        if deleted:
            reasons.append(UndoConflict(DELETED, deleted))
        zone = connection.execute(text("SELECT time_zone FROM business WHERE id = :business"), self.own).scalar_one()
        if row.time_zone is not None and row.time_zone != zone:
            reasons.append(UndoConflict(MOVED, 0))
        if reasons:
            raise UndoRefused(self.import_id, [reason.sentence for reason in reasons])

    def _prepare(self, connection: Connection) -> int:
        """The customers who have purchases of the import; how many there are."""
        merge.prepare(connection, "touched")
        create(connection, "undo_customer", "customer_id BIGINT PRIMARY KEY")
        columns = "customer_id BIGINT, purchase_id BIGINT, restored SMALLINT NOT NULL"
        create(connection, "undo_purchase", f"{columns}, PRIMARY KEY (customer_id, purchase_id)")
        total = connection.execute(text(TOUCHED), self.own).rowcount
        analyze(connection, "undo_customer")
        return total

    def _begin(self, connection: Connection) -> None:
        with connection.begin():
            row = self._lock(connection)
            self._set(connection, {"undo_begun_at": row.last_instant})

    def _take_back(
        self, connection: Connection, summary: UndoSummary, total: int, progress: Callable[[int, int], None]
    ) -> UndoSummary:
        after, done, size = 0, 0, FEWEST * 5
        while done < total:
            with connection.begin():
                bound = {"after": after, "size": size - 1}
                to = connection.execute(text(NEXT), bound).scalar_one_or_none()
            to = 2**62 if to is None else to
            with connection.begin():
                row = self._lock(connection)
                began = time.perf_counter()
                empty(connection, "touched", "undo_purchase")
                prefer_index_joins(connection)
                connection.execute(text(PORTION), {"after": after, "to": to})
                analyze(connection, "touched")
                removed, restored, left = self._take_back_portion(connection)
                summary = replace(
                    summary,
                    removed=summary.removed + removed,
                    restored=summary.restored + restored,
                    left=summary.left + left,
                )
                self._mark_data_changed(connection, row.change_number)
                self._set(connection, {"undo": asdict(summary)})
            took = time.perf_counter() - began
            after, done = to, min(done + size, total)
            progress(done, total)
            size = min(MOST, max(FEWEST, int(size * min(1.5, LOCK_SECONDS / took))))
        return summary

    def _take_back_portion(self, connection: Connection) -> tuple[int, int, int]:
        """Take back what the customers in `touched` have of it: orders removed, restored, and left because others
        wrote them while it was taken back."""
        count = connection.execute(text(MINE), self.own).rowcount
        analyze(connection, "undo_purchase")
        counted = text("SELECT COUNT(*) FROM undo_purchase WHERE restored = 1")
        restored = int(connection.execute(counted).scalar_one())
        now = {**self.own, "now": to_micros(self.clock())}
        for statement in TAKE_BACK if restored else TAKE_BACK[:2]:
            connection.execute(text(statement), now)
        left = int(connection.execute(text(LEFT + FORGET_TOUCHED), self.own).scalar_one()) - restored
        for table in JOURNAL:
            connection.execute(text(FORGET.format(table=table) + FORGET_TOUCHED), self.own)
        merge.refresh(connection, self.business.id)
        return count - restored, restored, left

    def _remove_customers(self, connection: Connection, spans: Spans, summary: UndoSummary) -> UndoSummary:
        remaining, patient_until = 0, time.monotonic() + PATIENCE_SECONDS
        for first, last in spans:
            for low in range(first, last + 1, STEP):
                high = min(low + STEP - 1, last)
                free = False
                while not free:
                    with connection.begin():
                        row = self._lock(connection)
                        free = lock_out_evaluations(connection, self.business.id)
                        if free:
                            gone = remove_customers(connection, self.business.id, low, high)
                            summary = replace(summary, customers_removed=summary.customers_removed + gone)
                            self._mark_data_changed(connection, row.change_number)
                            self._set(connection, {"undo": asdict(summary)})
                    if not free and time.monotonic() > patient_until:
                        break
                    if not free:
                        time.sleep(WAIT_SECONDS)
                with connection.begin():
                    remaining += count_without_purchases(connection, self.business.id, low, high)
        return replace(summary, customers_kept=remaining)

    def _finish(self, connection: Connection, storefronts: Spans, summary: UndoSummary, actor: Actor) -> UndoSummary:
        with connection.begin():
            row = self._lock(connection)
            gone = sum(remove_storefronts(connection, self.business.id, *span) for span in storefronts)
            summary = replace(summary, storefronts_removed=gone)
            for table in (*JOURNAL, "import_range"):
                connection.execute(text(FORGET.format(table=table)), self.own)
            self._mark_data_changed(connection, row.change_number)
            self._set(connection, {"undo": asdict(summary), "undone_at": row.last_instant})
            number, at = row.change_number, row.last_instant
            detail = {"import": self.import_id, **asdict(summary)}
            append_event(connection, self.business.id, at, actor, "undoImport", None, detail, change_number=number)
        return summary

    def _mark_data_changed(self, connection: Connection, number: int) -> None:
        version = text("UPDATE business SET data_version = :number WHERE id = :business")
        connection.execute(version, {**self.own, "number": number})

    def _lock(self, connection: Connection) -> Row[Any]:
        """What each of its transactions begins with; Ctrl-C is heard while it waits."""
        return wait_for_lock(connection, lambda: raise_change(connection, self.business.id, self.clock()))

    def _set(self, connection: Connection, values: dict[str, object]) -> None:
        column = purchase_import.c
        mine = (column.business_id == self.business.id, column.id == self.import_id)
        connection.execute(update(PurchaseImportRow).where(*mine).values(**values))


# A cross join keeps the order in which SQLite goes: from changed orders to their purchases to their lines. By itself it
# would go through all lines of the business, as it knows nothing of temporary tables.
BEFORE = (
    """INSERT INTO purchase_before (business_id, import_id, customer_id, purchase_id, purchased_at, local_day, status,
    amount, storefront_id, channel, attributes, written_by) SELECT :business, :import, p.customer_id, p.id,
    p.purchased_at, p.local_day, p.status, p.amount, p.storefront_id, p.channel, p.attributes, p.written_by
    FROM resolved r CROSS JOIN purchase p
    WHERE p.business_id = :business AND p.customer_id = r.customer_id AND p.id = r.purchase_id
    AND r.effect = 1 AND p.written_by <> :import""",
    """INSERT INTO purchase_line_before (business_id, import_id, customer_id, purchase_id, position, category, amount,
    status, product, sku, quantity) SELECT :business, :import, p.customer_id, p.id, k.position, k.category, k.amount,
    k.status, k.product, k.sku, k.quantity FROM resolved r CROSS JOIN purchase p CROSS JOIN purchase_line k
    WHERE p.business_id = :business AND p.customer_id = r.customer_id AND p.id = r.purchase_id
    AND k.business_id = :business AND k.customer_id = p.customer_id AND k.purchase_id = p.id
    AND r.effect = 1 AND p.written_by <> :import""",
)
GIVEN = """INSERT INTO import_range (business_id, import_id, first_purchase, last_purchase, first_customer,
    last_customer, first_storefront, last_storefront) SELECT id, :import, :next_purchase, next_purchase - 1,
    :next_customer, next_customer - 1, :next_storefront, next_storefront - 1 FROM business WHERE id = :business"""


def keep_before(connection: Connection, import_id: int, result: MergeResult) -> None:
    """Keep the purchases that the range is about to change."""
    if result.orders.get(UPDATED):
        for statement in BEFORE:
            connection.execute(text(statement), {**result.span, "import": import_id})


def keep_given(connection: Connection, import_id: int, result: MergeResult) -> None:
    """Keep the ids that the range, now applied, gave: also one that only changed orders may have made storefronts."""
    connection.execute(text(GIVEN), {**result.span, "import": import_id})
