"""What a spreadsheet would take for a formula, and the apostrophe that keeps it from that. What is written by
`protect_text` is read back by `unprotect_text`, whatever it was."""

import re
from collections.abc import Sequence

SIGNS = "=+@＝＋－＠-"
"""What a formula begins with, in both widths."""
PARTS = r"(?:^|(?<=[;\t\r\n]))"
"""Where a cell begins also for a program that splits rows at semicolons or tabs."""
FORMULA = re.compile(rf"{PARTS}(?=['\"\s]*[{SIGNS}])|^(?='*[\t\r\n])")
PROTECTED = re.compile(rf"{PARTS}'(?=['\"\s]*[{SIGNS}])|^'(?='*[\t\r\n])")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take the text, or what follows a semicolon or tab in it, for a formula, also after
    blanks and quotes."""
    # Nearly every text is so, and exports look at millions.
    if text[:1].isalnum() and ";" not in text and text.isprintable():
        return False
    return FORMULA.search(text) is not None


def protect_text(text: str) -> str:
    """The text for a file without types: an apostrophe before what looks like a formula."""
    return FORMULA.sub("'", text) if is_formula(text) else text


def protect_texts(texts: Sequence[str | None]) -> Sequence[str | None]:
    """Each of the texts so; what looks harmless as a whole is not looked at one by one."""
    there = [text for text in texts if text]
    together = "".join(there)
    if ";" not in together and together.isprintable() and "".join([text[0] for text in there]).isalnum():
        return texts
    return [None if text is None else protect_text(text) for text in texts]


def unprotect_text(text: str) -> str:
    """The text without the apostrophes that protect a spreadsheet from formulas."""
    return PROTECTED.sub("", text) if "'" in text else text
