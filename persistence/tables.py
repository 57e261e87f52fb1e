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


def _key() -> Any:
    return Field(sa_column=Column(BigInteger, nullable=False, autoincrement=False))


def _number(default: int | None = None) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(BigInteger, nullable=default is None, server_default=server_default))


def _whole() -> Any:
    return Field(sa_column=Column(BigInteger, nullable=False))


def _small() -> Any:
    return Field(sa_column=Column(SmallInteger, nullable=False))


def _text(nullable: bool = False) -> Any:
    return Field(sa_column=Column(CodePointText, nullable=nullable))


class BusinessRow(SQLModel, table=True):
    """A tenant. `change_number` rises with every write; `data_version` is the last one that changed data."""

    __tablename__ = "business"
    __table_args__ = (UniqueConstraint("key", name="uq_business_key"),)
    id: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True))
    key: str = _text()
    name: str = _text()
    currency: str = _text()
    time_zone: str = _text()
    settings: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    settings_version: int = _number(1)
    change_number: int = _number(0)
    data_version: int = _number(0)
    last_instant: int = _number(0)
    next_customer: int = _number(1)
    next_purchase: int = _number(1)
    next_storefront: int = _number(1)
    matures_at: int | None = _number()
    created_at: int = _whole()


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
    business_id: int = _key()
    id: int = _key()
    key: str = _text()
    name: str = _text()


class CustomerRow(SQLModel, table=True):
    """A buyer. `name_sort` is the casefolded name, or the highest code point where there is none."""

    __tablename__ = "customer"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "id"),
        UniqueConstraint("business_id", "external_id", name="uq_customer_external"),
        Index("ix_customer_name", "business_id", "name_sort", "id"),
        CLUSTERED,
    )
    business_id: int = _key()
    id: int = _key()
    external_id: str = _text()
    name: str | None = _text(nullable=True)
    email: str | None = _text(nullable=True)
    loyalty_level: str | None = _text(nullable=True)
    registered_at: int | None = _number()
    registered_day: int | None = _number()
    erased: bool = Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))
    name_sort: str = _text()


class CustomerTermRow(SQLModel, table=True):
    """What a search may begin with: casefolded external id, name, email and the name's later words."""

    __tablename__ = "customer_term"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "term", "customer_id"), CLUSTERED)
    business_id: int = _key()
    term: str = _text()
    customer_id: int = _key()


class CustomerMetricsRow(SQLModel, table=True):
    """Kept totals of a customer's counted purchases; one row a customer, zeros without purchases."""

    __tablename__ = "customer_metrics"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "customer_id"),
        Index("ix_metrics_revenue", "business_id", "revenue", "customer_id"),
        Index("ix_metrics_orders", "business_id", "order_count", "customer_id"),
        Index("ix_metrics_last", "business_id", "last_sort", "customer_id"),
        CLUSTERED,
    )
    business_id: int = _key()
    customer_id: int = _key()
    order_count: int = _whole()
    revenue: int = _whole()
    first_at: int | None = _number()
    last_at: int | None = _number()
    first_day: int | None = _number()
    last_day: int | None = _number()
    last_sort: int = _whole()


class PurchaseRow(SQLModel, table=True):
    """An order. `status` is its place in STATUS_ORDER; `counted` is 1 where it qualifies and its instant has passed."""

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
    business_id: int = _key()
    customer_id: int = _key()
    id: int = _key()
    external_id: str = _text()
    purchased_at: int = _whole()
    local_day: int = _whole()
    status: int = _small()
    counted: int = _small()
    amount: int = _whole()
    storefront_id: int | None = _number()
    channel: str | None = _text(nullable=True)


class PurchaseLineRow(SQLModel, table=True):
    """A line of an order, numbered from 1 in the order it was stated."""

    __tablename__ = "purchase_line"
    __table_args__ = _of_business(
        PrimaryKeyConstraint("business_id", "customer_id", "purchase_id", "position"), CLUSTERED
    )
    business_id: int = _key()
    customer_id: int = _key()
    purchase_id: int = _key()
    position: int = _key()
    category: str | None = _text(nullable=True)
    amount: int = _whole()
    status: int = _small()


class PurchaseImportRow(SQLModel, table=True):
    """One run of an import and its counts; `id` is the change number that it began with."""

    __tablename__ = "purchase_import"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "id"), CLUSTERED)
    business_id: int = _key()
    id: int = _key()
    source: str = _text()
    status: str = _text()
    created_at: int = _whole()
    finished_at: int | None = _number()
    error: str | None = _text(nullable=True)
    rows_read: int = _number(0)
    created: int = _number(0)
    updated: int = _number(0)
    unchanged: int = _number(0)
    rejected: int = _number(0)


class ImportRejectRow(SQLModel, table=True):
    """A row that an import refused: its line number, its text and why."""

    __tablename__ = "import_reject"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "import_id", "line"), CLUSTERED)
    business_id: int = _key()
    import_id: int = _key()
    line: int = _key()
    text: str = _text()
    reason: str = _text()


class AuditEventRow(SQLModel, table=True):
    """Who did what, and how it ended; one row a write, `id` being its change number."""

    __tablename__ = "audit_event"
    __table_args__ = _of_business(PrimaryKeyConstraint("business_id", "id"), CLUSTERED)
    business_id: int = _key()
    id: int = _key()
    at: int = _whole()
    actor: str = _text()
    action: str = _text()
    outcome: str = _text()
    request_id: str | None = _text(nullable=True)
    detail: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON, nullable=True))


metadata = SQLModel.metadata
business = metadata.tables["business"]
storefront = metadata.tables["storefront"]
customer = metadata.tables["customer"]
customer_term = metadata.tables["customer_term"]
customer_metrics = metadata.tables["customer_metrics"]
purchase = metadata.tables["purchase"]
purchase_line = metadata.tables["purchase_line"]
purchase_import = metadata.tables["purchase_import"]
import_reject = metadata.tables["import_reject"]
audit_event = metadata.tables["audit_event"]
