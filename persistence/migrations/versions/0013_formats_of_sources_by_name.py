"""Formats of sources that a business keeps by name, and the key of the digests that its made ids are of: every business
there is gets one of its own."""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.add_column("business", sa.Column("digest_key", code_point_text(), server_default=sa.text("''"), nullable=False))
    business = sa.table("business", sa.column("id", sa.Integer), sa.column("digest_key", sa.Text))
    connection = op.get_bind()
    for id in connection.execute(sa.select(business.c.id)).scalars().all():
        connection.execute(sa.update(business).where(business.c.id == id).values(digest_key=secrets.token_hex(32)))
    op.create_table(
        "source_format",
        sa.Column("business_id", sa.BigInteger(), nullable=False),
        sa.Column("name", code_point_text(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id", "name"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("source_format")
    op.drop_column("business", "digest_key")
