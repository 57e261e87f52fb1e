"""Text of others in the terminal: shown as it is, without markup, and without control characters, which could steer the
terminal."""

import re

from rich.text import Text

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def plain(text: str | None) -> str:
    """The text on one line."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text or "")


def cell(text: str | None) -> Text:
    """The text as a cell of a table."""
    return Text(plain(text))
