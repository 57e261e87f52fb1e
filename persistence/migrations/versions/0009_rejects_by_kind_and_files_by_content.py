"""Rejected rows are counted by the kind of their reason: what was rejected before is its own kind. And an import knows
the file that it read by its hash, so that its rows are not added to an order twice."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("purchase_import") as table:
        table.add_column(sa.Column("content", code_point_text(), nullable=True))
        table.add_column(sa.Column("adds", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    with op.batch_alter_table("import_reject") as table:
        table.add_column(sa.Column("kind", code_point_text(), server_default=sa.text("''"), nullable=False))
    op.execute("UPDATE import_reject SET kind = reason")
    op.create_index("ix_reject_kind", "import_reject", ["business_id", "import_id", "kind", "line"])


def downgrade() -> None:
    """Take back."""
    op.drop_index("ix_reject_kind", "import_reject")
    with op.batch_alter_table("import_reject") as table:
        table.drop_column("kind")
    with op.batch_alter_table("purchase_import") as table:
        table.drop_column("content")
        table.drop_column("adds")
