"""The tables, each a SQLModel class: repositories read and write single rows through the classes, and sets through the
tables of the same names below them. Some tables are only ever handled as sets, so that their classes do no more than
declare them: terms, purchases and their lines, memberships and their changes, labels of customers, and what an import
refused, gave and changed. Every row belongs to a business, which comes first in every key and index; keys of facts hold
the customer, so that whatever belongs to one customer lies together. Both databases read the column types alike: text
compares by code point, instants are microseconds since 1970. An instant of a business is unique to one write, so that
the order of instants is the order of commits. The file is long because every table is to be seen in one place."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Double,
    ForeignKeyConstraint,
    FromClause,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    and_,
    false,
    text,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from domain.calendar import from_micros, to_micros
from domain.model import LAST_QUALIFYING

# SQLite compares text by its bytes, which is the order of code points; PostgreSQL must be told to.
CodePointText: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
NullableJson: TypeEngine[Any] = JSON(none_as_null=True)
Kind = TypeEngine[Any] | type[TypeEngine[Any]]
FAR_FUTURE = 2**63 - 1
"""Stands for a missing instant in sort columns, so that missing values come last."""
MISSING_TEXT = "\U0010ffff"
"""Stands for a missing text in sort columns: the highest code point, so that missing values come last."""
ACTIVE = "status IN ('QUEUED', 'RUNNING')"
WAITING = "counted = 0 AND status <= 1"
WITHOUT_ROWID = {"sqlite_with_rowid": False}


def is_storable(text: str) -> bool:
    """Whether a text can stand in the store at all; what cannot is never found there."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def to_optional_instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def to_optional_micros(instant: datetime | None) -> int | None:
    """The column value of an instant that may be missing."""
    return None if instant is None else to_micros(instant)


def not_null(kind: Kind, default: object = None) -> Any:
    """A column that is never null; with a default it may be left out of a row and of an insert."""
    if default is None:
        return Field(sa_column=Column(kind, nullable=False))
    # 0, false and '' are written alike in SQL and, but for the letter case, in Python.
    return Field(default=default, sa_column=Column(kind, nullable=False, server_default=text(repr(default).lower())))


def nullable(kind: Kind) -> Any:
    """A column that may be null, and is where nothing is said."""
    return Field(default=None, sa_column=Column(kind, nullable=True))


def primary_key(*columns: str) -> PrimaryKeyConstraint:
    """The key of the table: the business, then these columns."""
    return PrimaryKeyConstraint("business_id", *columns)


def index(name: str, *columns: str, unique: bool = False, where: str | None = None) -> Index:
    """An index that begins with the business; of those rows only that meet the condition, where one is given."""
    condition = None if where is None else text(where)
    return Index(name, "business_id", *columns, unique=unique, sqlite_where=condition)


def of_business(*more: Any) -> tuple[Any, ...]:
    """What a table of a business consists of. Rows are stored in the order of the key, without a second lookup."""
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more, WITHOUT_ROWID)


class Row(SQLModel):
    """x"""

    model_config = {"defer_build": True}


class BusinessRow(Row, table=True):
    """A tenant. `change_number` rises with every write; `data_version` is the last one that changed data. Dynamic
    memberships have followed what changed until `followed_at`. `digest_key` keys the digests that ids are made of,
    `attributes` holds the kind of each by owner and name."""

    __tablename__ = "business"
    __table_args__ = (UniqueConstraint("key", name="uq_business_key"),)
    # The database gives it.
    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    key: str = not_null(CodePointText)
    name: str = not_null(CodePointText)
    currency: str = not_null(CodePointText)
    time_zone: str = not_null(CodePointText)
    settings: dict[str, Any] = not_null(JSON)
    settings_version: int = not_null(BigInteger, 1)
    change_number: int = not_null(BigInteger, 0)
    data_version: int = not_null(BigInteger, 0)
    last_instant: int = not_null(BigInteger, 0)
    next_customer: int = not_null(BigInteger, 1)
    next_purchase: int = not_null(BigInteger, 1)
    next_storefront: int = not_null(BigInteger, 1)
    matures_at: int | None = nullable(BigInteger)
    erasure_key: str | None = nullable(CodePointText)
    followed_at: int = not_null(BigInteger, 0)
    history_from: int | None = nullable(BigInteger)
    created_at: int = not_null(BigInteger)
    digest_key: str = not_null(CodePointText, "")
    attributes: Any = nullable(NullableJson)


class StorefrontRow(Row, table=True):
    """A place where the business sells."""

    __tablename__ = "storefront"
    __table_args__ = of_business(primary_key("id"), UniqueConstraint("business_id", "key", name="uq_storefront_key"))
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    key: str = not_null(CodePointText)
    name: str = not_null(CodePointText)


class CustomerRow(Row, table=True):
    """A buyer. `name_sort` is the casefolded name, or the highest code point where there is none. One who was merged
    stays for the history, and its external id as another name of `merged_into`, who was not merged itself."""

    __tablename__ = "customer"
    __table_args__ = of_business(
        primary_key("id"),
        UniqueConstraint("business_id", "external_id", name="uq_customer_external"),
        index("ix_customer_name", "name_sort", "id"),
        index("ix_customer_merged", "merged_into", where="merged_into IS NOT NULL"),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    external_id: str = not_null(CodePointText)
    name: str | None = nullable(CodePointText)
    email: str | None = nullable(CodePointText)
    loyalty_level: str | None = nullable(CodePointText)
    registered_at: int | None = nullable(BigInteger)
    registered_day: int | None = nullable(BigInteger)
    erased: bool = not_null(Boolean, False)
    name_sort: str = not_null(CodePointText)
    phone: str | None = nullable(CodePointText)
    country: str | None = nullable(CodePointText)
    city: str | None = nullable(CodePointText)
    merged_into: int | None = nullable(BigInteger)


class CustomerAttributeRow(Row, table=True):
    """What the business itself names of a customer. Its kind says where a value stands; a number as it was written in
    `text` and as rules compare it in `number`."""

    __tablename__ = "customer_attribute"
    __table_args__ = of_business(primary_key("customer_id", "name"))
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    name: str = not_null(CodePointText)
    text: str | None = nullable(CodePointText)
    number: float | None = nullable(Double)
    flag: bool | None = nullable(Boolean)
    instant: int | None = nullable(BigInteger)


class CustomerTermRow(Row, table=True):
    """What a search may begin with: casefolded external ids, name, email and the name's later words."""

    __tablename__ = "customer_term"
    __table_args__ = of_business(primary_key("term", "customer_id"))
    business_id: int = not_null(BigInteger)
    term: str = not_null(CodePointText)
    customer_id: int = not_null(BigInteger)


class CustomerMetricsRow(Row, table=True):
    """Kept totals of a customer's counted purchases; one row a customer, zeros without purchases. `changed_at` is the
    instant of the last write that touched what rules read of the customer."""

    __tablename__ = "customer_metrics"
    __table_args__ = of_business(
        primary_key("customer_id"),
        index("ix_metrics_revenue", "revenue", "customer_id"),
        index("ix_metrics_orders", "order_count", "customer_id"),
        index("ix_metrics_last", "last_sort", "customer_id"),
        index("ix_metrics_changed", "changed_at", "customer_id"),
    )
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    order_count: int = not_null(BigInteger)
    revenue: int = not_null(BigInteger)
    first_at: int | None = nullable(BigInteger)
    last_at: int | None = nullable(BigInteger)
    first_day: int | None = nullable(BigInteger)
    last_day: int | None = nullable(BigInteger)
    last_sort: int = not_null(BigInteger)
    changed_at: int = not_null(BigInteger, 0)


class PurchaseRow(Row, table=True):
    """An order. `status` is its place in STATUS_ORDER; `counted` is 1 where it qualifies and its instant has passed.
    `written_by` is the import, or else the change number, that stated it last; 0 where that was not kept yet.
    `attributes` is JSON text, the same for the same values, so that it compares as text on both databases."""

    __tablename__ = "purchase"
    __table_args__ = of_business(
        primary_key("customer_id", "id"),
        UniqueConstraint("business_id", "external_id", name="uq_purchase_external"),
        index("ix_purchase_window", "customer_id", "local_day", "counted", "amount", "storefront_id"),
        index("ix_purchase_waiting", "purchased_at", where=WAITING),
    )
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    external_id: str = not_null(CodePointText)
    purchased_at: int = not_null(BigInteger)
    local_day: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    counted: int = not_null(SmallInteger)
    amount: int = not_null(BigInteger)
    storefront_id: int | None = nullable(BigInteger)
    channel: str | None = nullable(CodePointText)
    written_by: int = not_null(BigInteger, 0)
    attributes: str | None = nullable(CodePointText)


class PurchaseLineRow(Row, table=True):
    """A line of an order, numbered from 1 in the order it was stated. Its business is that of its purchase: a reference
    of its own would be checked for each line, which is most of what writing one costs PostgreSQL. `quantity` is in
    millionths."""

    __tablename__ = "purchase_line"
    __table_args__ = (primary_key("customer_id", "purchase_id", "position"), WITHOUT_ROWID)
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    position: int = not_null(BigInteger)
    category: str | None = nullable(CodePointText)
    amount: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    product: str | None = nullable(CodePointText)
    sku: str | None = nullable(CodePointText)
    quantity: int | None = nullable(BigInteger)


class AuditSequenceRow(Row, table=True):
    """The last id that an audit event of the business was given; no row where there was none."""

    __tablename__ = "audit_sequence"
    __table_args__ = of_business(primary_key())
    business_id: int = not_null(BigInteger)
    last_id: int = not_null(BigInteger)


class AuditEventRow(Row, table=True):
    """Who did what, and how it ended: one row a write, with its change number, and one a file that was given out or an
    attempt that was refused, without."""

    __tablename__ = "audit_event"
    __table_args__ = of_business(
        primary_key("id"),
        index("ix_audit_subject", "subject_kind", "subject_id", "id"),
        index("ix_audit_change", "change_number", unique=True, where="change_number IS NOT NULL"),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    change_number: int | None = nullable(BigInteger)
    at: int = not_null(BigInteger)
    actor: str = not_null(CodePointText)
    action: str = not_null(CodePointText)
    outcome: str = not_null(CodePointText)
    request_id: str | None = nullable(CodePointText)
    detail: dict[str, Any] | None = nullable(JSON)
    subject_kind: str | None = nullable(CodePointText)
    subject_id: int | None = nullable(BigInteger)


class CachedReportRow(Row, table=True):
    """A report that one worker computes, or has computed, for all: `value` is null until then, and whoever is `owner`
    has until `leased_until`. Times are in seconds since 1970."""

    __tablename__ = "kept_report"
    __table_args__ = of_business(primary_key("key"))
    business_id: int = not_null(BigInteger)
    key: str = not_null(CodePointText)
    owner: str = not_null(CodePointText)
    leased_until: int = not_null(BigInteger)
    made_at: int | None = nullable(BigInteger)
    value: str | None = nullable(CodePointText)


class CostBucketRow(Row, table=True):
    """What a caller may still ask for, as workers have settled it: the instant at which the bucket is full again, in
    microseconds since 1970."""

    __tablename__ = "cost_bucket"
    __table_args__ = of_business(primary_key("subject"))
    business_id: int = not_null(BigInteger)
    subject: str = not_null(CodePointText)
    full_at: int = not_null(BigInteger)


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


class JobRow(Row, table=True):
    """Background work, with ids of its own a kind: a recalculation, an import (the rest of which stands in
    `purchase_import` under the same id), a classification. `owner` holds it while its `heartbeat_at` is fresh. Of one
    segment's runs at most one is active; `parent_id` is the run that this one is a part of."""

    __tablename__ = "job"
    __table_args__ = of_business(
        primary_key("kind", "id"),
        index("uq_job_active", "segment_id", unique=True, where=f"{ACTIVE} AND segment_id IS NOT NULL"),
        index("ix_job_segment", "segment_id", "id"),
        index("ix_job_parent", "kind", "parent_id", "id"),
        index("ix_job_active", "id", where=ACTIVE),
    )
    business_id: int = not_null(BigInteger)
    kind: str = not_null(CodePointText)
    id: int = not_null(BigInteger)
    reason: str = not_null(CodePointText)
    parent_id: int | None = nullable(BigInteger)
    segment_id: int | None = nullable(BigInteger)
    status: str = not_null(CodePointText)
    phase: str = not_null(CodePointText)
    done: int = not_null(BigInteger, 0)
    total: int | None = nullable(BigInteger)
    created_at: int = not_null(BigInteger)
    started_at: int | None = nullable(BigInteger)
    finished_at: int | None = nullable(BigInteger)
    heartbeat_at: int | None = nullable(BigInteger)
    owner: str | None = nullable(CodePointText)
    attempts: int = not_null(BigInteger, 0)
    cancel_requested: bool = not_null(Boolean, False)
    requested_by: str | None = nullable(CodePointText)
    error_code: str | None = nullable(CodePointText)
    error_message: str | None = nullable(CodePointText)
    evaluated: int = not_null(BigInteger, 0)
    entered: int = not_null(BigInteger, 0)
    left_count: int = not_null(BigInteger, 0)
    snapshot_at: int | None = nullable(BigInteger)


class PurchaseImportRow(Row, table=True):
    """What an import says beside its job: its counts, and how it is taken back; `id` is the change number that it began
    with. `options` say how an uploaded file is to be read; `content` is the hash of the file, and `adds` says that it
    added rows to the lines of orders that were there; `undo_begun_at` stands from the first range that was taken back,
    `undone_at` from the last."""

    __tablename__ = "purchase_import"
    __table_args__ = of_business(
        primary_key("id"),
        index("uq_import_request", "request_key", unique=True),
    )
    business_id: int = not_null(BigInteger)
    id: int = not_null(BigInteger)
    source: str = not_null(CodePointText)
    rows_read: int = not_null(BigInteger, 0)
    created: int = not_null(BigInteger, 0)
    updated: int = not_null(BigInteger, 0)
    unchanged: int = not_null(BigInteger, 0)
    rejected: int = not_null(BigInteger, 0)
    future: int = not_null(BigInteger, 0)
    quality: Any = nullable(NullableJson)
    options: Any = nullable(NullableJson)
    time_zone: str | None = nullable(CodePointText)
    undo_begun_at: int | None = nullable(BigInteger)
    undone_at: int | None = nullable(BigInteger)
    undo: Any = nullable(NullableJson)
    request_key: str | None = nullable(CodePointText)
    request_digest: str | None = nullable(CodePointText)
    content: str | None = nullable(CodePointText)
    adds: bool = not_null(Boolean, False)


class ImportRejectRow(Row, table=True):
    """A row that an import refused: its line number, its text and why; `kind` is the reason without the values of the
    row."""

    __tablename__ = "import_reject"
    __table_args__ = of_business(primary_key("import_id", "line"), index("ix_reject_kind", "import_id", "kind", "line"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    line: int = not_null(BigInteger)
    text: str = not_null(CodePointText)
    reason: str = not_null(CodePointText)
    kind: str = not_null(CodePointText, "")


class ImportRangeRow(Row, table=True):
    """The ids that one write transaction of an import gave to what it created; a span whose last is before its first
    is empty."""

    __tablename__ = "import_range"
    __table_args__ = of_business(primary_key("import_id", "first_purchase"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    first_purchase: int = not_null(BigInteger)
    last_purchase: int = not_null(BigInteger)
    first_customer: int = not_null(BigInteger)
    last_customer: int = not_null(BigInteger)
    first_storefront: int = not_null(BigInteger)
    last_storefront: int = not_null(BigInteger)


class PurchaseBeforeRow(Row, table=True):
    """A purchase as it stood before an import changed it."""

    __tablename__ = "purchase_before"
    __table_args__ = of_business(primary_key("import_id", "customer_id", "purchase_id"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    purchased_at: int = not_null(BigInteger)
    local_day: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    amount: int = not_null(BigInteger)
    storefront_id: int | None = nullable(BigInteger)
    channel: str | None = nullable(CodePointText)
    written_by: int = not_null(BigInteger)
    attributes: str | None = nullable(CodePointText)


class PurchaseLineBeforeRow(Row, table=True):
    """A line of such a purchase as it stood before."""

    __tablename__ = "purchase_line_before"
    __table_args__ = of_business(primary_key("import_id", "customer_id", "purchase_id", "position"))
    business_id: int = not_null(BigInteger)
    import_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    purchase_id: int = not_null(BigInteger)
    position: int = not_null(BigInteger)
    category: str | None = nullable(CodePointText)
    amount: int = not_null(BigInteger)
    status: int = not_null(SmallInteger)
    product: str | None = nullable(CodePointText)
    sku: str | None = nullable(CodePointText)
    quantity: int | None = nullable(BigInteger)


class CustomerLabelRow(Row, table=True):
    """The labels of a customer as of what `label_state` says; customers without a counted purchase have no row."""

    __tablename__ = "customer_label"
    __table_args__ = of_business(primary_key("customer_id"))
    business_id: int = not_null(BigInteger)
    customer_id: int = not_null(BigInteger)
    frequency: str | None = nullable(CodePointText)
    spending: str | None = nullable(CodePointText)
    category: str | None = nullable(CodePointText)


class LabelStateRow(Row, table=True):
    """What the kept labels of a business are true for: `basis` says day and settings, null while they are written;
    they hold what was committed until `seen_at`. `owner` wrote them last. `due_at` is when the schedule comes next,
    `reports` what is planned of scheduled reports."""

    __tablename__ = "label_state"
    __table_args__ = of_business(primary_key())
    business_id: int = not_null(BigInteger)
    basis: str | None = nullable(CodePointText)
    seen_at: int = not_null(BigInteger, 0)
    owner: str = not_null(CodePointText)
    due_at: int | None = nullable(BigInteger)
    reports: str | None = nullable(CodePointText)


class SourceStateRow(Row, table=True):
    """How far a source was read: `state` is the source's own, `data_version` that of the business right after."""

    __tablename__ = "source_state"
    __table_args__ = of_business(primary_key("source"))
    business_id: int = not_null(BigInteger)
    source: str = not_null(CodePointText)
    state: dict[str, Any] = not_null(JSON)
    data_version: int = not_null(BigInteger)
    at: int = not_null(BigInteger)


class SourceFormatRow(Row, table=True):
    """How a source is written, kept by name: `settings` is what was stated, by the keys of formats."""

    __tablename__ = "source_format"
    __table_args__ = of_business(primary_key("name"))
    business_id: int = not_null(BigInteger)
    name: str = not_null(CodePointText)
    settings: dict[str, Any] = not_null(JSON)
    updated_at: int = not_null(BigInteger)


class IdempotentRequestRow(Row, table=True):
    """A request that came with an Idempotency-Key: `owner` is the id of the request that works on it until
    `leased_until`, `effect` what the mutation did, null until it was committed, `answer` the body that every later
    request with the key is answered, null until it was given."""

    __tablename__ = "idempotent_request"
    __table_args__ = of_business(primary_key("subject", "key"), index("ix_idempotent_request_age", "created_at"))
    business_id: int = not_null(BigInteger)
    subject: str = not_null(CodePointText)
    key: str = not_null(CodePointText)
    digest: str = not_null(CodePointText)
    owner: str = not_null(CodePointText)
    leased_until: int = not_null(BigInteger)
    created_at: int = not_null(BigInteger)
    effect: Any = nullable(NullableJson)
    answer: str | None = nullable(CodePointText)


class RevokedTokenRow(Row, table=True):
    """Tokens that are worth nothing any more: the one of that id, or those issued before the instant, of the subject
    where one is named. From `ends_at` on none of them could be valid by itself."""

    __tablename__ = "revoked_token"
    __table_args__ = of_business(primary_key("revoked_at"))
    business_id: int = not_null(BigInteger)
    revoked_at: int = not_null(BigInteger)
    token_id: str | None = nullable(CodePointText)
    subject: str | None = nullable(CodePointText)
    issued_before: int | None = nullable(BigInteger)
    ends_at: int = not_null(BigInteger)


metadata = SQLModel.metadata
business = metadata.tables["business"]
storefront = metadata.tables["storefront"]
customer = metadata.tables["customer"]
customer_attribute = metadata.tables["customer_attribute"]
customer_term = metadata.tables["customer_term"]
customer_metrics = metadata.tables["customer_metrics"]
purchase = metadata.tables["purchase"]
purchase_line = metadata.tables["purchase_line"]
audit_event = metadata.tables["audit_event"]
kept_report = metadata.tables["kept_report"]
cost_bucket = metadata.tables["cost_bucket"]
segment = metadata.tables["segment"]
membership = metadata.tables["membership"]
membership_change = metadata.tables["membership_change"]
snapshot = metadata.tables["snapshot"]
job = metadata.tables["job"]
purchase_import = metadata.tables["purchase_import"]
import_reject = metadata.tables["import_reject"]
import_range = metadata.tables["import_range"]
purchase_before = metadata.tables["purchase_before"]
purchase_line_before = metadata.tables["purchase_line_before"]
customer_label = metadata.tables["customer_label"]
label_state = metadata.tables["label_state"]
source_state = metadata.tables["source_state"]
source_format = metadata.tables["source_format"]
idempotent_request = metadata.tables["idempotent_request"]
revoked_token = metadata.tables["revoked_token"]

PRESENT = and_(customer.c.erased == false(), customer.c.merged_into.is_(None))
"""Who was erased or merged into another is in no current list or count; history and reports show who is behind what
stays."""
OF_PURCHASE = and_(
    purchase_line.c.business_id == purchase.c.business_id,
    purchase_line.c.customer_id == purchase.c.customer_id,
    purchase_line.c.purchase_id == purchase.c.id,
)


def is_bought(line: FromClause = purchase_line) -> ColumnElement[bool]:
    """Whether the line was bought, where its purchase qualifies."""
    return and_(line.c.status <= LAST_QUALIFYING, line.c.amount >= 0)


WITH_BOUGHT = purchase.outerjoin(purchase_line, and_(OF_PURCHASE, is_bought()))
"""A row a bought line, and one without a line for a purchase of which nothing was bought."""
