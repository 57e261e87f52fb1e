"""Orders into the store, set by set. What is to be merged stands in two temporary tables, `incoming` (one row an
order) and `incoming_line`; every statement works on a range of `seq`. Imports and single writes share this path.

A range is first resolved, which writes nothing but the temporary tables, and then applied inside the caller's write
transaction together with the totals of the customers it touched.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from domain.model import WriteCounts
from persistence.columns import FAR_FUTURE, MISSING_TEXT

CREATED, UPDATED, UNCHANGED, FOREIGN, ERASED = range(5)
"""What happens to an order of `incoming`; FOREIGN: its id belongs to another customer."""

TEMPORARY = (
    """CREATE TEMPORARY TABLE IF NOT EXISTS incoming (seq INTEGER PRIMARY KEY, external_id TEXT NOT NULL,
    customer TEXT NOT NULL, at BIGINT NOT NULL, day BIGINT NOT NULL, status SMALLINT NOT NULL, amount BIGINT NOT NULL,
    storefront TEXT, channel TEXT, row_count INTEGER NOT NULL, counted SMALLINT NOT NULL, customer_id BIGINT,
    purchase_id BIGINT, storefront_id BIGINT, effect SMALLINT NOT NULL DEFAULT 0)""",
    """CREATE TEMPORARY TABLE IF NOT EXISTS incoming_line (seq INTEGER NOT NULL, position INTEGER NOT NULL,
    category TEXT, amount BIGINT NOT NULL, status SMALLINT NOT NULL, PRIMARY KEY (seq, position))""",
    "CREATE TEMPORARY TABLE IF NOT EXISTS touched (customer_id BIGINT PRIMARY KEY)",
    "DELETE FROM incoming",
    "DELETE FROM incoming_line",
    "DELETE FROM touched",
)

RESOLVE = (
    """UPDATE incoming SET customer_id = c.id, effect = CASE WHEN c.erased THEN 4 ELSE 0 END
    FROM customer c WHERE c.business_id = :business AND c.external_id = incoming.customer
    AND incoming.seq BETWEEN :low AND :high""",
    """UPDATE incoming SET storefront_id = s.id FROM storefront s
    WHERE s.business_id = :business AND s.key = incoming.storefront AND incoming.seq BETWEEN :low AND :high""",
    """UPDATE incoming SET purchase_id = p.id,
    effect = CASE WHEN effect = 4 THEN 4 WHEN incoming.customer_id IS NULL OR p.customer_id <> incoming.customer_id
    THEN 3 ELSE 1 END FROM purchase p WHERE p.business_id = :business AND p.external_id = incoming.external_id
    AND incoming.seq BETWEEN :low AND :high""",
    """UPDATE incoming SET effect = 2 WHERE seq BETWEEN :low AND :high AND effect = 1
    AND EXISTS (SELECT 1 FROM purchase p WHERE p.business_id = :business AND p.customer_id = incoming.customer_id
        AND p.id = incoming.purchase_id AND p.purchased_at = incoming.at AND p.local_day = incoming.day
        AND p.status = incoming.status AND p.amount = incoming.amount
        AND p.channel IS NOT DISTINCT FROM incoming.channel
        AND p.storefront_id IS NOT DISTINCT FROM incoming.storefront_id
        AND (incoming.storefront IS NULL OR incoming.storefront_id IS NOT NULL))
    AND (SELECT COUNT(*) FROM incoming_line l WHERE l.seq = incoming.seq)
        = (SELECT COUNT(*) FROM purchase_line l WHERE l.business_id = :business
        AND l.customer_id = incoming.customer_id AND l.purchase_id = incoming.purchase_id)
    AND NOT EXISTS (SELECT 1 FROM incoming_line l LEFT JOIN purchase_line k ON k.business_id = :business
        AND k.customer_id = incoming.customer_id AND k.purchase_id = incoming.purchase_id AND k.position = l.position
        AND k.amount = l.amount AND k.status = l.status AND k.category IS NOT DISTINCT FROM l.category
        WHERE l.seq = incoming.seq AND k.position IS NULL)""",
)

NEW_CUSTOMERS = f"""INSERT INTO customer (business_id, id, external_id, erased, name_sort)
    SELECT :business, :next_customer + MIN(seq) - :low, customer, false, '{MISSING_TEXT}' FROM incoming
    WHERE seq BETWEEN :low AND :high AND effect = 0 AND customer_id IS NULL GROUP BY customer"""
NEW_STOREFRONTS = """INSERT INTO storefront (business_id, id, key, name)
    SELECT :business, :next_storefront + ROW_NUMBER() OVER (ORDER BY storefront) - 1, storefront, storefront
    FROM (SELECT DISTINCT storefront FROM incoming WHERE seq BETWEEN :low AND :high AND effect <= 1
    AND storefront IS NOT NULL AND storefront_id IS NULL) AS unseen"""
LINK = (
    """UPDATE incoming SET customer_id = c.id FROM customer c WHERE c.business_id = :business
    AND c.external_id = incoming.customer AND incoming.customer_id IS NULL AND incoming.seq BETWEEN :low AND :high""",
    """UPDATE incoming SET storefront_id = s.id FROM storefront s WHERE s.business_id = :business
    AND s.key = incoming.storefront AND incoming.storefront_id IS NULL AND incoming.seq BETWEEN :low AND :high""",
    """UPDATE incoming SET purchase_id = :next_purchase + seq - :low
    WHERE seq BETWEEN :low AND :high AND effect = 0""",
)
ADD = """INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, counted,
    amount, storefront_id, channel) SELECT :business, customer_id, purchase_id, external_id, at, day, status, counted,
    amount, storefront_id, channel FROM incoming WHERE seq BETWEEN :low AND :high AND effect = 0
    ORDER BY customer_id, purchase_id"""
REPLACE = (
    """UPDATE purchase SET purchased_at = i.at, local_day = i.day, status = i.status, counted = i.counted,
    amount = i.amount, storefront_id = i.storefront_id, channel = i.channel FROM incoming i
    WHERE purchase.business_id = :business AND purchase.customer_id = i.customer_id AND purchase.id = i.purchase_id
    AND i.effect = 1 AND i.seq BETWEEN :low AND :high""",
    """DELETE FROM purchase_line WHERE business_id = :business AND (customer_id, purchase_id) IN
    (SELECT customer_id, purchase_id FROM incoming WHERE effect = 1 AND seq BETWEEN :low AND :high)""",
)
FINISH = (
    """INSERT INTO purchase_line (business_id, customer_id, purchase_id, position, category, amount, status)
    SELECT :business, i.customer_id, i.purchase_id, l.position, l.category, l.amount, l.status
    FROM incoming i JOIN incoming_line l ON l.seq = i.seq
    WHERE i.seq BETWEEN :low AND :high AND i.effect <= 1 ORDER BY i.customer_id, i.purchase_id, l.position""",
    """INSERT INTO touched SELECT DISTINCT customer_id FROM incoming
    WHERE seq BETWEEN :low AND :high AND effect <= 1""",
)
REFRESH = f"""INSERT INTO customer_metrics
    (business_id, customer_id, order_count, revenue, first_at, last_at, first_day, last_day, last_sort)
    SELECT :business, t.customer_id, COUNT(p.id), COALESCE(SUM(p.amount), 0), MIN(p.purchased_at),
    MAX(p.purchased_at), MIN(p.local_day), MAX(p.local_day), COALESCE(MAX(p.purchased_at), {FAR_FUTURE})
    FROM touched t LEFT JOIN purchase p
    ON p.business_id = :business AND p.customer_id = t.customer_id AND p.counted = 1
    WHERE true GROUP BY t.customer_id ORDER BY t.customer_id
    ON CONFLICT (business_id, customer_id) DO UPDATE SET order_count = excluded.order_count,
    revenue = excluded.revenue, first_at = excluded.first_at, last_at = excluded.last_at,
    first_day = excluded.first_day, last_day = excluded.last_day, last_sort = excluded.last_sort"""
RAISE_IDS = """UPDATE business SET next_customer = next_customer + :size, next_purchase = next_purchase + :size,
    next_storefront = next_storefront + :storefronts WHERE id = :business"""
WAITING = """UPDATE business SET matures_at = (SELECT MIN(purchased_at) FROM purchase
    WHERE business_id = :business AND counted = 0 AND status <= 1) WHERE id = :business"""
TALLY = """SELECT effect, COUNT(*), SUM(row_count) FROM incoming WHERE seq BETWEEN :low AND :high GROUP BY effect"""


@dataclass(frozen=True, slots=True)
class Tally:
    """What resolving a range found, by effect: orders and the rows that state them."""

    orders: dict[int, int]
    rows: dict[int, int]

    @property
    def changes(self) -> bool:
        """Whether applying the range writes anything."""
        return bool(self.orders.get(CREATED) or self.orders.get(UPDATED))

    @property
    def counts(self) -> WriteCounts:
        """Orders created, updated and unchanged."""
        return WriteCounts(*(self.orders.get(effect, 0) for effect in (CREATED, UPDATED, UNCHANGED)))


def prepare(connection: Connection) -> None:
    """Make the temporary tables, empty."""
    for statement in TEMPORARY:
        connection.execute(text(statement))


def resolve(connection: Connection, business: int, low: int, high: int) -> Tally:
    """Find out what each order of the range would do; writes only the temporary tables."""
    span = {"business": business, "low": low, "high": high}
    if connection.dialect.name == "postgresql":
        # Within one transaction PostgreSQL still believes the tables empty and would read them whole, row by row.
        connection.execute(text("SET LOCAL enable_seqscan = off"))
    for statement in RESOLVE:
        connection.execute(text(statement), span)
    found = connection.execute(text(TALLY), span).all()
    return Tally({row[0]: row[1] for row in found}, {row[0]: int(row[2]) for row in found})


def apply(connection: Connection, business: int, low: int, high: int, tally: Tally) -> None:
    """Write the resolved range and the totals it touches. The caller holds the business's write transaction."""
    numbers = connection.execute(
        text("SELECT next_customer, next_purchase, next_storefront FROM business WHERE id = :business"),
        {"business": business},
    ).one()
    span = {
        "business": business,
        "low": low,
        "high": high,
        "next_customer": numbers[0],
        "next_purchase": numbers[1],
        "next_storefront": numbers[2],
    }
    unseen = connection.execute(text(NEW_CUSTOMERS), span).rowcount
    storefronts = connection.execute(text(NEW_STOREFRONTS), span).rowcount
    for statement in LINK:
        connection.execute(text(statement), span)
    if unseen:
        _add_terms(connection, business, numbers[0])
    for statement in (ADD, *(REPLACE if tally.orders.get(UPDATED) else ()), *FINISH):
        connection.execute(text(statement), span)
    connection.execute(
        text(RAISE_IDS), {"business": business, "size": high - low + 1, "storefronts": max(storefronts, 0)}
    )
    refresh(connection, business)


def refresh(connection: Connection, business: int) -> None:
    """Make the totals of the customers in `touched` agree with their purchases, and empty `touched`."""
    connection.execute(text(REFRESH), {"business": business})
    connection.execute(text(WAITING), {"business": business})
    connection.execute(text("DELETE FROM touched"))


def _add_terms(connection: Connection, business: int, first: int) -> None:
    """What the new customers are found by. Casefolding is Python's: the databases fold text differently."""
    rows = connection.execute(
        text("SELECT id, external_id FROM customer WHERE business_id = :business AND id >= :first"),
        {"business": business, "first": first},
    ).all()
    connection.execute(
        text("INSERT INTO customer_term (business_id, term, customer_id) VALUES (:business, :term, :customer)"),
        sorted(
            ({"business": business, "term": external.casefold(), "customer": key} for key, external in rows),
            key=lambda row: str(row["term"]),
        ),
    )
