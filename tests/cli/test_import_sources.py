"""Sources of other forms on the command line: what is told is read, and what would be guessed is refused unwritten."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.cli.conftest import MAKE, Segments, write_lines
from tests.drivers.opened_sources import PRESETS

HEADER = "customer_id,order_id,date,amount"


def test_a_workbook_is_imported_as_a_file_is(segments: Segments, tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.create_sheet("May")
    sheet.append(HEADER.split(","))
    sheet.append(("Ada", 1, datetime(2024, 5, 1, 9, 30), 12.5))
    book.save(tmp_path / "orders.xlsx")

    first = segments.expect_refusal("import", tmp_path / "orders.xlsx", *MAKE)
    ended = segments.run("import", tmp_path / "orders.xlsx", *MAKE, "--sheet", "May")

    assert first == "No data found in orders.xlsx."
    assert ended.lines[0] == "orders.xlsx: 1 row read: 1 created, 0 updated, 0 unchanged, 0 rejected."
    assert segments.run("customers").lines[1].split() == ["Ada", "1", "12.50", "2024-05-01"]


def test_dates_that_have_two_readings_are_refused_and_nothing_is_made(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(tmp_path / "orders.csv", HEADER, "Ada,1,03/04/2024,5.00", "Ada,2,04/04/2024,5.00")

    refused = segments.expect_refusal("import", orders, *MAKE)
    told = segments.run("import", orders, *MAKE, "--date-format", "%d/%m/%Y")

    assert refused == (
        "The dates of orders.csv can be read in more than one way: '03/04/2024' may be 3 April 2024 or "
        "4 March 2024. Give --date-format '%d/%m/%Y' or --date-format '%m/%d/%Y'."
    )
    assert "2 created" in told.out
    assert segments.run("customers").lines[1].split() == ["Ada", "2", "10.00", "2024-04-04"]


def test_a_shopify_export_is_imported_with_its_totals_once(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(
        tmp_path / "orders_export.csv",
        "Name,Email,Financial Status,Currency,Total,Created at,Lineitem name,Cancelled at,Refunded Amount",
        "#1,ada@x.test,paid,EUR,50.00,2024-01-15 23:30:00 -0500,Tea,,0.00",
        "#1,ada@x.test,,,,2024-01-15 23:30:00 -0500,Cup,,",
        "#2,ada@x.test,refunded,EUR,9.00,2024-01-17 10:00:00 -0500,Tea,,9.00",
    )

    ended = segments.run("import", orders, *MAKE, "--preset", "shopify")

    assert ended.lines[0] == "orders_export.csv: 3 rows read: 3 created, 0 updated, 0 unchanged, 0 rejected."
    assert ended.err == ""
    assert segments.run("customers").lines[1].split() == ["ada@x.test", "1", "50.00", "2024-01-16"]


def test_amounts_that_look_like_those_of_orders_are_warned_of_and_counted_once_when_told(
    segments: Segments, tmp_path: Path
) -> None:
    rows = [f"Ada,{order // 2},2024-01-01,{10 + order // 2}.00" for order in range(40)]
    orders = write_lines(tmp_path / "orders.csv", HEADER, *rows)

    warned = segments.run("import", orders, *MAKE)
    told = segments.run("import", orders, "--amount", "order")

    assert warned.err == (
        "Warning: In 20 of 20 orders with several lines every line carries the same amount. If it is the order's, "
        "import again with --amount order; --amount line says that it is the line's.\n"
    )
    assert told.err == ""
    assert told.lines[0] == "orders.csv: 40 rows read: 0 created, 40 updated, 0 unchanged, 0 rejected."
    assert "zero" not in told.out
    assert segments.run("customers").lines[1].split() == ["Ada", "20", "390.00", "2024-01-01"]


def test_an_order_for_nothing_is_doubtful_where_amounts_are_of_orders(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(
        tmp_path / "orders.csv", HEADER, "Ada,1,2024-01-01,0", "Ada,1,2024-01-01,0", "Ben,2,2024-01-01,5"
    )

    told = segments.run("import", orders, *MAKE, "--amount", "order")

    assert [" ".join(line.split()) for line in told.lines if "zero" in line] == ["rows with an amount of zero 1"]


def test_amounts_are_read_as_they_are_told(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(tmp_path / "orders.csv", HEADER.replace(",", ";"), "Ada;1;2024-01-01;€ 1.234,50")
    told = ("--decimal", ",", "--thousands", ".", "--currency-sign", "€")

    guessed = segments("import", orders, *MAKE)
    read = segments.run("import", orders, *told)

    assert (guessed.code, guessed.lines[0].endswith("1 rejected.")) == (1, True)
    assert "'€ 1.234,50' must be a number such as 12.50 (or say with --thousands, --decimal, --currency-sign how)" in (
        guessed.err
    )
    assert "1 created" in read.out
    assert segments.run("customers").lines[1].split() == ["Ada", "1", "1,234.50", "2024-01-01"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--preset", "nosuch"), f"--preset must be one of: {PRESETS}, not nosuch."),
        (("--amount", "basket"), "--amount must be one of: line, order, not basket."),
        (("--thousands", "."), "--thousands . needs another sign for the decimals: give --decimal ,."),
        (("--source", "oracle"), "--source must be one of: csv, mongodb, not oracle."),
    ],
)
def test_options_that_cannot_be_are_one_sentence(
    segments: Segments, tmp_path: Path, options: tuple[str, ...], sentence: str
) -> None:
    orders = write_lines(tmp_path / "orders.csv", HEADER, "Ada,1,2024-01-01,5.00")

    assert segments.expect_refusal("import", orders, *MAKE, *options) == sentence


def test_customers_get_what_the_mapped_columns_of_their_purchases_say(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(
        tmp_path / "orders.csv",
        f"{HEADER},First Name,Last Name,Town",
        "Ada,1,2024-05-01,5.00,Ada,Lovelace,London",
        "Ben,2,2024-05-01,4.00,,,",
    )
    told = ("--map", "First Name=first_name", "--map", "Last Name=last_name", "--map", "Town=city")

    tried = segments.run("import", orders, *MAKE, *told, "--dry-run")
    ended = segments.run("import", orders, *MAKE, *told)

    assert tried.lines[0] == ended.lines[0] == "orders.csv: 2 rows read: 2 created, 0 updated, 0 unchanged, 0 rejected."
    assert ended.err == ""
    assert [line.split() for line in segments.run("customers").lines[1:]] == [
        ["Ada", "Ada", "Lovelace", "1", "5.00", "2024-05-01"],
        ["Ben", "1", "4.00", "2024-05-01"],
    ]


def test_no_column_is_taken_for_what_is_said_of_a_customer_by_its_name_alone(
    segments: Segments, tmp_path: Path
) -> None:
    orders = write_lines(tmp_path / "orders.csv", f"{HEADER},name,city", "Ada,1,2024-05-01,5.00,Tea,Galle")

    ended = segments.run("import", orders, *MAKE)

    assert ended.err == "Ignored columns: name, city\n"
    assert segments.run("customers").lines[1].split() == ["Ada", "1", "5.00", "2024-05-01"]


def test_a_column_that_is_ignored_is_not_the_preset_s(segments: Segments, tmp_path: Path) -> None:
    header = "Name,Email,Financial Status,Currency,Total,Created at,Billing Name,Billing City"
    row = "#1,ada@x.test,paid,EUR,50.00,2024-01-15 23:30:00 -0500,Ada Li,Boston"
    orders = write_lines(tmp_path / "orders_export.csv", header, row)

    ended = segments.run("import", orders, *MAKE, "--ignore", "Billing Name")

    assert "Ignored columns: Billing Name\n" in ended.err
    assert segments.run("customers").lines[1].split() == ["ada@x.test", "1", "50.00", "2024-01-16"]


def test_attributes_of_a_file_that_is_classified_have_their_kinds(segments: Segments, tmp_path: Path) -> None:
    orders = write_lines(tmp_path / "orders.csv", f"{HEADER},Code", "Ada,1,2024-05-01,5.00,007")

    segments.run("classify", "--csv-path", orders, *MAKE, "--map", "Code=attribute:code", "--output", tmp_path)

    with closing(sqlite3.connect(segments.data / "segments.sqlite")) as store:
        assert list(store.execute("SELECT json_extract(attributes, '$.purchase.code') FROM business")) == [("text",)]
