"""What is proposed for a file that was looked at, from its header and rows alone."""

from collections.abc import Sequence
from typing import Any

import pytest

from domain.imports.formats import SourceFormat
from domain.imports.inspection.inspection import FileFacts, Inspection, build_command, inspect_sample, list_options
from domain.imports.inspection.likeness import guess_status, rank_name
from domain.imports.inspection.proposals import add_said, guess_currency
from domain.imports.inspection.sample import FIRST, MOST, MOST_WORDS, Sample, take_sample
from domain.imports.presets import PURCHASES
from domain.imports.rows import Batch
from domain.model import Business, BusinessSettings

FACTS = FileFacts("orders.csv", "utf-8", ",", 1, ())
HEADER = ("customer_id", "order_id", "date", "amount")


def look_at(header: Sequence[str], *rows: Sequence[str]) -> Sample:
    return take_sample(header, [Batch(range(2, len(rows) + 2), [list(cells) for cells in rows], True)])


def inspect(
    header: Sequence[str], *rows: Sequence[str], told: SourceFormat | None = None, currency: str = "EUR"
) -> Inspection:
    business = Business(0, "shop", "shop", currency, "UTC", BusinessSettings(), 1, 0, 0)
    return inspect_sample(FACTS, look_at(header, *rows), told or SourceFormat(), lambda one: one, business, PURCHASES)


def get_defaults(found: Inspection) -> dict[str, Any]:
    return {one.key: one.choices[one.default].says for one in found.doubts}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        *(("Qty", "quantity"), ("Price", "unit_price"), ("Buyer Email", "customer_id"), ("Order No.", "order_id")),
        *(("Total", "amount"), ("Grand Total (Base)", "amount"), ("Sale Date", "purchase_date")),
        *(("Stückpreis", "unit_price"), ("N° de commande", "order_id"), ("Código cliente", "customer_id")),
        *(("Preço unitário", "unit_price"), ("Quantità", "quantity"), ("Bestelnummer", "order_id")),
        *(("订单编号", "order_id"), ("المبلغ", "amount"), ("දිනය", "purchase_date"), ("Währung", "currency")),
    ],
)
def test_names_of_columns_are_known_in_many_languages(name: str, field: str) -> None:
    assert rank_name(name, field) is not None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *(("Complete", "COMPLETED"), ("wc-processing", "COMPLETED"), ("Partially paid", "PARTIAL")),
        *(("On hold", "PENDING"), ("Storniert", "CANCELLED"), ("Remboursée", "REFUNDED"), ("已付款", "COMPLETED")),
        ("gift", None),
    ],
)
def test_words_of_statuses_are_guessed_or_left(word: str, status: str | None) -> None:
    assert guess_status(word) == status


def test_a_sample_is_bounded_whatever_the_file_holds() -> None:
    def read() -> Any:
        for begin in range(0, 60_000, 500):
            rows = [["Ada", str(place), "2024-03-01", f"word {place}"] for place in range(begin, begin + 500)]
            yield Batch(range(begin + 2, begin + 502), rows, True)

    sample = take_sample(("customer_id", "order_id", "date", "status"), read())

    assert (sample.count, sample.first) == (60_000, FIRST)
    assert FIRST + (MOST - FIRST) / 2 <= len(sample.rows) <= MOST
    assert sample.lines[FIRST - 1] == FIRST + 1
    assert sample.lines[-1] > 59_000
    assert len(sample.words[3]) == MOST_WORDS


def test_what_is_told_is_not_asked() -> None:
    rows = (("Ada", "1", "03/04/2024", "1.234"),)
    told = SourceFormat(date_format=("%m/%d/%Y",), decimal=".", round=True)

    asked, silent = inspect(HEADER, *rows), inspect(HEADER, *rows, told=told)

    assert [one.key for one in asked.doubts] == ["date_format", "amount"]
    assert silent.doubts == ()
    assert silent.form == told


def test_an_answer_is_told_from_then_on() -> None:
    rows = (("Ada", "1", "03/04/2024", "5.00"),)
    (doubt,) = inspect(HEADER, *rows).doubts

    for choice in doubt.choices:
        answered = inspect(HEADER, *rows, told=add_said(SourceFormat(), choice.says))
        assert answered.doubts == ()
        assert answered.form.date_format == tuple(choice.says["date_format"])


def test_dates_that_can_be_read_in_one_way_alone_are_no_doubt() -> None:
    rows = (("Ada", "1", "03/04/2024", "5.00"), ("Ada", "2", "25/04/2024", "5.00"))

    found = inspect(HEADER, *rows)

    assert (found.doubts, found.form.date_format) == ((), ("%d/%m/%Y",))


def test_dates_of_two_forms_that_agree_get_both() -> None:
    rows = (("Ada", "1", "2024-03-01", "5.00"), ("Ada", "2", "25/04/2024", "5.00"))

    found = inspect(HEADER, *rows)

    assert sorted(found.form.date_format) == ["%Y-%m-%d", "%d/%m/%Y"]


def test_the_reading_in_which_rows_follow_each_other_is_the_default() -> None:
    rows = [("Ada", str(place), f"0{place}/02/2024", "5.00") for place in range(1, 10)]

    assert get_defaults(inspect(HEADER, *rows))["date_format"] == {"date_format": ["%d/%m/%Y"]}
    assert get_defaults(inspect(HEADER, *rows[:1], currency="USD"))["date_format"] == {"date_format": ["%m/%d/%Y"]}


@pytest.mark.parametrize(
    ("amounts", "currency", "says"),
    [
        (("10.00", "1.5"), "EUR", {}),
        (("1,234.50", "7.00"), "EUR", {"thousands": ","}),
        (("1.234,50", "7,00"), "EUR", {"decimal": ",", "thousands": "."}),
        (("1 234,50", "7,00"), "EUR", {"decimal": ",", "thousands": " "}),
        (("1'234.50", "7.00"), "CHF", {"thousands": "'"}),
        (("€ 12,50",), "EUR", {"decimal": ",", "currency_sign": "€"}),
        (("12.50-", "3.00"), "EUR", {"negative": "trailing"}),
        (("261.96", "957.5775"), "USD", {"round": True}),
        (("1.234", "5.678"), "JPY", {"thousands": ".", "decimal": ","}),
    ],
)
def test_the_form_of_amounts_is_proposed(amounts: Sequence[str], currency: str, says: dict[str, Any]) -> None:
    rows = [("Ada", str(place), "2024-03-01", amount) for place, amount in enumerate(amounts)]

    found = inspect(HEADER, *rows, currency=currency)

    assert found.form.to_document() == says


def test_a_total_that_other_columns_add_up_to_is_the_order_s() -> None:
    header = ("customer_id", "order_id", "date", "Total", "Subtotal")
    rows = (("Ada", "1", "2024-03-01", "9.50", "6.00"), ("Ada", "1", "2024-03-01", "9.50", "3.50"))

    assert get_defaults(inspect(header, *rows))["amount_of"] == {"amount": "order"}


def test_the_currency_is_taken_from_codes_headers_and_signs() -> None:
    of_codes = look_at((*HEADER, "currency"), ("Ada", "1", "2024-03-01", "5.00", "LKR"))
    of_header = look_at((*HEADER[:3], "total_amount_lkr"), ("Ada", "1", "2024-03-01", "5.00"))
    of_signs = look_at(HEADER, ("Ada", "1", "2024-03-01", "£5.00"))
    of_nothing = look_at(HEADER, ("Ada", "1", "2024-03-01", "5.00"))

    assert [guess_currency(one) for one in (of_codes, of_header, of_signs, of_nothing)] == ["LKR", "LKR", "GBP", None]


def test_the_command_quotes_what_a_shell_would_take_apart() -> None:
    header = ("customer_id", "order_id", "date", "Grand Total; all")
    found = inspect(header, ("Ada", "1", "2024-03-01", "$ 5.00"), currency="USD")

    command = build_command(found, "my orders.csv")

    assert command == (
        "segments import 'my orders.csv' --business shop --time-zone UTC --currency USD "
        "--map 'Grand Total; all=amount' --currency-sign '$'"
    )


def test_what_options_cannot_say_has_no_command() -> None:
    form = SourceFormat.read({"zones": {"EST": "America/New_York"}})

    assert list_options(form) is None
    assert list_options(SourceFormat.read({"delimiter": "\t", "guests": "each"})) == [
        *("--delimiter", "tab"),
        *("--guests", "each"),
    ]
