"""Text files as shops export them: titles before the header, any delimiter, any line end, and what cannot be known is
told and not guessed."""

import gzip
import zipfile
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.sources import FileForm
from persistence.sources.appended import AppendedCsv, FileMark, WatchedCsv
from persistence.sources.csv import CsvSource
from persistence.sources.opening import open_file, open_purchases
from tests.drivers.opened_sources import read, shop

HEADER = "customer_id,order_id,date,amount"
ROW = "C1,1,2024-03-01,10.00"
CELLS = ["C1", "1", "2024-03-01", "10.00"]


def written(folder: Path, text: str, encoding: str = "utf-8", name: str = "orders.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("before", "line"),
    [
        ("", 1),
        ("\n", 2),
        ("\r\n\r\n", 3),
        (",,,\n , ,\n", 3),
        ("Sales report\nFrom 2024-03-01, to 2024-03-31\n\n", 4),
        ("sep=,\n", 2),
        ('"sep=,"\n', 2),
        ('"A title\nover two lines",,\n', 3),
        ("Date\n", 2),
        ("Customer,Shop X\nDate,2024-03-31\n", 3),
        (",".join(["x"] * 9) + "\n", 2),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_is_found_beneath_what_stands_before_it(before: str, line: int, end: str, tmp_path: Path) -> None:
    text = (before + f"{HEADER}\n{ROW}\n\n{ROW}\n").replace("\r\n", "\n").replace("\n", end)

    source = CsvSource(written(tmp_path, text))

    assert (source.header_line, source.header) == (line, HEADER.split(","))
    assert list(source.read_rows()) == [(line + 1, CELLS), (line + 3, CELLS)]
    assert bool(source.notes) is (line > 1)


def test_a_header_of_unknown_names_is_the_first_row_of_texts_as_wide_as_the_others(tmp_path: Path) -> None:
    text = "Bericht 2024\nNur Text, zwei\nKunde,Bestellung,Datum,Summe\n1,2,2024-03-01,5\n3,4,2024-03-01,6,\n"

    source = CsvSource(written(tmp_path, text))

    assert source.header == ["Kunde", "Bestellung", "Datum", "Summe"]
    assert [line for line, _ in source.read_rows()] == [4, 5]


def test_a_column_without_a_name_does_not_hide_the_header(tmp_path: Path) -> None:
    source = CsvSource(written(tmp_path, ",Kunde,Ort\n0,Anna,Bonn\nx,Berta,Kiel\n"))

    assert (source.header_line, source.header) == (1, ["", "Kunde", "Ort"])


@pytest.mark.parametrize(
    "header", ["客户,订单,日期,金额", "العميل,الطلب,التاريخ,المبلغ", "පාරිභෝගිකයා,ඇණවුම,දිනය,මුදල", "עמודה,x,y,z"]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_headers_of_every_script_are_read(header: str, encoding: str, tmp_path: Path) -> None:
    path = written(tmp_path, f"{header}\r\n{ROW}\n王小明,2,2024-03-02,5\r", encoding)
    names = header.split(",")
    mapping = dict(zip(names, ("customer_id", "order_id", "purchase_date", "amount"), strict=True))

    rows, rejected = read(open_purchases(path, shop(), SourceFormat(columns=mapping)))

    assert rows == [("1", "C1", 0, 1000, None), ("2", "王小明", 0, 500, None)]
    assert rejected == []


def test_line_ends_may_be_mixed(tmp_path: Path) -> None:
    text = f'{HEADER}\r\n{ROW}\nC2,2,2024-03-01,5\rC3,"3\r\n",2024-03-01,6\r\n'

    assert [line for line, _ in CsvSource(written(tmp_path, text)).read_rows()] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("customer_id;order_id;date;amount\nC1;1;2024-03-01;10,00\n", ";"),
        ("Kunde;Nummer;Tag;Summe\nA, B;1;2024-03-01;10,00\nC, D;2;2024-03-01;11,00\n", ";"),
        ("customer_id\torder_id\tdate\tamount\nC1\t1\t2024-03-01\t10\n", "\t"),
        ("customer_id|order_id|date|amount\nC,1|1|2024-03-01|10,5\n", "|"),
        ("sep=;\ncustomer_id;order_id;date;amount\nC1;1;2024-03-01;10\n", ";"),
        ("a; b; c; d\nOrders\ncustomer_id,order_id,date,amount\nC1,1,2024-03-01,10\n", ","),
        ('customer_id,"a;b;c;d;e;f;g",order_id,date,amount\nC1,"x",1,2024-03-01,10\n', ","),
        (
            "customer_id order_id   date     amount\n00001   1  2024-03-01  11.77\n  00002 2 2024-03-02  1\n",
            "whitespace",
        ),
        ("who     what  when      sum\n 00001  19970101  1   11.77\n 00002  19970112  1   12.00  \n", "whitespace"),
        ("customer_id\nC1\nC2\n", ","),
        ("name of the shop\nAnn Lee\nBo Xi Ma\n", ","),
    ],
)
def test_the_delimiter_is_the_one_that_rows_agree_on(text: str, delimiter: str, tmp_path: Path) -> None:
    source = CsvSource(written(tmp_path, text))

    assert source.delimiter == delimiter
    assert {len(cells) for _, cells in source.read_rows()} == {len(source.header)}


def test_white_space_columns_are_read_with_their_quotes(tmp_path: Path) -> None:
    text = 'customer_id order_id  date       amount\n\n "Ann Lee"   1\t2024-03-01   11.77  \n'

    (row,) = CsvSource(written(tmp_path, text), FileForm(delimiter="whitespace")).read_rows()

    assert row == (3, ["Ann Lee", "1", "2024-03-01", "11.77"])


def test_a_form_says_where_the_header_is_and_how_cells_are_parted(tmp_path: Path) -> None:
    path = written(tmp_path, f"{HEADER}\nx#y#'#'\n1#2#3\n")

    source = CsvSource(path, FileForm(skip_lines=1, delimiter="#", quote="'"))

    assert (source.header, list(source.read_rows())) == (["x", "y", "#"], [(3, ["1", "2", "3"])])
    assert (source.header_line, source.notes) == (2, [])


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (FileForm(delimiter="##"), "delimiter must be one character, tab or whitespace, not '##'"),
        (FileForm(quote="''"), "quote must be one character or none, not \"''\""),
        (FileForm(skip_lines=-1), "skip_lines must be between 0 and 2,000,000"),
        (FileForm(skip_lines=1), "No data found in orders.csv after skip_lines 1: the header must follow at once."),
        (FileForm(skip_lines=9), "No data found in orders.csv after skip_lines 9: the header must follow at once."),
        (FileForm(sheet="May"), "sheet is for workbooks, and orders.csv is none"),
    ],
)
def test_a_form_that_cannot_be_is_refused(form: FileForm, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_file(written(tmp_path, f"title\n\n{HEADER}\n{ROW}\n"), form)

    assert refused.value.message == sentence


def test_headers_further_down_are_skipped_and_counted(tmp_path: Path) -> None:
    source = CsvSource(written(tmp_path, "\n".join([HEADER, ROW, HEADER, ROW, HEADER]) + "\n"))

    assert list(source.read_rows()) == list(source.read_rows()) == [(2, CELLS), (4, CELLS)]
    assert source.notes == ["The header stands 2 times again further down; that was skipped."]


def test_empty_cells_beyond_the_header_are_cut_and_others_rejected(tmp_path: Path) -> None:
    text = f"{HEADER}\n{ROW},\n{ROW},,,\n{ROW},x\nC1,1\n"

    assert [len(cells) for _, cells in CsvSource(written(tmp_path, text)).read_rows()] == [4, 4, 5, 2]


def test_a_cell_that_seems_to_have_swallowed_rows_is_told_with_its_line(tmp_path: Path) -> None:
    text = f'{HEADER},note\n{ROW},"Deluxe\nC2,2,2024-03-02,11,x\nC3,3,2024-03-03,12,y"\n{ROW},"two\nlines"\n'
    source = CsvSource(written(tmp_path, text))

    rows = list(source.read_rows())

    assert [line for line, _ in rows] == [2, 5]
    assert source.notes == [
        "Line 2: the quoted cell of the column note holds line breaks and what looks like 2 whole rows. "
        "If its quote is no quote, mend it or give quote none."
    ]
    assert len(list(CsvSource(source.path, FileForm(quote="none")).read_rows())) == 5


def test_only_a_file_without_any_cell_has_no_data(tmp_path: Path) -> None:
    for text in ("\n\n", ",,,\n,,\n", " \n;;\n", "\ufeff\n"):
        with pytest.raises(InvalidInput, match=r"^No data found in orders\.csv\.$"):
            CsvSource(written(tmp_path, text))

    assert CsvSource(written(tmp_path, "\n" * 200_000 + f"{HEADER}\n{ROW}\n")).header_line == 200_001


@pytest.mark.parametrize("text", ["<html><table>", "\n<TABLE border=1>", '<?xml version="1.0"?>\n<Workbook>'])
def test_a_web_page_that_is_called_a_workbook_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^orders\.xls is a web page or XML, whatever it is called\. Open it in a "):
        open_file(written(tmp_path, text, name="orders.xls"))


def zipped(folder: Path, **files: str) -> Path:
    path = folder / "orders.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for name, text in files.items():
            package.writestr(name.replace("_csv", ".csv"), text)
    return path


def test_the_one_file_of_a_zip_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path, orders_csv=f"Title\n{HEADER}\n{ROW}\n", **{"__MACOSX/._orders_csv": "x", "folder/": ""})

    source = open_file(path)

    assert list(source.read_rows()) == [(3, CELLS)]
    assert source.name == "orders.zip"


def test_a_zip_of_several_files_is_refused_with_their_names(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_file(zipped(tmp_path, a_csv=HEADER, b_csv=HEADER))

    assert refused.value.message == "orders.zip holds 2 files: a.csv, b.csv. Unpack it and give one of them."


def test_a_zip_that_would_unpack_to_far_more_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^orders\.zip would unpack to 95 MiB, which is far more than its size"):
        open_file(zipped(tmp_path, a_csv=HEADER + "\n" * 100_000_000))


def test_progress_counts_the_bytes_of_the_file_whatever_its_encoding_and_packing(tmp_path: Path) -> None:
    text = HEADER + "\n" + f"{ROW}\n" * 50_000
    plain = written(tmp_path, text, "utf-16")
    packed = tmp_path / "orders.csv.gz"
    packed.write_bytes(gzip.compress(text.encode("utf-16")))

    for path in (plain, packed, zipped(tmp_path, a_csv=text)):
        source = CsvSource(path)
        places = [source.position for _ in source.read_batches()]

        assert sorted(places) == places
        assert path.stat().st_size * 0.9 < places[-1] <= path.stat().st_size


@pytest.mark.parametrize(
    ("before", "encoding", "form", "grows"),
    [
        ("", "utf-8", FileForm(), True),
        ("", "utf-8-sig", FileForm(), True),
        ("", "utf-8", FileForm(encoding="utf-8", delimiter=",", quote="none", skip_lines=0), True),
        ("Title\n", "utf-8", FileForm(), False),
        ("\n", "utf-8", FileForm(), False),
        ("sep=,\n", "utf-8", FileForm(), False),
        ("x\n", "utf-8", FileForm(skip_lines=1), False),
        ("", "utf-16", FileForm(), False),
        ("", "utf-8", FileForm(encoding="windows-1252"), False),
        ("", "utf-8", FileForm(delimiter="whitespace"), False),
    ],
)
def test_only_the_rows_of_plain_files_are_followed_as_they_are_appended(
    before: str, encoding: str, form: FileForm, grows: bool, tmp_path: Path
) -> None:
    path = written(tmp_path, f"{before}{HEADER}\n{ROW}\n", encoding)
    watched = WatchedCsv(path, form)
    assert len(list(watched.read_rows())) == 1
    mark = FileMark.of(path)

    with path.open("ab") as file:
        file.write(f"{HEADER}\nC2,2,2024-03-02,5,\n".encode(encoding.removesuffix("-sig")))
    appended = AppendedCsv(path, mark.size, mark.lines, form)

    assert watched.can_grow(mark) is grows
    assert appended.sound is grows
    if grows:
        assert list(appended.read_rows()) == [(4, ["C2", "2", "2024-03-02", "5"])]
