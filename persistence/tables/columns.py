"""What the tables are made of, of which each noun has a module beside this one, so that a small command loads those
that it asks. Each is a SQLModel class: repositories read and write single rows through the classes, and
sets through the tables of the same names below them. Some tables are only ever handled as sets, so that their classes
do no more than declare them: terms, purchases and their lines, memberships and their changes, labels of customers, and
what an import refused, gave and changed. Every row belongs to a business, which comes first in every key and index;
keys of facts hold the customer, so that whatever belongs to one customer lies together. Both databases read the column
types alike: text compares by code point, instants are microseconds since 1970. An instant of a business is unique to
one write, so that the order of instants is the order of commits."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import Field, SQLModel

from domain.calendar import from_micros, to_micros

# SQLite compares text by its bytes, which is the order of code points; PostgreSQL must be told to.
CodePointText: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
NullableJson: TypeEngine[Any] = JSON(none_as_null=True)
Kind = TypeEngine[Any] | type[TypeEngine[Any]]
FAR_FUTURE = 2**63 - 1
"""Stands for a missing instant in sort columns, so that missing values come last."""
MISSING_TEXT = "\U0010ffff"
"""Stands for a missing text in sort columns: the highest code point, so that missing values come last."""
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
    """An index that begins with the business; of those rows only that meet the condition, where one is given. Steps of
    the migrations make it, on PostgreSQL, too, whose dialect would be loaded here to state it once more."""
    return Index(name, "business_id", *columns, unique=unique, sqlite_where=None if where is None else text(where))


def of_business(*more: Any) -> tuple[Any, ...]:
    """What a table of a business consists of. Rows are stored in the order of the key, without a second lookup."""
    return (ForeignKeyConstraint(["business_id"], ["business.id"]), *more, WITHOUT_ROWID)


class Row(SQLModel):
    """A row of a table. Tables do not validate, so that none waits for a validator to be built."""

    model_config = {"defer_build": True}
