"""The rows of a file on their way: fragments of orders in temporary tables, joined into whole orders and put in the
order of their customers. Orders that stand in one piece, nearly all, are only copied; the rest are mended first."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection, text

from domain.imports.model import ANOTHER_ROW
from domain.imports.orders import Fragment, FragmentLine, Fragments
from domain.imports.rejects import describe_kind
from domain.imports.rows import RejectedRow
from persistence import merge
from persistence.database.dialects import analyze, create, load, write_row_number
from persistence.erasure import ERASED_REASON

PORTION = 10_000
"""Fragments written at a time."""
OTHER_CUSTOMER = "the order id belongs to another customer"
ONLY_NEGATIVE = "a negative amount without a positive row in its order"

FRAGMENT = """line BIGINT PRIMARY KEY, last BIGINT, order_id {text} NOT NULL, customer {text} NOT NULL,
    at BIGINT NOT NULL, day BIGINT NOT NULL, status SMALLINT NOT NULL, amount BIGINT NOT NULL,
    row_count BIGINT NOT NULL, sign SMALLINT NOT NULL, category {text}, storefront {text}, channel {text},
    product {text}, sku {text}, quantity BIGINT, attributes {text}"""
REJECTED = "line BIGINT PRIMARY KEY, text {text}, reason {text} NOT NULL, order_id {text}, kind {text}"
REJECTED_COLUMNS = (*RejectedRow._fields, "kind")
LINE_COLUMNS = FragmentLine._fields
PLAIN_FIELDS, PLAIN_COLUMNS = Fragment._fields[:-4], LINE_COLUMNS[:-3]
"""Without goods and attributes."""

# Orders that need a second look, with the fragment that says whose they are.
MENDED = """INSERT INTO mended (order_id, first_line) SELECT order_id, MIN(line) FROM fragment GROUP BY order_id
    HAVING COUNT(*) > 1 OR MIN(sign) < 0"""
# Orders of which a row could not be read.
CONDEMNED = "INSERT INTO condemned (order_id) SELECT DISTINCT order_id FROM rejected WHERE order_id IS NOT NULL"
# What only the other rows of their order condemn, one kind after the other.
ALIENS = (
    f"""SELECT o.line, o.last, o.row_count, o.order_id, '{OTHER_CUSTOMER}' FROM mended m
    JOIN fragment f ON f.line = m.first_line JOIN fragment o ON o.order_id = m.order_id AND o.customer <> f.customer""",
    f"""SELECT f.line, f.last, f.row_count, f.order_id, '{ANOTHER_ROW}' FROM condemned c
    JOIN fragment f ON f.order_id = c.order_id""",
)
ONLY_REFUNDS = f"""SELECT line, last, row_count, order_id,
    CASE WHEN sign < 0 THEN '{ONLY_NEGATIVE}' ELSE '{ANOTHER_ROW}' END
    FROM fragment WHERE order_id IN (SELECT f.order_id FROM mended m JOIN fragment f ON f.order_id = m.order_id
    GROUP BY f.order_id HAVING MIN(f.sign) < 0 AND MAX(f.sign) <= 0)"""
OF_NO_ORDER = """ AND NOT EXISTS (SELECT 1 FROM purchase p
    WHERE p.business_id = :business AND p.external_id = fragment.order_id AND p.amount > 0
    AND NOT EXISTS (SELECT 1 FROM stated s WHERE s.order_id = p.external_id))"""
LONE_REFUNDS = f"""SELECT COUNT(DISTINCT order_id), COALESCE(SUM(-amount), 0) FROM fragment
    WHERE line IN (SELECT line FROM alien WHERE reason = '{ONLY_NEGATIVE}')"""
REJECT = (
    "INSERT INTO rejected (line, reason, order_id) SELECT line, reason, order_id FROM alien WHERE row_count = 1",
    """INSERT INTO rejected (line, reason, order_id) SELECT l.line, a.reason, a.order_id FROM alien a
    JOIN incoming_line l ON l.line BETWEEN a.line AND a.last WHERE a.row_count > 1""",
    "DELETE FROM fragment WHERE line IN (SELECT line FROM alien)",
    # What looks at all lines must not see those that no order will point at.
    """DELETE FROM incoming_line WHERE line IN (SELECT l.line FROM alien a
    JOIN incoming_line l ON l.line BETWEEN a.line AND a.last WHERE a.last IS NOT NULL)""",
    "DELETE FROM alien",
)
# What is left of an order in several fragments becomes one. Its lines get numbers after all others, so that they stand
# together; `file_line` remembers where each came from.
JOIN = (
    """INSERT INTO whole (order_id, line, at, day, status, amount, row_count) SELECT f.order_id, MIN(f.line), MIN(f.at),
    MIN(f.day), MIN(f.status),
    CAST(SUM(CASE WHEN f.status <= 1 OR f.status = f.best OR (f.best <= 1 AND f.sign < 0) THEN f.amount ELSE 0 END)
    AS BIGINT),
    CAST(SUM(f.row_count) AS BIGINT) FROM (SELECT f.*, MIN(f.status) OVER (PARTITION BY f.order_id) AS best
    FROM mended m JOIN fragment f ON f.order_id = m.order_id) f GROUP BY f.order_id HAVING COUNT(*) > 1""",
    """INSERT INTO piece (file_line, whole, fragment, category, amount, status, product, sku, quantity)
    SELECT f.line, w.line, f.line, f.category, f.amount, f.status, f.product, f.sku, f.quantity
    FROM whole w JOIN fragment f ON f.order_id = w.order_id WHERE f.last IS NULL""",
    """INSERT INTO piece (file_line, whole, fragment, category, amount, status, product, sku, quantity)
    SELECT l.line, w.line, f.line, l.category, l.amount, l.status, l.product, l.sku, l.quantity
    FROM whole w JOIN fragment f ON f.order_id = w.order_id
    JOIN incoming_line l ON l.line BETWEEN f.line AND f.last WHERE f.last IS NOT NULL""",
    """INSERT INTO incoming_line (line, position, category, amount, status, product, sku, quantity, file_line)
    SELECT :after + ROW_NUMBER() OVER (ORDER BY whole, file_line),
    ROW_NUMBER() OVER (PARTITION BY whole ORDER BY file_line), category, amount, status, product, sku, quantity,
    file_line FROM piece""",
    """INSERT INTO fragment SELECT :after + SUM(w.row_count) OVER (ORDER BY w.line) - w.row_count + 1,
    :after + SUM(w.row_count) OVER (ORDER BY w.line), w.order_id, f.customer, w.at, w.day, w.status, w.amount,
    w.row_count, 1, NULL, f.storefront, f.channel, NULL, NULL, NULL, (SELECT o.attributes FROM fragment o
    WHERE o.order_id = w.order_id AND o.attributes IS NOT NULL ORDER BY o.line LIMIT 1)
    FROM whole w JOIN fragment f ON f.line = w.line""",
    "DELETE FROM fragment WHERE line <= :after AND order_id IN (SELECT order_id FROM whole)",
    "DELETE FROM incoming_line WHERE line IN (SELECT file_line FROM piece)",
)
# Rows that are equal to one of another fragment of their order.
REPEATED = """SELECT
    (SELECT COUNT(*) FROM (SELECT DISTINCT whole, fragment, {line} FROM piece) AS each)
    - (SELECT COUNT(*) FROM (SELECT DISTINCT whole, {line} FROM piece) AS together)""".format(
    line="category, product, sku, quantity, amount, status"
)
MENDING = {
    "alien": """line BIGINT PRIMARY KEY, last BIGINT, row_count BIGINT NOT NULL, order_id {text} NOT NULL,
        reason {text} NOT NULL""",
    "whole": """order_id {text} PRIMARY KEY, line BIGINT NOT NULL, at BIGINT NOT NULL, day BIGINT NOT NULL,
        status SMALLINT NOT NULL, amount BIGINT NOT NULL, row_count BIGINT NOT NULL""",
    "piece": """file_line BIGINT PRIMARY KEY, whole BIGINT NOT NULL, fragment BIGINT NOT NULL, category {text},
        amount BIGINT NOT NULL, status SMALLINT NOT NULL, product {text}, sku {text}, quantity BIGINT""",
}
REFUSED = f"CASE r.effect WHEN {merge.FOREIGN} THEN '{OTHER_CUSTOMER}' ELSE '{ERASED_REASON}' END"
REFUSE = f"""INSERT INTO rejected (line, reason, order_id)
    SELECT i.line, {REFUSED}, i.external_id FROM resolved r JOIN incoming i ON i.seq = r.seq
    WHERE r.effect >= {merge.FOREIGN} AND i.last IS NULL
    UNION ALL SELECT COALESCE(l.file_line, l.line), {REFUSED}, i.external_id
    FROM resolved r JOIN incoming i ON i.seq = r.seq JOIN incoming_line l ON l.line BETWEEN i.line AND i.last
    WHERE r.effect >= {merge.FOREIGN} AND i.last IS NOT NULL"""
WHOLE_AMOUNT = "CASE WHEN amount < 0 THEN 0 ELSE amount END"
INCOMING = """INSERT INTO incoming (seq, line, last, external_id, customer, at, day, status, amount, row_count,
    category, storefront, channel, product, sku, quantity, attributes)
    SELECT {seq}, line, last, order_id, customer, at, day, status, {amount},
    row_count, category, storefront, channel, product, sku, quantity, attributes
    FROM fragment ORDER BY customer, line"""


@dataclass(slots=True)
class Staging:
    """Keeps the rows of one file as they come, accepted or not; `progress` is told how many they are by now. What it
    holds in memory is bounded, also where a file has nothing but rows that are rejected."""

    connection: Connection
    progress: Callable[[int], None]
    rows: int = 0
    orders: list[tuple[object, ...]] = field(default_factory=list)
    lines: list[tuple[object, ...]] = field(default_factory=list)
    rejected: list[RejectedRow] = field(default_factory=list)
    rich: bool = False

    def stage(self, portions: Iterable[Fragments]) -> tuple[int, int]:
        """Keep the fragments, and what is rejected on the way; how many rows were read, and how many of them are equal
        to an earlier one of their fragment."""
        merge.prepare(self.connection, "incoming", "incoming_line")
        create(self.connection, "fragment", FRAGMENT)
        create(self.connection, "rejected", REJECTED)
        repeated = 0
        for portion in portions:
            if portion.rich != self.rich:
                self._keep()
                self.rich = portion.rich
            self.rows += portion.rows
            repeated += portion.repeated
            self.orders += portion.orders
            self.lines += portion.lines
            self._keep_full()
        self._keep()
        return self.rows, repeated

    def reject(self, row: RejectedRow) -> None:
        """Keep a row that is rejected."""
        self.rows += 1
        self.rejected.append(row)
        self._keep_full()

    def _keep_full(self) -> None:
        if len(self.orders) + len(self.lines) + len(self.rejected) >= PORTION:
            self._keep()

    def _keep(self) -> None:
        load(self.connection, "fragment", Fragment._fields if self.rich else PLAIN_FIELDS, self.orders)
        load(self.connection, "incoming_line", LINE_COLUMNS if self.rich else PLAIN_COLUMNS, self.lines)
        rejected = [(*row, describe_kind(row.reason)) for row in self.rejected]
        load(self.connection, "rejected", REJECTED_COLUMNS, rejected)
        self.orders.clear()
        self.lines.clear()
        self.rejected.clear()
        self.progress(self.rows)


@dataclass(frozen=True, slots=True)
class ArrangedOrders:
    """What became of the fragments: `count` orders, of which so many rows are `repeated` in another fragment of their
    order; `refunds` orders below zero that name no other were rejected, `refunded` minor units in all."""

    count: int
    repeated: int = 0
    refunds: int = 0
    refunded: int = 0


def arrange(connection: Connection, business: int | None = None) -> ArrangedOrders:
    """Fill `incoming` from the fragments, in the order of customers. Where rows are added to orders that the `business`
    holds, those below zero may be refunds of them."""
    mended = ArrangedOrders(0)
    connection.execute(text("CREATE INDEX fragment_order ON fragment (order_id)"))
    analyze(connection, "fragment")
    analyze(connection, "incoming_line")
    create(connection, "mended", "order_id {text} PRIMARY KEY, first_line BIGINT NOT NULL")
    create(connection, "condemned", "order_id {text} PRIMARY KEY")
    doubtful = [connection.execute(text(statement)).rowcount for statement in (MENDED, CONDEMNED)]
    if any(doubtful):
        analyze(connection, "mended", "condemned")
        mended = _mend(connection, business)
    amount = WHOLE_AMOUNT if business is None else "amount"
    connection.execute(text(INCOMING.format(seq=write_row_number(connection, "customer, line"), amount=amount)))
    for name in ("fragment", "mended", "condemned"):
        connection.execute(text(f"DROP TABLE {name}"))
    analyze(connection, "incoming")
    count = connection.execute(text("SELECT COALESCE(MAX(seq), 0) FROM incoming")).scalar_one()
    return replace(mended, count=int(count))


def _mend(connection: Connection, business: int | None) -> ArrangedOrders:
    """Reject what the other rows of its order condemn, and join orders that stand in several fragments."""
    for name, columns in MENDING.items():
        create(connection, name, columns)
    for aliens in (*ALIENS, ONLY_REFUNDS if business is None else ONLY_REFUNDS + OF_NO_ORDER):
        statement = f"INSERT INTO alien (line, last, row_count, order_id, reason) {aliens}"
        connection.execute(text(statement), {"business": business} if ":business" in statement else {})
        refunds, refunded = connection.execute(text(LONE_REFUNDS)).one()
        for statement in REJECT:
            connection.execute(text(statement))
    after = connection.execute(text("SELECT MAX(COALESCE(last, line)) FROM fragment")).scalar_one()
    for statement in JOIN:
        connection.execute(text(statement), {"after": after or 0} if ":after" in statement else {})
    repeated = int(connection.execute(text(REPEATED)).scalar_one())
    for name in MENDING:
        connection.execute(text(f"DROP TABLE {name}"))
    return ArrangedOrders(0, repeated, int(refunds), int(refunded))


def refuse(connection: Connection) -> None:
    """Reject the rows of the resolved orders that the store cannot take."""
    connection.execute(text(REFUSE))
