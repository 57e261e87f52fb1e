"""What a purchases file may look like: separators, quotes, encodings, compression and damage. A bad row is one rejected
row; a bad file is one sentence."""

import gzip
import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.imports import IMPORTS
from persistence.sources.csv import CsvSource
from persistence.tables.imports import purchase_import
from tests.conftest import NOW, sqlite_alone
from tests.drivers.files import HEADER, Importer, counts
from tests.drivers.store_image import image

pytestmark = pytest.mark.anyio
BOM, TITLES = b"\xef\xbb\xbf", b"customer_id,order_id,date,amount,category\n"
ROWS = TITLES + b"C1,O1,2024-03-01,10.50,Tea\nC2,O2,2024-03-02,3,Rice\n"
ROW = "C1,O1,2024-03-01,10"


def amounts(importer: Importer) -> dict[str, int]:
    """Amount by order id, as the store has it."""
    return {order: row[5] for order, row in image(importer.database, importer.business).purchases.items()}


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        BOM + ROWS,
        ROWS.replace(b",", b";"),
        ROWS.replace(b",", b"\t"),
        ROWS.replace(b"\n", b"\r\n"),
        ROWS.replace(b"\n", b"\n\n"),
        ROWS.rstrip(b"\n"),
        ROWS.replace(b"\n", b"\r"),
        b'"customer_id","order_id","date","amount","category"\n"C1","O1","2024-03-01","10.50","Tea"\n'
        b'"C2","O2","2024-03-02","3","Rice"\n',
        ROWS.replace(b"C1,O1", b" C1 , O1 "),
        gzip.compress(ROWS),
        gzip.compress(ROWS[:60]) + gzip.compress(ROWS[60:]),
        BOM + ROWS.replace(b",", b";").replace(b"\n", b"\r\n"),
    ],
    ids=[
        *("plain", "byte order mark", "semicolons", "tabs", "windows", "blank lines", "no last newline", "old mac"),
        *("all quoted", "spaces round cells", "gzip", "two gzip members", "excel"),
    ],
)
@sqlite_alone
async def test_forms_of_the_same_file(content: bytes, importer: Importer) -> None:
    assert counts(importer.content(content)) == (2, 0, 0, 0)
    assert amounts(importer) == {"O1": 1050, "O2": 300}
    assert counts(importer.content(ROWS)) == (0, 0, 2, 0)


async def test_quoted_cells_hold_separators_quotes_and_newlines(importer: Importer) -> None:
    content = TITLES + b'C1,"O,1",2024-03-01,1,"Tea\nand ""cake"""\nC1,O2,bad,1,x\n'

    summary = importer.content(content)

    assert counts(summary) == (1, 0, 0, 1)
    assert image(importer.database, importer.business).lines == {"O,1": [(1, 'Tea and "cake"', 100, "COMPLETED")]}
    assert importer.rejected[0][::2] == (4, "C1,O2,bad,1,x")


async def test_bad_bytes_and_nul_reject_their_row_alone_and_can_be_listed(importer: Importer) -> None:
    good = "C1,O1,2024-03-01,1,Thé\n".encode()
    bad = b"C2,O2,2024-03-01,2,Th\xe9\nC3,O3,2024-03-01,3,T\0a\n"

    summary = importer.content(TITLES + good + bad + b"C4,O4,2024-03-01,4,Ti")

    assert counts(summary) == (2, 0, 0, 2)
    assert importer.rejected == [
        (
            3,
            "the row is not UTF-8 text: mend it, or give the file's encoding",
            "C2,O2,2024-03-01,2,Th\N{REPLACEMENT CHARACTER}",
        ),
        (4, "the row holds a NUL character", "C3,O3,2024-03-01,3,T\N{REPLACEMENT CHARACTER}a"),
    ]
    assert amounts(importer) == {"O1": 100, "O4": 400}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig"])
async def test_files_in_another_unicode_encoding_are_read(encoding: str, importer: Importer) -> None:
    content = (TITLES + "Müller,O1,2024-03-01,1,Thé\r\n客户,O2,2024-03-01,2,茶\r\n".encode()).decode()

    summary = importer.content(content.encode(encoding))

    assert counts(summary) == (2, 0, 0, 0)
    assert image(importer.database, importer.business).lines == {
        "O1": [(1, "Thé", 100, "COMPLETED")],
        "O2": [(1, "茶", 200, "COMPLETED")],
    }


async def test_a_file_that_is_not_utf_8_is_refused_with_what_it_may_be(importer: Importer) -> None:
    rows = "C1,O1,2024-03-01,1,Thé\nC2,O2,2024-03-01,2,Tea\n"

    with pytest.raises(InvalidInput) as refused:
        importer.content(TITLES + rows.encode("latin-1"))

    assert str(refused.value).startswith("orders.csv is not UTF-8; it may be windows-1252 ('Thé')")
    assert "Give encoding windows-1252" in str(refused.value)
    assert amounts(importer) == {}


async def test_ragged_rows_are_rejected_one_by_one(importer: Importer) -> None:
    summary = importer.lines("C1,O1,2024-03-01", "C1,O2,2024-03-01,5,6", "C1,O3,2024-03-01,5,,", "C1", ",,,")

    assert counts(summary) == (1, 0, 0, 4)
    assert [row[:2] for row in importer.rejected] == [
        (2, "the row has 3 cells, the header has 4"),
        (3, "the row has 5 cells, the header has 4"),
        (5, "the row has 1 cell, the header has 4"),
        (6, "no customer"),
    ]


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        *((content, r"^No data found in orders\.csv\.$") for content in (b"", b"\n", BOM, gzip.compress(b""))),
        (
            "Customer,Invoice,When,Sué\nC1,O1,2024-03-01,1\n".encode(),
            r"^Missing required columns: order_id, purchase_date, amount\. "
            r"Columns seen: Customer, Invoice, When, Su.\. Use map COLUMN=order_id\.$",
        ),
        (
            b"customer_id,order_id,date,total_amount_LKR\nC1,O1,2024-03-01,1\n",
            r"^The amounts are in LKR \(total_amount_LKR\), the business has EUR\.$",
        ),
        (
            b",".join(b"c%d" % n for n in range(10_000)),
            r"^orders\.csv has more than 1,000 columns, which are the most\.$",
        ),
        (b"\x1f\x8b\x08\x00damaged", r"^orders\.csv is damaged"),
        (b"x" * 3_000_000, r"^orders\.csv, line 1 is longer than \d+ characters\.$"),
    ],
    ids=["empty", "blank", "mark only", "empty gzip", "columns", "currency", "10,000 columns", "bad gzip", "3 MB line"],
)
async def test_a_file_that_cannot_be_read_at_all_is_one_sentence(
    content: bytes, sentence: str, importer: Importer
) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        importer.content(content)

    assert amounts(importer) == {}


async def test_a_header_without_rows_reads_nothing(importer: Importer) -> None:
    assert importer.lines().rows_read == 0


def test_an_absent_file_has_no_data(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^No data found in nowhere\.csv\.$"):
        CsvSource(tmp_path / "nowhere.csv")


@pytest.mark.parametrize("kind", ["folder", "pipe", "device"])
def test_only_regular_files_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")

    with pytest.raises(InvalidInput, match=rf"^{path.name} is not a regular file\.$"):
        CsvSource(path)


@pytest.mark.parametrize("spoiled", ["truncated", "flipped", "long line", "long cell"])
async def test_damage_in_the_middle_is_a_sentence_and_marks_the_record_failed(spoiled: str, importer: Importer) -> None:
    importer.lines("C0,O0,2024-03-01,1")
    before = image(importer.database, importer.business)
    lines = [f"C{n},P{n},2024-03-01,{n}.{n % 100:02d}" for n in range(30_000)]
    whole = "\n".join((HEADER, *lines)).encode()
    packed = bytearray(gzip.compress(whole))
    half, sentence = len(packed) // 2, r"^orders\.csv is damaged after line \d+\.$"
    if spoiled == "truncated":
        content = bytes(packed[:half])
    elif spoiled == "flipped":
        packed[half] ^= 0xFF
        content = bytes(packed)
    elif spoiled == "long line":
        content = whole + b"\n" + b"y" * 2_000_000 + b"\n" + ROW.encode()
        sentence = r"^orders\.csv, line 30002 is longer than \d+ characters\.$"
    else:
        content = whole + b'\nC1,"' + b"y\n" * 1_000_000 + b'",2024-03-01,10\n'
        how = r"a quote is opened and not closed within 1048576 characters\. Mend it, or give quote none"
        sentence = rf"^orders\.csv, line 30002: {how}\.$"

    with pytest.raises(InvalidInput, match=sentence):
        importer.content(content)

    assert image(importer.database, importer.business) == before
    with importer.database.bulk.connect() as connection:
        records = connection.execute(IMPORTS.order_by(purchase_import.c.id)).all()
    assert [record.status for record in records] == ["SUCCEEDED", "FAILED"]
    assert records[1].finished_at is not None and records[1].error_message is not None


async def test_an_open_quote_imports_nothing(importer: Importer) -> None:
    with pytest.raises(
        InvalidInput, match=r"^orders\.csv, line 3: a quote is opened and never closed\. Mend it, or give quote none\.$"
    ):
        importer.lines(ROW, 'C1,O2,2024-03-01,"5', "C1,O3,2024-03-01,5")

    assert amounts(importer) == {}


async def test_dates_without_a_zone_are_those_of_the_business(
    services: Services, database: Database, tmp_path: Path
) -> None:
    cases = {
        "Asia/Colombo": ("2024-02-29T23:30:00", "2024-02-29T18:00:00+00:00", "2024-02-29"),
        "America/New_York": ("2024-03-10T02:30:00", "2024-03-10T07:30:00+00:00", "2024-03-10"),
        "Europe/London": ("2024-10-27T01:30:00", "2024-10-27T00:30:00+00:00", "2024-10-27"),
        "America/Sao_Paulo": ("2018-11-04", "2018-11-04T03:00:00+00:00", "2018-11-04"),
        "Pacific/Apia": ("2011-12-31", "2011-12-30T10:00:00+00:00", "2011-12-31"),
        "Pacific/Kiritimati": ("2024-03-01T12:00:00Z", "2024-03-01T12:00:00+00:00", "2024-03-02"),
        "Pacific/Pago_Pago": ("2024-03-01T10:59:59Z", "2024-03-01T10:59:59+00:00", "2024-02-29"),
    }

    for number, (name, (text, instant, day)) in enumerate(cases.items()):
        business = await services.businesses.create(f"shop-{number}", None, name, "EUR")
        importer = Importer(database, business, tmp_path, NOW)
        importer.lines(f"C1,O1,{text},1")
        (row,) = image(database, business).purchases.values()
        assert datetime.fromtimestamp(row[1] / 1_000_000, UTC).isoformat() == instant
        assert date.fromordinal(row[2]).isoformat() == day


@pytest.mark.parametrize(
    ("currency", "texts", "minor"),
    [
        ("JPY", ["1500", "1500.0"], 3000),
        ("KWD", ["1.234", "0.001"], 1235),
        ("BHD", ["10.5", "-0.005"], 10495),
        ("CLF", ["1.2345"], 12345),
        ("LKR", ["0.10", "0.20"], 30),
    ],
)
async def test_amounts_have_the_decimals_of_the_businesss_currency(
    currency: str, texts: list[str], minor: int, services: Services, database: Database, tmp_path: Path
) -> None:
    business = await services.businesses.create("other", None, "UTC", currency)
    importer = Importer(database, business, tmp_path, NOW)

    summary = importer.lines(*(f"C1,O1,2024-03-01,{text}" for text in texts), "C1,O2,2024-03-01,0.00001")

    assert counts(summary) == (len(texts), 0, 0, 1)
    assert amounts(importer) == {"O1": minor}
    report = await services.reporting.make_report(await services.businesses.open("other"), days=365)
    assert report.revenue == minor


async def test_rejected_rows_may_be_many_and_their_text_is_cut(importer: Importer) -> None:
    summary = importer.lines(*(f"C{n},O{n},never," + "9" * (2000 if n == 0 else 3) for n in range(21_000)))

    assert counts(summary) == (0, 0, 0, 21_000)
    assert [row[0] for row in importer.rejected] == list(range(2, 21_002))
    assert len(importer.rejected[0][2]) == 1000
