"""Order exports of shop platforms: columns, statuses, what stands on an order's first row only, money given back."""

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.imports.rows import RejectedRow
from tests.drivers.opened_sources import open_source, read

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Currency,Subtotal,Total,Created at,Lineitem quantity,Lineitem name,"
    "Cancelled at,Refunded Amount,Vendor,Source,Phone"
)
WOOCOMMERCE = (
    "order_id,order_number,order_date,status,order_total,refunded_total,order_currency,billing_email,item_name"
)


def shopify(status: str = "paid", cancelled: str = "", back: str = "", currency: str = "EUR", order: str = "#1") -> str:
    """An order of one line for 20.00."""
    date = "2024-01-15 10:30:00 -0500"
    return f"{order},ada@x.test,{status},,{currency},20.00,20.00,{date},1,Tea,{cancelled},{back},Leaf,web,"


def test_shopify_rows_after_an_order_s_first_are_its_lines_and_its_total_counts_once(tmp_path: Path) -> None:
    source = open_source(
        tmp_path,
        SHOPIFY,
        "#1001,ada@x.test,paid,2024-01-15 10:30:00 -0500,EUR,50,53.91,2024-01-15 10:30:00 -0500,2,Tea,,0.00,Leaf,web,",
        "#1001,ada@x.test,,,,,,2024-01-15 10:30:00 -0500,1,Cup,,,Clay,,",
        "#1002,,paid,2024-01-16 09:00:00 +0000,EUR,9,9.00,2024-01-16 09:00:00 +0000,1,Tea,,0.00,Leaf,pos,+94770000000",
        preset="shopify",
    )

    rows, rejected = read(source)

    assert rejected == []
    assert rows == [
        ("#1001", "ada@x.test", 0, 5391, None),
        ("#1001", "ada@x.test", 0, 0, None),
        ("#1002", "+94770000000", 0, 900, None),
    ]
    (portion,) = source.read_rows(rejected.append)
    assert portion.at[:2] == (1705332600000000, 1705332600000000)
    assert portion.channel == ["web", "web", "pos"]
    assert source.columns.ignored == ("Paid at", "Subtotal", "Vendor")


@pytest.mark.parametrize(
    ("status", "cancelled", "back", "rank", "amount"),
    [
        ("paid", "", "0.00", 0, 2000),
        ("partially_paid", "", "0.00", 1, 2000),
        # What was paid back is taken off wherever the status qualifies.
        ("paid", "", "5.00", 0, 1500),
        ("partially_paid", "", "5.00", 1, 1500),
        ("partially_refunded", "", "5.50", 0, 1450),
        ("partially_refunded", "", "25.00", 0, 0),
        ("refunded", "", "20.00", 3, 2000),
        ("pending", "", "0.00", 2, 2000),
        ("pending", "", "5.00", 2, 2000),
        ("authorized", "", "", 2, 2000),
        ("voided", "", "", 4, 2000),
        ("expired", "", "", 4, 2000),
        ("paid", "2024-01-16 10:30:00 -0500", "", 4, 2000),
    ],
)
def test_statuses_of_shopify(tmp_path: Path, status: str, cancelled: str, back: str, rank: int, amount: int) -> None:
    source = open_source(tmp_path, SHOPIFY, shopify(status, cancelled, back), preset="shopify")

    assert read(source)[0] == [("#1", "ada@x.test", rank, amount, None)]


FORMS = {
    "as it is": ({}, "1234.50", "1000.00"),
    "signs": ({"currency_sign": "$"}, "$1234.50", "$1000.00"),
    "thousands": ({"thousands": ","}, "1,234.50", "1,000.00"),
    "signs and thousands": ({"thousands": ",", "currency_sign": "$"}, "$1,234.50", "$ 1,000.00"),
    "commas": ({"decimal": ",", "thousands": "."}, "1.234,50", "1.000,00"),
    "spaces": ({"decimal": ",", "thousands": "space", "currency_sign": "€"}, "1 234,50 €", "1\u00a0000,00 €"),
    "below zero": ({"decimal": ",", "thousands": "."}, "1.234,50", "-1.000,00"),
    "in brackets": ({"thousands": ",", "currency_sign": "$"}, "$1,234.50", "($1,000.00)"),
    "a sign before brackets": ({"thousands": ",", "currency_sign": "$"}, "$1,234.50", "$(1,000.00)"),
    "brackets alone": ({}, "1234.50", "(1000.00)"),
}


@pytest.mark.parametrize("preset", ["shopify", "woocommerce"])
@pytest.mark.parametrize("form", FORMS)
def test_what_was_paid_back_is_read_in_the_form_of_the_amounts(tmp_path: Path, preset: str, form: str) -> None:
    options, total, back = FORMS[form]
    header, status = {
        "shopify": ("Name\tEmail\tFinancial Status\tTotal\tCreated at\tRefunded Amount", "partially_refunded"),
        "woocommerce": ("order_number\tbilling_email\tstatus\torder_total\torder_date\trefunded_total", "wc-completed"),
    }[preset]
    line = f"#1\tada@x.test\t{status}\t{total}\t2024-01-15\t{back}"

    rows, rejected = read(open_source(tmp_path, header, line, preset=preset, **options))

    assert (rows, rejected) == ([("#1", "ada@x.test", 0, 23450, None)], [])


def test_what_was_paid_back_and_cannot_be_read_is_rejected_and_not_passed_over(tmp_path: Path) -> None:
    rows, (rejected,) = read(
        open_source(tmp_path, SHOPIFY, shopify("partially_refunded", back="5 EUR"), preset="shopify")
    )

    assert rows == []
    assert rejected.reason.startswith("the refunded amount '5 EUR' must be a number")


def test_a_column_of_what_was_paid_back_can_be_mapped_without_a_preset(tmp_path: Path) -> None:
    header = "customer_id,order_id,date,amount,status,back"
    lines = ("A,1,2024-01-15,20.00,paid,5.50", "A,2,2024-01-15,20.00,refunded,20.00", "A,3,2024-01-15,20.00,paid,")

    rows, rejected = read(open_source(tmp_path, header, *lines, columns={"back": "refunded"}))

    assert ([row[2:4] for row in rows], rejected) == ([(0, 1450), (3, 2000), (0, 2000)], [])


def test_an_unknown_status_of_a_platform_is_rejected_with_the_text_of_the_file(tmp_path: Path) -> None:
    source = open_source(tmp_path, SHOPIFY, shopify("dreamt"), preset="shopify")

    reason = "unknown status 'dreamt' (say what it means, such as status dreamt=COMPLETED)"
    assert read(source) == ([], [RejectedRow(2, shopify("dreamt"), reason, "#1")])


def test_a_row_of_another_width_is_rejected_and_the_next_one_is_read(tmp_path: Path) -> None:
    rows, rejected = read(open_source(tmp_path, SHOPIFY, "#1,ada@x.test", shopify(order="#2"), preset="shopify"))

    assert [row[0] for row in rows] == ["#2"]
    assert rejected == [RejectedRow(2, "#1,ada@x.test", "the row has 2 cells, the header has 15", "#1")]


def test_a_column_of_shopify_can_be_mapped_besides(tmp_path: Path) -> None:
    lines = (shopify(), "#1,ada@x.test,,,,,,,1,Cup,,,,,")
    source = open_source(tmp_path, SHOPIFY, *lines, preset="shopify", columns={"Vendor": "category"})

    assert [row[4] for row in read(source)[0]] == ["Leaf", None]


@pytest.mark.parametrize(
    ("status", "rank", "amount"),
    [
        *[(status, 0, 1500) for status in ("completed", "wc-processing", "Processing")],
        *[(status, 2, 2000) for status in ("on-hold", "Pending payment")],
        ("refunded", 3, 2000),
        *[(status, 4, 2000) for status in ("failed", "cancelled")],
    ],
)
def test_statuses_of_woocommerce(tmp_path: Path, status: str, rank: int, amount: int) -> None:
    line = f"7,1007,2024-01-15 10:30:00,{status},20.00,-5.00,EUR,ada@x.test"
    source = open_source(tmp_path, WOOCOMMERCE, f"{line},Tea", f"{line},Cup", preset="woocommerce")

    assert [row[:4] for row in read(source)[0]] == [("1007", "ada@x.test", rank, paid) for paid in (amount, 0)]


def test_a_guest_of_woocommerce_has_no_number_and_is_known_by_nothing(tmp_path: Path) -> None:
    lines = ("7,2024-01-15,completed,20.00,0", "8,2024-01-15,completed,20.00,31")
    source = open_source(tmp_path, "order_id,date,status,order_total,customer_id", *lines, preset="woocommerce")

    rows, rejected = read(source)

    assert [row[1] for row in rows] == ["31"]
    assert [(row.line, row.reason) for row in rejected] == [(2, "no customer")]


def test_a_file_of_something_else_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        open_source(tmp_path, "Handle,Title", "a,b", preset="shopify")

    assert refused.value.message == (
        "orders.csv is not Shopify's order export. Missing required columns: customer_id, order_id, purchase_date, "
        "amount. Columns seen: Handle, Title. Use map COLUMN=customer_id."
    )


def test_an_export_in_another_currency_is_rejected_row_by_row(tmp_path: Path) -> None:
    source = open_source(tmp_path, SHOPIFY, shopify(currency="USD"), preset="shopify")

    assert [row.reason for row in read(source)[1]] == ["the currency is USD, the business's is EUR"]
