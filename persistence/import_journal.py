"""What undoing an import will need, kept in the transaction that makes it necessary: which ids were given to what it
created, and how each purchase that it changes stands before. Both are read from the range that was just resolved."""

from sqlalchemy import Connection, text

from persistence.merge import UPDATED, Tally

# A cross join keeps the order in which SQLite goes: from changed orders to their purchases to their lines. By itself it
# would go through all lines of the business, as it knows nothing of temporary tables.
BEFORE = (
    """INSERT INTO purchase_before (business_id, import_id, customer_id, purchase_id, purchased_at, local_day, status,
    amount, storefront_id, channel, written_by) SELECT :business, :import, p.customer_id, p.id, p.purchased_at,
    p.local_day, p.status, p.amount, p.storefront_id, p.channel, p.written_by FROM resolved r CROSS JOIN purchase p
    WHERE p.business_id = :business AND p.customer_id = r.customer_id AND p.id = r.purchase_id
    AND r.effect = 1 AND p.written_by <> :import""",
    """INSERT INTO purchase_line_before (business_id, import_id, customer_id, purchase_id, position, category, amount,
    status) SELECT :business, :import, p.customer_id, p.id, k.position, k.category, k.amount, k.status
    FROM resolved r CROSS JOIN purchase p CROSS JOIN purchase_line k
    WHERE p.business_id = :business AND p.customer_id = r.customer_id AND p.id = r.purchase_id
    AND k.business_id = :business AND k.customer_id = p.customer_id AND k.purchase_id = p.id
    AND r.effect = 1 AND p.written_by <> :import""",
)
GIVEN = """INSERT INTO import_range (business_id, import_id, first_purchase, last_purchase, first_customer,
    last_customer, first_storefront, last_storefront) SELECT id, :import, :next_purchase, next_purchase - 1,
    :next_customer, next_customer - 1, :next_storefront, next_storefront - 1 FROM business WHERE id = :business"""


def keep_before(connection: Connection, import_id: int, tally: Tally) -> None:
    """Keep the purchases that the range is about to change."""
    if tally.orders.get(UPDATED):
        for statement in BEFORE:
            connection.execute(text(statement), {**tally.span, "import": import_id})


def keep_given(connection: Connection, import_id: int, tally: Tally) -> None:
    """Keep the ids that the range, now applied, gave: also one that only changed orders may have made storefronts."""
    connection.execute(text(GIVEN), {**tally.span, "import": import_id})
