"""Purchases into the store, set by set. What is to be merged stands in two temporary tables: `incoming`, one row an
order, and `incoming_line`, the lines of those orders that are more than one plain line; imports and single writes share
this path, each by ranges of `seq`. A range is first resolved, which writes nothing but temporary tables, and then
applied inside the caller's write transaction. Whatever changes purchases leaves the totals of the customers that it
touched right: orders merged, days moved to another zone, orders whose instant has come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from domain.attributes import write_attributes
from domain.calendar import find_day_boundaries, load_zone, to_local_day, to_micros
from domain.model import STATUS_ORDER, NewPurchase, WriteCounts
from domain.store import Refusal
from persistence.database.dialects import (
    create,
    fill,
    prefer_index_joins,
    run_together,
    write_emptying,
    write_index_joins,
    write_insert,
    write_make,
)
from persistence.erasure import mark_erased
from persistence.tables.columns import FAR_FUTURE, MISSING_TEXT

CREATED, UPDATED, UNCHANGED, FOREIGN, ERASED = range(5)
"""What happens to an order of `incoming`; FOREIGN: its id belongs to another customer."""

TABLES = {
    # Where `last` is null the order has one line: what it says itself. Otherwise its lines are those of `incoming_line`
    # from `line` to `last` in this order, none where `last` comes before `line`.
    "incoming": """seq INTEGER PRIMARY KEY, line BIGINT, last BIGINT, external_id {text} NOT NULL,
        buyer BIGINT NOT NULL, at BIGINT NOT NULL, day BIGINT NOT NULL, status SMALLINT NOT NULL,
        amount BIGINT NOT NULL, row_count BIGINT NOT NULL DEFAULT 1, category {text}, storefront {text},
        channel {text}, product {text}, sku {text}, quantity BIGINT, attributes {text}""",
    "incoming_line": """line BIGINT PRIMARY KEY, category {text}, amount BIGINT NOT NULL, status SMALLINT NOT NULL,
        product {text}, sku {text}, quantity BIGINT""",
    "incoming_buyer": "number BIGINT PRIMARY KEY, customer {text} NOT NULL",
    "buyer": """number BIGINT PRIMARY KEY, customer {text} NOT NULL, id BIGINT NOT NULL, erased BOOLEAN NOT NULL,
        fresh BOOLEAN NOT NULL""",
    "resolved": """seq INTEGER PRIMARY KEY, customer_id BIGINT NOT NULL, purchase_id BIGINT NOT NULL,
        storefront_id BIGINT, effect SMALLINT NOT NULL""",
    "touched": "customer_id BIGINT PRIMARY KEY",
}

INCOMING = ("incoming", "incoming_line", "incoming_buyer")
WRITTEN = ("purchase", "purchase_line", "customer", "customer_metrics", "customer_term")
JOURNALS = ("purchase_before", "purchase_line_before")
"""What the ranges of an import grow."""

BUYERS = """INSERT INTO buyer (number, customer, id, erased, fresh) SELECT i.number, i.customer,
    COALESCE(c.merged_into, c.id, :next_customer + ROW_NUMBER() OVER (ORDER BY i.customer) - 1),
    COALESCE(c.erased, false), c.id IS NULL
    FROM incoming_buyer i LEFT JOIN customer c ON c.business_id = :business AND c.external_id = i.customer"""
SAME_LINE = """k.amount = {line}.amount AND k.status = {line}.status
        AND k.category IS NOT DISTINCT FROM {line}.category AND k.product IS NOT DISTINCT FROM {line}.product
        AND k.sku IS NOT DISTINCT FROM {line}.sku AND k.quantity IS NOT DISTINCT FROM {line}.quantity"""
SAME_LINES = f"""CASE WHEN i.last IS NULL THEN
        (SELECT COUNT(*) FROM purchase_line k WHERE k.business_id = :business AND k.customer_id = p.customer_id
        AND k.purchase_id = p.id) = 1
        AND EXISTS (SELECT 1 FROM purchase_line k WHERE k.business_id = :business AND k.customer_id = p.customer_id
        AND k.purchase_id = p.id AND k.position = 1 AND {SAME_LINE.format(line="i")})
    ELSE (SELECT COUNT(*) FROM purchase_line k WHERE k.business_id = :business AND k.customer_id = p.customer_id
        AND k.purchase_id = p.id) = (SELECT COUNT(*) FROM incoming_line l WHERE l.line BETWEEN i.line AND i.last)
        AND NOT EXISTS (SELECT 1 FROM incoming_line l LEFT JOIN purchase_line k ON k.business_id = :business
        AND k.customer_id = p.customer_id AND k.purchase_id = p.id AND k.position = l.line - i.line + 1
        AND {SAME_LINE.format(line="l")} WHERE l.line BETWEEN i.line AND i.last AND k.position IS NULL) END"""
RESOLVE = f"""INSERT INTO resolved (seq, customer_id, purchase_id, storefront_id, effect)
    SELECT i.seq, b.id, COALESCE(p.id, :next_purchase + i.seq - :low), s.id,
    CASE WHEN b.erased THEN {ERASED} WHEN p.id IS NULL THEN {CREATED} WHEN p.customer_id <> b.id THEN {FOREIGN}
        WHEN p.purchased_at = i.at AND p.local_day = i.day AND p.status = i.status AND p.amount = i.amount
        AND p.channel IS NOT DISTINCT FROM i.channel AND p.storefront_id IS NOT DISTINCT FROM s.id
        AND p.attributes IS NOT DISTINCT FROM i.attributes
        AND (i.storefront IS NULL OR s.id IS NOT NULL) AND {SAME_LINES} THEN {UNCHANGED} ELSE {UPDATED} END
    FROM incoming i JOIN buyer b ON b.number = i.buyer
    LEFT JOIN purchase p ON p.business_id = :business AND p.external_id = i.external_id
    LEFT JOIN storefront s ON s.business_id = :business AND s.key = i.storefront"""
TALLY = """SELECT r.effect, COUNT(*), SUM(i.row_count),
    SUM(CASE WHEN i.status <= 1 AND i.at > :now THEN i.row_count ELSE 0 END),
    SUM(CASE WHEN r.storefront_id IS NULL AND i.storefront IS NOT NULL THEN 1 ELSE 0 END), COUNT(i.last)
    FROM resolved r JOIN incoming i ON i.seq = r.seq GROUP BY r.effect"""
HOLDS_ANY = """SELECT EXISTS (SELECT 1 FROM incoming i JOIN purchase p
    ON p.business_id = :business AND p.external_id = i.external_id)"""
TALLY_NEW = f"""SELECT {CREATED}, COUNT(*), SUM(row_count),
    SUM(CASE WHEN status <= 1 AND at > :now THEN row_count ELSE 0 END),
    (SELECT COUNT(*) FROM (SELECT storefront FROM incoming WHERE storefront IS NOT NULL
    EXCEPT SELECT key FROM storefront WHERE business_id = :business) AS unseen), COUNT(last)
    FROM incoming WHERE NOT EXISTS (SELECT 1 FROM buyer WHERE erased)
    HAVING COUNT(*) > 0"""

RESOLVED = {
    "orders": "resolved r JOIN incoming i ON i.seq = r.seq",
    "customer": "r.customer_id",
    "purchase": "r.purchase_id",
    "storefront": "r.storefront_id",
    "added": "r.effect = 0",
    "written": "r.effect <= 1",
}
"""Where statements find what becomes of the orders of a range."""
NEW = {
    "orders": """incoming i JOIN buyer b ON b.number = i.buyer
    LEFT JOIN storefront s ON s.business_id = :business AND s.key = i.storefront""",
    "customer": "b.id",
    "purchase": ":next_purchase + i.seq - :low",
    "storefront": "s.id",
    "added": "true",
    "written": "true",
}
"""The same where all of them are created."""
NEW_STOREFRONTS = """INSERT INTO storefront (business_id, id, key, name)
    SELECT :business, :next_storefront + ROW_NUMBER() OVER (ORDER BY storefront) - 1, storefront, storefront
    FROM (SELECT DISTINCT i.storefront FROM {orders}
    WHERE {written} AND {storefront} IS NULL AND i.storefront IS NOT NULL)
    AS unseen"""
LINK_STOREFRONTS = """UPDATE resolved SET storefront_id = s.id FROM incoming i JOIN storefront s
    ON s.business_id = :business AND s.key = i.storefront
    WHERE i.seq = resolved.seq AND resolved.storefront_id IS NULL"""
# Two names may mean the same customer.
TOUCH_ALL = "INSERT INTO touched (customer_id) SELECT id FROM buyer WHERE true ON CONFLICT DO NOTHING"
TOUCH = "INSERT INTO touched (customer_id) SELECT DISTINCT customer_id FROM resolved WHERE effect <= 1"
NEW_CUSTOMERS = f"""{{insert}} INTO customer (business_id, id, external_id, erased, name_sort)
    SELECT :business, id, customer, false, '{MISSING_TEXT}' FROM buyer
    WHERE fresh AND id IN (SELECT customer_id FROM touched) ORDER BY id"""
ADD = """{insert} INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, counted,
    amount, storefront_id, channel, attributes, written_by)
    SELECT :business, {customer}, {purchase}, i.external_id, i.at, i.day, i.status,
    CASE WHEN i.status <= 1 AND i.at <= :now THEN 1 ELSE 0 END, i.amount, {storefront}, i.channel, i.attributes,
    :writer FROM {orders} WHERE {added}"""
REPLACE = (
    """UPDATE purchase SET purchased_at = i.at, local_day = i.day, status = i.status,
    counted = CASE WHEN i.status <= 1 AND i.at <= :now THEN 1 ELSE 0 END, amount = i.amount,
    storefront_id = r.storefront_id, channel = i.channel, attributes = i.attributes, written_by = :writer
    FROM resolved r JOIN incoming i ON i.seq = r.seq
    WHERE purchase.business_id = :business AND purchase.customer_id = r.customer_id AND purchase.id = r.purchase_id
    AND r.effect = 1""",
    """DELETE FROM purchase_line WHERE business_id = :business AND (customer_id, purchase_id) IN
    (SELECT customer_id, purchase_id FROM resolved WHERE effect = 1)""",
)
ADD_LINES = (
    """{insert} INTO purchase_line
    (business_id, customer_id, purchase_id, position, category, amount, status, product, sku, quantity)
    SELECT :business, {customer}, {purchase}, 1, i.category, i.amount, i.status, i.product, i.sku, i.quantity
    FROM {orders} WHERE {written} AND i.last IS NULL""",
    """{insert} INTO purchase_line
    (business_id, customer_id, purchase_id, position, category, amount, status, product, sku, quantity)
    SELECT :business, {customer}, {purchase}, l.line - i.line + 1, l.category, l.amount, l.status, l.product, l.sku,
    l.quantity FROM {orders} JOIN incoming_line l ON l.line BETWEEN i.line AND i.last
    WHERE {written} AND i.last IS NOT NULL""",
)
REFRESH = f"""INSERT INTO customer_metrics
    (business_id, customer_id, order_count, revenue, first_at, last_at, first_day, last_day, last_sort, changed_at)
    SELECT :business, t.customer_id, COUNT(p.id), COALESCE(SUM(p.amount), 0), MIN(p.purchased_at),
    MAX(p.purchased_at), MIN(p.local_day), MAX(p.local_day), COALESCE(MAX(p.purchased_at), {FAR_FUTURE}),
    (SELECT last_instant FROM business WHERE id = :business)
    FROM touched t LEFT JOIN purchase p
    ON p.business_id = :business AND p.customer_id = t.customer_id AND p.counted = 1
    WHERE true GROUP BY t.customer_id ORDER BY t.customer_id
    ON CONFLICT (business_id, customer_id) DO UPDATE SET order_count = excluded.order_count,
    revenue = excluded.revenue, first_at = excluded.first_at, last_at = excluded.last_at,
    first_day = excluded.first_day, last_day = excluded.last_day, last_sort = excluded.last_sort,
    changed_at = excluded.changed_at"""
# Said as a range, or SQLite would look through all customers.
OTHER_NAMES = """SELECT n.external_id, c.external_id FROM customer n JOIN customer c
    ON c.business_id = n.business_id AND c.id = n.merged_into
    WHERE n.business_id = :business AND n.merged_into > 0 AND NOT n.erased"""
MOVE = "UPDATE {table} SET customer_id = :target WHERE business_id = :business AND customer_id = :source"
OF_IMPORTS = " AND import_id IN (SELECT id FROM purchase_import WHERE business_id = :business)"
WAITING = """UPDATE business SET matures_at = (SELECT MIN(purchased_at) FROM purchase
    WHERE business_id = :business AND counted = 0 AND status <= 1){more} WHERE id = :business"""
RAISED = """, next_customer = next_customer + :customers, next_purchase = next_purchase + :size,
    next_storefront = next_storefront + :storefronts"""
NUMBERS = """SELECT next_customer, next_purchase, next_storefront, change_number AS writer, erasure_key FROM business
    WHERE id = :business"""


@dataclass(frozen=True, slots=True)
class Range:
    """The orders of `incoming`, all of them, from seq `low` to `high`; their buyers are those of `incoming_buyer`. Only
    when the business is known to hold none of their ids, `all_new` spares the search for them. What is written says
    `writer`, the change number where that is absent."""

    business: int
    low: int
    high: int
    now: int
    all_new: bool = False
    writer: int | None = None


@dataclass(frozen=True, slots=True)
class MergeResult:
    """What resolving a range found, by effect: orders, the rows that state them, and those of them that wait for their
    instant; of those to write, whether there are ones that are one `plain` line, and ones with lines of their own.
    `places` is RESOLVED or NEW; of orders that are all new nothing stands in `resolved`."""

    orders: dict[int, int]
    rows: dict[int, int]
    future: int
    buyers: int
    unseen_storefronts: bool
    plain: bool
    lined: bool
    span: dict[str, Any]
    places: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether applying the range writes anything."""
        return bool(self.orders.get(CREATED) or self.orders.get(UPDATED))

    @property
    def all_written(self) -> bool:
        """Whether every order of the range is."""
        return all(effect <= UPDATED for effect in self.orders)

    @property
    def all_known(self) -> bool:
        """Whether no order of the range has to be refused."""
        return all(effect <= UNCHANGED for effect in self.orders)

    @property
    def counts(self) -> WriteCounts:
        """Orders created, updated and unchanged."""
        return WriteCounts(*(self.orders.get(effect, 0) for effect in (CREATED, UPDATED, UNCHANGED)))


def prepare(connection: Connection, *filled: str) -> None:
    """Make the temporary tables; those that are to be filled are empty."""
    dialect = connection.dialect.name
    made = [write_make(dialect, name, columns) for name, columns in TABLES.items()]
    run_together(connection, [*made, *write_emptying(dialect, *filled)])


def holds_any(connection: Connection, business: int) -> bool:
    """Whether the business holds an order of `incoming`."""
    prefer_index_joins(connection)
    return bool(connection.execute(text(HOLDS_ANY), {"business": business}).scalar_one())


Extend = Callable[[Connection, Mapping[str, int]], None]
"""Changes the orders of a range, whose buyers are known, before it is found out what they would do."""


def resolve(connection: Connection, part: Range, extend: Extend | None = None) -> MergeResult:
    """Find out what each order of the range would do; writes only the temporary tables."""
    row = connection.execute(text(NUMBERS), {"business": part.business}).one_or_none()
    # A business that is only planned begins with the first of everything.
    first = {"next_customer": 1, "next_purchase": 1, "next_storefront": 1, "writer": 0, "erasure_key": None}
    numbers = first if row is None else row._asdict()
    span = {"business": part.business, "low": part.low, "high": part.high, "now": part.now, **numbers}
    if part.writer is not None:
        span["writer"] = part.writer
    dialect = connection.dialect.name
    emptying = write_emptying(dialect, "buyer", "resolved", "touched")
    run_together(connection, [*emptying, *write_index_joins(dialect)])
    buyers = connection.execute(text(BUYERS), span).rowcount
    mark_erased(connection, part.business, span["erasure_key"])
    if extend is not None:
        extend(connection, span)
    # Of somebody who was erased nothing is created.
    rows = connection.execute(text(TALLY_NEW), span).all() if part.all_new else []
    places = NEW if rows else RESOLVED
    if not rows:
        connection.execute(text(RESOLVE), span)
        rows = connection.execute(text(TALLY), span).all()
    return MergeResult(
        {row[0]: row[1] for row in rows},
        {row[0]: int(row[2]) for row in rows},
        sum(int(row[3]) for row in rows if row[0] <= UNCHANGED),
        buyers,
        any(row[4] for row in rows if row[0] <= UPDATED),
        any(row[5] < row[1] for row in rows if row[0] <= UPDATED),
        any(row[5] for row in rows if row[0] <= UPDATED),
        span,
        places,
    )


def apply(connection: Connection, result: MergeResult) -> None:
    """Write the resolved range and the totals it touches. The caller holds the business's write transaction, in which
    it was resolved."""
    span = result.span
    storefronts = 0
    if result.unseen_storefronts:
        storefronts = connection.execute(text(NEW_STOREFRONTS.format(**result.places)), span).rowcount
        if result.places is RESOLVED:
            connection.execute(text(LINK_STOREFRONTS), span)
    insert = write_insert(connection.dialect.name)
    connection.execute(text(TOUCH_ALL if result.all_written else TOUCH))
    if connection.execute(text(NEW_CUSTOMERS.format(insert=insert)), span).rowcount:
        _add_terms(connection, span["business"], span["next_customer"])
    replacing = REPLACE if result.orders.get(UPDATED) else ()
    adding = [statement for statement, wanted in zip(ADD_LINES, (result.plain, result.lined), strict=True) if wanted]
    for statement in (ADD, *replacing, *adding):
        connection.execute(text(statement.format(insert=insert, **result.places)), span)
    raised = {"customers": result.buyers, "size": span["high"] - span["low"] + 1, "storefronts": storefronts}
    connection.execute(text(REFRESH), {"business": span["business"]})
    connection.execute(text(WAITING.format(more=RAISED)), {"business": span["business"], **raised})


def refresh(connection: Connection, business: int) -> None:
    """Make the totals of the customers in `touched` agree with their purchases."""
    prefer_index_joins(connection)
    connection.execute(text(REFRESH), {"business": business})
    connection.execute(text(WAITING.format(more="")), {"business": business})


def _add_terms(connection: Connection, business: int, first: int) -> None:
    """What the new customers are found by. Casefolding is Python's: the databases fold text differently."""
    rows = connection.execute(
        text("SELECT id, external_id FROM customer WHERE business_id = :business AND id >= :first"),
        {"business": business, "first": first},
    ).all()
    terms = sorted((business, external.casefold(), key) for key, external in rows)
    fill(connection, "customer_term", ("business_id", "term", "customer_id"), terms)


RANK = {status: rank for rank, status in enumerate(STATUS_ORDER)}
ORDER_COLUMNS = (
    "seq",
    "line",
    "last",
    "external_id",
    "buyer",
    "at",
    "day",
    "status",
    "amount",
    "row_count",
    "storefront",
    "channel",
    "attributes",
)
LINE_COLUMNS = ("line", "category", "amount", "status", "product", "sku", "quantity")


def record(
    connection: Connection, business: int, items: Sequence[NewPurchase], time_zone: str, now: datetime
) -> tuple[WriteCounts, list[Refusal]]:
    """Write them all, unless one is refused (codes FOREIGN, ERASED): then nothing."""
    tz = load_zone(time_zone)
    orders: list[tuple[object, ...]] = []
    lines: list[tuple[object, ...]] = []
    buyers: dict[str, int] = {}
    for seq, item in enumerate(items):
        first = len(lines)
        for line in item.lines:
            said = (line.category, line.amount, RANK[line.status], line.product, line.sku, line.quantity)
            lines.append((len(lines), *said))
        orders.append(
            (
                seq,
                first,
                len(lines) - 1,
                item.external_id,
                buyers.setdefault(item.customer_external_id, len(buyers)),
                to_micros(item.purchased_at),
                to_local_day(item.purchased_at, tz),
                RANK[item.status],
                item.amount,
                1,
                item.storefront_key,
                item.channel,
                write_attributes(item.attributes),
            )
        )
    prepare(connection, *INCOMING)
    fill(connection, "incoming_buyer", ("customer", "number"), list(buyers.items()))
    fill(connection, "incoming", ORDER_COLUMNS, orders)
    fill(connection, "incoming_line", LINE_COLUMNS, lines)
    result = resolve(connection, Range(business, 0, len(orders) - 1, to_micros(now)))
    if not result.all_known:
        rows = connection.execute(text("SELECT seq, effect FROM resolved WHERE effect >= 3 ORDER BY seq"))
        codes = {FOREIGN: "FOREIGN", ERASED: "ERASED"}
        return WriteCounts(), [Refusal(row[0], codes[row[1]]) for row in rows]
    if result.changes:
        apply(connection, result)
    return result.counts, []


def refresh_customers(connection: Connection, business: int, customers: Sequence[int]) -> None:
    """Make the totals of these customers agree with their purchases."""
    prepare(connection, "touched")
    fill(connection, "touched", ("customer_id",), [(key,) for key in customers])
    refresh(connection, business)


def load_other_names(connection: Connection, business: int) -> dict[str, str]:
    """The external ids of customers who were merged, each with that of whom they were merged into."""
    return {row[0]: row[1] for row in connection.execute(text(OTHER_NAMES), {"business": business})}


def move_purchases(connection: Connection, business: int, source: int, target: int) -> int:
    """Let the purchases of one customer be another's, and what imports would restore of them; how many there were."""
    values = {"business": business, "source": source, "target": target}
    for table in JOURNALS:
        connection.execute(text(MOVE.format(table=table) + OF_IMPORTS), values)
    connection.execute(text(MOVE.format(table="purchase_line")), values)
    count = connection.execute(text(MOVE.format(table="purchase")), values).rowcount
    refresh_customers(connection, business, [source, target])
    return count


def count_due(connection: Connection, business: int, micros: int) -> int:
    """Count the qualifying purchases whose instant has passed; how many there were."""
    prepare(connection, "touched")
    due = "business_id = :business AND counted = 0 AND status <= 1 AND purchased_at <= :now"
    values = {"business": business, "now": micros}
    connection.execute(text(f"INSERT INTO touched SELECT DISTINCT customer_id FROM purchase WHERE {due}"), values)
    count = connection.execute(text(f"UPDATE purchase SET counted = 1 WHERE {due}"), values).rowcount
    refresh(connection, business)
    return count


def fill_day_starts(connection: Connection, business: int, table: str, day: str, tz: ZoneInfo) -> bool:
    """Put into the temporary table `day_start` when each day begins that an instant of the table may lie in, whatever
    the zone that its days were those of; False where there are none."""
    used = connection.execute(
        text(f"SELECT DISTINCT {day} FROM {table} WHERE business_id = :business AND {day} IS NOT NULL"),
        {"business": business},
    ).scalars()
    # A local day of any zone lies within the UTC days around it.
    near = {utc_day for known in used for utc_day in (known - 1, known, known + 1)}
    boundaries = [boundary for utc_day in sorted(near) for boundary in find_day_boundaries(utc_day, tz)]
    create(connection, "day_start", "at BIGINT PRIMARY KEY, day BIGINT NOT NULL")
    fill(connection, "day_start", ("at", "day"), boundaries)
    return bool(boundaries)


def move_days(connection: Connection, business: int, time_zone: str) -> None:
    """Rewrite every local day for another zone, by ranges of instants."""
    tz = load_zone(time_zone)
    own = {"business": business}
    prepare(connection, "touched")
    for table, instant, day in (
        ("purchase", "purchased_at", "local_day"),
        ("customer", "registered_at", "registered_day"),
    ):
        if not fill_day_starts(connection, business, table, day, tz):
            continue
        connection.execute(
            text(
                f"UPDATE {table} SET {day} = (SELECT day FROM day_start WHERE at <= {table}.{instant} "
                f"ORDER BY at DESC LIMIT 1) WHERE business_id = :business AND {instant} IS NOT NULL"
            ),
            own,
        )
    connection.execute(
        text("INSERT INTO touched SELECT customer_id FROM customer_metrics WHERE business_id = :business"), own
    )
    refresh(connection, business)
