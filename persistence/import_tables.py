"""The tables of imports: each run with its counts, what it refused, and what undoing it needs: which ids it gave, and
how the purchases that it changed stood before. A purchase that it wrote says so in `purchase.written_by`."""

from typing import Any

from sqlalchemy import JSON, Boolean, Column, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import Field, SQLModel

from persistence.columns import CodePointText
from persistence.segment_tables import ACTIVE
from persistence.tables import CLUSTERED, key_column, number_column, small_column, text_column, whole_column


def _json() -> Any:
    return Field(default=None, sa_column=Column(JSON(none_as_null=True), nullable=True))


def _of_business(*more: Any) -> tuple[Any, ...]:
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more, CLUSTERED)


class PurchaseImportRow(SQLModel, table=True):
    """One run of an import and its counts; `id` is the change number that it began with. `options` say how an uploaded
    file is to be read; `undo_begun_at` stands from the first range that was taken back, `undone_at` from the last."""

    __tablename__ = "purchase_import"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        Index("ix_import_active", "business_id", "id", sqlite_where=text(ACTIVE), postgresql_where=text(ACTIVE)),
        Index("uq_import_request", "business_id", "request_key", unique=True),
    )
    business_id: int = key_column()
    id: int = key_column()
    source: str = text_column()
    status: str = text_column()
    phase: str = Field(sa_column=Column(CodePointText, nullable=False, server_default=text("''")))
    done: int = number_column(0)
    total: int | None = number_column()
    created_at: int = whole_column()
    started_at: int | None = number_column()
    finished_at: int | None = number_column()
    heartbeat_at: int | None = number_column()
    owner: str | None = text_column(nullable=True)
    requested_by: str | None = text_column(nullable=True)
    cancel_requested: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    error_code: str | None = text_column(nullable=True)
    error: str | None = text_column(nullable=True)
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
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "import_id", "line"))
    business_id: int = key_column()
    import_id: int = key_column()
    line: int = key_column()
    text: str = text_column()
    reason: str = text_column()


class ImportRangeRow(SQLModel, table=True):
    """The ids that one write transaction of an import gave to what it created; a span whose last is before its first
    is empty."""

    __tablename__ = "import_range"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "import_id", "first_purchase"))
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
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "import_id", "customer_id", "purchase_id"))
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
    __table_args__ = _of_business(
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


metadata = SQLModel.metadata
purchase_import = metadata.tables["purchase_import"]
import_reject = metadata.tables["import_reject"]
import_range = metadata.tables["import_range"]
purchase_before = metadata.tables["purchase_before"]
purchase_line_before = metadata.tables["purchase_line_before"]
