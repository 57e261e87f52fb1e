"""Audit events are numbered by a sequence of their own and no more by the change number of their write, which they keep
beside it: files that are given out and attempts that are refused have events, too, and raise no change number. Those
there are keep their ids; the next one of a business follows the greatest."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

OF_WRITES = sa.text("change_number IS NOT NULL")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit_sequence",
        sa.Column("business_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint("business_id"),
        sqlite_with_rowid=False,
    )
    op.add_column("audit_event", sa.Column("change_number", sa.BigInteger(), nullable=True))
    op.execute("UPDATE audit_event SET change_number = id")
    op.execute(
        "INSERT INTO audit_sequence (business_id, last_id) SELECT business_id, MAX(id) FROM audit_event "
        "GROUP BY business_id"
    )
    op.create_index(
        "ix_audit_change",
        "audit_event",
        ["business_id", "change_number"],
        unique=True,
        sqlite_where=OF_WRITES,
        postgresql_where=OF_WRITES,
    )


def downgrade() -> None:
    """Take back. The next event is numbered by its change number again, which must be a free id."""
    op.execute(
        "UPDATE business SET change_number = (SELECT last_id FROM audit_sequence s WHERE s.business_id = business.id) "
        "WHERE change_number < (SELECT last_id FROM audit_sequence s WHERE s.business_id = business.id)"
    )
    op.drop_index("ix_audit_change", table_name="audit_event", sqlite_where=OF_WRITES, postgresql_where=OF_WRITES)
    op.drop_column("audit_event", "change_number")
    op.drop_table("audit_sequence")
