"""The tables. Every row belongs to a business, which comes first in every key and index; keys of facts hold the
customer, so that whatever belongs to one customer lies together.

The tables of segments: definitions, memberships as intervals, what changed when, snapshots, and runs. An instant of
a business is unique to one write, so that the order of instants is the order of commits.

The tables of imports: each run with its counts, what it refused, and what undoing it needs: which ids it gave, and
how the purchases that it changed stood before. A purchase that it wrote says so in `purchase.written_by`.

The tables of classification: the labels that are kept, what they are valid for, and how far each source was read.
What is kept here can be thrown away at any time; the next run makes it anew.

Column types that both databases read alike: text compares by code point, instants are microseconds since 1970.

What was bought: the lines of qualifying purchases whose own status qualifies and whose amount is not negative.
Shares by category count these alone, and a purchase of which nothing was bought as one line without a category.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    and_,
    text,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from domain.calendar import from_micros, to_micros
from domain.imports.rows import LAST_QUALIFYING

# SQLite compares text by its bytes, which is the order of code points; PostgreSQL must be told to.
CodePointText: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
Micros = BigInteger
FAR_FUTURE = 2**63 - 1
"""Stands for a missing instant in sort columns, so that missing values come last."""
MISSING_TEXT = "\U0010ffff"
"""Stands for a missing text in sort columns: the highest code point, so that missing values come last."""


def storable(text: str) -> bool:
    """Whether a text can stand in the store at all; what cannot is never found there."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def optional_instant(micros: int | None) -> datetime | None:
    """The instant of a nullable column."""
    return None if micros is None else from_micros(micros)


def optional_micros(instant: datetime | None) -> int | None:
    """The column value of an instant that may be missing."""
    return None if instant is None else to_micros(instant)


CLUSTERED = {"sqlite_with_rowid": False}
"""Rows are stored in the order of the key, without a second lookup."""


def key_column() -> Any:
    """Part of a key."""
    return Field(sa_column=Column(BigInteger, nullable=False, autoincrement=False))


def number_column(default: int | None = None) -> Any:
    """A whole number that may be absent, or has a default."""
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(BigInteger, nullable=default is None, server_default=server_default))


def whole_column() -> Any:
    """A whole number."""
    return Field(sa_column=Column(BigInteger, nullable=False))


def small_column() -> Any:
    """A small whole number."""
    return Field(sa_column=Column(SmallInteger, nullable=False))


def text_column(nullable: bool = False) -> Any:
    """A text that compares by code point."""
    return Field(sa_column=Column(CodePointText, nullable=nullable))


class BusinessRow(SQLModel, table=True):
    """A tenant. `change_number` rises with every write; `data_version` is the last one that changed data. Dynamic
    memberships have followed what changed until `followed_at`."""

    __tablename__ = "business"
    __table_args__ = (UniqueConstraint("key", name="uq_business_key"),)
    id: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True))
    key: str = text_column()
    name: str = text_column()
    currency: str = text_column()
    time_zone: str = text_column()
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    settings_version: int = number_column(1)
    change_number: int = number_column(0)
    data_version: int = number_column(0)
    last_instant: int = number_column(0)
    next_customer: int = number_column(1)
    next_purchase: int = number_column(1)
    next_storefront: int = number_column(1)
    matures_at: int | None = number_column()
    erasure_key: str | None = text_column(nullable=True)
    followed_at: int = number_column(0)
    history_from: int | None = number_column()
    created_at: int = whole_column()


def _of_business(*more: Any) -> tuple[Any, ...]:
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more)


class StorefrontRow(SQLModel, table=True):
    """A place where the business sells."""

    __tablename__ = "storefront"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        UniqueConstraint("business_id", "key", name="uq_storefront_key"),
        CLUSTERED,
    )
    business_id: int = key_column()
    id: int = key_column()
    key: str = text_column()
    name: str = text_column()


class CustomerRow(SQLModel, table=True):
    """A buyer. `name_sort` is the casefolded name, or the highest code point where there is none."""

    __tablename__ = "customer"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        UniqueConstraint("business_id", "external_id", name="uq_customer_external"),
        Index("ix_customer_name", "business_id", "name_sort", "id"),
        CLUSTERED,
    )
    business_id: int = key_column()
    id: int = key_column()
    external_id: str = text_column()
    name: str | None = text_column(nullable=True)
    email: str | None = text_column(nullable=True)
    loyalty_level: str | None = text_column(nullable=True)
    registered_at: int | None = number_column()
    registered_day: int | None = number_column()
    erased: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    name_sort: str = text_column()


class CustomerTermRow(SQLModel, table=True):
    """What a search may begin with: casefolded external id, name, email and the name's later words."""

    __tablename__ = "customer_term"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "term", "customer_id"), CLUSTERED)
    business_id: int = key_column()
    term: str = text_column()
    customer_id: int = key_column()


class CustomerMetricsRow(SQLModel, table=True):
    """Kept totals of a customer's counted purchases; one row a customer, zeros without purchases. `changed_at` is the
    instant of the last write that touched what rules read of the customer."""

    __tablename__ = "customer_metrics"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "customer_id"),
        Index("ix_metrics_revenue", "business_id", "revenue", "customer_id"),
        Index("ix_metrics_orders", "business_id", "order_count", "customer_id"),
        Index("ix_metrics_last", "business_id", "last_sort", "customer_id"),
        Index("ix_metrics_changed", "business_id", "changed_at", "customer_id"),
        CLUSTERED,
    )
    business_id: int = key_column()
    customer_id: int = key_column()
    order_count: int = whole_column()
    revenue: int = whole_column()
    first_at: int | None = number_column()
    last_at: int | None = number_column()
    first_day: int | None = number_column()
    last_day: int | None = number_column()
    last_sort: int = whole_column()
    changed_at: int = number_column(0)


class PurchaseRow(SQLModel, table=True):
    """An order. `status` is its place in STATUS_ORDER; `counted` is 1 where it qualifies and its instant has passed.
    `written_by` is the import, or else the change number, that stated it last; 0 where that was not kept yet."""

    __tablename__ = "purchase"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "customer_id", "id"),
        UniqueConstraint("business_id", "external_id", name="uq_purchase_external"),
        Index("ix_purchase_window", "business_id", "customer_id", "local_day", "counted", "amount", "storefront_id"),
        Index(
            "ix_purchase_waiting",
            "business_id",
            "purchased_at",
            sqlite_where=text("counted = 0 AND status <= 1"),
            postgresql_where=text("counted = 0 AND status <= 1"),
        ),
        CLUSTERED,
    )
    business_id: int = key_column()
    customer_id: int = key_column()
    id: int = key_column()
    external_id: str = text_column()
    purchased_at: int = whole_column()
    local_day: int = whole_column()
    status: int = small_column()
    counted: int = small_column()
    amount: int = whole_column()
    storefront_id: int | None = number_column()
    channel: str | None = text_column(nullable=True)
    written_by: int = number_column(0)


class PurchaseLineRow(SQLModel, table=True):
    """A line of an order, numbered from 1 in the order it was stated. Its business is that of its purchase: a reference
    of its own would be checked for each line, which is most of what writing one costs PostgreSQL."""

    __tablename__ = "purchase_line"
    __table_args__ = (PrimaryKeyConstraint("business_id", "customer_id", "purchase_id", "position"), CLUSTERED)
    business_id: int = key_column()
    customer_id: int = key_column()
    purchase_id: int = key_column()
    position: int = key_column()
    category: str | None = text_column(nullable=True)
    amount: int = whole_column()
    status: int = small_column()


class AuditEventRow(SQLModel, table=True):
    """Who did what, and how it ended; one row a write, `id` being its change number."""

    __tablename__ = "audit_event"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        Index("ix_audit_subject", "business_id", "subject_kind", "subject_id", "id"),
        CLUSTERED,
    )
    business_id: int = key_column()
    id: int = key_column()
    at: int = whole_column()
    actor: str = text_column()
    action: str = text_column()
    outcome: str = text_column()
    request_id: str | None = text_column(nullable=True)
    detail: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))
    subject_kind: str | None = text_column(nullable=True)
    subject_id: int | None = number_column()


class KeptReportRow(SQLModel, table=True):
    """A report that one worker computes, or has computed, for all: `value` is null until then, and whoever is `owner`
    has until `leased_until`. Times are in seconds since 1970."""

    __tablename__ = "kept_report"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "key"), CLUSTERED)
    business_id: int = key_column()
    key: str = text_column()
    owner: str = text_column()
    leased_until: int = whole_column()
    made_at: int | None = number_column()
    value: str | None = text_column(nullable=True)


metadata = SQLModel.metadata
business = metadata.tables["business"]
storefront = metadata.tables["storefront"]
customer = metadata.tables["customer"]
customer_term = metadata.tables["customer_term"]
customer_metrics = metadata.tables["customer_metrics"]
purchase = metadata.tables["purchase"]
purchase_line = metadata.tables["purchase_line"]
audit_event = metadata.tables["audit_event"]
kept_report = metadata.tables["kept_report"]


ACTIVE = "status IN ('QUEUED', 'RUNNING')"
ACTIVE_OF_SEGMENT = f"{ACTIVE} AND segment_id IS NOT NULL"


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def _json() -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


def _flag() -> Any:
    return Field(sa_column=Column(Boolean, nullable=False))


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
    """Background work, with ids of its own a kind: a recalculation, an import (the rest of which stands in
    `purchase_import` under the same id), a classification. `owner` holds it while its `heartbeat_at` is fresh. Of one
    segment's runs at most one is active; `parent_id` is the run that this one is a part of."""

    __tablename__ = "job"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "kind", "id"),
        Index("uq_job_active", "business_id", "segment_id", unique=True, **_where(ACTIVE_OF_SEGMENT)),
        Index("ix_job_segment", "business_id", "segment_id", "id"),
        Index("ix_job_parent", "business_id", "kind", "parent_id", "id"),
        Index("ix_job_active", "business_id", "id", **_where(ACTIVE)),
        CLUSTERED,
    )
    business_id: int = key_column()
    kind: str = text_column()
    id: int = key_column()
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


_tables = metadata.tables
segment = _tables["segment"]
membership = _tables["membership"]
membership_change = _tables["membership_change"]
snapshot = _tables["snapshot"]
job = _tables["job"]


def _of_import(*more: Any) -> tuple[Any, ...]:
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more, CLUSTERED)


class PurchaseImportRow(SQLModel, table=True):
    """What an import says beside its job: its counts, and how it is taken back; `id` is the change number that it began
    with. `options` say how an uploaded file is to be read; `undo_begun_at` stands from the first range that was taken
    back, `undone_at` from the last."""

    __tablename__ = "purchase_import"
    __table_args__ = _of_import(
        PrimaryKeyConstraint("business_id", "id"),
        Index("uq_import_request", "business_id", "request_key", unique=True),
    )
    business_id: int = key_column()
    id: int = key_column()
    source: str = text_column()
    rows_read: int = number_column(0)
    created: int = number_column(0)
    updated: int = number_column(0)
    unchanged: int = number_column(0)
    rejected: int = number_column(0)
    future: int = number_column(0)
    quality: Any = _json()
    options: Any = _json()
    time_zone: str | None = text_column(nullable=True)
    undo_begun_at: int | None = number_column()
    undone_at: int | None = number_column()
    undo: Any = _json()
    request_key: str | None = text_column(nullable=True)
    request_digest: str | None = text_column(nullable=True)


class ImportRejectRow(SQLModel, table=True):
    """A row that an import refused: its line number, its text and why."""

    __tablename__ = "import_reject"
    __table_args__ = _of_import(PrimaryKeyConstraint("business_id", "import_id", "line"))
    business_id: int = key_column()
    import_id: int = key_column()
    line: int = key_column()
    text: str = text_column()
    reason: str = text_column()


class ImportRangeRow(SQLModel, table=True):
    """The ids that one write transaction of an import gave to what it created; a span whose last is before its first
    is empty."""

    __tablename__ = "import_range"
    __table_args__ = _of_import(PrimaryKeyConstraint("business_id", "import_id", "first_purchase"))
    business_id: int = key_column()
    import_id: int = key_column()
    first_purchase: int = key_column()
    last_purchase: int = whole_column()
    first_customer: int = whole_column()
    last_customer: int = whole_column()
    first_storefront: int = whole_column()
    last_storefront: int = whole_column()


class PurchaseBeforeRow(SQLModel, table=True):
    """A purchase as it stood before an import changed it."""

    __tablename__ = "purchase_before"
    __table_args__ = _of_import(PrimaryKeyConstraint("business_id", "import_id", "customer_id", "purchase_id"))
    business_id: int = key_column()
    import_id: int = key_column()
    customer_id: int = key_column()
    purchase_id: int = key_column()
    purchased_at: int = whole_column()
    local_day: int = whole_column()
    status: int = small_column()
    amount: int = whole_column()
    storefront_id: int | None = number_column()
    channel: str | None = text_column(nullable=True)
    written_by: int = whole_column()


class PurchaseLineBeforeRow(SQLModel, table=True):
    """A line of such a purchase as it stood before."""

    __tablename__ = "purchase_line_before"
    __table_args__ = _of_import(
        PrimaryKeyConstraint("business_id", "import_id", "customer_id", "purchase_id", "position")
    )
    business_id: int = key_column()
    import_id: int = key_column()
    customer_id: int = key_column()
    purchase_id: int = key_column()
    position: int = key_column()
    category: str | None = text_column(nullable=True)
    amount: int = whole_column()
    status: int = small_column()


purchase_import = metadata.tables["purchase_import"]
import_reject = metadata.tables["import_reject"]
import_range = metadata.tables["import_range"]
purchase_before = metadata.tables["purchase_before"]
purchase_line_before = metadata.tables["purchase_line_before"]


class CustomerLabelRow(SQLModel, table=True):
    """The labels of a customer as of what `label_state` says; customers without a counted purchase have no row."""

    __tablename__ = "customer_label"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "customer_id"), CLUSTERED)
    business_id: int = key_column()
    customer_id: int = key_column()
    frequency: str | None = text_column(nullable=True)
    spending: str | None = text_column(nullable=True)
    category: str | None = text_column(nullable=True)


class LabelStateRow(SQLModel, table=True):
    """What the kept labels of a business are true for: `basis` says day and settings, null while they are written;
    they hold what was committed until `seen_at`. `owner` wrote them last. `due_at` is when the schedule comes next."""

    __tablename__ = "label_state"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id"), CLUSTERED)
    business_id: int = key_column()
    basis: str | None = text_column(nullable=True)
    seen_at: int = number_column(0)
    owner: str = text_column()
    due_at: int | None = number_column()


class SourceStateRow(SQLModel, table=True):
    """How far a source was read: `state` is the source's own, `data_version` that of the business right after."""

    __tablename__ = "source_state"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "source"), CLUSTERED)
    business_id: int = key_column()
    source: str = text_column()
    state: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    data_version: int = whole_column()
    at: int = whole_column()


customer_label = metadata.tables["customer_label"]
label_state = metadata.tables["label_state"]
source_state = metadata.tables["source_state"]


OF_PURCHASE = and_(
    purchase_line.c.business_id == purchase.c.business_id,
    purchase_line.c.customer_id == purchase.c.customer_id,
    purchase_line.c.purchase_id == purchase.c.id,
)


def bought(line: FromClause = purchase_line) -> ColumnElement[bool]:
    """Whether the line was bought, where its purchase qualifies."""
    return and_(line.c.status <= LAST_QUALIFYING, line.c.amount >= 0)


WITH_BOUGHT = purchase.outerjoin(purchase_line, and_(OF_PURCHASE, bought()))
"""A row a bought line, and one without a line for a purchase of which nothing was bought."""
