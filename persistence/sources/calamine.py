"""Rows from a sheet of a workbook by calamine, which is many times faster than the reader of `xlsx.py` and holds the
sheet in memory: .xlsx up to a size and where it is written as usual, and .ods. What it would read otherwise than
that reader is left to that one."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from domain.errors import InvalidInput
from domain.imports.sources import PLAIN, FileForm
from persistence.sources.headers import RateHeader, SourceFile, rate_plainly
from persistence.sources.sheets import EXACT, SheetSource
from persistence.sources.workbook_parts import Kind, SheetScan, check_package, is_usual, scan_ods, scan_xlsx

FAULTS = (CalamineError, OSError, OverflowError, ValueError)
PANIC = "PanicException"
"""What a fault inside the library ends in; it is no Exception, and has no other name."""
Result = TypeVar("Result")


class Unfit(Exception):
    """Another reader is as right, or says what is wrong."""


def open_workbook(path: Path, form: FileForm, rate_header: RateHeader) -> SourceFile:
    """One sheet of a workbook; InvalidInput says why it cannot be read."""
    try:
        return CalamineSource(path, form, rate_header)
    except Unfit:
        # It takes 200 ms to load, which nothing else need wait for.
        from persistence.sources.xlsx import XlsxSource

        return XlsxSource(path, form, rate_header)


class CalamineSource(SheetSource):
    """One sheet of one workbook, the first that shows unless it is named; Unfit where an .xlsx is unusual."""

    def __init__(self, path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> None:
        super().__init__(path, form)
        self.kind = check_package(path)
        # It is unpacked whole when it is opened.
        scan = self._check_scan(scan_ods(path)) if self.kind is Kind.ODS else None
        if self.kind is Kind.XLSX and not is_usual(path):
            raise Unfit
        book = self._call(lambda: CalamineWorkbook.from_path(str(path)))
        shown = [
            (one.name, one.visible == SheetVisibleEnum.Visible)
            for one in book.sheets_metadata
            if one.typ == SheetTypeEnum.WorkSheet
        ]
        self.sheet = self._choose_sheet(form.sheet, shown)
        scan = scan or self._check_scan(scan_xlsx(path, self.sheet))
        self.held: CalamineSheet = self._call(lambda: book.get_sheet_by_name(self.sheet))
        self.merged = scan.merged.get(self.sheet, ())
        self._find_header(form, rate_header)

    def read_values(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        before: list[Any] = [None] * (self.held.start or (0, 0))[1]
        rows = iter(self.held.iter_rows())
        line = 0
        while True:
            try:
                values = self._call(lambda: next(rows, None))
                exact = values is None or all(type(one) is not float or abs(one) < EXACT for one in values)
            except Unfit:
                values, exact = None, False
            if not exact and self.kind is Kind.XLSX:
                yield from self._read_slowly(width, line)
                return
            if values is None:
                return
            line += 1
            yield line, [*before, *values][:width]

    def _read_slowly(self, width: int, after: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """The rows after this one by the reader that knows more."""
        from persistence.sources.xlsx import XlsxSource

        slow = XlsxSource(self.path, FileForm(sheet=self.sheet, decimal=self.decimal))
        yield from ((line, values) for line, values in slow.read_values(width) if line > after)

    def _check_scan(self, scan: SheetScan | None) -> SheetScan:
        if scan is None or not scan.usual:
            if self.kind is Kind.XLSX:
                raise Unfit
            raise InvalidInput(f"{self.name} is too large to be read. Save the sheet as CSV.")
        return scan

    def _call(self, ask: Callable[[], Result]) -> Result:
        """What the library answers; Unfit or InvalidInput where it cannot."""
        try:
            return ask()
        except FAULTS as error:
            raise self._explain() from error
        except BaseException as error:
            if type(error).__name__ != PANIC:
                raise
            raise self._explain() from error

    def _explain(self) -> Exception:
        if self.kind is Kind.XLSX:
            return Unfit()
        return InvalidInput(f"{self.name} is damaged, or not a workbook.")
