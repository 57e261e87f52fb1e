"""Members as a workbook, page by page: full sheets are followed by further ones, and a book that nobody waits for any
more leaves nothing behind."""

import asyncio
import io
import tempfile
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest
from openpyxl import load_workbook
from xlsxwriter import Workbook

from domain.calendar import to_micros
from domain.model import Business, BusinessSettings
from domain.segments.member_export import MemberExport, MemberPage
from domain.segments.model import Definition, Segment, SegmentKind
from persistence.exports import xlsx_members
from persistence.exports.xlsx_members import MemberBook, write_members_xlsx
from tests.drivers.sockets import becomes

pytestmark = pytest.mark.anyio
AT = datetime(2024, 6, 15, 20, tzinfo=UTC)
COLUMNS = ("customer_id", "name", "total_revenue", "last_purchase_at")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def export() -> MemberExport:
    business = Business(1, "shop", "Shop", "JPY", "Asia/Tokyo", BusinessSettings(), 1, 1, 1)
    flags = (SegmentKind.MANUAL, False, False, Definition(), None, 1)
    segment = Segment(1, "vip", "VIP", None, *flags, AT, AT, AT, None, None, None, None, 1)
    return MemberExport(business, segment, AT, COLUMNS)


async def pages(count: int) -> AsyncGenerator[MemberPage, None]:
    for page in range(count):
        yield [[f"C{page}", "-2"], ["=1+1", None], [1500, 0], [to_micros(AT), None]]


async def test_rows_have_their_types_and_the_currency_its_format() -> None:
    body = b"".join([piece async for piece in write_members_xlsx(export(), pages(1))])

    sheet = load_workbook(io.BytesIO(body)).active
    assert [[cell.value for cell in row] for row in sheet] == [
        list(COLUMNS),
        ["C0", "=1+1", 1500, datetime(2024, 6, 16, 5)],
        ["-2", None, 0, None],
    ]
    assert [sheet[place].data_type for place in ("A2", "B2", "A3")] == ["s", "s", "s"]
    assert [sheet[place].number_format for place in ("C2", "C3")] == ["[$JPY] #,##0"] * 2
    assert sheet.freeze_panes == "A2"


async def test_a_full_sheet_is_followed_by_another_with_its_own_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_members, "LARGEST_SHEET", 4)

    body = b"".join([piece async for piece in write_members_xlsx(export(), pages(4))])

    found = load_workbook(io.BytesIO(body))
    assert found.sheetnames == ["Members", "Members 2", "Members 3"]
    assert [[cell.value for cell in sheet["A"]] for sheet in found] == [
        ["customer_id", "C0", "-2", "C1"],
        ["customer_id", "-2", "C2", "-2"],
        ["customer_id", "C3", "-2"],
    ]


async def test_a_finished_book_leaves_no_file(folder: Path) -> None:
    made = [piece async for piece in write_members_xlsx(export(), pages(3))]

    assert made
    assert list(folder.iterdir()) == []


async def test_a_book_that_is_given_up_leaves_no_file(folder: Path) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncGenerator[MemberPage, None]:
        async for page in pages(2):
            yield page
        begun.set()
        await asyncio.sleep(60)

    async def read() -> None:
        async for _ in write_members_xlsx(export(), endless()):
            pass

    reading = asyncio.create_task(read())
    await begun.wait()
    assert len(list(folder.iterdir())) == 1
    reading.cancel()
    await asyncio.wait({reading})

    assert reading.cancelled()
    assert list(folder.iterdir()) == []


async def read_until(moment: Event) -> None:
    """Begin to read a book, and be cancelled at that moment as whoever runs the request is: until it has ended."""

    async def read() -> None:
        async for _ in write_members_xlsx(export(), pages(2)):
            pass

    reading = asyncio.create_task(read())
    await asyncio.to_thread(moment.wait, 10)
    while not reading.done():
        reading.cancel()
        await asyncio.sleep(0)
    assert reading.cancelled()


async def test_a_book_that_is_given_up_while_it_is_written_is_taken_away_after_that(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, failures = Event(), Event(), list[Exception]()

    class Slow(MemberBook):
        def append(self, page: MemberPage) -> None:
            writing.set()
            assert go_on.wait(10)
            super().append(page)

        def discard(self) -> None:
            try:
                super().discard()
            except Exception as error:
                failures.append(error)

    monkeypatch.setattr(xlsx_members, "MemberBook", Slow)
    await read_until(writing)
    go_on.set()

    await becomes(lambda: not list(folder.iterdir()))
    assert failures == []


async def test_a_book_that_is_given_up_while_it_is_packed_is_packed_to_its_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package whose file is closed under it says so in the log, when it is thrown away."""
    packing, go_on, ends = Event(), Event(), list[Exception | None]()
    pack = Workbook.close

    def pack_slowly(book: Workbook) -> None:
        packing.set()
        assert go_on.wait(10)
        try:
            pack(book)
            ends.append(None)
        except Exception as error:
            ends.append(error)

    monkeypatch.setattr(Workbook, "close", pack_slowly)
    await read_until(packing)
    go_on.set()

    await becomes(lambda: len(ends) == 1 and not list(folder.iterdir()))
    assert ends == [None]


async def test_a_source_that_fails_leaves_no_file(folder: Path) -> None:
    async def failing() -> AsyncGenerator[MemberPage, None]:
        async for page in pages(1):
            yield page
        raise ConnectionError

    with pytest.raises(ConnectionError):
        [piece async for piece in write_members_xlsx(export(), failing())]

    assert list(folder.iterdir()) == []
