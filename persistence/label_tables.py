"""The tables of classification: the labels that are kept, what they are valid for, and how far each source was read.
What is kept here can be thrown away at any time; the next run makes it anew."""

from typing import Any

from sqlalchemy import JSON, Column, ForeignKeyConstraint, PrimaryKeyConstraint
from sqlmodel import Field, SQLModel

from persistence import import_tables
from persistence.tables import CLUSTERED, key_column, number_column, text_column, whole_column


def _of_business(*more: Any) -> tuple[Any, ...]:
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more)


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


metadata = import_tables.metadata
customer_label = metadata.tables["customer_label"]
label_state = metadata.tables["label_state"]
source_state = metadata.tables["source_state"]
