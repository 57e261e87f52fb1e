"""Phone, country and city of customers, and attributes that a business names itself."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FIELDS = ("phone", "country", "city")


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def key(name: str) -> sa.Column[int]:
    """Part of a key."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    """Apply."""
    op.add_column("business", sa.Column("attributes", sa.JSON(), nullable=True))
    for name in FIELDS:
        op.add_column("customer", sa.Column(name, code_point_text(), nullable=True))
    op.create_table(
        "customer_attribute",
        key("business_id"),
        key("customer_id"),
        sa.Column("name", code_point_text(), nullable=False),
        sa.Column("text", code_point_text(), nullable=True),
        sa.Column("number", sa.Double(), nullable=True),
        sa.Column("flag", sa.Boolean(), nullable=True),
        sa.Column("instant", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id", "customer_id", "name"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("customer_attribute")
    for name in FIELDS:
        op.drop_column("customer", name)
    op.drop_column("business", "attributes")
