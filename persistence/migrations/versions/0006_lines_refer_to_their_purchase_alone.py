"""Lines refer to the business by way of their purchase: a check for every line was two thirds of writing it."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def key(name: str) -> sa.Column[int]:
    """Part of a key."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("purchase_line_business_id_fkey", "purchase_line", type_="foreignkey")
        return
    op.create_table(
        "purchase_line_without",
        *map(key, ("business_id", "customer_id", "purchase_id", "position")),
        sa.Column("category", code_point_text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("business_id", "customer_id", "purchase_id", "position"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO purchase_line_without SELECT business_id, customer_id, purchase_id, position, category, amount, "
        "status FROM purchase_line ORDER BY business_id, customer_id, purchase_id, position"
    )
    op.drop_table("purchase_line")
    op.rename_table("purchase_line_without", "purchase_line")


def downgrade() -> None:
    """Take back; on SQLite the table stays without the reference, which nothing reads."""
    if op.get_bind().dialect.name == "postgresql":
        op.create_foreign_key("purchase_line_business_id_fkey", "purchase_line", "business", ["business_id"], ["id"])
