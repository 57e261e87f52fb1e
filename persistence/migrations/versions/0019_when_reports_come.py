"""When the scheduled reports of a business come next, and which wait to be written."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("label_state", sa.Column("reports", text, nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("label_state", "reports")
