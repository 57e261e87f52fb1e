"""A sheet of a workbook as rows of text: dates and numbers by their types, the header where it is found, merged cells
told or filled. How its values are read is the matter of a reader below it."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput, Sentence
from domain.imports.rows import Batch
from domain.imports.sources import FileForm
from persistence.sources.encodings import UTF8
from persistence.sources.headers import (
    CANDIDATES,
    RateHeader,
    check_skipped,
    choose_header,
    describe_repeats,
    describe_skipped,
    trim_cells,
)
from persistence.sources.packing import check_reading

BATCH = 500
MAXIMUM_COLUMNS = 1000
BATCH_TEXT = 1 << 20
"""Characters from which on a batch has fewer rows."""
NEAR = 1000
"""Rows after the first that says anything among which the header is looked for."""
EXACT = 1e15
"""Whole numbers of a sheet are exact below."""
MERGED = Sentence(
    "the row has merged cells, whose value stands in the first of them alone: give {fill_down}, or unmerge them"
)


@dataclass(frozen=True, slots=True, order=True)
class MergedRange:
    """Cells that are shown as one: rows counted from 1, columns from 0, the last ones included."""

    top: int
    left: int
    bottom: int
    right: int


class SheetSource(ABC):
    """One sheet of one workbook. A reader opens it, calls `_find_header`, and yields the values of its rows."""

    typed = True
    encoding = UTF8
    delimiter: str | None = None

    def __init__(self, path: Path, form: FileForm) -> None:
        self.path = path
        self.name = path.name
        self.decimal = form.decimal
        self.fill_merged = form.fill_merged
        self.merged: Sequence[MergedRange] = ()
        self.notes: list[str] = []
        self.header: list[str] = []
        self.header_line = 1
        self.sheet = ""

    @abstractmethod
    def read_values(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """The rows with the numbers that the sheet shows, at least so many values of each that has them."""

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows beneath the header; empty ones, and those that are the header again, are left out."""
        width, repeats, size = len(self.header), 0, 0
        lines: list[int] = []
        rows: list[list[str]] = []
        faults: dict[int, str] = {}
        merges = _Merges(self.merged, self.header_line)
        for line, values in self.read_values(width + 1):
            if line % BATCH == 0:
                check_reading()
            if line <= self.header_line:
                continue
            cells = list(map(self._format_text, values))
            if not any(cells):
                continue
            # One cell beyond the header is looked at, so that a row that has more than it is told.
            if len(cells) > width and not any(cells[width:]):
                del cells[width:]
            cells += [""] * (width - len(cells))
            if merges and merges.cover(line, cells, width, self.fill_merged):
                faults[line] = MERGED
            if cells == self.header:
                repeats += 1
                continue
            lines.append(line)
            rows.append(cells)
            size += sum(map(len, cells))
            if len(rows) == BATCH or size > BATCH_TEXT:
                yield Batch(lines, rows, is_clean(rows), faults=faults)
                lines, rows, faults, size = [], [], {}, 0
        if rows:
            yield Batch(lines, rows, is_clean(rows), faults=faults)
        if repeats and (says := describe_repeats(repeats)) not in self.notes:
            self.notes.append(says)

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Row numbers as the sheet shows them, and their cells."""
        for batch in self.read_batches():
            yield from zip(batch.lines, batch.rows, strict=True)

    def _choose_sheet(self, wanted: str | None, sheets: Sequence[tuple[str, bool]]) -> str:
        """The wanted one, else the first that shows; `sheets` are those with cells, and whether they show."""
        if not sheets:
            raise InvalidInput(f"{self.name} holds no sheet of cells.")
        names = [name for name, _ in sheets]
        if wanted is not None and wanted not in names:
            raise InvalidInput(f"{self.name} has no sheet {wanted[:60]}. There are: {', '.join(names)}.", ("sheet",))
        chosen = wanted or next((name for name, shows in sheets if shows), names[0])
        others = ", ".join(name if shows else f"{name} (hidden)" for name, shows in sheets if name != chosen)
        if others and wanted is None:
            self.notes.append(Sentence("Read the sheet {}; another may be named by {sheet}: {}.", chosen, others))
        return chosen

    def _find_header(self, form: FileForm, rate_header: RateHeader) -> None:
        """Look for the header among the first rows that say something."""
        check_skipped(form.skip_lines)
        first: list[tuple[int, list[str]]] = []
        for line, values in self.read_values(MAXIMUM_COLUMNS + 1):
            if line % BATCH == 0:
                check_reading()
            if line <= (form.skip_lines or 0):
                continue
            if cells := trim_cells(list(map(self._format_text, values))):
                first.append((line, cells))
            # A sheet may go on with a million rows that are only painted.
            enough = 1 if form.skip_lines is not None else CANDIDATES
            if first and (len(first) == enough or line > first[0][0] + NEAR):
                break
        if not first:
            raise InvalidInput(f"No data found in {self.name}.")
        self.header_line, self.header = first[choose_header([cells for _, cells in first], rate_header)]
        if form.skip_lines is not None and self.header_line != form.skip_lines + 1:
            template = "Row {} of {} is empty: after {skip_lines} {} the header must follow at once."
            sentence = Sentence(template, form.skip_lines + 1, self.name, form.skip_lines)
            raise InvalidInput(sentence, ("skip_lines",))
        if len(self.header) > MAXIMUM_COLUMNS:
            raise InvalidInput(f"{self.name} has more than {MAXIMUM_COLUMNS} columns, which are the most.")
        if form.skip_lines is None:
            self.notes += describe_skipped(self.header_line, "row")

    def _format_text(self, value: Any) -> str:
        """The cell as a file of text would have it."""
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            if value.is_integer() and abs(value) < EXACT:
                return str(int(value))
            # Fifteen digits are what a sheet shows; those beyond are noise of binary fractions.
            plain = f"{Decimal(format(value, '.15g')):f}"
            return plain.replace(".", self.decimal)
        if isinstance(value, datetime):
            return value.isoformat()
        if isinstance(value, date):
            return f"{value.isoformat()}T00:00:00"
        if isinstance(value, time):
            return value.isoformat()
        return str(value)


class _Merges:
    """The merged ranges beneath the header, as the rows pass by in their order."""

    def __init__(self, ranges: Iterable[MergedRange], header_line: int) -> None:
        self.waiting = deque(sorted(one for one in ranges if one.top > header_line))
        self.open: list[tuple[MergedRange, str]] = []

    def __bool__(self) -> bool:
        return bool(self.waiting or self.open)

    def cover(self, line: int, cells: list[str], width: int, fill: bool) -> bool:
        """Fill the cells that are merged with one that says something; else say whether the row has such, the row of
        that one included: nobody knows which rows an order has of which cells are merged."""
        self.open = [(one, text) for one, text in self.open if one.bottom >= line]
        while self.waiting and self.waiting[0].top <= line:
            one = self.waiting.popleft()
            right = min(one.right, width - 1)
            spans = one.bottom > line or right > one.left
            if one.top == line and one.left < width and spans and cells[one.left]:
                self.open.append((one, cells[one.left]))
        for one, text in self.open if fill else ():
            for place in range(one.left, min(one.right + 1, width)):
                cells[place] = text
        return bool(self.open) and not fill


def is_clean(rows: list[list[str]]) -> bool:
    """Whether every cell can be kept as it is."""
    joined = "".join(map("".join, rows))
    if "\0" in joined:
        return False
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True
