"""Workbooks as a source of purchases: what a sheet shows is what is read, by either reader alike, and what is no
workbook is said so."""

import re
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.sources import FileForm
from persistence.sources import workbook_parts, xlsx
from persistence.sources.calamine import CalamineSource
from persistence.sources.opening import open_file, open_purchases
from persistence.sources.sheets import SheetSource
from persistence.sources.xlsx import XlsxSource
from tests.conftest import measure_memory
from tests.drivers.opened_sources import read, shop

HEADER = ("customer_id", "order_id", "date", "amount", "category")
SHEET, STYLES, STRINGS = "xl/worksheets/sheet1.xml", "xl/styles.xml", "xl/sharedStrings.xml"
TYPES = "[Content_Types].xml"
ADA, SHOWN = ("Ada", 1, "2024-03-04", 5, "Tea"), ["Ada", "1", "2024-03-04", "5", "Tea"]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
KIND = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
SHARES = b'<Override PartName="/xl/sharedStrings.xml" ContentType="' + KIND + b'"/>'


def written(folder: Path, *rows: tuple[Any, ...], sheets: dict[str, list[tuple[Any, ...]]] | None = None) -> Path:
    path = folder / "orders.xlsx"
    book = Workbook()
    book.remove(book.active)
    for name, content in (sheets or {"Orders": list(rows)}).items():
        sheet = book.create_sheet(name)
        for row in content:
            sheet.append(row)
    book.save(path)
    return path


def changed(path: Path, part: str, change: Callable[[bytes], bytes]) -> Path:
    """The workbook with one of its parts changed; one of texts that cells share is there, too, if it is meant."""
    with zipfile.ZipFile(path) as package:
        parts = {one.filename: package.read(one) for one in package.infolist()}
    if part == STRINGS:
        parts[part] = f'<sst xmlns="{MAIN}"></sst>'.encode()
        parts[TYPES] = parts[TYPES].replace(b"</Types>", SHARES + b"</Types>")
    parts[part] = change(parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, content in parts.items():
            package.writestr(name, content)
    return path


Reader = type[XlsxSource] | type[CalamineSource]
both = pytest.mark.parametrize("reader", [XlsxSource, CalamineSource])


def cells(source: SheetSource) -> list[tuple[int, list[str]]]:
    return list(source.read_rows())


@both
def test_dates_and_numbers_are_read_by_their_types(tmp_path: Path, reader: Reader) -> None:
    path = written(
        tmp_path,
        HEADER,
        ("Ada", 1001, datetime(2024, 3, 4, 9, 30), 12.5, "Tea"),
        (7, 1002.0, date(2024, 3, 5), 0.1 + 0.2, None),
        ("Ben", "00012", "2024-03-06", "5.00", True),
        ("Cy", 1e14, time(9, 30), 123456789.25, "é"),
    )

    source = reader(path)

    assert source.header == list(HEADER)
    assert cells(source) == [
        (2, ["Ada", "1001", "2024-03-04T09:30:00", "12.5", "Tea"]),
        (3, ["7", "1002", "2024-03-05T00:00:00", "0.3", ""]),
        (4, ["Ben", "00012", "2024-03-06", "5.00", "TRUE"]),
        (5, ["Cy", "100000000000000", "09:30:00", "123456789.25", "é"]),
    ]


def test_a_workbook_becomes_purchases_as_a_file_of_text_does(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        HEADER,
        ("Ada", 1, datetime(2024, 3, 4), 12.5, "Tea"),
        ("Ben", 2, "04/03/2024", "1.234,50", "Tea"),
        ("Ben", 3, "yesterday", 1234.5, "Tea"),
        ("Cy", 4, datetime(2024, 3, 4), 1234.5, "Tea"),
    )

    opened = open_purchases(path, shop(), SourceFormat(date_format=("%d/%m/%Y",), decimal=",", thousands="."))
    rows, rejected = read(opened)

    assert rows == [("1", "Ada", 0, 1250, "Tea"), ("2", "Ben", 0, 123450, "Tea"), ("4", "Cy", 0, 123450, "Tea")]
    (told,) = [(row.line, row.text, row.reason) for row in rejected]
    assert told == (4, "Ben,3,yesterday,1234,5,Tea", "the date 'yesterday' is not %d/%m/%Y")


@both
def test_the_sheet_is_the_first_that_shows_unless_one_is_named(tmp_path: Path, reader: Reader) -> None:
    other = ("Ben", 2, "2024-03-04", 5, "Tea")
    path = written(tmp_path, sheets={"Notes": [("x",)], "May": [HEADER, ADA], "June": [HEADER, other]})
    changed(path, "xl/workbook.xml", lambda xml: xml.replace(b'state="visible"', b'state="hidden"', 1))

    with pytest.raises(InvalidInput) as refused:
        reader(path, FileForm(sheet="July"))

    assert cells(reader(path))[0][1][0] == "Ada"
    assert cells(reader(path, FileForm(sheet="June")))[0][1][0] == "Ben"
    assert refused.value.message == "orders.xlsx has no sheet July. There are: Notes, May, June."


@both
def test_a_formula_is_the_value_that_is_kept_with_it(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path, HEADER, ("Ada", 1, "2024-03-04", "=2*3", "Tea"))
    before = cells(reader(path))
    changed(path, SHEET, lambda xml: re.sub(rb"<f>2\*3</f><v ?/?>(</v>)?", b"<f>2*3</f><v>6</v>", xml))

    assert before == [(2, ["Ada", "1", "2024-03-04", "", "Tea"])]
    assert cells(reader(path)) == [(2, ["Ada", "1", "2024-03-04", "6", "Tea"])]


@both
def test_empty_rows_are_none_and_rows_keep_the_numbers_that_the_sheet_shows(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path, HEADER, ADA, (), (None, None), ("Ben", 2, "2024-03-05", 5), *[()] * 50)

    assert cells(reader(path)) == [(2, SHOWN), (5, ["Ben", "2", "2024-03-05", "5", ""])]


def test_a_row_that_is_longer_than_the_header_is_rejected(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, (*ADA, "more", "and more"), ("Ben", 2, "2024-03-04", 5, "Tea", None))

    rows, rejected = read(open_purchases(path, shop(), SourceFormat()))

    assert [row[1] for row in rows] == ["Ben"]
    assert [(row.line, row.reason) for row in rejected] == [(2, "the row has 6 cells, the header has 5")]


@both
def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path, HEADER, ADA)
    changed(path, SHEET, lambda xml: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', xml))

    assert cells(reader(path)) == [(2, SHOWN)]


def test_a_row_beyond_the_last_that_a_sheet_can_have_ends_the_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xlsx, "LAST_ROW", 10_000)
    path = written(tmp_path, HEADER, ADA)
    changed(path, SHEET, lambda xml: xml.replace(b'<row r="2"', b'<row r="2000000000"'))

    with pytest.raises(InvalidInput, match=r"^orders\.xlsx has more than 10,000 rows"):
        cells(XlsxSource(path))


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "orders.xlsx"
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Orders")
    sheet.append(HEADER)
    for order in range(2_500):
        sheet.append(("Ada", order, date(2024, 3, 4), 5, "Tea"))
    book.save(path)
    source = XlsxSource(path)

    tracemalloc.start()
    try:
        batches = source.read_batches()
        next(batches)
        early = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        count = sum(len(batch.rows) for batch in batches)
        late = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 2_000
    assert late < early + 2_000_000


DAMAGED = "orders.xlsx is damaged, or not an Excel workbook."
OLD = (
    "orders.xlsx is an old Excel workbook that is encrypted, damaged or too large. Save it as .xlsx without a password."
)


def of_files(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("[Content_Types].xml", "<Types/>")
        package.writestr("word/document.xml", "<document/>")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: path.write_bytes(b"PK\x03\x04 and nothing more"), DAMAGED),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), OLD),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), DAMAGED),
        (of_files, "orders.xlsx is not an Excel workbook. Save it as .xlsx or CSV."),
    ],
    ids=["nothing more", "old", "cut short", "another package of files"],
)
def test_what_is_no_workbook_is_said_so(tmp_path: Path, spoil: Callable[[Path], object], sentence: str) -> None:
    path = written(tmp_path, HEADER, ADA)
    spoil(path)

    with pytest.raises(InvalidInput) as refused:
        open_file(path)

    assert refused.value.message == sentence


@pytest.mark.parametrize("part", [SHEET, "xl/workbook.xml", "xl/styles.xml"])
def test_a_damaged_workbook_is_one_sentence(tmp_path: Path, part: str) -> None:
    rows = [("Ada", order, "2024-03-04", 5, "Tea") for order in range(2_000)]
    path = changed(written(tmp_path, HEADER, *rows), part, lambda xml: xml[: len(xml) * 2 // 3])

    with pytest.raises(InvalidInput, match=r"^orders\.xlsx is damaged(?: after row \d+)?, or not an Excel workbook\.$"):
        cells(XlsxSource(path))


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ADA)
    changed(path, SHEET, lambda xml: xml + b" " * (70 << 20))

    with pytest.raises(InvalidInput) as refused:
        open_file(path)

    assert path.stat().st_size < 1 << 20
    assert refused.value.message == (
        "orders.xlsx would unpack to 70 MiB, which is more than a workbook is read with. Save the sheet as CSV."
    )


def test_entities_that_multiply_are_not_followed(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ADA)
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(12)
    )
    head, body = b'<?xml version="1.0"?>', bomb + b"]>"
    changed(
        path,
        SHEET,
        lambda xml: head + body + xml.removeprefix(head).replace(b"<sheetData>", b"<sheetData>&m;", 1),
    )

    with pytest.raises(InvalidInput, match="is damaged"):
        cells(XlsxSource(path))


MANY = 3_000_000
TOO_LARGE = "orders.xlsx has a row or a part that is too large to be read. Save the sheet as CSV."


@pytest.mark.parametrize(
    ("part", "after", "more"),
    [
        pytest.param(SHEET, b"<sheetData>", b"<row>" + b"<c/>" * MANY + b"</row>", marks=pytest.mark.slow),
        pytest.param(
            SHEET, b"</sheetData>", b"<hyperlinks>" + b"<hyperlink/>" * MANY + b"</hyperlinks>", marks=pytest.mark.slow
        ),
        (SHEET, b"<sheetData>", b'<row r="9"><c t="inlineStr"><is><t>' + b"x" * (20 << 20) + b"</t></is></c></row>"),
        (STYLES, b"</cellXfs>", b"<xf/>" * MANY),
        (STYLES, b"</cellXfs>", b"<row/><xf/>" * MANY),
        pytest.param(STRINGS, b"</sst>", b"<si>" + b"<r/>" * MANY + b"</si>", marks=pytest.mark.slow),
    ],
    ids=["cells of a row", "after the rows", "one cell", "styles", "styles that are called rows", "pieces of a text"],
)
def test_a_small_file_with_a_part_that_memory_would_not_hold_is_refused(
    part: str, after: bytes, more: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path, HEADER, ADA)
    # Before the end of a list, else after what is named.
    new = more + after if after in (b"</sst>", b"</cellXfs>") else after + more
    changed(path, part, lambda xml: xml.replace(after, new, 1))

    with measure_memory() as most, pytest.raises(InvalidInput) as refused:
        cells(XlsxSource(path))

    assert path.stat().st_size < 100_000
    assert most[0] < 200 << 20
    assert refused.value.message == TOO_LARGE


@both
def test_rows_of_long_cells_are_handed_on_a_few_at_a_time(tmp_path: Path, reader: Reader) -> None:
    rows = [("C" * 30_000, number, "2024-03-04", 5, "T" * 30_000) for number in range(200)]
    path = written(tmp_path, HEADER, *rows)

    sizes = [len(batch.rows) for batch in reader(path).read_batches()]

    assert sum(sizes) == 200
    assert max(sizes) * 60_000 < 2 << 20


@both
@pytest.mark.parametrize("rows", [[], [()], [(None, None)], [HEADER]])
def test_a_sheet_without_rows_holds_no_data(tmp_path: Path, reader: Reader, rows: list[tuple[Any, ...]]) -> None:
    path = written(tmp_path, *rows)

    if rows == [HEADER]:
        assert cells(reader(path)) == []
    else:
        with pytest.raises(InvalidInput, match=r"^No data found in orders\.xlsx\.$"):
            reader(path)


@pytest.mark.parametrize("epoch", [1900, 1904])
def test_both_readers_read_dates_of_all_forms_alike(epoch: int, tmp_path: Path) -> None:
    path = tmp_path / "orders.xlsx"
    book = Workbook()
    sheet = book.active
    sheet.append(HEADER)
    forms = (
        "yyyy-mm-dd",
        "dd/mm/yyyy h:mm",
        "[$-409]mmmm d, yyyy;@",
        'yyyy"年"m"月"',
        "0.00",
        '0 "days"',
        "*d0",
        "A/P",
    )
    numbers = [45000 + part / 86_400 for part in range(0, 86_400, 7_001)] + [60, 61, 0.5, 1234, 2_900_000]
    for number in numbers:
        for form in forms:
            sheet.append(("Ada", sheet.max_row, number, 5, "Tea"))
            sheet.cell(sheet.max_row, 3).number_format = form
    if epoch == 1904:
        book.epoch = datetime(1904, 1, 1)
    book.save(path)

    fast, slow = open_file(path), XlsxSource(path)

    assert cells(fast) == cells(slow)
    assert len(cells(slow)) == len(numbers) * len(forms)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, b'<c r="A2" ', b"<c "),
        (SHEET, b'<c r="A2" ', b'<c\nr="A2" '),
        (SHEET, b'<c r="A2" t="inlineStr"', b'<c t="inlineStr" r="A2"'),
        (SHEET, b"<sheetData>", b"<sheetData><!-- made by hand -->"),
        (STYLES, b"<fonts ", b'<!-- made by hand --><fonts fooCount="99999999" '),
        ("xl/workbook.xml", b"<bookViews>", b"<!-- made by hand --><bookViews>"),
    ],
)
def test_usual_workbooks_are_read_fast_and_unusual_ones_right(
    part: str, old: bytes, new: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path, HEADER, ADA)
    usual = open_file(path)
    changed(path, part, lambda xml: xml.replace(old, new, 1))
    unusual = open_file(path)

    assert (type(usual), type(unusual)) == (CalamineSource, XlsxSource)
    assert cells(usual) == cells(unusual) == [(2, SHOWN)]


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, b'<c r="B2"', b'<c r="B9999999"'),
        (SHEET, b'<c r="B2"', b'<c r="B99999999999"'),
        (SHEET, b'<c r="B2"', b'<c r="ZZZ1048576"'),
        (STYLES, b'<cellXfs count="1"', b'<cellXfs count="99999999999"'),
        (STRINGS, b"<sst ", b'<sst count="1" uniqueCount="99999999999" '),
        (STRINGS, b"<sst ", b"<sst count=\"1\" uniqueCount\n = '2147483647' "),
    ],
)
def test_numbers_that_ask_for_all_memory_are_left_to_the_reader_that_sets_none_aside(
    part: str, old: bytes, new: bytes, tmp_path: Path
) -> None:
    path = written(tmp_path, HEADER, ADA)
    changed(path, part, lambda xml: xml.replace(old, new, 1))

    with suppress(InvalidInput):
        source = open_file(path)
        assert type(source) is XlsxSource
        cells(source)


def test_a_sheet_that_memory_should_not_hold_is_read_row_by_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, HEADER, ADA)
    fits = open_file(path)
    monkeypatch.setattr(workbook_parts, "HELD_SHEET", 500)
    streams = open_file(path)

    assert (type(fits), type(streams)) == (CalamineSource, XlsxSource)
    assert cells(streams) == [(2, SHOWN)]


def test_whole_numbers_beyond_fifteen_digits_stay_apart(tmp_path: Path) -> None:
    ids = [10**15, 1234567890123456789, 1234567890123456788]
    path = written(tmp_path, HEADER, ADA, *(("Ada", number, "2024-03-04", 5, "Tea") for number in range(2, 5)))
    for number, order in enumerate(ids, 2):
        changed(path, SHEET, lambda xml, old=b"<v>%d</v>" % number, new=b"<v>%d</v>" % order: xml.replace(old, new))

    assert [row[1] for _, row in cells(open_file(path))] == ["1", *map(str, ids)]


@pytest.mark.slow
def test_two_cells_far_apart_are_not_held(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ADA)
    far = b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
    changed(path, SHEET, lambda xml: xml.replace(b"</sheetData>", far))

    source = open_file(path)

    assert type(source) is XlsxSource
    assert next(source.read_rows()) == (2, SHOWN)


def test_furigana_and_escaped_characters_are_no_text_of_their_own(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER, ADA)
    read = b'<c r="A2" t="inlineStr"><is><t>\xe6\x9d\xb1</t><rPh sb="0" eb="1"><t>x</t></rPh></is></c>'
    changed(path, SHEET, lambda xml: re.sub(rb'<c r="A2".*?</c>', read, xml))

    assert cells(CalamineSource(path))[0][1][0] == cells(XlsxSource(path))[0][1][0] == "東"


@both
def test_titles_blank_rows_and_repeated_headers_are_skipped_and_told(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path, ("Orders of March",), (), HEADER, ADA, HEADER, ("Ben", 2, "2024-03-05", 5, None, ""))

    source = reader(path)

    assert source.header_line == 3
    assert cells(source) == [(4, SHOWN), (6, ["Ben", "2", "2024-03-05", "5", ""])]
    assert source.notes == [
        "The header is on row 3; 2 rows before it were skipped.",
        "The header stands 1 time again further down; that was skipped.",
    ]


@both
def test_the_header_is_where_it_is_said_to_be(tmp_path: Path, reader: Reader) -> None:
    path = written(tmp_path, ("a", "b"), ("c", "d"), HEADER, ADA)

    assert reader(path, FileForm(skip_lines=1)).header == ["c", "d"]
    assert reader(path, FileForm(skip_lines=2)).header == list(HEADER)
    with pytest.raises(InvalidInput, match=r"^Row 5 of orders\.xlsx is empty|^No data found"):
        reader(path, FileForm(skip_lines=4))


@both
def test_merged_cells_are_rejected_with_the_remedy_or_filled(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "orders.xlsx"
    book = Workbook()
    sheet = book.active
    for row in (
        HEADER,
        ("Ada", 1, "2024-03-04", 5, "Tea"),
        (None, None, "2024-03-04", 6, "Rum"),
        ("Ben", 2, "2024-03-04", 7),
    ):
        sheet.append(row)
    sheet.merge_cells("A2:A3")
    sheet.merge_cells("B2:B3")
    book.save(path)

    (batch,) = reader(path).read_batches()

    assert batch.rows[1][:2] == ["", ""]
    why = "the row has merged cells, whose value stands in the first of them alone: give fill_down, or unmerge them"
    assert batch.faults == {2: why, 3: why}
    assert cells(reader(path, FileForm(fill_merged=True))) == [
        (2, SHOWN),
        (3, ["Ada", "1", "2024-03-04", "6", "Rum"]),
        (4, ["Ben", "2", "2024-03-04", "7", ""]),
    ]


def test_other_sheets_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, sheets={"Notes": [("x",)], "May": [HEADER, ADA], "June": [HEADER, ADA]})
    changed(path, "xl/workbook.xml", lambda xml: xml.replace(b'state="visible"', b'state="hidden"', 1))

    assert open_file(path).notes == ["Read the sheet May; another may be named by sheet: Notes (hidden), June."]
    assert open_file(path, FileForm(sheet="June")).notes == []
