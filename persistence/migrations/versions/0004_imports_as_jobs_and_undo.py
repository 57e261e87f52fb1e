"""Imports as jobs that can be followed and undone, and which write stated a purchase last."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ACTIVE = "status IN ('QUEUED', 'RUNNING')"


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


def list_added_columns() -> list[sa.Column[Any]]:
    """What each import says beyond its counts."""
    return [
        sa.Column("phase", code_point_text(), server_default=sa.text("''"), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        number("total", True),
        number("started_at", True),
        number("heartbeat_at", True),
        sa.Column("owner", code_point_text(), nullable=True),
        sa.Column("requested_by", code_point_text(), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("error_code", code_point_text(), nullable=True),
        sa.Column("future", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("options", sa.JSON(), nullable=True),
        sa.Column("time_zone", code_point_text(), nullable=True),
        number("undo_begun_at", True),
        number("undone_at", True),
        sa.Column("undo", sa.JSON(), nullable=True),
        sa.Column("request_key", code_point_text(), nullable=True),
        sa.Column("request_digest", code_point_text(), nullable=True),
    ]


def upgrade() -> None:
    """Apply. Columns are added in place: the purchases are not copied."""
    op.add_column("purchase", sa.Column("written_by", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
    for column in list_added_columns():
        op.add_column("purchase_import", column)
    op.create_index(
        "ix_import_active",
        "purchase_import",
        ["business_id", "id"],
        unique=False,
        sqlite_where=sa.text(ACTIVE),
        postgresql_where=sa.text(ACTIVE),
    )
    op.create_index("uq_import_request", "purchase_import", ["business_id", "request_key"], unique=True)
    op.execute("UPDATE purchase_import SET phase = 'finished', started_at = created_at")
    op.execute("UPDATE purchase_import SET error_code = 'FAILED' WHERE status = 'FAILED'")
    op.create_table(
        "import_range",
        key("business_id"),
        key("import_id"),
        key("first_purchase"),
        number("last_purchase"),
        number("first_customer"),
        number("last_customer"),
        number("first_storefront"),
        number("last_storefront"),
        *of_business("import_id", "first_purchase"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "purchase_before",
        key("business_id"),
        key("import_id"),
        key("customer_id"),
        key("purchase_id"),
        number("purchased_at"),
        number("local_day"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        number("amount"),
        number("storefront_id", True),
        sa.Column("channel", code_point_text(), nullable=True),
        number("written_by"),
        *of_business("import_id", "customer_id", "purchase_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "purchase_line_before",
        key("business_id"),
        key("import_id"),
        key("customer_id"),
        key("purchase_id"),
        key("position"),
        sa.Column("category", code_point_text(), nullable=True),
        number("amount"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        *of_business("import_id", "customer_id", "purchase_id", "position"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    for table in ("purchase_line_before", "purchase_before", "import_range"):
        op.drop_table(table)
    op.drop_index("uq_import_request", table_name="purchase_import")
    op.drop_index("ix_import_active", table_name="purchase_import")
    for column in reversed(list_added_columns()):
        op.drop_column("purchase_import", column.name)
    op.drop_column("purchase", "written_by")
