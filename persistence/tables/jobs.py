"""Tables of background work, and of the labels that a classification gives."""

from sqlalchemy import (
    BigInteger,
    Boolean,
)

from persistence.tables.columns import (
    CodePointText,
    Row,
    index,
    not_null,
    nullable,
    of_business,
    primary_key,
)

ACTIVE = "status IN ('QUEUED', 'RUNNING')"


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


job = Row.metadata.tables["job"]
customer_label = Row.metadata.tables["customer_label"]
label_state = Row.metadata.tables["label_state"]
