"""Taking an import back, by ranges of customers in short write transactions. Each range leaves purchases, totals and
journal in agreement, so an undo that was killed is simply run again; what others have written since is looked for
first and never touched. Customers and storefronts that it made go where nothing else is known of them. What this needs
is kept in the transaction that makes it necessary: which ids an import gave, and how what it changed stood before."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, func, select, text, update

from domain.calendar import Clock, to_micros
from domain.errors import NotFound
from domain.imports.imports import check_ended, refuse_changed
from domain.imports.model import PurchaseImport, UndoSummary
from domain.model import Actor, Business
from persistence import merge
from persistence.audit import append_event
from persistence.database.dialects import analyze, create, empty, fill, lock_table, prefer_index_joins
from persistence.database.engines import Database
from persistence.database.transactions import open_blocking_session, raise_change, translate_errors, wait_for_lock
from persistence.imports.changed_since import Spans, find_undo_conflicts, load_spans
from persistence.imports.imports import IMPORTS, to_import
from persistence.merge import UPDATED, MergeResult
from persistence.tables.imports import PurchaseImportRow, purchase_import

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
# A columnar copy may still have them.
MARK_REMOVED = """INSERT INTO removed_customer (business_id, customer_id, removed_at)
    SELECT b.id, t.customer_id, b.last_instant FROM touched t CROSS JOIN business b WHERE b.id = :business"""
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
    connection.execute(text(MARK_REMOVED), {"business": business})
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

TOUCHED = """INSERT INTO undo_customer (customer_id) SELECT customer_id FROM purchase
    WHERE business_id = :business AND written_by = :import
    UNION SELECT customer_id FROM purchase_before WHERE business_id = :business AND import_id = :import
    ORDER BY customer_id"""
NEXT = "SELECT customer_id FROM undo_customer WHERE customer_id > :after ORDER BY customer_id LIMIT 1 OFFSET :size"
# Somebody who takes back the same import may have removed some of them meanwhile.
PORTION = """INSERT INTO touched (customer_id) SELECT u.customer_id FROM undo_customer u
    JOIN customer c ON c.business_id = :business AND c.id = u.customer_id
    WHERE u.customer_id > :after AND u.customer_id <= :to"""
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
                one = self._load(connection)
                customers = load_spans(connection, self.business.id, self.import_id, "customer")
                storefronts = load_spans(connection, self.business.id, self.import_id, "storefront")
                if one.undo_begun_at is None:
                    found = find_undo_conflicts(connection, self.business.id, self.import_id, one.time_zone)
                    refuse_changed(self.import_id, found)
            self._begin(connection)
            # From here on no customers are merged, so whoever has purchases of it now has them until the end.
            with connection.begin():
                total = self._prepare(connection)
            self._take_back(connection, total, progress)
            kept = self._remove_customers(connection, customers, lambda: progress(total, total))
            return self._finish(connection, storefronts, kept, actor)

    def _load(self, connection: Connection) -> PurchaseImport:
        column = purchase_import.c
        statement = IMPORTS.where(column.business_id == self.business.id, column.id == self.import_id)
        with open_blocking_session(connection) as session:
            rows = session.execute(statement).one_or_none()
        if rows is None:
            raise NotFound(f"There is no import {self.import_id}. segments imports list shows those there are.")
        one = to_import(*rows)
        check_ended(one)
        return one

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
            self._set(connection, {"undo_begun_at": func.coalesce(purchase_import.c.undo_begun_at, row.last_instant)})

    def _take_back(self, connection: Connection, total: int, progress: Callable[[int, int], None]) -> None:
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
                connection.execute(text(PORTION), {"business": self.business.id, "after": after, "to": to})
                analyze(connection, "touched")
                removed, restored, left = self._take_back_portion(connection)
                self._add(connection, removed=removed, restored=restored, left=left)
                self._mark_data_changed(connection, row.change_number)
            took = time.perf_counter() - began
            after, done = to, min(done + size, total)
            progress(done, total)
            size = min(MOST, max(FEWEST, int(size * min(1.5, LOCK_SECONDS / took))))

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

    def _remove_customers(self, connection: Connection, spans: Spans, watch: Callable[[], None]) -> int:
        """How many customers stay; `watch` is called between the transactions."""
        remaining, patient_until = 0, time.monotonic() + PATIENCE_SECONDS
        for first, last in spans:
            for low in range(first, last + 1, STEP):
                high = min(low + STEP - 1, last)
                free = False
                while not free:
                    watch()
                    with connection.begin():
                        row = self._lock(connection)
                        free = lock_out_evaluations(connection, self.business.id)
                        if free:
                            gone = remove_customers(connection, self.business.id, low, high)
                            self._add(connection, customers_removed=gone)
                            self._mark_data_changed(connection, row.change_number)
                    if not free and time.monotonic() > patient_until:
                        break
                    if not free:
                        time.sleep(WAIT_SECONDS)
                with connection.begin():
                    remaining += count_without_purchases(connection, self.business.id, low, high)
        return remaining

    def _finish(self, connection: Connection, storefronts: Spans, kept: int, actor: Actor) -> UndoSummary:
        with connection.begin():
            row = self._lock(connection)
            column = purchase_import.c
            ended = select(column.undone_at).where(column.business_id == self.business.id, column.id == self.import_id)
            if connection.execute(ended).scalar_one() is not None:
                # Whoever else took it back was first, and has told so.
                return self._add(connection)
            gone = sum(remove_storefronts(connection, self.business.id, *span) for span in storefronts)
            summary = self._add(connection, storefronts_removed=gone, customers_kept=kept)
            for table in (*JOURNAL, "import_range"):
                connection.execute(text(FORGET.format(table=table)), self.own)
            self._mark_data_changed(connection, row.change_number)
            self._set(connection, {"undone_at": row.last_instant})
            number, at = row.change_number, row.last_instant
            done = {name: count for name, count in asdict(summary).items() if name != "by"}
            detail = {"import": self.import_id, **done}
            append_event(connection, self.business.id, at, actor, "undoImport", None, detail, change_number=number)
        return summary

    def _mark_data_changed(self, connection: Connection, number: int) -> None:
        version = text("UPDATE business SET data_version = :number WHERE id = :business")
        connection.execute(version, {**self.own, "number": number})

    def _lock(self, connection: Connection) -> Row[Any]:
        """What each of its transactions begins with; Ctrl-C is heard while it waits."""
        return wait_for_lock(connection, lambda: raise_change(connection, self.business.id, self.clock()))

    def _add(self, connection: Connection, **more: int) -> UndoSummary:
        """What was done by now, with what was done in this transaction. It stands in the row and nowhere else, so
        several may take one import back at once, each of what the others have left."""
        column = purchase_import.c
        mine = (column.business_id == self.business.id, column.id == self.import_id)
        known = UndoSummary(**(connection.execute(select(column.undo).where(*mine)).scalar_one() or {}))
        summary = replace(known, **{name: getattr(known, name) + count for name, count in more.items()})
        self._set(connection, {"undo": asdict(summary)})
        return summary

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
