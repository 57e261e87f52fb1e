"""Workbooks of Excel 97 to 2003, read by calamine in a process of its own: a damaged one may ask for more memory than
there is, which would end the process. `python -m persistence.sources.xls PATH [SHEET]` writes, a line of JSON each, the
sheets, then the merged cells and first column of the named one, then its rows."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from domain.errors import InvalidInput
from domain.imports.sources import PLAIN, FileForm
from persistence.sources.headers import RateHeader, rate_plainly
from persistence.sources.sheets import MergedRange, SheetSource

if sys.platform != "win32":
    import resource

MEMORY = 1 << 30
"""Bytes that the process may have."""


class XlsSource(SheetSource):
    """One sheet of one workbook, the first that shows unless it is named."""

    def __init__(self, path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> None:
        super().__init__(path, form)
        with self._ask() as answers:
            self.sheet = self._choose_sheet(form.sheet, [(name, shows) for name, shows in next(answers)])
        with self._ask(self.sheet) as answers:
            next(answers)
            self.merged = [MergedRange(*one) for one in next(answers)["merged"]]
        self._find_header(form, rate_header)

    def read_values(self, width: int) -> Iterator[tuple[int, Sequence[Any]]]:
        """The rows as the process prints them."""
        with self._ask(self.sheet) as answers:
            next(answers)
            before: list[Any] = [None] * next(answers)["first"]
            for line, values in enumerate(answers, 1):
                yield line, [*before, *values][:width]

    @contextmanager
    def _ask(self, *sheet: str) -> Iterator[Iterator[Any]]:
        """The lines that the process prints; InvalidInput where it fails before its end."""
        asked = [sys.executable, "-m", __name__, str(self.path), *sheet]
        with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None

            def read_answers() -> Iterator[Any]:
                assert process.stdout is not None
                yield from map(json.loads, process.stdout)
                if process.wait():
                    message = f"{self.name} is an old Excel workbook that is encrypted, damaged or too large."
                    raise InvalidInput(f"{message} Save it as .xlsx without a password.")

            try:
                yield read_answers()
            finally:
                process.kill()


def write_sheet(path: str, sheet: str | None) -> None:
    """What the module says above."""
    book = CalamineWorkbook.from_path(path)
    shown = [
        (one.name, one.visible == SheetVisibleEnum.Visible)
        for one in book.sheets_metadata
        if one.typ == SheetTypeEnum.WorkSheet
    ]
    _write_line(shown)
    if sheet is None:
        return
    held = book.get_sheet_by_name(sheet)
    ranges = held.merged_cell_ranges or ()
    merged = [(top + 1, left, bottom + 1, right) for (top, left), (bottom, right) in ranges]
    _write_line({"merged": merged, "first": (held.start or (0, 0))[1]})
    for values in held.iter_rows():
        _write_line(values)


def _write_line(value: Any) -> None:
    sys.stdout.write(f"{json.dumps(value, default=_format_time)}\n")


def _format_time(value: date | time | datetime) -> str:
    return f"{value.isoformat()}T00:00:00" if type(value) is date else str(value.isoformat())


def _bound_memory() -> None:
    if sys.platform != "win32":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


if __name__ == "__main__":
    _bound_memory()
    try:
        write_sheet(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    except (CalamineError, OSError, MemoryError, BrokenPipeError):
        raise SystemExit(1) from None
