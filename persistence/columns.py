"""Column types that both databases read alike: text compares by code point, instants are microseconds since 1970."""

from datetime import datetime

from sqlalchemy import BigInteger, Text
from sqlalchemy.types import TypeEngine

from domain.calendar import from_micros, to_micros

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
