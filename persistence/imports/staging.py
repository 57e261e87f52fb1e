"""The rows of a file on their way: staged one by one as they come, then put together into whole orders in the order of
their customers, in a place of the import's own. Only what is rejected stands in the store, in a temporary table, from
which it becomes part of the import."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from sqlalchemy import Connection, text

from domain.errors import InvalidInput
from domain.imports.model import ANOTHER_ROW
from domain.imports.rejects import describe_kind
from domain.imports.rows import RejectedRow, StagedColumns
from domain.money import LARGEST
from persistence import merge
from persistence.database.dialects import create, empty, load
from persistence.erasure import ERASED_REASON
from persistence.imports.plain import PlainRows
from persistence.imports.scratch import PIECE, Scratch

PORTION = 10_000
"""Rows after which it is told how far the reading is, and rejected rows that are written at a time."""
KEPT = 100_000
"""Rows that are staged at a time."""
OTHER_CUSTOMER = "the order id belongs to another customer"
ONLY_NEGATIVE = "a negative amount without a positive row in its order"

STAGED = {
    "line": "BIGINT",
    "order_id": "VARCHAR",
    "customer": "VARCHAR",
    "instant": "BIGINT",
    "day": "BIGINT",
    "status": "BIGINT",
    "amount": "BIGINT",
    "category": "VARCHAR",
    "storefront": "VARCHAR",
    "channel": "VARCHAR",
    "product": "VARCHAR",
    "sku": "VARCHAR",
    "quantity": "BIGINT",
    "attributes": "VARCHAR",
}
"""The columns of StagedRow."""
REJECTED = "line BIGINT PRIMARY KEY, text {text}, reason {text} NOT NULL, order_id {text}, kind {text}"
REJECTED_COLUMNS = (*RejectedRow._fields, "kind")
CONDEMNED = "SELECT DISTINCT order_id FROM rejected WHERE order_id IS NOT NULL"
"""Orders of which a row could not be read."""
# Only of numbers, also below: what is grouped of texts must fit into memory.
SEVERAL = """CREATE OR REPLACE TABLE several AS SELECT each.* EXCLUDE (line), staged.customer FROM (SELECT order_id,
    min(line) AS line, max(amount) AS most, min(amount) AS least, count(*) AS many FROM staged GROUP BY order_id
    HAVING count(*) > 1 OR min(amount) < 0) AS each JOIN staged USING (line)"""
"""Orders that need a second look, with the customer of their first row, whose they are."""
SEVERAL_COLUMNS = {
    "order_id": "VARCHAR",
    "most": "BIGINT",
    "least": "BIGINT",
    "many": "BIGINT",
    "customer": "VARCHAR",
}
MAY_BE_SEVERAL = """SELECT EXISTS (SELECT 1 FROM staged GROUP BY hash(order_id) HAVING count(*) > 1)
    OR EXISTS (SELECT 1 FROM staged WHERE amount < 0)"""
"""Whether there may be any; what has other digests is not equal, and they are soon grouped."""
ALIENS = (
    f"""SELECT line, order_id, '{OTHER_CUSTOMER}', 0 FROM staged JOIN several USING (order_id)
    WHERE staged.customer <> several.customer""",
    f"SELECT line, order_id, '{ANOTHER_ROW}', 0 FROM staged SEMI JOIN condemned USING (order_id)",
)
"""What the other rows of their order condemn, one kind after the other."""
ONLY_REFUNDS = f"""SELECT line, order_id, CASE WHEN amount < 0 THEN '{ONLY_NEGATIVE}' ELSE '{ANOTHER_ROW}' END, amount
    FROM staged JOIN several USING (order_id) WHERE least < 0 AND most <= 0
    AND NOT EXISTS (FROM refunded WHERE refunded.order_id = staged.order_id)"""
REFUNDED = """SELECT c.order_id FROM candidate c WHERE EXISTS (SELECT 1 FROM purchase p
    WHERE p.business_id = :business AND p.external_id = c.order_id AND p.amount > 0
    AND NOT EXISTS (SELECT 1 FROM stated s WHERE s.order_id = p.external_id))"""
"""Orders below zero that are refunds of what the store holds."""
LONE_REFUNDS = f"""SELECT count(DISTINCT order_id), coalesce(sum(-amount), 0) FROM alien
    WHERE reason = '{ONLY_NEGATIVE}'"""
# Rows below zero are refunds where another row qualifies; of an order none of whose rows does, those of its own status
# count.
TOTAL = """CASE WHEN min(status) <= 1 THEN sum(amount) FILTER (status <= 1 OR amount < 0)
    WHEN min(status) = 2 THEN sum(amount) FILTER (status = 2) WHEN min(status) = 3 THEN sum(amount) FILTER (status = 3)
    ELSE sum(amount) END"""
BUYERS = """CREATE TABLE buyer AS SELECT row_number() OVER (ORDER BY customer) AS number, customer
    FROM (SELECT DISTINCT customer FROM staged) ORDER BY customer"""
SINGLE = """SELECT line, CAST(1 AS BIGINT) AS row_count, order_id, number AS buyer, instant, day, status,
    amount, category, storefront, channel, product, sku, quantity, attributes
    FROM staged {of_these} JOIN buyer USING (customer)"""
WHOLE = f"""CREATE TABLE whole AS SELECT order_id, min(line) AS line, count(*) AS row_count, min(instant) AS instant,
    min(day) AS day, min(status) AS status, try_cast({TOTAL} AS BIGINT) AS amount,
    min(line) FILTER (attributes IS NOT NULL) AS stating
    FROM staged {{of_these}} GROUP BY order_id"""
"""Orders of several rows, and the first row that states attributes."""
JOINED = """SELECT whole.line, row_count, whole.order_id, number AS buyer, whole.instant, whole.day, whole.status,
    whole.amount, NULL AS category, staged.storefront, staged.channel, NULL AS product, NULL AS sku, NULL AS quantity,
    {attributes}
    FROM whole JOIN staged USING (line) JOIN buyer USING (customer) {stated}"""
PLAINLY = {"attributes": "NULL AS attributes", "stated": ""}
WITH_ATTRIBUTES = {
    "attributes": "stated.attributes",
    "stated": "LEFT JOIN staged AS stated ON stated.line = whole.stating",
}
LINES = """CREATE TABLE arranged_line AS SELECT staged.line, staged.category, staged.amount, staged.status,
    staged.product, staged.sku, staged.quantity, arranged.line AS first
    FROM arranged JOIN staged USING (order_id) WHERE arranged.row_count > 1
    ORDER BY arranged.buyer, arranged.line, staged.line"""
SAID = "(order_id, category, product, sku, quantity, amount, status)"
TWINS = f"""CREATE TABLE twin AS SELECT hash{SAID} AS digest FROM staged GROUP BY digest HAVING count(*) > 1"""
REPEATED = f"""SELECT coalesce(sum(many - 1), 0) FROM (SELECT count(*) AS many
    FROM staged SEMI JOIN twin ON digest = hash{SAID} GROUP BY {SAID[1:-1]})"""
"""How many rows are equal to another of their order."""
REFUSED = f"""SELECT i.seq, CASE r.effect WHEN {merge.FOREIGN} THEN '{OTHER_CUSTOMER}' ELSE '{ERASED_REASON}' END
    FROM resolved r JOIN incoming i ON i.seq = r.seq WHERE r.effect >= {merge.FOREIGN}"""
"""Orders that the store cannot take."""
ROWS_OF_REFUSED = """SELECT coalesce(arranged_line.line, arranged.line), reason, order_id
    FROM refused JOIN arranged ON arranged.rowid = refused.seq - 1
    LEFT JOIN arranged_line ON arranged_line.first = arranged.line"""
# Of orders of which a row was another customer's, all rows that were rejected.
BESIDE = f"""SELECT order_id, line FROM rejected
    WHERE order_id IN (SELECT order_id FROM rejected WHERE reason = '{OTHER_CUSTOMER}')"""
STANDING = """SELECT coalesce(arranged_line.line, arranged.line), order_id FROM arranged
    LEFT JOIN arranged_line ON arranged_line.first = arranged.line
    WHERE order_id IN (SELECT order_id FROM beside)
    AND coalesce(arranged_line.line, arranged.line) NOT IN (SELECT line FROM beside) ORDER BY 1"""

ALIEN = {"line": "BIGINT", "order_id": "VARCHAR", "reason": "VARCHAR", "amount": "BIGINT"}
COLUMNS = {
    "seq": "rowid + 1",
    "buyer": "buyer",
    "external_id": "order_id",
    "at": "instant",
    "day": "day",
    "status": "status",
    "amount": "amount",
    "category": "category",
    "storefront": "storefront",
    "channel": "channel",
}
"""The columns of `incoming`, and what they are of `arranged`."""
LINE_COLUMNS = ("category", "amount", "status")
GOODS = ("product", "sku", "quantity", "attributes")
"""What few files say anything of."""
ENDS = "sum(CASE WHEN row_count > 1 THEN row_count ELSE 0 END) OVER (ORDER BY rowid ROWS UNBOUNDED PRECEDING)"
OF_SEVERAL = {
    "last": f"CASE WHEN row_count > 1 THEN {ENDS} - 1 END",
    "line": f"CASE WHEN row_count > 1 THEN {ENDS} - row_count END",
    "row_count": "row_count",
}
"""What only files have in which an order has more than one row."""


class Staging:
    """Keeps the rows of one file as they come, accepted or not; `progress` is told how many they are by now. What it
    holds in memory is bounded, also where a file has nothing but rows that are rejected."""

    def __init__(self, connection: Connection, scratch: Scratch, progress: Callable[[int], None]) -> None:
        self.connection = connection
        self.scratch = scratch
        self.progress = progress
        self.rows = 0
        self.rejected: list[RejectedRow] = []

    def stage(self, portions: Iterable[StagedColumns | PlainRows]) -> int:
        """Keep the rows, and what is rejected on the way; how many there were."""
        self.scratch.create("staged", STAGED)
        merge.prepare(self.connection, *merge.INCOMING)
        create(self.connection, "rejected", REJECTED)
        # All rows in one transaction: each of its own would copy its rows once more.
        self.scratch.execute("BEGIN")
        rows = chain.from_iterable(zip(*portion, strict=True) for portion in self._count(self._read(portions)))
        while (first := next(rows, None)) is not None:
            self.scratch.load("staged", STAGED, chain((first,), islice(rows, KEPT - 1)))
        self.scratch.execute("COMMIT")
        self._keep_rejected()
        self.progress(self.rows)
        return self.rows

    def rename(self, names: Mapping[str, str]) -> None:
        """Call customers by their own ids where a row has another of their `names`, so that an order may be stated
        under several of them."""
        if names:
            self.scratch.create("renamed", {"customer": "VARCHAR", "own": "VARCHAR"})
            self.scratch.load("renamed", {"customer": "VARCHAR", "own": "VARCHAR"}, names.items())
            self.scratch.execute(
                "UPDATE staged SET customer = renamed.own FROM renamed WHERE renamed.customer = staged.customer"
            )

    def reject(self, row: RejectedRow) -> None:
        """Keep a row that is rejected."""
        self.rows += 1
        self.rejected.append(row)
        if len(self.rejected) >= PORTION:
            self._keep_rejected()
            self.progress(self.rows)

    def _read(self, portions: Iterable[StagedColumns | PlainRows]) -> Iterator[StagedColumns]:
        """The rows that are to be staged one by one; the others are."""
        for portion in portions:
            if isinstance(portion, StagedColumns):
                yield portion
            else:
                staged, others = portion.reader.stage(self.scratch, portion.text)
                self.rows += staged
                yield from others

    def _count(self, portions: Iterable[StagedColumns]) -> Iterator[StagedColumns]:
        told = 0
        for portion in portions:
            self.rows += len(portion.line)
            if self.rows - told >= PORTION:
                told = self.rows
                self.progress(self.rows)
            yield portion

    def _keep_rejected(self) -> None:
        rejected = [(*row, describe_kind(row.reason)) for row in self.rejected]
        load(self.connection, "rejected", REJECTED_COLUMNS, rejected)
        self.rejected.clear()


@dataclass(frozen=True, slots=True)
class ArrangedOrders:
    """What became of the rows: `count` orders, in which so many rows are `repeated`; `refunds` orders below zero that
    name no other were rejected, `refunded` minor units in all."""

    count: int
    repeated: int = 0
    refunds: int = 0
    refunded: int = 0


def arrange(connection: Connection, scratch: Scratch, business: int | None = None) -> ArrangedOrders:
    """Reject what the other rows of its order condemn, and put the orders together in the order of customers: the
    tables `arranged`, in which `line` is the first row's, and `arranged_line`, the rows of orders of more than one.
    Where rows are added to orders that the `business` holds, those below zero may be refunds of them."""
    if scratch.read_one(MAY_BE_SEVERAL)[0]:
        scratch.execute(SEVERAL)
    else:
        scratch.create("several", SEVERAL_COLUMNS)
    refunds, refunded = _refuse_rows(connection, scratch, business)
    scratch.execute("DELETE FROM several WHERE many = 1")
    (rows,) = scratch.read_one("SELECT count(*) FROM staged")
    (joined,) = scratch.read_one("SELECT coalesce(sum(many), 0) FROM several")
    repeated = 0
    parts = []
    if joined < rows or not rows:
        parts.append(SINGLE.format(of_these="ANTI JOIN several USING (order_id)" if joined else ""))
    if joined:
        scratch.execute(TWINS)
        (repeated,) = scratch.read_one(REPEATED)
        # Where all are of such orders, none need be left out.
        scratch.execute(WHOLE.format(of_these="SEMI JOIN several USING (order_id)" if parts else ""))
        parts.append(JOINED.format(**(WITH_ATTRIBUTES if _find_said(scratch, "staged", ("attributes",)) else PLAINLY)))
    scratch.execute(BUYERS)
    # One after the other: what is joined and sorted at once has to fit into memory in part.
    scratch.execute(f"CREATE TABLE unsorted AS {parts[0]}")
    for part in parts[1:]:
        scratch.execute(f"INSERT INTO unsorted {part}")
    scratch.execute("CREATE TABLE arranged AS FROM unsorted ORDER BY buyer, line")
    count, read, least = scratch.read_one("SELECT count(*), count(amount), min(amount) FROM arranged")
    if read < count or (least or 0) < -LARGEST:
        raise InvalidInput(f"The amounts add up to more than {LARGEST} minor units, which is the most.")
    if business is None and (least or 0) < 0:
        scratch.execute("UPDATE arranged SET amount = 0 WHERE amount < 0")
    scratch.execute(LINES)
    for table in ("staged", "several", "alien", "condemned", "refunded", "whole", "twin", "unsorted"):
        scratch.execute(f"DROP TABLE IF EXISTS {table}")
    return ArrangedOrders(count, int(repeated), refunds, refunded)


def _refuse_rows(connection: Connection, scratch: Scratch, business: int | None) -> tuple[int, int]:
    """Reject rows for the others of their order; how many orders were refunds of none, and of how much."""
    orders = {"order_id": "VARCHAR"}
    scratch.create("condemned", orders)
    scratch.create("refunded", orders)
    scratch.create("alien", ALIEN)
    with connection.execute(text(CONDEMNED).execution_options(yield_per=PORTION)) as condemned:
        scratch.load("condemned", orders, condemned)
    refunds = refunded = 0
    for aliens in ALIENS:
        _move(connection, scratch, aliens)
    if business is not None:
        _spare_refunds(connection, scratch, business)
    _move(connection, scratch, ONLY_REFUNDS)
    refunds, refunded = scratch.read_one(LONE_REFUNDS)
    return int(refunds), int(refunded)


def _move(connection: Connection, scratch: Scratch, aliens: str) -> None:
    """Move these rows among the rejected ones."""
    scratch.create("alien", ALIEN)
    scratch.execute(f"INSERT INTO alien {aliens}")
    if not scratch.read_one("SELECT count(*) FROM alien")[0]:
        return
    for rows in scratch.read_many("SELECT line, reason, order_id FROM alien"):
        load(connection, "rejected", ("line", "reason", "order_id"), rows)
    scratch.execute("DELETE FROM staged WHERE line IN (SELECT line FROM alien)")
    scratch.execute(SEVERAL)


def _spare_refunds(connection: Connection, scratch: Scratch, business: int) -> None:
    """Let stand what is below zero and refunds of orders that the business holds."""
    create(connection, "candidate", "order_id {text} NOT NULL")
    for rows in scratch.read_many("SELECT order_id FROM several WHERE least < 0 AND most <= 0"):
        load(connection, "candidate", ("order_id",), rows)
    with connection.execute(text(REFUNDED), {"business": business}) as found:
        scratch.load("refunded", {"order_id": "VARCHAR"}, found)


class Arranged:
    """Hands out the arranged orders, one range after the other."""

    def __init__(self, connection: Connection, scratch: Scratch) -> None:
        self.connection = connection
        self.scratch = scratch
        scratch.shrink()
        (several,) = scratch.read_one("SELECT count(*) FROM arranged_line")
        goods = _find_said(scratch, "arranged", GOODS)
        # The first two are looked at, and where there are several rows the third.
        seq, buyer, *others = COLUMNS.items()
        orders = dict((seq, buyer, *(OF_SEVERAL.items() if several else ()), *others, *zip(goods, goods, strict=True)))
        lines = (*LINE_COLUMNS, *_find_said(scratch, "arranged_line", GOODS[:-1]))
        self.order_columns, self.line_columns = tuple(orders), ("line", *lines)
        self.orders = scratch.open_rows(f"SELECT {', '.join(orders.values())} FROM arranged")
        self.lines = scratch.open_rows(f"SELECT rowid, {', '.join(lines)} FROM arranged_line") if several else None
        self.buyers = scratch.open_rows("SELECT number, customer FROM buyer")
        self.buyer: tuple[int, str] = (0, "")
        self.line_count = 0

    def fill(self, count: int) -> None:
        """Let the temporary tables of what comes in hold the next so many orders; `seq` counts them from 1 on. Lines
        have numbers of their own, by which their order finds them."""
        empty(self.connection, *merge.INCOMING)
        last = self.buyer
        for size in (min(PIECE, count - taken) for taken in range(0, count, PIECE)):
            rows = self.orders.take(size)
            load(self.connection, "incoming", self.order_columns, rows)
            buyers = self.buyers.take(rows[-1][1] - self.buyer[0])
            self.buyer = buyers[-1] if buyers else self.buyer
            if rows[0][1] == last[0]:
                # Of the range before, and going on to buy.
                buyers.insert(0, last)
            load(self.connection, "incoming_buyer", ("number", "customer"), buyers)
            last = (0, "")
            if self.lines is not None:
                ends = max((row[2] + 1 for row in rows if row[2] is not None), default=self.line_count)
                while part := self.lines.take(min(PIECE, ends - self.line_count)):
                    load(self.connection, "incoming_line", self.line_columns, part)
                    self.line_count += len(part)

    def refuse(self) -> None:
        """Reject the rows of the resolved orders that the store cannot take."""
        columns = {"seq": "BIGINT", "reason": "VARCHAR"}
        self.scratch.create("refused", columns)
        self.scratch.load("refused", columns, self.connection.execute(text(REFUSED)))
        for rows in self.scratch.read_many(ROWS_OF_REFUSED):
            load(self.connection, "rejected", ("line", "reason", "order_id"), rows)

    def find_standing(self) -> Iterator[tuple[int, str]]:
        """The line and the order of rows that stand, of orders of which another was rejected as another customer's."""
        found = {"order_id": "VARCHAR", "line": "BIGINT"}
        self.scratch.create("beside", found)
        beside = text(BESIDE).execution_options(yield_per=PORTION)
        with self.connection.begin(), self.connection.execute(beside) as orders:
            self.scratch.load("beside", found, orders)
        return chain.from_iterable(self.scratch.read_many(STANDING))


def _find_said(scratch: Scratch, table: str, columns: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns in which anything stands."""
    counts = scratch.read_one(f"SELECT {', '.join(f'count({column})' for column in columns)} FROM {table}")
    return tuple(column for column, count in zip(columns, counts, strict=True) if count)
