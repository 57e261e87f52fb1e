"""The tables. Every row belongs to a business, which comes first in every key and index; keys of facts hold the
customer, so that whatever belongs to one customer lies together."""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from persistence.columns import CodePointText

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
