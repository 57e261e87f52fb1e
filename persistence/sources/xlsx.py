"""Rows from a sheet of an Excel workbook by openpyxl, as they are unpacked: however large the sheet is, and however
unusual. Formulas are the value kept beside them."""

import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers.expat import ExpatError, ParserCreate

from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException

from domain.errors import InvalidInput
from domain.imports.sources import PLAIN, FileForm
from persistence.sources.headers import RateHeader, rate_plainly
from persistence.sources.sheets import SheetSource
from persistence.sources.workbook_parts import check_package, find_merged

LAST_ROW = 1_048_576
"""The last row that a sheet can have."""
MAXIMUM_ELEMENTS = 200_000
"""Elements of one row, or of a part that is read whole: they are held in memory. A row has at most 16,384 cells."""
MAXIMUM_ROW = 16 << 20
"""Bytes of one row."""
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


class XlsxSource(SheetSource):
    """One sheet of one workbook, the first that shows unless it is named. Memory does not grow with its rows."""

    def __init__(self, path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> None:
        super().__init__(path, form)
        self.part: _BoundedPart | None = None
        check_package(path)
        with self._translate_damage(0), self._open_book() as book:
            shown = [(one.title, one.sheet_state == "visible") for one in book.worksheets]
            self.sheet = self._choose_sheet(form.sheet, shown)
            self.merged = find_merged(path, book[self.sheet]._worksheet_path)
        self._find_header(form, rate_header)

    def read_values(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """The rows as they are unpacked."""
        last = 0
        with self._open_book() as book:
            sheet = book[self.sheet]
            # What a sheet says of its own size may be wrong.
            sheet.reset_dimensions()
            rows = sheet.iter_rows(max_col=width, values_only=True)
            while True:
                with self._translate_damage(last):
                    values = next(rows, None)
                if values is None:
                    return
                last += 1
                if self.part is not None:
                    self.part.let_go()
                if last > LAST_ROW:
                    raise InvalidInput(f"{self.name} has more than {LAST_ROW:,} rows, which are the most of a sheet.")
                yield last, values

    @contextmanager
    def _open_book(self) -> Iterator[Any]:
        # Opened here: by its path the library would judge the file by its name.
        with self.path.open("rb") as file:
            with warnings.catch_warnings(), self._translate_damage(0):
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
