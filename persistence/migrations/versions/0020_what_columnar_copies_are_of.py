"""Which store this is, which columnar copies are in force, and who was removed since."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    identity = op.create_table(
        "store_identity",
        sa.Column("id", text, nullable=False),
        sa.Column("epoch", text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(identity, [{"id": secrets.token_hex(16), "epoch": secrets.token_hex(16)}])
    op.create_table(
        "columnar_copy",
        sa.Column("business_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", text, server_default=sa.text("''"), nullable=False),
        sa.Column("change_number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("instant", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", text, nullable=True),
        sa.Column("leased_until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "removed_customer",
        sa.Column("business_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.BigInteger(), nullable=False),
        sa.Column("removed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id", "customer_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_removed_customer_at", "removed_customer", ["business_id", "removed_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("removed_customer")
    op.drop_table("columnar_copy")
    op.drop_table("store_identity")
