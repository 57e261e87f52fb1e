"""How a source is to be read: amounts of orders, dates that are not guessed, what a business has settled."""

from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from domain.errors import InvalidInput
from domain.imports.orders import RepeatedAmounts
from domain.imports.rows import StagedColumns
from persistence.imports.scratch import open_scratch
from persistence.imports.staging import Staging, arrange
from persistence.sources.opening import OpenedPurchases
from tests.drivers.opened_sources import PRESETS, open_source, read, shop

PLAIN = "customer_id,order_id,date,amount,category,status"
ENDED = ("refunded", "cancelled")
ADA, BEN, CY = "Ada,1,2024-01-01", "Ben,2,2024-01-01", "Cy,3,2024-01-01"


def orders(source: OpenedPurchases) -> dict[str, int]:
    """The amount of each order in minor units, as the store gets it."""
    with create_engine("sqlite://").connect() as connection, open_scratch() as scratch:
        Staging(connection, scratch, lambda count: None).stage(source.read_rows(lambda row: None))
        arrange(connection, scratch)
        return dict(scratch.read("SELECT order_id, amount FROM arranged"))


def test_the_amount_of_an_order_counts_once_and_its_lines_keep_their_categories(tmp_path: Path) -> None:
    lines = (f"{ADA},30.00,Tea,", f"{ADA},30.00,Cups,", f"{BEN},10.00,Tea,", f"{ADA},30.00,Pots,")
    source = open_source(tmp_path, PLAIN, *lines, amount="order")

    assert [row[3:] for row in read(source)[0]] == [(3000, "Tea"), (0, "Cups"), (1000, "Tea"), (0, "Pots")]
    assert orders(source) == {"1": 3000, "2": 1000}


def test_the_amount_may_stand_on_one_row_of_the_order_alone(tmp_path: Path) -> None:
    lines = (f"{ADA},30.00,Tea,", f"{ADA},,Cups,", f"{BEN},0.00,Tea,", f"{BEN},10.00,Cups,", f"{CY},,Cups,")

    rows, rejected = read(open_source(tmp_path, PLAIN, *lines, amount="order"))

    assert [row[3] for row in rows] == [3000, 0, 0, 1000]
    assert [(row.line, row.reason) for row in rejected] == [(6, "the amount is absent")]


def test_an_order_s_amount_stands_on_a_row_that_qualifies(tmp_path: Path) -> None:
    cells = ("30.00,Tea,refunded", "30.00,Cups,refunded", "30.00,Pots,completed", "-5.00,Pots,completed")
    source = open_source(tmp_path, PLAIN, *(f"{ADA},{each}" for each in cells), amount="order")

    assert [row[3] for row in read(source)[0]] == [3000, 0, 3000, -500]
    assert orders(source) == {"1": 2500}


def test_an_order_none_of_whose_rows_qualifies_has_its_amount_whichever_of_its_statuses_comes_first(
    tmp_path: Path,
) -> None:
    rows = [f"{ADA},30.00,{category},{status}" for category, status in product(("Tea", "Cups"), ENDED)]

    for order in (rows, rows[::-1]):
        source = open_source(tmp_path, PLAIN, *order, amount="order")

        assert sorted(row[3] for row in read(source)[0]) == [0, 0, 3000, 3000]
        assert orders(source) == {"1": 3000}


def test_an_order_with_two_amounts_is_refused_and_the_line_named(tmp_path: Path) -> None:
    source = open_source(tmp_path, PLAIN, f"{ADA},30.00,Tea,", f"{ADA},20.00,Cups,", amount="order")

    with pytest.raises(InvalidInput) as refused:
        read(source)

    assert refused.value.message == (
        "Line 3: order 1 has the amount 20.00, and on a line before 30.00; with amount order it has one. "
        "Without it lines carry their own amounts."
    )


def repeated(count: int, differing: int = 0) -> list[str]:
    lines = [PLAIN]
    for order in range(count):
        amount = 10 + order
        second = amount + 1 if order < differing else amount
        lines += [f"Ada,{order},2024-01-01,{amount},Tea,", f"Ada,{order},2024-01-01,{second},Cups,"]
    return lines


def test_amounts_that_look_like_those_of_orders_are_warned_of(tmp_path: Path) -> None:
    source = open_source(tmp_path, *repeated(40, differing=2))

    rows, _ = read(source)

    assert len(rows) == 80
    assert source.warnings == [
        "In 38 of 40 orders with several lines every line carries the same amount. If it is the order's, import again "
        "with amount order; amount line says that it is the line's."
    ]


@pytest.mark.parametrize(
    ("lines", "options"),
    [
        (repeated(1), {}),
        (repeated(40, differing=3), {}),
        (repeated(40), {"amount": "line"}),
        (repeated(40), {"amount": "order"}),
        ([PLAIN, *(f"Ada,{order // 2},2024-01-01,5.00,Tea," for order in range(80))], {}),
    ],
)
def test_amounts_of_lines_are_not_warned_of(tmp_path: Path, lines: list[str], options: dict[str, str]) -> None:
    source = open_source(tmp_path, *lines, **options)

    read(source)

    assert source.warnings == []


def test_only_the_first_rows_are_looked_at_for_repeated_amounts() -> None:
    def portion(first: int, size: int) -> StagedColumns:
        places = range(first, first + size)
        none: list[str | None] = [None] * size
        ids, zeros = [f"o{place // 2}" for place in places], [0] * size
        return StagedColumns(places, ids, ids, zeros, zeros, zeros, [place // 2 for place in places], *[none] * 7)

    found: list[str] = []
    looked = RepeatedAmounts()

    list(looked.watch([portion(0, 15_000), portion(15_000, 10_000), portion(25_000, 10_000)], found.append))

    assert len(found) == 1
    assert looked.rows == 25_000


def test_what_is_not_said_is_as_the_business_has_settled_it(tmp_path: Path) -> None:
    columns = {"who": "customer_id", "x": "category"}
    settled = shop(**{"import": {"date_format": "%d/%m/%Y", "decimal": ",", "columns": columns}})
    line = "Ada;1;03/04/2024;12,50"

    rows, rejected = read(open_source(tmp_path, "who;order_id;date;amount", line, business=settled))

    assert (rows, rejected) == ([("1", "Ada", 0, 1250, None)], [])
    with pytest.raises(InvalidInput, match="Missing required columns: customer_id"):
        open_source(tmp_path, "whom;order_id;date;amount", line, business=settled)


def test_what_is_said_wins_over_what_is_settled(tmp_path: Path) -> None:
    settled = shop(**{"import": {"date_format": "%d/%m/%Y", "columns": {"who": "customer_id"}}})
    said = {"date_format": "%m/%d/%Y", "columns": {"name": "customer_id"}}

    source = open_source(tmp_path, "who,name,order_id,date,amount", "A,Ada,1,03/04/2024,5", business=settled, **said)

    (portion,) = source.read_rows(lambda row: None)
    assert portion.customer == ["Ada"]
    assert portion.day == (738949,)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"preset": "nosuch"}, f"preset must be one of: {PRESETS}, not nosuch"),
        ({"amount": "basket"}, "amount must be one of: line, order, not basket"),
        (
            {"preset": "shopify", "amount": "line"},
            "amount line does not go with preset shopify, whose amounts are of orders",
        ),
        ({"sheet": "One"}, "sheet is for workbooks, and orders.csv is none"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: dict[str, str], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_source(tmp_path, PLAIN, f"{ADA},30.00,Tea,", **options)

    assert refused.value.message == sentence


@pytest.mark.parametrize(
    ("dates", "sentence"),
    [
        (
            ["03/04/2024", "05/06/2024"],
            "The dates of orders.csv can be read in more than one way: '03/04/2024' may be 3 April 2024 or "
            "4 March 2024. Give date_format '%d/%m/%Y' or date_format '%m/%d/%Y'.",
        ),
        (
            ["03/04/2024", "31/03/2024"],
            "The dates of orders.csv, such as '03/04/2024', are not ISO 8601. Give date_format '%d/%m/%Y'.",
        ),
        (
            ["31.12.2024 09:30", "30.12.2024 09:30"],
            "The dates of orders.csv, such as '31.12.2024 09:30', are not ISO 8601. Give date_format '%d.%m.%Y %H:%M'.",
        ),
    ],
)
def test_dates_that_would_be_guessed_are_refused_before_anything_is_read(
    tmp_path: Path, dates: list[str], sentence: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_source(tmp_path, PLAIN, *(f"Ada,{place},{day},5.00,Tea," for place, day in enumerate(dates)))

    assert refused.value.message == sentence


def test_where_some_dates_are_iso_8601_the_others_are_rejected_row_by_row(tmp_path: Path) -> None:
    source = open_source(tmp_path, PLAIN, "Ada,1,03/04/2024,5.00,Tea,", "Ada,2,2024-04-03,5.00,Tea,")

    rows, rejected = read(source)

    assert [row[0] for row in rows] == ["2"]
    assert [row.reason for row in rejected] == [
        "the date '03/04/2024' may be 3 April 2024 (date_format '%d/%m/%Y') or 4 March 2024 (date_format '%m/%d/%Y')"
    ]
