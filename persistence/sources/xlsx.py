"""Rows from a sheet of an Excel workbook, as they are read: dates and numbers by their types, formulas by the value
kept beside them. What a small file could unpack to is looked at before anything is unpacked."""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError, ParserCreate

from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException

from domain.errors import InvalidInput
from domain.imports.rows import Batch

BATCH = 500
MAXIMUM_COLUMNS = 1000
LAST_ROW = 1_048_576
"""The last row that a sheet can have."""
MAXIMUM_UNPACKED = 4 << 30
MAXIMUM_SHARED = 256 << 20
"""Bytes of the texts that cells share, which are held in memory."""
MAXIMUM_RATIO = 300
RATIO_FROM = 64 << 20
MAXIMUM_PARTS = 5_000
MAXIMUM_ELEMENTS = 200_000
"""Elements of one row, or of a part that is read whole: they are held in memory. A row has at most 16,384 cells."""
MAXIMUM_ROW = 16 << 20
"""Bytes of one row."""
BATCH_TEXT = 1 << 20
"""Characters from which on a batch has fewer rows."""
FAULTS = (
    AttributeError,
    EOFError,
    ExpatError,
    IndexError,
    InvalidFileException,
    KeyError,
    OSError,
    OverflowError,
    ParseError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a damaged workbook ends in, depending on where it is damaged."""


class XlsxSource:
    """One sheet of one workbook, the first unless it is named. Numbers are written with `decimal`, as the texts are."""

    typed = True

    def __init__(self, path: Path, sheet: str | None = None, decimal: str = ".") -> None:
        self.path = path
        self.name = path.name
        self.decimal = decimal
        self.part: _BoundedPart | None = None
        check_package(path)
        with self._translate_damage(0), self._open_book() as book:
            if sheet is not None and sheet not in book.sheetnames:
                there = ", ".join(book.sheetnames)
                raise InvalidInput(f"{self.name} has no sheet {sheet[:60]}. There are: {there}.", ("sheet",))
            visible = [one.title for one in book.worksheets if one.sheet_state == "visible"]
            titles = [one.title for one in book.worksheets]
            if not titles or (sheet is not None and sheet not in titles):
                raise InvalidInput(f"{self.name} holds no sheet of cells.")
            self.sheet = sheet or (visible or titles)[0]
            first = next(self._read_values(book, MAXIMUM_COLUMNS + 1), None)
        header = trim_cells([self._format_text(value) for value in first[1]]) if first else []
        if not any(name.strip() for name in header):
            raise InvalidInput(f"No data found in {self.name}.")
        if len(header) > MAXIMUM_COLUMNS:
            raise InvalidInput(f"{self.name} has more than {MAXIMUM_COLUMNS} columns, which are the most.")
        self.header = header
        self.first_line = first[0] if first else 1

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows beneath the header; empty ones are rows without cells."""
        width = len(self.header)
        lines: list[int] = []
        rows: list[list[str]] = []
        last = self.first_line
        with self._open_book() as book:
            numbered = self._read_values(book, width + 1)
            size = 0
            while True:
                with self._translate_damage(last):
                    row = next(numbered, None)
                if row is None:
                    break
                last, values = row
                if last <= self.first_line:
                    continue
                cells = [self._format_text(value) for value in values]
                if not any(cells):
                    continue
                # One cell beyond the header is looked at, so that a row that has more than it is told.
                if len(cells) > width and not cells[width]:
                    del cells[width]
                lines.append(last)
                rows.append(cells + [""] * (width - len(cells)))
                size += sum(map(len, cells))
                if len(rows) == BATCH or size > BATCH_TEXT:
                    yield Batch(lines, rows, _is_clean(rows))
                    lines, rows, size = [], [], 0
        if rows:
            yield Batch(lines, rows, _is_clean(rows))

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Row numbers as the sheet shows them, and their cells."""
        for batch in self.read_batches():
            yield from zip(batch.lines, batch.rows, strict=True)

    def _read_values(self, book: Any, width: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        sheet = book[self.sheet]
        # What a sheet says of its own size may be wrong.
        sheet.reset_dimensions()
        for line, values in enumerate(sheet.iter_rows(max_col=width, values_only=True), 1):
            if self.part is not None:
                self.part.let_go()
            if line > LAST_ROW:
                raise InvalidInput(f"{self.name} has more than {LAST_ROW:,} rows, which are the most of a sheet.")
            yield line, values

    @contextmanager
    def _open_book(self) -> Iterator[Any]:
        # Opened here: by its path the library would judge the file by its name.
        with self.path.open("rb") as file:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
                archive, opened = reader.archive, reader.archive.open
                archive.open = lambda part, *more: _BoundedPart(opened(part, *more), self.name, True)
                reader.read()

            def open_sheet(part: str, *more: Any) -> _BoundedPart:
                self.part = _BoundedPart(opened(part, *more), self.name, False)
                return self.part

            archive.open = open_sheet
            try:
                yield reader.wb
            finally:
                reader.wb.close()

    @contextmanager
    def _translate_damage(self, line: int) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            where = f" after row {line}" if line else ""
            raise InvalidInput(f"{self.name} is damaged{where}, or not an Excel workbook.") from error

    def _format_text(self, value: Any) -> str:
        """The cell as a file of text would have it."""
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
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


class _BoundedPart:
    """A part of a workbook as it is read, looked at before it is taken apart: what is held at once, be it a row, a text
    that cells share or a part that is read whole, may not have more elements than memory should hold. While a workbook
    is opened each part is followed element by element; of the sheet that is read then only the tags from row to row are
    counted, which costs next to nothing."""

    def __init__(self, file: Any, name: str, opening: bool) -> None:
        self.file = file
        self.name = name
        self.elements = self.bytes = 0
        self.whole = False
        self.parser = ParserCreate() if opening else None
        if self.parser is not None:
            self.parser.StartElementHandler = self._begins
            self.parser.StartDoctypeDeclHandler = self._declares

    def read(self, size: int = -1) -> bytes:
        """The next bytes; InvalidInput where they belong to what is too large."""
        self.whole = self.whole or size < 0
        data: bytes = self.file.read(size)
        self.bytes += len(data)
        if self.parser is None:
            self.elements += data.count(b"<")
        else:
            self.parser.Parse(data, not data or size < 0)
        if self.elements > MAXIMUM_ELEMENTS or (self.bytes > MAXIMUM_ROW and not self.whole):
            self._refuse()
        return data

    def let_go(self) -> None:
        """What was read so far is not held any more."""
        self.elements = self.bytes = 0

    def _begins(self, name: str, attributes: object) -> None:
        if not self.whole and name.rpartition(":")[2] in ("row", "si"):
            self.let_go()
        self.elements += 1
        if self.elements > MAXIMUM_ELEMENTS:
            self._refuse()

    def _refuse(self) -> None:
        raise InvalidInput(f"{self.name} has a row or a part that is too large to be read. Save the sheet as CSV.")

    def _declares(self, *_: object) -> None:
        raise ValueError("no workbook declares anything")

    def close(self) -> None:
        """Nothing is read any more."""
        self.file.close()

    def __enter__(self) -> "_BoundedPart":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_package(path: Path) -> None:
    """InvalidInput where the file is no workbook, or would unpack to more than is read."""
    try:
        with zipfile.ZipFile(path) as package:
            parts = package.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, struct.error) as error:
        raise InvalidInput(f"{path.name} is damaged, or not an Excel workbook.") from error
    names = {part.filename for part in parts}
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise InvalidInput(f"{path.name} is not an Excel workbook. Save it as .xlsx or CSV.")
    total = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    shared = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    if (
        len(parts) > MAXIMUM_PARTS
        or total > MAXIMUM_UNPACKED
        or (total > RATIO_FROM and total > packed * MAXIMUM_RATIO)
        or shared > MAXIMUM_SHARED
    ):
        raise InvalidInput(
            f"{path.name} would unpack to {total >> 20:,} MiB, which is more than a workbook is read with. "
            "Save the sheet as CSV."
        )


def trim_cells(cells: list[str]) -> list[str]:
    """The cells up to the last that says something."""
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


def _is_clean(rows: list[list[str]]) -> bool:
    """Whether every cell can be kept as it is."""
    joined = "".join(map("".join, rows))
    if "\0" in joined:
        return False
    try:
        joined.encode()
    except UnicodeEncodeError:
        return False
    return True
