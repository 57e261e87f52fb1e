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


def are_harmless(texts: Sequence[str]) -> bool:
    """Whether all of them begin with letters or digits where they are not empty, can be printed, and are no formulas;
    for columns of files of millions, which are looked at as a whole."""
    together, signs = "".join(texts), "".join([text[:1] for text in texts])
    return not together or (signs.isalnum() and ";" not in together and together.isprintable())


def protect_texts(texts: Sequence[str]) -> Sequence[str]:
    """Each of the texts so."""
    return texts if are_harmless(texts) else list(map(protect_text, texts))


def unprotect_text(text: str) -> str:
    """The text without the apostrophes that protect a spreadsheet from formulas."""
    return PROTECTED.sub("", text) if "'" in text else text
