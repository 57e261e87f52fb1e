"""Labels that are kept, what they are valid for, and how far each source was read."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def number(name: str, nullable: bool = False) -> sa.Column[int]:
    """A whole number."""
    return sa.Column(name, sa.BigInteger(), nullable=nullable)


def key(name: str) -> sa.Column[int]:
    """Part of a key."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def of_business(*names: str) -> tuple[sa.Constraint, ...]:
    """The constraints of a table whose key is the business and these columns."""
    return sa.ForeignKeyConstraint(["business_id"], ["business.id"]), sa.PrimaryKeyConstraint("business_id", *names)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "customer_label",
        key("business_id"),
        key("customer_id"),
        *(sa.Column(name, code_point_text(), nullable=True) for name in ("frequency", "spending", "category")),
        *of_business("customer_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "label_state",
        key("business_id"),
        sa.Column("basis", code_point_text(), nullable=True),
        sa.Column("seen_at", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", code_point_text(), nullable=False),
        number("due_at", True),
        *of_business(),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "source_state",
        key("business_id"),
        sa.Column("source", code_point_text(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        number("data_version"),
        number("at"),
        *of_business("source"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    for name in ("source_state", "label_state", "customer_label"):
        op.drop_table(name)
