"""Cells of workbooks, and how much room they take. Every cell says its type: text is always text, however much it looks
like a formula or an error; amounts carry the currency's format; instants are local, as sheets know no zones."""

import unicodedata
from collections.abc import Iterable
from datetime import date, datetime
from math import ceil
from zoneinfo import ZoneInfo

from openpyxl.cell import Cell as SheetCell

from domain.formulas import is_formula
from persistence.exports.csv import Cell, strip_unreadable

FIRST_YEAR = 1900
"""Sheets count days from here; what is earlier is shown as text."""
NARROWEST, WIDEST = 10, 60
LINE_HEIGHT, HIGHEST = 15.0, 409.0
"""Points of a line of text, and of the highest row that there can be."""


def build_money_format(currency: str, decimals: int) -> str:
    """The number format of amounts, such as [$EUR] #,##0.00; the same in every language of a spreadsheet."""
    places = f".{'0' * decimals}" if decimals else ""
    return f"[${currency}] #,##0{places}"


def fill(cell: SheetCell, value: Cell | date, tz: ZoneInfo) -> SheetCell:
    """Put the value into the cell with its true type."""
    if isinstance(value, str):
        cell.value = strip_unreadable(value)
        if cell.data_type != "s" or is_formula(value):
            cell.data_type = "s"
            # Without it, whoever edits the cell would make a formula of it.
            cell.quotePrefix = True
    elif isinstance(value, datetime):
        local = value.astimezone(tz).replace(tzinfo=None)
        cell.value = local if local.year >= FIRST_YEAR else local.isoformat(" ")
    elif isinstance(value, date) and value.year < FIRST_YEAR:
        cell.value = value.isoformat()
    else:
        cell.value = value
    return cell


def measure_width(text: str) -> int:
    """Columns that the text takes: wide characters count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def fit_width(texts: Iterable[str]) -> float:
    """A column width for all lines of these texts."""
    return float(
        min(max([NARROWEST, *(measure_width(line) + 2 for text in texts for line in text.splitlines())]), WIDEST)
    )


def shorten_text(text: str, columns: int) -> str:
    """The text in at most so many columns, an ellipsis where it was longer."""
    if measure_width(text) <= columns:
        return text
    start = ""
    for letter in text:
        if measure_width(start + letter) >= columns:
            break
        start += letter
    return f"{start.rstrip()}…"


def count_lines(text: str, columns: float) -> int:
    """About how many lines the text takes in a column so wide, where it is broken between words."""
    count = 0
    for line in text.splitlines():
        left = 0.0
        for word in line.split(" "):
            needed = measure_width(word)
            if needed > left or not left:
                # A word that is longer than the column is broken, too.
                breaks = max(ceil(needed / columns), 1)
                count += breaks
                left = breaks * columns
            left -= needed + 1
    return max(count, 1)


def compute_row_height(lines: int) -> float:
    """The height of a row of so many lines."""
    return min(lines * LINE_HEIGHT, HIGHEST)
