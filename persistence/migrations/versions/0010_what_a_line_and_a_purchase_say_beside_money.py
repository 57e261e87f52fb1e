"""Lines say product, stock-keeping unit and quantity, purchases have attributes; both also as they stood before an import
changed them. What was stored before says none of them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

PURCHASES = ("purchase", "purchase_before")
LINES = ("purchase_line", "purchase_line_before")


def words(name: str) -> sa.Column[str]:
    """A text that may be absent and compares by code point."""
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True)


def upgrade() -> None:
    """Apply."""
    for table in PURCHASES:
        op.add_column(table, words("attributes"))
    for table in LINES:
        op.add_column(table, words("product"))
        op.add_column(table, words("sku"))
        op.add_column(table, sa.Column("quantity", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Take back."""
    for table in PURCHASES:
        op.drop_column(table, "attributes")
    for table in LINES:
        for column in ("quantity", "sku", "product"):
            op.drop_column(table, column)
