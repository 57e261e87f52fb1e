"""Requests with an Idempotency-Key: who works on each, what it did, and its answer."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "idempotent_request",
        sa.Column("business_id", sa.BigInteger(), nullable=False),
        sa.Column("subject", code_point_text(), nullable=False),
        sa.Column("key", code_point_text(), nullable=False),
        sa.Column("digest", code_point_text(), nullable=False),
        sa.Column("owner", code_point_text(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("effect", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("answer", code_point_text(), nullable=True),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id", "subject", "key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idempotent_request_age", "idempotent_request", ["business_id", "created_at"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("idempotent_request")
