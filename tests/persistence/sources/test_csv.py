"""A quote that is never closed would swallow all rows after it, so the file is refused with the line that the row
begins on; and however rows are written, what is held of them is bounded."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.imports.columns import MAXIMUM_CELLS
from domain.imports.formats import SourceFormat
from domain.imports.header import resolve_purchases
from domain.imports.reader import RowReader, read_rows
from domain.imports.rows import RejectedRow
from persistence.sources.csv import BATCH, CsvSource
from tests.conftest import measure_memory

HEADER = "customer_id,order_id,date,amount"
ROW = "C1,O1,2024-03-01,10"
READER = RowReader(resolve_purchases(HEADER.split(","), SourceFormat(), "EUR").columns, "EUR", "UTC")
LINES = [f"C{n},P{n},2024-03-01,{n}" for n in range(30_000)]
OPEN = 'C1,"O2,2024-03-01,5'


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ([HEADER, 'C1,O1,2024-03-01,"5', ROW, ROW], 2),
        ([HEADER, ROW, OPEN], 3),
        ([HEADER, ROW, '"'], 3),
        ([HEADER, '"'], 2),
        (['"'], 1),
        ([HEADER, ROW, 'C1,O2,2024-03-01,5"', 'C1,O3,2024-03-01,"'], 4),
        ([HEADER, ROW, 'C1,"O', '2",2024-03-01,5', OPEN, ROW], 5),
        ([HEADER, *LINES[: BATCH - 1], OPEN], BATCH + 1),
        ([HEADER, *LINES[:BATCH], OPEN], BATCH + 2),
        ([HEADER, *LINES[: BATCH + 200], OPEN, *LINES[700:]], BATCH + 202),
        ([HEADER.replace("order", '"order'), ROW], 1),
        ([HEADER.replace("order", '"order'), *LINES, *LINES], 1),
        ([HEADER, ROW, OPEN, *LINES, *LINES], 3),
        ([HEADER, *LINES[: BATCH + 200], 'C1,"', 'O2",2024-03-01,5', OPEN, *LINES, *LINES], BATCH + 204),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", ""], ids=["unix", "windows", "old mac", "no last end"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_an_open_quote_is_told_with_its_line(
    lines: list[str], place: int, end: str, delimiter: str, tmp_path: Path
) -> None:
    content = (end or "\n").join(lines).replace(",", delimiter) + end
    path = tmp_path / "orders.csv"
    path.write_bytes(content.encode())

    with pytest.raises(InvalidInput) as refused:
        list(CsvSource(path).read_batches())

    how = "not closed within 1048576 characters" if len(content) > 1 << 20 else "never closed"
    assert str(refused.value) == f"orders.csv, line {place}: a quote is opened and {how}. Mend it, or give quote none."


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\x01\0\0\0a\n", b"a,b\x03\xff,c\nd", bytes(range(14, 200))])
def test_a_file_of_another_kind_is_told_apart(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"^orders\.csv is not a text file; give a CSV file\.$"):
        CsvSource(path)


@pytest.mark.parametrize("count", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH])
@pytest.mark.parametrize("end", ["\n", ""])
def test_every_row_of_a_sound_file_is_read_to_the_last(count: int, end: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("\n".join([HEADER, *LINES[:count]]) + end)
    quoted = tmp_path / "quoted.csv"
    quoted.write_text("\n".join([HEADER, *LINES[:count], 'C9,"O ""9""",2024-03-01,"5"']) + end)

    rows = list(CsvSource(path).read_rows())

    assert rows == [(line, text.split(",")) for line, text in enumerate(LINES[:count], 2)]
    assert list(CsvSource(quoted).read_rows()) == [*rows, (count + 2, ["C9", 'O "9"', "2024-03-01", "5"])]


MILLION = 1_000_000
LARGEST = 48 << 20
"""Bytes that the reading of any file may hold: some pieces of the file and what is made of one."""


def peak(path: Path) -> tuple[int, list[tuple[int, int]]]:
    """The most bytes held at once while the rows are read, and line and cells of each."""
    with measure_memory() as most:
        found = [
            (line, len(cells))
            for batch in CsvSource(path).read_batches()
            for line, cells in zip(batch.lines, batch.rows, strict=True)
        ]
    return most[0], found


def packed(folder: Path, lines: Iterable[bytes]) -> Path:
    """A file of the header and these lines."""
    with gzip.open(folder / "orders.csv.gz", "wb") as file:
        file.writelines((HEADER.encode() + b"\n", *lines))
    return folder / "orders.csv.gz"


def test_lines_of_a_million_cells_are_cut_where_they_cannot_be_meant(tmp_path: Path) -> None:
    ragged = [b",x" * (MILLION // 2 - 1) + b"\n"] * 8
    path = packed(tmp_path, [*ragged, ROW.encode() + b"\n"])

    most, found = peak(path)

    assert path.stat().st_size < 20_000
    assert most < LARGEST
    assert found == [*((line, MAXIMUM_CELLS + 1) for line in range(2, 10)), (10, 4)]


def test_a_row_that_has_far_too_many_cells_is_rejected_in_words(tmp_path: Path) -> None:
    path = packed(tmp_path, [b",x" * 5000 + b"\n", b",,,,x\n"])
    rejected: list[RejectedRow] = []

    assert list(read_rows(CsvSource(path).read_batches(), READER, rejected.append)) == []

    many, five = [row.reason for row in rejected]
    assert many == "the row has more than 1,000 cells, the header has 4"
    assert five == "the row has 5 cells, the header has 4"


def test_rows_of_long_cells_are_handed_on_a_few_at_a_time(tmp_path: Path) -> None:
    long = b"x" * (MILLION - 100)
    path = packed(tmp_path, [*(b"C," + long + b",2024-03-01,5\n",) * 64])

    most, found = peak(path)

    assert most < LARGEST
    assert found == [(line, 4) for line in range(2, 66)]


def test_a_row_that_goes_on_over_many_lines_refuses_the_file(tmp_path: Path) -> None:
    cell = b'"' + (b"x" * 999 + b"\n") * 900 + b'",'
    path = packed(tmp_path, [ROW.encode() + b"\n", *(cell,) * 30, b"\n"])

    with measure_memory() as most, pytest.raises(InvalidInput) as refused:
        list(CsvSource(path).read_batches())

    assert most[0] < LARGEST
    assert str(refused.value) == "orders.csv.gz, line 3: a row goes on for more than 4,194,304 bytes."


def test_cells_that_are_long_and_good_are_not_remembered(tmp_path: Path) -> None:
    blanks = b" " * 100_000
    rows = [b"C,O%d," % number + blanks + b"2024-03-01,5%d.00" % number + blanks + b"\n" for number in range(300)]
    path = packed(tmp_path, rows)
    rejected: list[RejectedRow] = []

    with measure_memory() as most:
        count = sum(len(portion.line) for portion in read_rows(CsvSource(path).read_batches(), READER, rejected.append))

    assert (count, rejected) == (300, [])
    assert most[0] < LARGEST
