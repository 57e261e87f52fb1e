"""Imports are jobs: what every kind of background work has in common stands in one table, with ids of its own a kind, so
that every id stays as it was. What is of an import alone stays in its own table."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ACTIVE = "status IN ('QUEUED', 'RUNNING')"
COLUMNS = """business_id, id, kind, reason, parent_id, segment_id, status, phase, done, total, created_at, started_at,
    finished_at, heartbeat_at, owner, attempts, cancel_requested, requested_by, error_code, error_message, evaluated,
    entered, left_count, snapshot_at"""
SHARED = """status, phase, done, total, created_at, started_at, finished_at, heartbeat_at, owner, cancel_requested,
    requested_by, error_code"""
MOVE = f"""INSERT INTO job (business_id, id, kind, reason, error_message, {SHARED})
    SELECT business_id, id, 'IMPORT', 'REQUEST', error, {SHARED} FROM purchase_import"""
COUNT_ATTEMPTS = """UPDATE job SET attempts = :attempts
    WHERE business_id = :business AND kind = 'IMPORT' AND id = :id"""
FORGET_ATTEMPTS = "UPDATE purchase_import SET options = :options WHERE business_id = :business AND id = :id"
BACK = """UPDATE purchase_import SET {column} = (SELECT {source} FROM job j
    WHERE j.business_id = purchase_import.business_id AND j.kind = 'IMPORT' AND j.id = purchase_import.id)"""


def code_point_text() -> sa.types.TypeEngine[str]:
    """Text that compares by code point."""
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def key(name: str) -> sa.Column[int]:
    """Part of a key."""
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def words(name: str, nullable: bool = False, default: str | None = None) -> sa.Column[str]:
    """A text."""
    return sa.Column(name, code_point_text(), nullable=nullable, server_default=default and sa.text(default))


def number(name: str, default: str | None = None, nullable: bool = True) -> sa.Column[int]:
    """A whole number that may be absent, or has a default."""
    given = default and sa.text(default)
    return sa.Column(name, sa.BigInteger(), server_default=given, nullable=nullable and default is None)


def no(name: str) -> sa.Column[bool]:
    """A flag that is down."""
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def list_job_columns() -> list[sa.Column[Any]]:
    """What an import has in common with other jobs, as its own table held it."""
    return [
        words("status", True),
        words("phase", default="''"),
        number("done", "0"),
        number("total"),
        number("created_at"),
        number("started_at"),
        number("finished_at"),
        number("heartbeat_at"),
        words("owner", True),
        words("requested_by", True),
        no("cancel_requested"),
        words("error_code", True),
        words("error", True),
    ]


def rebuild(*keys: str) -> None:
    """SQLite changes a key by making the table anew."""
    op.create_table(
        "job_anew",
        key("business_id"),
        key("id"),
        words("kind"),
        words("reason"),
        number("parent_id"),
        number("segment_id"),
        words("status"),
        words("phase"),
        number("done", "0"),
        number("total"),
        number("created_at", nullable=False),
        *map(number, ("started_at", "finished_at", "heartbeat_at")),
        words("owner", True),
        number("attempts", "0"),
        no("cancel_requested"),
        *(words(name, True) for name in ("requested_by", "error_code", "error_message")),
        *(number(name, "0") for name in ("evaluated", "entered", "left_count")),
        number("snapshot_at"),
        sa.ForeignKeyConstraint(["business_id"], ["business.id"]),
        sa.PrimaryKeyConstraint(*keys),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO job_anew ({COLUMNS}) SELECT {COLUMNS} FROM job")
    op.drop_table("job")
    op.rename_table("job_anew", "job")
    active, of_segment = sa.text(ACTIVE), sa.text(f"{ACTIVE} AND segment_id IS NOT NULL")
    op.create_index("uq_job_active", "job", ["business_id", "segment_id"], unique=True, sqlite_where=of_segment)
    op.create_index("ix_job_segment", "job", ["business_id", "segment_id", "id"])
    op.create_index("ix_job_parent", "job", ["business_id", "parent_id", "id"])
    op.create_index("ix_job_active", "job", ["business_id", "id"], sqlite_where=active)


def change_key(*keys: str) -> None:
    """What tells one job from another."""
    if op.get_bind().dialect.name == "sqlite":
        rebuild(*keys)
    else:
        op.drop_constraint("job_pkey", "job", type_="primary")
        op.create_primary_key("job_pkey", "job", list(keys))


def upgrade() -> None:
    """Apply."""
    change_key("business_id", "kind", "id")
    op.drop_index("ix_job_parent", table_name="job")
    op.create_index("ix_job_parent", "job", ["business_id", "kind", "parent_id", "id"])
    op.execute(MOVE)
    move_attempts()
    op.drop_index("ix_import_active", table_name="purchase_import")
    for column in list_job_columns():
        op.drop_column("purchase_import", column.name)


def move_attempts() -> None:
    """How often an upload was begun stood among its options."""
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT business_id, id, options FROM purchase_import WHERE options IS NOT NULL"))
    for business, number, stored in rows.all():
        options = json.loads(stored) if isinstance(stored, str) else stored
        if isinstance(options, dict) and "attempts" in options:
            own = {"business": business, "id": number}
            attempts = int(str(options.pop("attempts")))
            connection.execute(sa.text(COUNT_ATTEMPTS), {**own, "attempts": attempts})
            connection.execute(sa.text(FORGET_ATTEMPTS), {**own, "options": json.dumps(options)})


def downgrade() -> None:
    """Take back."""
    for column in list_job_columns():
        op.add_column("purchase_import", column)
        source = "error_message" if column.name == "error" else column.name
        op.execute(BACK.format(column=column.name, source=source))
    with op.batch_alter_table("purchase_import") as batch:
        batch.alter_column("status", nullable=False)
        batch.alter_column("created_at", nullable=False)
    where = sa.text(ACTIVE)
    op.create_index(
        "ix_import_active", "purchase_import", ["business_id", "id"], sqlite_where=where, postgresql_where=where
    )
    op.execute("DELETE FROM job WHERE kind <> 'RECALCULATION'")
    op.drop_index("ix_job_parent", table_name="job")
    op.create_index("ix_job_parent", "job", ["business_id", "parent_id", "id"])
    change_key("business_id", "id")
