"""Rows that are read in columns are those that are read one by one: the same rows staged, the same ones rejected for
the same reasons, the same told of the file. Whatever a cell holds, and wherever it stands."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from domain.errors import InvalidInput
from domain.imports import orders
from domain.imports.formats import SourceFormat
from domain.imports.rows import RejectedRow, StagedColumns
from domain.model import Business
from persistence.imports.plain import PlainRows
from persistence.imports.scratch import Scratch, open_scratch
from persistence.imports.staging import Staging
from persistence.sources import csv
from persistence.sources.opening import OpenedPurchases, open_purchases
from tests.cli.test_presets import SAMPLES
from tests.conftest import find_shared
from tests.drivers.opened_sources import shop

Portions = Iterable[StagedColumns | PlainRows]
Read = Callable[[OpenedPurchases, Callable[[RejectedRow], None]], Portions]
HEADER = "customer_id,order_id,date,amount,category,storefront,status,quantity,currency,note"
CELLS = (
    ("C1", "C2", " C3 ", "c-4", "NULL", "", "1e+05", "17850.0", "'0123", "ada@example.com", "Zoë", "-9", "N/A", "a b"),
    ("O1", "O2", "O3", "o/4", "", "none", "1e5", "0012", "5.0", '="7"', "#7", "x" * 1001, "2e3"),
    (
        *("2024-03-01", "2024-03-01T09:30:00Z", "2024-03-01 09:30", "2024-03-31T02:30:00", "2024-10-27T02:30:00"),
        *("2024-03-01T09:30:00.125", "2024-03-01T09:30:00.125250Z", "2024-03-01T09:30:00+02:00", "2024-03-01T24:00"),
        *("2024-02-30", "2024-03-01T09", "!2024-03-01T0", "", "nan", "01/02/2024", "2024-03-01T09:60:00"),
        "0001-01-01",
    ),
    (
        "1",
        "12.5",
        "12.50",
        "-3.00",
        "0",
        "-0",
        "1.230",
        "12.505",
        "1e3",
        "",
        " 7 ",
        "9" * 15,
        "9" * 16,
        ".5",
        "5.",
        "+5",
    ),
    ("Tea", "", "Cups & pots", " Tea", "'=x", "Té", "\u202eTea", "NULL", "x" * 1001, "'Tea"),
    ("Shop 1", "", "shop"),
    ("completed", "Paid", "", "refunded", "on hold", "lost", "PENDING"),
    ("", "1", "2.5", "-1", "1.0000001", "nan", "1000000000", "many"),
    ("EUR", "eur", "", "USD"),
    ("", "said", "a;b"),
)
IN_COLUMNS = {"olist-payments", "dunnhumby"}
"""Presets whose rows say no more than columns can; those of the others are all read one by one."""
USUAL = tuple(st.sampled_from(cells[:3]) for cells in CELLS)
ROWS = st.lists(st.one_of(st.tuples(*USUAL), st.tuples(*map(st.sampled_from, CELLS))), max_size=12)


def stage(opened: OpenedPurchases, read: Read) -> tuple[Any, ...]:
    """What becomes of a file until its orders are put together; or why it is refused as a whole."""
    rejected: list[RejectedRow] = []
    with create_engine("sqlite://").connect() as connection, open_scratch() as scratch:
        staging = Staging(connection, scratch, lambda count: None)
        try:
            count = staging.stage(read(opened, rejected.append))
        except InvalidInput as error:
            return (str(error.message),)
        rows = scratch.read("SELECT * FROM staged ORDER BY line")
    # Of a row that is rejected by neither way the count is told; the rejected ones are not staged here.
    return rows, sorted(rejected), opened.warnings, count


def one_by_one(opened: OpenedPurchases, reject: Callable[[RejectedRow], None]) -> Portions:
    return opened.read_rows(reject)


def in_columns(opened: OpenedPurchases, reject: Callable[[RejectedRow], None]) -> Portions:
    return opened.read_portions(reject)


@pytest.fixture
def from_the_first_row_on(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Columns are read from the first row on, even where all rows are doubtful; how many rows were staged so."""
    staged = list[int]()
    change = Scratch.change

    def watch(scratch: Scratch, statement: str) -> int:
        staged.append(change(scratch, statement))
        return staged[-1]

    monkeypatch.setattr(orders, "LOOKED_AT", 0)
    monkeypatch.setattr(csv, "FIRST", 1)
    monkeypatch.setattr(csv, "MAXIMUM_LINE", 1500)
    monkeypatch.setattr("persistence.imports.plain.MOST_DOUBTFUL", 1)
    monkeypatch.setattr(Scratch, "change", watch)
    return staged


def assert_equal_ways(path: Path, business: Business | None = None, **options: object) -> None:
    try:
        opened = [open_purchases(path, business or shop(), SourceFormat.read(options)) for _ in range(2)]
    except InvalidInput:
        return
    rows = stage(opened[0], one_by_one)
    columns = stage(opened[1], in_columns)
    assert columns == rows


def write(folder: Path, *lines: str, end: str = "\n") -> Path:
    path = folder / "orders.csv"
    path.write_text(end.join((*lines, "")), encoding="utf-8", newline="")
    return path


PADDING = [f"C9,P{number},2024-03-01,5,Tea,,,,,{'-' * 30}" for number in range(40)]
"""So that the first piece of the file, which is read row by row, ends before the rows that are meant."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS, quoted=st.booleans(), end=st.sampled_from(("\n", "\r\n")))
@example(rows=[tuple(cells[0] for cells in CELLS)] * 3, quoted=True, end="\r\n")
def test_both_ways_stage_the_same(
    rows: list[tuple[str, ...]], quoted: bool, end: str, tmp_path: Path, from_the_first_row_on: list[int]
) -> None:
    def form(cell: str) -> str:
        return f'"{cell.replace(chr(34), chr(34) * 2)}"' if quoted or '"' in cell else cell

    path = write(tmp_path, HEADER, *PADDING, *(",".join(map(form, cells)) for cells in rows), end=end)

    assert_equal_ways(path)


@pytest.mark.parametrize("field", range(len(CELLS)))
def test_each_doubtful_cell_is_read_as_it_is_alone(
    field: int, tmp_path: Path, from_the_first_row_on: list[int]
) -> None:
    first = [cells[0] for cells in CELLS]
    rows = [[*first[:field], cell, *first[field + 1 :]] for cell in CELLS[field] if '"' not in cell]

    path = write(tmp_path, HEADER, *PADDING, *(",".join(row) for row in rows))

    assert_equal_ways(path)
    assert sum(from_the_first_row_on) > 10


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([PADDING[0], "", PADDING[1]], id="an empty line"),
        pytest.param([PADDING[0], ",,,,,,,,,", PADDING[1]], id="a line of nothing"),
        pytest.param([PADDING[0], HEADER, PADDING[1]], id="the header again"),
        pytest.param([PADDING[0], "C1,O1,2024-03-01,5", PADDING[1]], id="too few cells"),
        pytest.param([PADDING[0], f"{PADDING[1]},", PADDING[2]], id="an empty cell too many"),
        pytest.param([PADDING[0], f"{PADDING[1]},x", PADDING[2]], id="a cell too many"),
        pytest.param([PADDING[0], 'C1,O1,2024-03-01,5,"Tea\nCups",,,,,', PADDING[2]], id="a line break in a cell"),
        pytest.param([PADDING[0], 'C1,O1,2024-03-01,5,Te"a,,,,,', PADDING[2]], id="a quote within a cell"),
        pytest.param([PADDING[0], 'C1,O1,2024-03-01,5,"Tea" ,,,,,', PADDING[2]], id="a blank after a quote"),
        pytest.param([PADDING[0], 'C1,O1,2024-03-01,5,"Tea, green",,,,,', PADDING[2]], id="a comma in a cell"),
        pytest.param([PADDING[0], "C1,O1,2024-03-01,5,T\x0be\x00a,,,,,", PADDING[2]], id="control characters"),
        pytest.param([PADDING[0], "C1,O1,2024-03-01,5,Tea,,,,,\rC1,O2,2024-03-01,5,Tea,,,,,"], id="a lone return"),
    ],
)
def test_what_is_no_plain_row_is_read_as_ever(
    lines: list[str], tmp_path: Path, from_the_first_row_on: list[int]
) -> None:
    assert_equal_ways(write(tmp_path, HEADER, *PADDING, *lines, *PADDING))

    assert sum(from_the_first_row_on) > 0


@pytest.mark.parametrize(
    ("head", "row", "options"),
    [
        ("customer_id;order_id;date;amount", "C1;O{};2024-03-01;12.50", {}),
        ("customer_id\torder_id\tdate\tamount", "C1\tO{}\t2024-03-01\t12.50", {}),
        ("customer_id,order_id,date,amount", "C1,O{},01/03/2024,5", {"date_format": "%d/%m/%Y"}),
        ("customer_id,order_id,date,amount", "C1,O{},2024-03-31T02:30:00,5", {"time_zone": "Europe/Berlin"}),
        (
            "customer_id,order_id,date,amount",
            "C1,O{},2024-03-01,5",
            {"order_id_prefix": "a'", "customer_id_prefix": "b-"},
        ),
        ("customer_id,order_id,date,amount", "C1,O{},2024-03-01,'5'", {"quote": "'"}),
        ("customer_id,order_id,date,amount", 'C1,O"{},2024-03-01,5', {"quote": "none"}),
        ("customer_id,order_id,date,amount", 'C1,O{},2024-03-01,"5,0"', {"decimal": ","}),
    ],
)
def test_forms_that_are_told_are_honoured_in_columns_too(
    head: str, row: str, options: dict[str, object], tmp_path: Path, from_the_first_row_on: list[int]
) -> None:
    assert_equal_ways(write(tmp_path, head, *(row.format(number) for number in range(60))), **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_samples_of_every_preset_are_read_alike(name: str, tmp_path: Path, from_the_first_row_on: list[int]) -> None:
    sample = SAMPLES[name]
    head, *rows = sample.text.strip().split("\n")
    path = tmp_path / "export.csv"
    path.write_bytes("\n".join((head, *rows * 60, "")).encode(sample.encoding))

    assert_equal_ways(path, replace(shop(), currency=sample.currency, time_zone=sample.time_zone))
    assert bool(from_the_first_row_on) == (name in IN_COLUMNS)


@pytest.mark.slow
def test_all_shared_cases_are_read_alike(tmp_path: Path, from_the_first_row_on: list[int]) -> None:
    files = [path for path in find_shared("cases").rglob("*") if path.suffix in (".csv", ".tsv", ".txt")]

    for path in files:
        assert_equal_ways(path)

    assert files
