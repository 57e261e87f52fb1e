"""Members as a workbook, written row by row, so that a million take no more memory than a thousand; where a sheet is
full the next one begins."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, TypeVar

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from domain.calendar import zone
from domain.member_files import MemberExport, MemberPage
from domain.money import exponent
from persistence.exports.xlsx_cells import money_format, streamed

T = TypeVar("T")
LARGEST_SHEET = 1_048_576
"""Rows of a sheet."""
PIECE = 1 << 18
WIDTHS = {"name": 28, "email": 30, "segment": 24, "assigned_at": 20, "last_purchase_at": 20, "customer_id": 18}
PLAIN_WIDTH = 14


async def members_xlsx(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """The workbook; its bytes come when it is whole, as its table of contents stands at the end."""
    book = MemberBook(export)
    try:
        async for page in pages:
            await in_thread(book.append, page)
        with TemporaryFile() as file:
            await in_thread(book.save, file)
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece
    finally:
        book.discard()


async def in_thread(work: Callable[[T], None], argument: T) -> None:
    """Do it in a thread. A thread cannot be stopped: whoever is stopped meanwhile waits for its end first, so that
    nothing is taken away from under it."""
    working = asyncio.ensure_future(asyncio.to_thread(work, argument))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait({working})
        raise


class MemberBook:
    """A workbook that grows."""

    def __init__(self, export: MemberExport) -> None:
        self.export = export
        self.tz = zone(export.business.time_zone)
        self.book = Workbook(write_only=True)
        self.format = money_format(export.business.currency, exponent(export.business.currency))
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
        """Write the rows."""
        for row in page:
            if self.rows == LARGEST_SHEET:
                self.sheet.close()
                self._begin()
            self.sheet.append([self._cell(value) for value in row])
            self.rows += 1

    def _cell(self, value: Any) -> Any:
        if isinstance(value, Decimal):
            self.amount.value = value
            return self.amount
        return streamed(self.sheet, value, self.tz)

    def save(self, file: IO[bytes]) -> None:
        """Write the finished file and stand at its beginning."""
        self.book.save(file)
        file.seek(0)

    def discard(self) -> None:
        """Take away what lies on the disk of a book that was not saved."""
        for sheet in self.book.worksheets:
            if not sheet.closed:
                sheet.close()
            if Path(sheet._writer.out).exists():
                sheet._writer.cleanup()
