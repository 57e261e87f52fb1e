"""Workbooks of LibreOffice and of old Excel: read by their types as others are, and never more of them held than memory
has."""

import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
import xlwt

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.sources import FileForm
from persistence.sources.opening import open_file, open_purchases
from tests.conftest import measure_memory, sample_cases
from tests.drivers.opened_sources import read, shop

NINE = datetime(2024, 3, 4, 9, 30)
HEADER = ("customer_id", "order_id", "date", "amount")
NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)
EMPTY = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/>'


def text(value: str, more: str = "") -> str:
    return f'<table:table-cell office:value-type="string" {more}><text:p>{value}</text:p></table:table-cell>'


def number(value: str, kind: str = "float", name: str = "value") -> str:
    return f'<table:table-cell office:value-type="{kind}" office:{name}="{value}"/>'


def row(*cells: str, more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


def ods(folder: Path, *rows: str, second: str = "") -> Path:
    path = folder / "orders.ods"
    tables = f'<table:table table:name="Orders">{"".join(rows)}</table:table>{second}'
    body = f"<office:body><office:spreadsheet>{tables}</office:spreadsheet></office:body>"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        package.writestr("META-INF/manifest.xml", "<manifest/>")
        package.writestr("content.xml", f"<office:document-content {NAMES}>{body}</office:document-content>")
    return path


def xls(folder: Path, *far: tuple[int, int], sheets: int = 1) -> Path:
    path = folder / "orders.xls"
    book = xlwt.Workbook()
    day = xlwt.easyxf(num_format_str="YYYY-MM-DD")
    for place in range(sheets):
        sheet = book.add_sheet(f"Orders {place}")
        for column, name in enumerate(HEADER):
            sheet.write(0, column, name)
        sheet.write_merge(1, 2, 0, 0, "Müller")
        for line, order, when, amount in (
            (1, 1001, datetime(2024, 3, 4, 9, 30), 12.5),
            (2, "002", date(2024, 3, 5), 3),
        ):
            sheet.write(line, 1, order)
            sheet.write(line, 2, when, day)
            sheet.write(line, 3, amount)
        for line, column in far:
            sheet.write(line, column, 1)
    book.save(str(path))
    return path


ROWS = (
    row(*map(text, HEADER), '<table:table-cell table:number-columns-repeated="16380"/>'),
    row(text("Müller"), number("1001"), number("2024-03-04T09:30:00", "date", "date-value"), number("12.5")),
    row(text("李四"), text("002"), number("2024-03-05", "date", "date-value"), number("3", "currency")),
)
SHOWN = [
    (2, ["Müller", "1001", "2024-03-04T09:30:00", "12.5"]),
    (3, ["李四", "002", "2024-03-05T00:00:00", "3"]),
]


def test_a_workbook_of_libreoffice_is_read_by_its_types(tmp_path: Path) -> None:
    source = open_file(ods(tmp_path, *ROWS, f"{EMPTY}</table:table-row>"))

    assert list(source.read_rows()) == SHOWN
    assert read(open_purchases(source, shop(), SourceFormat()))[0] == [
        ("1001", "Müller", 0, 1250, None),
        ("002", "李四", 0, 300, None),
    ]


def test_empty_rows_and_columns_of_libreoffice_keep_the_places(tmp_path: Path) -> None:
    blank = row('<table:table-cell table:number-columns-repeated="4"/>', more='table:number-rows-repeated="3"')
    shifted = [one.replace("<table:table-row >", "<table:table-row ><table:table-cell/>") for one in ROWS]

    source = open_file(ods(tmp_path, blank, *shifted))

    assert (source.header_line, source.header) == (4, ["", *HEADER])
    assert list(source.read_rows()) == [(line + 3, ["", *cells]) for line, cells in SHOWN]


def test_merged_cells_of_libreoffice_are_told_or_filled(tmp_path: Path) -> None:
    spanned = text("Ada", 'table:number-rows-spanned="2" table:number-columns-spanned="1"')
    rest = (number("1"), text("2024-03-04"), number("5"))
    path = ods(tmp_path, ROWS[0], row(spanned, *rest), row("<table:covered-table-cell/>", *rest))

    (batch,) = open_file(path).read_batches()

    assert list(batch.faults) == [2, 3]
    assert [cells[0] for _, cells in open_file(path, FileForm(fill_merged=True)).read_rows()] == ["Ada", "Ada"]


@pytest.mark.parametrize(
    "far",
    [
        row(text("x"), more='table:number-rows-repeated="1000000000"'),
        row(text("x", 'table:number-columns-repeated="1000000000"')),
        row(text("x", 'table:number-columns-repeated="16384"'), more='table:number-rows-repeated="1048576"'),
        row('<table:table-cell table:number-columns-repeated="999999999"/>', text("x")),
    ],
)
def test_repeated_cells_of_libreoffice_are_not_held(far: str, tmp_path: Path) -> None:
    second = f'<table:table table:name="Other">{far}</table:table>'

    for path in (ods(tmp_path, *ROWS, far), ods(tmp_path, *ROWS, second=second)):
        with pytest.raises(InvalidInput, match=r"^orders\.ods is too large to be read\. Save the sheet as CSV\.$"):
            open_file(path)


def test_a_damaged_workbook_of_libreoffice_is_one_sentence(tmp_path: Path) -> None:
    path = ods(tmp_path, *ROWS, "<table:table-row>")

    with pytest.raises(InvalidInput, match=r"^orders\.ods is encrypted or damaged\. Save it without a password\.$"):
        open_file(path)


def test_a_workbook_of_old_excel_is_read_by_its_types(tmp_path: Path) -> None:
    path = xls(tmp_path)

    (batch,) = open_file(path).read_batches()

    assert batch.rows == [
        ["Müller", "1001", "2024-03-04T09:30:00", "12.5"],
        ["", "002", "2024-03-05T00:00:00", "3"],
    ]
    assert list(batch.faults) == [2, 3]
    assert [cells[0] for _, cells in open_file(path, FileForm(fill_merged=True)).read_rows()] == ["Müller", "Müller"]


def test_sheets_of_old_excel_that_memory_would_not_hold_are_refused(tmp_path: Path) -> None:
    path = xls(tmp_path, (65_535, 255), sheets=40)

    with (
        measure_memory() as most,
        pytest.raises(InvalidInput, match=r"^orders\.xls is an old Excel workbook that is .*too large"),
    ):
        open_file(path)

    assert most[0] < 16 << 20


@pytest.mark.parametrize("cut", [8, 512, 600, 2_000, 5_000])
def test_a_damaged_workbook_of_old_excel_is_one_sentence(cut: int, tmp_path: Path) -> None:
    path = xls(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])

    with pytest.raises(InvalidInput, match=r"^orders\.xls is an old Excel workbook that is encrypted, damaged or too"):
        open_file(path)


@pytest.mark.parametrize("place", sample_cases(range(24, 5_600, 400), 24, 2_024, 4_024))
def test_a_byte_of_an_old_workbook_that_is_wrong_ends_in_rows_or_a_sentence(place: int, tmp_path: Path) -> None:
    path = xls(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])

    try:
        list(open_file(path).read_rows())
    except InvalidInput as error:
        assert error.message.startswith(("orders.xls is an old Excel", "No data found", "orders.xls holds no sheet"))


REACH = b"\x00\x02\x0e\x00"
"""Begins the record that says from which row to which a sheet reaches."""


def test_a_workbook_that_asks_for_all_memory_ends_its_own_process_alone(tmp_path: Path) -> None:
    path = xls(tmp_path)
    content = path.read_bytes()
    place = content.index(REACH) + 4
    path.write_bytes(content[:place] + b"\x19" + content[place + 1 :])

    with pytest.raises(InvalidInput, match=r"^orders\.xls is an old Excel workbook that is encrypted, damaged or too"):
        open_file(path)
