"""Into whom a customer was merged, whose other name its external id is."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MERGED = sa.text("merged_into IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    op.add_column("customer", sa.Column("merged_into", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_customer_merged",
        "customer",
        ["business_id", "merged_into"],
        unique=False,
        sqlite_where=MERGED,
        postgresql_where=MERGED,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_customer_merged", table_name="customer", sqlite_where=MERGED, postgresql_where=MERGED)
    op.drop_column("customer", "merged_into")
