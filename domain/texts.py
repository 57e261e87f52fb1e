"""Texts as they are kept: one spelling of what looks the same, and nothing that cannot be seen. Control characters and
marks of direction steer terminals and turn what stands beside them round, so that one name passes for another."""

import re
import unicodedata

BLANKS = re.compile(r"[\t-\r\x85\u2028\u2029]+")
UNSEEN = re.compile(r"[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Joiners are none of these: Sinhala, Persian and others are not written without them."""


def compose_text(text: str) -> str:
    """The text in Unicode's composed form, NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def compose_optional(text: str | None) -> str | None:
    return None if text is None else compose_text(text)


def find_unseen(text: str) -> str | None:
    """The first character that must not stand in a name, as U+202E; None where there is none."""
    match = None if text.isprintable() else UNSEEN.search(text)
    return None if match is None else f"U+{ord(match[0]):04X}"


def clean_text(text: str) -> str:
    """The text composed, with blanks for breaks of lines and without what cannot be seen; for names that come from
    elsewhere and are not refused."""
    if find_unseen(text) is not None:
        text = UNSEEN.sub("", BLANKS.sub(" ", text)).strip()
    return compose_text(text)
