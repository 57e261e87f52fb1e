"""The tables of segments: definitions, memberships as intervals, what changed when, snapshots, and runs. An instant of
a business is unique to one write, so that the order of instants is the order of commits."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import Field, SQLModel

from persistence.tables import CLUSTERED, key_column, number_column, small_column, text_column, whole_column

ACTIVE = "status IN ('QUEUED', 'RUNNING')"
ACTIVE_OF_SEGMENT = f"{ACTIVE} AND segment_id IS NOT NULL"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _json() -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


def _flag() -> Any:
    return Field(sa_column=Column(Boolean, nullable=False))


def _of_business(*more: Any) -> tuple[Any, ...]:
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more)


class SegmentRow(SQLModel, table=True):
    """A named group. `name_sort` is the casefolded name; `member_count` is kept with every change of memberships;
    `defined_at` is the instant of the present definition."""

    __tablename__ = "segment"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        Index("uq_segment_key", "business_id", "key", unique=True, **_where("deleted_at IS NULL")),
        Index("uq_segment_name", "business_id", "name_sort", unique=True, **_where("deleted_at IS NULL")),
        CLUSTERED,
    )
    business_id: int = key_column()
    id: int = key_column()
    key: str = text_column()
    name: str = text_column()
    name_sort: str = text_column()
    description: str | None = text_column(nullable=True)
    kind: str = text_column()
    is_dynamic: bool = _flag()
    is_rfm: bool = _flag()
    rules: Any = _json()
    criteria: Any = _json()
    rfm_min: str | None = text_column(nullable=True)
    rfm_max: str | None = text_column(nullable=True)
    schedule: str | None = text_column(nullable=True)
    version: int = number_column(1)
    created_at: int = whole_column()
    updated_at: int = whole_column()
    defined_at: int = whole_column()
    created_by: str | None = text_column(nullable=True)
    deleted_at: int | None = number_column()
    next_run_at: int | None = number_column()
    last_calculated: int | None = number_column()
    member_count: int = number_column(0)


class MembershipRow(SQLModel, table=True):
    """A customer in a segment from `entered_at` until `left_at`, which is null while it lasts. `source` is its place in
    SOURCE_ORDER."""

    __tablename__ = "membership"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "segment_id", "customer_id", "entered_at"),
        Index(
            "uq_membership_open", "business_id", "segment_id", "customer_id", unique=True, **_where("left_at IS NULL")
        ),
        Index("ix_membership_customer", "business_id", "customer_id", "segment_id", "entered_at"),
        Index("ix_membership_entered", "business_id", "segment_id", "entered_at", "customer_id"),
        Index(
            "ix_membership_left", "business_id", "segment_id", "left_at", "customer_id", **_where("left_at IS NOT NULL")
        ),
        CLUSTERED,
    )
    business_id: int = key_column()
    segment_id: int = key_column()
    customer_id: int = key_column()
    entered_at: int = key_column()
    left_at: int | None = number_column()
    source: int = small_column()
    entered_by: str | None = text_column(nullable=True)
    left_by: str | None = text_column(nullable=True)


class MembershipChangeRow(SQLModel, table=True):
    """One write that changed the members of one segment: how many entered and left, and how many there were then. Its
    customers are the memberships that begin or end at the instant."""

    __tablename__ = "membership_change"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "at", "segment_id"),
        Index("ix_membership_change_segment", "business_id", "segment_id", "at"),
        CLUSTERED,
    )
    business_id: int = key_column()
    at: int = key_column()
    segment_id: int = key_column()
    entered: int = whole_column()
    left_count: int = whole_column()
    member_count: int = whole_column()


class SnapshotRow(SQLModel, table=True):
    """An instant of a segment with its member count; `job_id` is the run that made it, if one did."""

    __tablename__ = "snapshot"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "segment_id", "at"), CLUSTERED)
    business_id: int = key_column()
    segment_id: int = key_column()
    at: int = key_column()
    member_count: int = whole_column()
    job_id: int | None = number_column()
    created_by: str | None = text_column(nullable=True)


class JobRow(SQLModel, table=True):
    """A run of background work. Of one segment's runs at most one is active; `owner` holds it while its `heartbeat_at`
    is fresh. `parent_id` is the run that this one is a part of."""

    __tablename__ = "job"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        Index("uq_job_active", "business_id", "segment_id", unique=True, **_where(ACTIVE_OF_SEGMENT)),
        Index("ix_job_segment", "business_id", "segment_id", "id"),
        Index("ix_job_parent", "business_id", "parent_id", "id"),
        Index("ix_job_active", "business_id", "id", **_where(ACTIVE)),
        CLUSTERED,
    )
    business_id: int = key_column()
    id: int = key_column()
    kind: str = text_column()
    reason: str = text_column()
    parent_id: int | None = number_column()
    segment_id: int | None = number_column()
    status: str = text_column()
    phase: str = text_column()
    done: int = number_column(0)
    total: int | None = number_column()
    created_at: int = whole_column()
    started_at: int | None = number_column()
    finished_at: int | None = number_column()
    heartbeat_at: int | None = number_column()
    owner: str | None = text_column(nullable=True)
    attempts: int = number_column(0)
    cancel_requested: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    requested_by: str | None = text_column(nullable=True)
    error_code: str | None = text_column(nullable=True)
    error_message: str | None = text_column(nullable=True)
    evaluated: int = number_column(0)
    entered: int = number_column(0)
    left_count: int = number_column(0)
    snapshot_at: int | None = number_column()


metadata = SQLModel.metadata
_tables = metadata.tables
segment = _tables["segment"]
membership = _tables["membership"]
membership_change = _tables["membership_change"]
snapshot = _tables["snapshot"]
job = _tables["job"]
