"""Members of a segment as a workbook, written row by row, so that a million take no more memory than a thousand; where
a sheet is full the next one begins. Text is always text, however much it looks like a formula, an error or markup."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import IO, Any

from xlsxwriter import Workbook

from domain.calendar import from_micros, load_zone
from domain.formulas import are_harmless, is_formula
from domain.segments.member_export import CellKind, MemberExport, read_number, write_each
from domain.store import MemberCell, MemberPage
from persistence.exports.csv import strip_unreadable
from persistence.exports.xlsx_cells import FIRST_YEAR, build_money_format

LARGEST_SHEET = 1_048_576
"""Rows of a sheet."""
PIECE = 1 << 18
WIDTHS = {"name": 28, "email": 30, "segment": 24, "assigned_at": 20, "last_purchase_at": 20, "customer_id": 18}
PLAIN_WIDTH = 14
DAY_ZERO, COUNTED_FROM, DAY = datetime(1899, 12, 30), datetime(1900, 3, 1), timedelta(days=1)
"""Sheets count days from the first, but only since the second: they take 1900 for a leap year."""
INSTANTS = "yyyy-mm-dd h:mm:ss"
Put = Callable[[int, int, Any], object]
"""Puts a value into the cell of a row and a column."""


async def write_members_xlsx(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """The workbook; its bytes come when it is whole, as its table of contents stands at the end."""
    book = MemberBook(export)
    try:
        async for page in pages:
            await asyncio.to_thread(book.append, page)
        await asyncio.to_thread(book.save)
        while piece := await asyncio.to_thread(book.read):
            yield piece
    finally:
        # Whoever is stopped may be stopped again and again, and could not wait for what a thread still writes.
        await asyncio.shield(asyncio.to_thread(book.discard))


class MemberBook:
    """A workbook that grows in a folder of its own. Its steps are taken in threads, which cannot be stopped: each waits
    for the one before, so that nothing is taken away from under it."""

    def __init__(self, export: MemberExport) -> None:
        self.export = export
        self.turn = Lock()
        self.tz = load_zone(export.business.time_zone)
        self.folder = TemporaryDirectory()
        self.file: IO[bytes] | None = None
        self.path = Path(self.folder.name, "members.xlsx")
        self.book = Workbook(str(self.path), {"constant_memory": True, "tmpdir": self.folder.name})
        # More than four gigabytes are let be, too.
        self.book.use_zip64()
        self.bold = self.book.add_format({"bold": True})
        self.quoted = self.book.add_format({"quote_prefix": True})
        self.instant = self.book.add_format({"num_format": INSTANTS})
        money = build_money_format(export.business.currency, export.decimals)
        self.amount = self.book.add_format({"num_format": money})
        self.puts: dict[CellKind, Put] = {
            CellKind.TEXT: self._put_text,
            CellKind.COUNT: self._put_number,
            CellKind.AMOUNT: self._put_amount,
            CellKind.INSTANT: self._put_instant,
            CellKind.FLAG: self._put_flag,
            CellKind.NUMBER: self._put_number,
        }
        self._begin()

    def _begin(self) -> None:
        number = len(self.book.worksheets()) + 1
        self.sheet = self.book.add_worksheet("Members" if number == 1 else f"Members {number}")
        self.sheet.freeze_panes(1, 0)
        for place, name in enumerate(self.export.columns):
            self.sheet.set_column(place, place, WIDTHS.get(name, PLAIN_WIDTH))
            self.sheet.write_string(0, place, strip_unreadable(name), self.bold)
        self.rows = 1

    def append(self, page: MemberPage) -> None:
        with self.turn:
            pairs = list(zip(self.export.kinds, page, strict=True))
            puts = [self._choose_put(kind, cells) for kind, cells in pairs]
            for row in zip(*(self._make_cells(kind, cells) for kind, cells in pairs), strict=True):
                if self.rows == LARGEST_SHEET:
                    self._begin()
                for place, (put, value) in enumerate(zip(puts, row, strict=True)):
                    if value is not None:
                        put(self.rows, place, value)
                self.rows += 1

    def _choose_put(self, kind: CellKind, cells: Sequence[Any]) -> Put:
        plain = kind is CellKind.TEXT and are_harmless([text or "" for text in cells])
        return self._put_plain if plain else self.puts[kind]

    def _make_cells(self, kind: CellKind, cells: Sequence[MemberCell]) -> Sequence[Any]:
        """The values that sheets know."""
        unit = 10**self.export.decimals
        match kind:
            case CellKind.TEXT:
                return [text or None for text in cells]
            case CellKind.INSTANT:
                return write_each(cells, lambda instants: list(map(self._localise, instants)), None)
            case CellKind.AMOUNT:
                return write_each(cells, lambda amounts: [minor / unit for minor in amounts], None)
            case CellKind.NUMBER:
                return write_each(cells, lambda texts: list(map(read_number, texts)), None)
            case _:
                return cells

    def _localise(self, micros: int) -> float | datetime | str:
        """Local time, as sheets know no zones: the number that stands for it, or, where sheets count otherwise, itself;
        what is before their first day as text."""
        local = from_micros(micros).astimezone(self.tz).replace(tzinfo=None)
        if local >= COUNTED_FROM:
            return (local - DAY_ZERO) / DAY
        return local if local.year >= FIRST_YEAR else local.isoformat(" ")

    def _put_plain(self, row: int, place: int, text: str) -> None:
        self.sheet.write_string(row, place, text)

    def _put_text(self, row: int, place: int, text: str) -> None:
        text = strip_unreadable(text)
        if text.startswith("<r>"):
            # In one piece the library would take it for its own markup.
            self.sheet.write_rich_string(row, place, text[0], text[1], text[2:], self.quoted)
        else:
            # Without the sign, whoever edits the cell would make a formula or an error of it.
            self.sheet.write_string(row, place, text, self.quoted if is_formula(text) or text[:1] == "#" else None)

    def _put_instant(self, row: int, place: int, local: float | datetime | str) -> None:
        if isinstance(local, float):
            self.sheet.write_number(row, place, local, self.instant)
        elif isinstance(local, str):
            self.sheet.write_string(row, place, local)
        else:
            self.sheet.write_datetime(row, place, local, self.instant)

    def _put_amount(self, row: int, place: int, amount: float) -> None:
        self.sheet.write_number(row, place, amount, self.amount)

    def _put_number(self, row: int, place: int, number: int | Decimal) -> None:
        self.sheet.write_number(row, place, number)

    def _put_flag(self, row: int, place: int, flag: bool) -> None:
        self.sheet.write_boolean(row, place, flag)

    def save(self) -> None:
        """Write the finished file and stand at its beginning."""
        with self.turn:
            self.book.close()
            self.file = self.path.open("rb")

    def read(self) -> bytes:
        """The next piece of the finished file; empty at its end."""
        with self.turn:
            assert self.file is not None
            return self.file.read(PIECE)

    def discard(self) -> None:
        """Take away what lies on the disk, also of a book that was not saved."""
        with self.turn:
            if self.file is not None:
                self.file.close()
            for sheet in self.book.worksheets():
                sheet.row_data_fh.close()
            self.folder.cleanup()
