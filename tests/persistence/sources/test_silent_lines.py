"""Files that go on and on without a row coming of it: they are refused before long, however they are read, and none is
that a spreadsheet may have saved."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from domain.imports.sources import FileForm
from domain.model import Business, BusinessSettings
from persistence.sources import documents, headers
from persistence.sources.csv import CsvSource
from persistence.sources.inspecting import inspect_purchases
from persistence.sources.opening import open_customers, open_file, open_purchases
from tests.conftest import SetClock

HEADER = "customer_id,order_id,date,amount\n"
ROW = "C1,O1,2024-03-01,5\n"
SAYS = r" has more than 20 lines that say nothing and 10 for each row, which are the most. Remove the empty lines\.$"
SHOP = Business(0, "shop", "shop", "EUR", "UTC", BusinessSettings(), 1, 0, 0)
Read = Callable[[Path], object]


def read_rows(path: Path) -> object:
    return list(CsvSource(path).read_rows())


def read_purchases(path: Path) -> object:
    return list(open_purchases(path, SHOP, SourceFormat()).read_rows(lambda row: None))


def read_customers(path: Path) -> object:
    return list(open_customers(path, SHOP, SourceFormat())._read_rows())


def inspect(path: Path) -> object:
    found = inspect_purchases(path, SHOP, SourceFormat(), SetClock())
    if found.refusal:
        raise InvalidInput(found.refusal)
    return found


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MOST_SILENT", 20)
    monkeypatch.setattr(documents, "MOST_SILENT", 20)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("read", [read_rows, read_purchases, read_customers, inspect])
@pytest.mark.parametrize(
    "text",
    [
        "\n" * 30 + HEADER + ROW,
        HEADER + "\n" * 40 + ROW,
        HEADER + ROW + "\n" * 40,
        HEADER + ROW + ",,,\n" * 40,
        HEADER + "\r\n" * 40,
        HEADER + "".join(ROW + "\n" * 40 for _ in range(3)),
    ],
    ids=["before", "between", "after", "separators", "alone", "again and again"],
)
def test_lines_that_say_nothing_are_bounded(text: str, read: Read, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(text, newline="")

    with pytest.raises(InvalidInput, match=SAYS):
        read(path)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("read", [read_rows, read_purchases, read_customers, inspect])
def test_a_file_with_an_empty_line_after_each_row_is_read(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + "".join(f"C{number},O{number},2024-03-01,5\n\n\n" for number in range(100)))

    assert read(path)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{}\n" * 40, SAYS),
        ('{"customer_id": "C1"}\n' + '{"customer_id": null}\n' * 40, SAYS),
        ('{"customer_id": "C1"}' + "\n" * 40 + "{}", "more than 20 blanks follow each other"),
    ],
)
def test_documents_that_say_nothing_are_bounded(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text(text)

    with pytest.raises(InvalidInput, match=says):
        open_file(path)


def test_what_a_spreadsheet_saves_of_a_whole_sheet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + ROW + ",,,\n" * 1_048_574)

    assert sum(1 for line, cells in CsvSource(path).read_rows() if any(cells)) == 1


def test_a_file_that_unpacks_to_far_more_than_its_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    with gzip.open(path, "wb") as file:
        file.write(HEADER.encode())
        for _ in range(80):
            file.write(b"C1,O1,2024-03-01,5" + b" " * 900_000 + b"\n")

    with pytest.raises(InvalidInput, match=r"^orders\.csv\.gz unpacks to more than .* MiB so far\. Unpack it first\.$"):
        list(CsvSource(path).read_batches())


@pytest.mark.slow
@pytest.mark.parametrize("packed", [True, False])
def test_two_hundred_million_empty_lines_are_refused_early(packed: bool, tmp_path: Path) -> None:
    path = tmp_path / ("orders.csv.gz" if packed else "orders.csv")
    with gzip.open(path, "wb") if packed else path.open("wb") as file:
        file.write((HEADER + ROW).encode())
        for _ in range(200):
            file.write(b"\n" * 1_000_000)
    read = 0

    with pytest.raises(InvalidInput, match=r"lines that say nothing|unpacks to more"):
        for batch in CsvSource(path).read_batches():
            read += len(batch.rows)

    assert read < 70_000_000


def test_lines_before_the_header_are_bounded_where_they_are_told(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(HEADER + ROW)

    with pytest.raises(InvalidInput, match="skip_lines must be between 0 and 2,000,000"):
        open_file(path, FileForm(skip_lines=2_000_001))
