"""Tables of segments, who was in them from when until when, and how large they were."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    SmallInteger,
)

from persistence.tables.columns import (
    CodePointText,
    NullableJson,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)


class SegmentRow(Row, table=True):
    """A named group. `name_sort` is the casefolded name; `member_count` is kept with every change of memberships;
    `defined_at` is the instant of the present definition."""

    __tablename__ = "segment"
    __table_args__ = of_business(
        primary_key("id"),
        index("uq_segment_key", "key", unique=True, where="deleted_at IS NULL"),
        index("uq_segment_name", "name_sort", unique=True, where="deleted_at IS NULL"),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    key: str = not_null(CodePointText)
    name: str = not_null(CodePointText)
    name_sort: str = not_null(CodePointText)
    description: str | None = nullable(CodePointText)
    kind: str = not_null(CodePointText)
    is_dynamic: bool = not_null(Boolean)
    is_rfm: bool = not_null(Boolean)
    rules: Any = nullable(NullableJson)
    criteria: Any = nullable(NullableJson)
    rfm_min: str | None = nullable(CodePointText)
    rfm_max: str | None = nullable(CodePointText)
    schedule: str | None = nullable(CodePointText)
    version: int = not_null(BigInteger, 1)
    created_at: int = not_null(BigInteger)
    updated_at: int = not_null(BigInteger)
    defined_at: int = not_null(BigInteger)
    created_by: str | None = nullable(CodePointText)
    deleted_at: int | None = nullable(BigInteger)
    next_run_at: int | None = nullable(BigInteger)
    last_calculated: int | None = nullable(BigInteger)
    member_count: int = not_null(BigInteger, 0)


class MembershipRow(Row, table=True):
    """A customer in a segment from `entered_at` until `left_at`, which is null while it lasts. `source` is its place in
    SOURCE_ORDER."""

    __tablename__ = "membership"
    __table_args__ = of_business(
        primary_key("segment_id", "customer_id", "entered_at"),
        index("uq_membership_open", "segment_id", "customer_id", unique=True, where="left_at IS NULL"),
        index("ix_membership_customer", "customer_id", "segment_id", "entered_at"),
        index("ix_membership_entered", "segment_id", "entered_at", "customer_id"),
        index("ix_membership_left", "segment_id", "left_at", "customer_id", where="left_at IS NOT NULL"),
    )
    business_id: int = not_null(BigInteger)
    segment_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    entered_at: int = not_null(BigInteger)
    left_at: int | None = nullable(BigInteger)
    source: int = not_null(SmallInteger)
    entered_by: str | None = nullable(CodePointText)
    left_by: str | None = nullable(CodePointText)


class MembershipChangeRow(Row, table=True):
    """One write that changed the members of one segment: how many entered and left, and how many there were then. Its
    customers are the memberships that begin or end at the instant."""

    __tablename__ = "membership_change"
    __table_args__ = of_business(
        primary_key("at", "segment_id"), index("ix_membership_change_segment", "segment_id", "at")
    )
    business_id: int = not_null(BigInteger)
    at: int = not_null(BigInteger)
    segment_id: int = not_null(BigInteger)
    entered: int = not_null(BigInteger)
    left_count: int = not_null(BigInteger)
    member_count: int = not_null(BigInteger)


class SnapshotRow(Row, table=True):
    """An instant of a segment with its member count; `job_id` is the run that made it, if one did."""

    __tablename__ = "snapshot"
    __table_args__ = of_business(primary_key("segment_id", "at"))
    business_id: int = not_null(BigInteger)
    segment_id: int = not_null(BigInteger)
    at: int = not_null(BigInteger)
    member_count: int = not_null(BigInteger)
    job_id: int | None = nullable(BigInteger)
    created_by: str | None = nullable(CodePointText)


segment = Row.metadata.tables["segment"]
membership = Row.metadata.tables["membership"]
membership_change = Row.metadata.tables["membership_change"]
snapshot = Row.metadata.tables["snapshot"]
