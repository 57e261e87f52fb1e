"""Text as a cell. Whatever a spreadsheet would take for a formula is neutralised, so that no name of a customer or of a
segment ever runs in somebody's sheet; numbers stay numbers."""

import re
from datetime import UTC, datetime
from decimal import Decimal

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What no XML file may hold."""
Cell = str | int | float | Decimal | datetime | None


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text for a formula, also after blanks."""
    # Nearly every text begins so, and exports look at millions.
    if text[:1].isalnum():
        return False
    return text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)


def safe(text: str) -> str:
    """The text for a file without types: an apostrophe before what looks like a formula."""
    return f"'{text}" if is_formula(text) else text


def readable(text: str) -> str:
    """The text without characters that no sheet may hold."""
    return UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def in_words(value: Cell) -> str:
    """The value for a file without types: money with its decimals, instants in UTC, nothing for what is missing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return timestamp(value)
    return repr(value)


def timestamp(instant: datetime) -> str:
    """ISO 8601 in UTC, such as 2024-03-01T09:30:00Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
