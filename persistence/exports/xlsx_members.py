"""Members of a segment as a workbook, written row by row, so that a million take no more memory than a thousand; where
a sheet is full the next one begins."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from domain.calendar import load_zone
from domain.money import find_exponent
from domain.segments.member_export import MemberExport, MemberPage
from persistence.exports.xlsx_cells import build_money_format, build_stream_cell

LARGEST_SHEET = 1_048_576
"""Rows of a sheet."""
PIECE = 1 << 18
WIDTHS = {"name": 28, "email": 30, "segment": 24, "assigned_at": 20, "last_purchase_at": 20, "customer_id": 18}
PLAIN_WIDTH = 14


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
    """A workbook that grows. Its steps are taken in threads, which cannot be stopped: each waits for the one before, so
    that nothing is taken away from under it."""

    def __init__(self, export: MemberExport) -> None:
        self.export = export
        self.turn = Lock()
        self.held = ExitStack()
        self.tz = load_zone(export.business.time_zone)
        self.book = Workbook(write_only=True)
        self.format = build_money_format(export.business.currency, find_exponent(export.business.currency))
        self.rows = 0
        self.sheet: Any = None
        self._begin()

    def _begin(self) -> None:
        number = len(self.book.worksheets) + 1
        self.sheet = self.book.create_sheet("Members" if number == 1 else f"Members {number}")
        self.sheet.freeze_panes = "A2"
        heads = []
        for place, name in enumerate(self.export.columns, 1):
            self.sheet.column_dimensions[get_column_letter(place)].width = WIDTHS.get(name, PLAIN_WIDTH)
            head = WriteOnlyCell(self.sheet, name)
            head.font = Font(name="Calibri", bold=True)
            heads.append(head)
        self.sheet.append(heads)
        # One cell for every amount: what is appended is written at once.
        self.amount = WriteOnlyCell(self.sheet)
        self.amount.number_format = self.format
        self.rows = 1

    def append(self, page: MemberPage) -> None:
        with self.turn:
            for row in page:
                if self.rows == LARGEST_SHEET:
                    self.sheet.close()
                    self._begin()
                self.sheet.append([self._make_cell(value) for value in row])
                self.rows += 1

    def _make_cell(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            self.amount.value = value
            return self.amount
        return build_stream_cell(self.sheet, value, self.tz)

    def save(self) -> None:
        """Write the finished file and stand at its beginning."""
        with self.turn:
            self.file = self.held.enter_context(TemporaryFile())  # noqa: SIM115
            self.book.save(self.file)
            self.file.seek(0)

    def read(self) -> bytes:
        """The next piece of the finished file; empty at its end."""
        with self.turn:
            piece: bytes = self.file.read(PIECE)
            return piece

    def discard(self) -> None:
        """Take away what lies on the disk, also of a book that was not saved."""
        with self.turn:
            self.held.close()
            for sheet in self.book.worksheets:
                if not sheet.closed:
                    sheet.close()
                if Path(sheet._writer.out).exists():
                    sheet._writer.cleanup()
