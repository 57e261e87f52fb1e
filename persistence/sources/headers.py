"""Where the header of a file stands and what separates its cells, found from its first rows: titles, blank lines and a
line `sep=;` before it are skipped, and what is found is told. A row whose names are known wins over any other."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import count_noun
from domain.imports.formats import SourceFormat
from domain.imports.header import make_rater
from domain.imports.rows import PurchaseSource

RateHeader = Callable[[Sequence[str]], int]
"""How much a row looks like a header of ours: 0 not at all, else the number of names that are known."""
rate_plainly: RateHeader = make_rater(SourceFormat())
"""By the names that need not be told."""
Row = tuple[int, list[str]]
"""The line that a row begins on, and its cells."""
DELIMITERS = (",", ";", "\t", "|")
WHITESPACE = "whitespace"
NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " ", WHITESPACE: WHITESPACE}
CANDIDATES = 60
"""Rows among which the header is looked for."""
LOOKED_AT = 300
"""Lines by which delimiters are compared."""
CERTAIN = 2
"""Known names from which on a row is the header wherever it stands."""
MOSTLY = 0.9
SEPARATOR = re.compile(r'"?sep=(.)"?[,;\t|]*\s*', re.IGNORECASE)
BLANK = " \t\r\n,;|\ufeff"
LETTER = re.compile(r"[^\W\d_]")
NUMBER = re.compile(r"[^\d]{0,4}\d[\d.,:/ -]*[^\d]{0,4}")
NO_QUOTE = "none"


class SourceFile(PurchaseSource, Protocol):
    """A file as a source. `header_line` is where its header stands, counted from 1; `notes` are sentences about what
    was found and done, which may grow while it is read."""

    header_line: int
    notes: list[str]

    @property
    def encoding(self) -> str:
        """What its text is written in."""
        ...

    @property
    def delimiter(self) -> str | None:
        """What stands between its cells, None where it is no text."""
        ...


MOST_SILENT, SILENT_A_ROW = 2_000_000, 10
"""Lines that say nothing: so many in all, and so many more for each row that says something. A spreadsheet saves at
most 1,048,576 of them."""


class SilentLines:
    """Counts what is read of a file without a row coming of it; InvalidInput once that is more than a file has that
    means anything."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.silent = self.rows = 0

    def count_rows(self, rows: Sequence[Sequence[str]]) -> None:
        """Rows that were read, empty lines and rows of nothing but separators among them."""
        silent = sum(1 for cells in rows if not any(cells))
        self.rows += len(rows) - silent
        if silent:
            self.count(silent)

    def count(self, silent: int = 1) -> None:
        """So many lines more that say nothing."""
        self.silent += silent
        if self.silent > MOST_SILENT + SILENT_A_ROW * self.rows:
            most = f"{MOST_SILENT:,} lines that say nothing and {SILENT_A_ROW} for each row"
            raise InvalidInput(f"{self.name} has more than {most}, which are the most. Remove the empty lines.")


def check_skipped(lines: int | None) -> None:
    """InvalidInput where so many lines before the header cannot be meant."""
    if lines is not None and not 0 <= lines <= MOST_SILENT:
        raise InvalidInput(Sentence("{skip_lines} must be between 0 and {}", f"{MOST_SILENT:,}"), ("skip_lines",))


def check_delimiter(told: str | None) -> str | None:
    """The delimiter as it is used; InvalidInput where it can be none."""
    if told is None:
        return None
    delimiter = NAMED.get(told.strip().lower(), told)
    if delimiter != WHITESPACE and (len(delimiter) != 1 or delimiter in '"\r\n\0' or "\ud800" <= delimiter <= "\udfff"):
        message = "{delimiter} must be one character, tab or whitespace, not {!r}"
        raise InvalidInput(Sentence(message, told[:40]), ("delimiter",))
    return delimiter


def check_quote(told: str | None) -> str:
    """The character that quotes cells, or `none`; InvalidInput where it can be none."""
    quote = '"' if told is None else told
    if quote != NO_QUOTE and (len(quote) != 1 or quote in "\r\n\0 " or "\ud800" <= quote <= "\udfff"):
        raise InvalidInput(Sentence("{quote} must be one character or none, not {!r}", quote[:40]), ("quote",))
    return quote


def make_reader(lines: Iterable[str], delimiter: str, quote: str) -> Any:
    """A reader of rows, one that counts the lines that it was given."""
    how: dict[str, Any] = {"quoting": csv.QUOTE_NONE} if quote == NO_QUOTE else {"quotechar": quote}
    if delimiter == WHITESPACE:
        lines = (f"{line.strip()}\n".replace("\t", " ") for line in lines)
        return csv.reader(lines, delimiter=" ", skipinitialspace=True, **how)
    return csv.reader(lines, delimiter=delimiter, **how)


def take_first_lines(lines: Iterator[str], size: int, silent: SilentLines) -> tuple[int, list[str]]:
    """How many lines come before the first that says anything, and the lines from there on, about `size` characters."""
    blank = 0
    taken: list[str] = []
    for line in lines:
        if not taken and not line.strip(BLANK):
            blank += 1
            silent.count()
            continue
        taken.append(line)
        size -= len(line)
        if size < 0 or len(taken) == LOOKED_AT:
            break
    return blank, taken


def find_layout(
    lines: Sequence[str], delimiter: str | None, quote: str, rate_header: RateHeader
) -> tuple[str, int, list[str]]:
    """The delimiter, how many of the lines stand before the header, and the header's cells. The first line says
    something."""
    separator = SEPARATOR.fullmatch(lines[0])
    if delimiter is None and separator is not None:
        delimiter = separator[1]
    begin = 1 if separator is not None and len(lines) > 1 else 0
    if delimiter is None:
        delimiter = _choose_delimiter(lines, quote, rate_header)
    rows = _read_rows(lines[begin:], delimiter, quote)
    place = choose_header([cells for _, cells in rows[:CANDIDATES]], rate_header)
    line, cells = rows[place] if rows else (1, [])
    return delimiter, begin + line - 1, cells


def choose_header(rows: Sequence[Sequence[str]], rate_header: RateHeader) -> int:
    """The place of the header among the first rows: the first of the best rating; where none has any, the first that
    has as many cells as most rows have, and only texts."""
    ratings = [rate_header(cells) for cells in rows]
    best = max(ratings, default=0)
    if best >= CERTAIN or (best and ratings[0] == best):
        return ratings.index(best)
    widths = [len(trim_cells(list(cells))) for cells in rows]
    usual = _find_usual(widths)[0]
    wide = [place for place, width in enumerate(widths) if width >= usual > 0]
    return next((place for place in wide if _is_names(rows[place])), next(iter(wide), 0))


def describe_skipped(line: int, what: str = "line") -> list[str]:
    """What is said where the header does not stand on the first line."""
    if line == 1:
        return []
    before = f"{count_noun(line - 1, what)} before it {'was' if line == 2 else 'were'} skipped"
    return [f"The header is on {what} {line:,}; {before}."]


def describe_repeats(count: int) -> str:
    """What is said of rows that are the header again."""
    return f"The header stands {count_noun(count, 'time')} again further down; that was skipped."


def trim_cells(cells: list[str]) -> list[str]:
    """The cells up to the last that says something."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _choose_delimiter(lines: Sequence[str], quote: str, rate_header: RateHeader) -> str:
    """The one under which a row is best known as the header, then under which most rows have one width."""
    scores: dict[str, tuple[int, int, int]] = {}
    for candidate in DELIMITERS:
        rows = [cells for _, cells in _read_rows(lines, candidate, quote)]
        rating = max(map(rate_header, rows[:CANDIDATES]), default=0)
        width, count = _find_usual([len(cells) for cells in rows if len(cells) > 1])
        scores[candidate] = (rating, count, width)
    best = max(scores, key=scores.__getitem__)
    rating, count, _ = scores[best]
    spaced = [cells for _, cells in _read_rows(lines, WHITESPACE, quote)]
    names = max(map(rate_header, spaced[:CANDIDATES]), default=0)
    width, many = _find_usual([len(cells) for cells in spaced])
    if (names >= CERTAIN and names > rating) or (
        not count and not rating and len(spaced) > 1 and width > CERTAIN and many >= MOSTLY * len(spaced)
    ):
        return WHITESPACE
    return best


def _find_usual(widths: Sequence[int]) -> tuple[int, int]:
    """The most frequent width, the greater of two, and how often it is."""
    return max(Counter(widths).items(), key=lambda one: (one[1], one[0]), default=(0, 0))


def _read_rows(lines: Sequence[str], delimiter: str, quote: str) -> list[Row]:
    """The rows that say something, with the lines that they begin on, counted from 1."""
    reader = make_reader(chain(lines), delimiter, quote)
    rows: list[Row] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((begins, cells))
            begins = reader.line_num + 1
    except csv.Error:
        # What is wrong is said when the file itself is read.
        pass
    return rows or [(1, list(lines[:1]))]


def _is_names(cells: Sequence[str]) -> bool:
    """Whether all that is said are words; a column may have no name."""
    said = [cell.strip() for cell in cells if cell.strip()]
    return bool(said) and all(LETTER.search(cell) and not NUMBER.fullmatch(cell) for cell in said)
