"""Amounts of another form: read only as they are told, digit by digit, and refused with the form that were right."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.imports.values import AmountForm, make_amount_reader


def read(text: str, decimal: str | None = None, thousands: str | None = None, sign: str | None = None) -> int:
    return make_amount_reader(2, AmountForm.of(decimal, thousands, sign))(text)


@pytest.mark.parametrize(
    ("text", "form", "minor"),
    [
        ("1,234.50", (None, ",", None), 123450),
        ("1234.50", (None, ",", None), 123450),
        ("12,34,567.5", (None, ",", None), 123456750),
        ("-1,234", (None, ",", None), -123400),
        ("1.234,50", (",", ".", None), 123450),
        ("12,5", (",", None, None), 1250),
        ("1'234.50", (None, "'", None), 123450),
        ("1 234,50", (",", " ", None), 123450),
        ("1\u00a0234\u202f567,50", (",", "space", None), 123456750),
        ("€ 12.50", (None, None, "€"), 1250),
        ("12.50 €", (None, None, "€"), 1250),
        ("-€12.50", (None, None, "€"), -1250),
        ("€-12.50", (None, None, "€"), -1250),
        ("Rs. 1,234.50", (None, ",", "Rs."), 123450),
        ("12.50", (None, None, "€"), 1250),
        ("(12.50)", (None, None, None), -1250),
        ("( 12.50 )", (None, None, None), -1250),
        ("(€12.50)", (None, None, "€"), -1250),
        ("€(12.50)", (None, None, "€"), -1250),
        ("(1.234,50 €)", (",", ".", "€"), -123450),
        ("(1.234,50) €", (",", ".", "€"), -123450),
    ],
)
def test_amounts_are_read_as_they_are_told(text: str, form: tuple[str | None, ...], minor: int) -> None:
    assert read(text, *form) == minor


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("1,23.50", (None, ",", None)),
        ("1,2345.00", (None, ",", None)),
        ("1,234,50", (None, ",", None)),
        ("1.234,50", (None, ",", None)),
        ("12.50", (",", None, None)),
        ("1,234.50", (",", ".", None)),
        ("12,34,56", (None, ",", None)),
        ("$12.50", (None, None, "€")),
        ("--12.50", (None, None, "€")),
        ("-€-12.50", (None, None, "€")),
        ("€", (None, None, "€")),
        ("", (None, ",", None)),
        ("1 234.50", (None, ",", None)),
        ("(12.50", (None, None, "€")),
        ("12.50)", (None, None, "€")),
        ("(-12.50)", (None, None, "€")),
        ("-(12.50)", (None, None, "€")),
        ("((12.50))", (None, None, "€")),
        ("()", (None, None, "€")),
        ("١٢", (None, ",", None)),
    ],
)
def test_what_is_not_of_the_told_form_is_refused(text: str, form: tuple[str | None, ...]) -> None:
    with pytest.raises(ValueError, match="must be a number such as"):
        read(text, *form)


def test_the_refusal_shows_the_form() -> None:
    with pytest.raises(ValueError, match=r"^must be a number such as Rs\.1\.234,50$"):
        read("x", ",", ".", "Rs.")


@pytest.mark.parametrize("text", ["1,234.50", "€12.50", "12,50", "1 234.50", "USD 5"])
def test_without_being_told_nothing_is_guessed_and_the_options_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(or say with thousands, decimal, currency_sign how\)$"):
        read(text)


@pytest.mark.parametrize(("text", "whole"), [("5.000", "5000"), ("1.234", "1234"), ("-10.000", "-10000")])
def test_what_may_be_thousands_is_not_taken_for_a_fraction(text: str, whole: str) -> None:
    with pytest.raises(ValueError, match=rf"^may be {whole} \(say thousands \. decimal , or write 2 decimals\)$"):
        read(text)
    with pytest.raises(ValueError, match=r"or write no decimals\)$"):
        make_amount_reader(0, AmountForm())(text)
    assert make_amount_reader(3, AmountForm())(text) == int(whole)
    assert [read(other) for other in ("0.000", "1000.000", "5.0000", ".500")] == [0, 100_000, 500, 50]


def test_nonsense_is_not_taken_for_another_form() -> None:
    with pytest.raises(ValueError, match=r"^must be a number such as 12\.50$"):
        read("yesterday")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ((";", None, None), "decimal must be . or , and not ';'"),
        ((None, "_", None), "thousands must be , . ' or space, not '_'"),
        ((None, ".", None), "thousands . needs another sign for the decimals: give decimal ,"),
        ((",", ",", None), "thousands , needs another sign for the decimals: give decimal ."),
        ((None, None, "5"), "currency_sign must be a sign or code such as € or Rs., not '5'"),
        ((None, None, "-"), "currency_sign must be a sign or code such as € or Rs., not '-'"),
    ],
)
def test_forms_that_contradict_themselves(form: tuple[str | None, ...], sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        AmountForm.of(*form)

    assert refused.value.message == sentence


@given(
    st.integers(-(10**14), 10**14),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", "'"), (".", "")]),
    st.sampled_from(["", "€", "Rs."]),
)
def test_every_amount_comes_back_exactly(minor: int, signs: tuple[str, str], sign: str) -> None:
    decimal, thousands = signs
    plain = f"{abs(Decimal(minor).scaleb(-2)):,.2f}"
    text = plain.replace(",", "T").replace(".", decimal).replace("T", thousands)
    written = f"{'-' if minor < 0 else ''}{sign}{text}"

    assert read(written, decimal, thousands or None, sign or None) == minor
