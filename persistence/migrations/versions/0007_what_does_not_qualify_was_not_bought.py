"""Imported orders that do not qualify show the sum of their own rows, where they showed 0; and whom this or the status
of a line concerns counts as changed now, so that memberships and reports follow."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The amount that a purchase states through the API is its own; 0 is a writer that was not kept yet.
OF_AN_IMPORT = """EXISTS (SELECT 1 FROM purchase_import i WHERE i.business_id = {table}.business_id
    AND {table}.written_by IN (0, i.id))"""
OWN_LINES = """FROM {lines} l WHERE l.business_id = {table}.business_id AND l.customer_id = {table}.customer_id
    AND l.purchase_id = {table}.{key} AND l.status = {table}.status{also}"""
# A sum beyond the largest number, which an import refuses, is left out before it is added up exactly.
WRONG = f"""{{table}}.status > 1 AND {{table}}.amount = 0 AND {OF_AN_IMPORT}
    AND (SELECT SUM(l.amount * 1.0) {OWN_LINES}) BETWEEN 1 AND 9.2e18"""
RESTATE = f"UPDATE {{table}} SET amount = (SELECT CAST(SUM(l.amount) AS BIGINT) {OWN_LINES}) WHERE {WRONG}"
PURCHASES = {"table": "purchase", "key": "id", "lines": "purchase_line", "also": ""}
JOURNAL = {
    "table": "purchase_before",
    "key": "purchase_id",
    "lines": "purchase_line_before",
    "also": " AND l.import_id = purchase_before.import_id",
}

CONCERNED = f"""INSERT INTO concerned (business_id, customer_id)
    SELECT business_id, customer_id FROM purchase WHERE {WRONG.format(**PURCHASES)}
    UNION SELECT p.business_id, p.customer_id FROM purchase p JOIN purchase_line l ON l.business_id = p.business_id
    AND l.customer_id = p.customer_id AND l.purchase_id = p.id
    WHERE p.status <= 1 AND (l.status <> p.status OR l.amount < 0)"""
FOLLOW = (
    """UPDATE business SET change_number = change_number + 1, data_version = change_number + 1,
    last_instant = CASE WHEN last_instant < :now THEN :now ELSE last_instant + 1 END
    WHERE id IN (SELECT business_id FROM concerned)""",
    """UPDATE customer_metrics SET changed_at = (SELECT last_instant FROM business WHERE id = customer_metrics.business_id)
    WHERE EXISTS (SELECT 1 FROM concerned c WHERE c.business_id = customer_metrics.business_id
    AND c.customer_id = customer_metrics.customer_id)""",
    """INSERT INTO audit_event (business_id, id, at, actor, action, outcome)
    SELECT id, change_number, last_instant, 'upgrade', 'countBoughtLines', 'DONE' FROM business
    WHERE id IN (SELECT business_id FROM concerned)""",
)


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    op.execute("""CREATE TEMPORARY TABLE concerned
        (business_id BIGINT, customer_id BIGINT, PRIMARY KEY (business_id, customer_id))""")
    op.execute(CONCERNED)
    op.execute(RESTATE.format(**PURCHASES))
    op.execute(RESTATE.format(**JOURNAL))
    for statement in FOLLOW:
        connection.execute(sa.text(statement), {"now": now} if ":now" in statement else {})
    op.execute("DROP TABLE concerned")


def downgrade() -> None:
    """Nothing to take back: the amounts are what the files said."""
