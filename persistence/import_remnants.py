"""What remains of an import that is taken back once its purchases are gone: customers and storefronts that it made.
They go where nothing else is known of them; a customer with a history of memberships stays."""

from sqlalchemy import Connection, text

from persistence.database.dialects import empty, fill

STEP = 4_000
"""Customer ids that are looked at in one transaction."""
UNKNOWN = """c.business_id = :business AND c.id BETWEEN :low AND :high AND NOT c.erased
    AND c.name IS NULL AND c.email IS NULL AND c.loyalty_level IS NULL AND c.registered_at IS NULL"""
NO_PURCHASE = """NOT EXISTS (SELECT 1 FROM purchase p WHERE p.business_id = :business AND p.customer_id = c.id)"""
NO_MEMBERSHIP = "NOT EXISTS (SELECT 1 FROM membership m WHERE m.business_id = :business AND m.customer_id = c.id)"
BARE = f"SELECT c.id, c.external_id FROM customer c WHERE {UNKNOWN} AND {NO_PURCHASE} AND {NO_MEMBERSHIP}"
EMPTY = f"""SELECT COUNT(*) FROM customer c WHERE c.business_id = :business AND c.id BETWEEN :low AND :high
    AND {NO_PURCHASE}"""
# Of such a customer only the external id can be searched for.
FORGET_TERM = "DELETE FROM customer_term WHERE business_id = :business AND term = :term AND customer_id = :customer"
TABLES = (("customer_label", "customer_id"), ("customer_metrics", "customer_id"), ("customer", "id"))
FORGET = "DELETE FROM {table} WHERE business_id = :business AND {column} IN (SELECT customer_id FROM touched)"
RUNNING = "SELECT COUNT(*) FROM job WHERE business_id = :business AND status = 'RUNNING'"
STOREFRONTS = """DELETE FROM storefront WHERE business_id = :business AND id BETWEEN :low AND :high AND id NOT IN
    (SELECT storefront_id FROM purchase WHERE business_id = :business AND storefront_id IS NOT NULL
    UNION SELECT storefront_id FROM purchase_before WHERE business_id = :business AND storefront_id IS NOT NULL)"""


def nobody_evaluates(connection: Connection, business: int) -> bool:
    """Whether no run is about to give memberships to customers that it has read; none begins in this transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE job IN SHARE MODE"))
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
        connection.execute(text(FORGET.format(table=table, column=column)), {"business": business})
    return len(rows)


def without_purchases(connection: Connection, business: int, low: int, high: int) -> int:
    """How many customers of the span have no purchase."""
    span = {"business": business, "low": low, "high": high}
    return int(connection.execute(text(EMPTY), span).scalar_one())


def remove_storefronts(connection: Connection, business: int, low: int, high: int) -> int:
    """Remove those of the span where nothing was bought; how many."""
    return connection.execute(text(STOREFRONTS), {"business": business, "low": low, "high": high}).rowcount
