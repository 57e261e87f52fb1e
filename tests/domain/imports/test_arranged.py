"""What several columns say together: parts of an amount that add up or that a file lacks, one sum in two currencies, a
day and its time."""

from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from domain.calendar import from_micros
from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from persistence.sources.opening import open_purchases
from tests.drivers.opened_sources import open_source, read, shop

ORDERS = "customer_id,order_id,date"
COLUMNS = {"goods tax": "tax", "tax of postage": "tax"}
CURRENCIES = {"Total": "amount", "Converted": "amount", "Currency": "currency", "Into": "currency"}
CURRENCIES |= {"Back": "refunded", "Back converted": "refunded"}


@pytest.mark.parametrize(("cells", "amount"), [("19,16", 8500), ("19,", 10100), (",16", 10400), (",", 12000)])
def test_columns_of_one_part_of_the_amount_add_up(tmp_path: Path, cells: str, amount: int) -> None:
    lines = (f"{ORDERS},amount,goods tax,tax of postage", f"A,1,2026-03-02,120,{cells}")
    source = open_source(tmp_path, *lines, columns=COLUMNS, amount_formula="amount - tax")

    assert [row[3] for row in read(source)[0]] == [amount]


def test_merged_cells_repeat_no_part_of_the_amount(tmp_path: Path) -> None:
    lines = (f"{ORDERS},amount,goods tax,tax of postage", "A,1,2026-03-02,120,19,1", ",,,60,,")
    source = open_source(tmp_path, *lines, columns=COLUMNS, amount_formula="amount - tax", fill_down=True)

    assert [row[:4] for row in read(source)[0]] == [("1", "A", 0, 10000), ("1", "A", 0, 6000)]


def test_a_part_that_a_preset_s_file_has_no_column_of_is_nothing(tmp_path: Path) -> None:
    lines = ("amazon-order-id,purchase-date,order-status,buyer-email,item-price", "1,2026-03-02,Shipped,A@x.test,20.00")

    assert [row[3] for row in read(open_source(tmp_path, *lines))[0]] == [2000]


def test_a_part_that_is_told_and_that_the_file_has_no_column_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="shipping"):
        open_source(tmp_path, f"{ORDERS},amount", "A,1,2026-03-02,120", amount_formula="amount - shipping")


@pytest.mark.parametrize(
    ("cells", "amount"),
    [("50.00,usd,46.00,eur,,", 4600), ("50.00,eur,58.00,usd,,", 5000), ("50.00,usd,46.00,eur,5.00,4.60", 4140)],
)
def test_an_amount_its_currency_and_what_was_paid_back_are_taken_from_columns_that_belong_together(
    tmp_path: Path, cells: str, amount: int
) -> None:
    header = f"{ORDERS},Total,Currency,Converted,Into,Back,Back converted"
    source = open_source(tmp_path, header, f"A,1,2026-03-02,{cells}", columns=CURRENCIES)

    assert [row[3] for row in read(source)[0]] == [amount]


def test_an_amount_in_two_other_currencies_is_rejected(tmp_path: Path) -> None:
    header = f"{ORDERS},Total,Currency,Converted,Into,Back,Back converted"
    source = open_source(tmp_path, header, "A,1,2026-03-02,50.00,usd,40.00,gbp,,", columns=CURRENCIES)

    rows, (rejected,) = read(source)

    assert (rows, rejected.reason) == ([], "the currency is USD, the business's is EUR")


@pytest.mark.parametrize(("total", "told"), [("$1,234.50", {}), ("€ 1234,50", {"decimal": ","})])
def test_a_decimal_sign_that_is_told_is_not_the_preset_s_between_thousands(
    tmp_path: Path, total: str, told: dict[str, str]
) -> None:
    lines = ("Order Number\tBuyer Username\tSold For\tTotal Price\tSale Date", f"1\tgam\t9\t{total}\tMar-01-24")
    business = replace(shop(), currency="USD" if "$" in total else "EUR")

    assert [row[3] for row in read(open_source(tmp_path, *lines, business=business, **told))[0]] == [123450]


def test_a_day_and_its_time_are_joined_also_where_they_are_cells_of_a_workbook(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet.append(("customer_id", "order_id", "day", "hour", "amount"))
    sheet.append(("A", "1", datetime(2026, 3, 2), time(22, 30), 5.0))
    sheet.append(("A", "2", datetime(2026, 3, 3), "10:15:00", 5.0))
    book.save(tmp_path / "orders.xlsx")
    columns = {"day": "purchase_date", "hour": "purchase_time"}

    source = open_purchases(tmp_path / "orders.xlsx", shop(), SourceFormat.read({"columns": columns}))

    (portion,) = source.read_rows(lambda row: None)
    assert [f"{from_micros(at):%m-%d %H:%M}" for at in portion.at] == ["03-02 22:30", "03-03 10:15"]
