"""Amounts of another form: read only as they are told, digit by digit, and refused with the form that were right."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.imports.amounts import AmountForm, make_amount_reader


def read(text: str, decimal: str | None = None, thousands: str | None = None, sign: str | None = None) -> int:
    return make_amount_reader(2, AmountForm.of(decimal, thousands, sign))(text)


COMMAS, EUROS = (None, ",", None), (None, None, "€")
READ: list[tuple[tuple[str | None, ...], int, list[str]]] = [
    (COMMAS, 123450, ["1,234.50", "1234.50"]),
    (COMMAS, 123456750, ["12,34,567.5"]),
    (COMMAS, -123400, ["-1,234"]),
    ((",", ".", None), 123450, ["1.234,50"]),
    ((",", None, None), 1250, ["12,5"]),
    ((None, "'", None), 123450, ["1'234.50"]),
    ((",", " ", None), 123450, ["1 234,50"]),
    ((",", "space", None), 123456750, ["1\u00a0234\u202f567,50"]),
    (EUROS, 1250, ["€ 12.50", "12.50 €", "12.50"]),
    (EUROS, -1250, ["-€12.50", "€-12.50", "(€12.50)", "€(12.50)"]),
    ((None, ",", "Rs."), 123450, ["Rs. 1,234.50"]),
    ((None, None, None), -1250, ["(12.50)", "( 12.50 )"]),
    ((",", ".", "€"), -123450, ["(1.234,50 €)", "(1.234,50) €"]),
]
REFUSED = {
    COMMAS: ["1,23.50", "1,2345.00", "1,234,50", "1.234,50", "12,34,56", "", "1 234.50", "١٢"],
    (",", None, None): ["12.50"],
    (",", ".", None): ["1,234.50"],
    EUROS: ["$12.50", "--12.50", "-€-12.50", "€", "(12.50", "12.50)", "(-12.50)", "-(12.50)", "((12.50))", "()"],
}


@pytest.mark.parametrize(
    ("text", "form", "minor"), [(text, form, minor) for form, minor, texts in READ for text in texts]
)
def test_amounts_are_read_as_they_are_told(text: str, form: tuple[str | None, ...], minor: int) -> None:
    assert read(text, *form) == minor


@pytest.mark.parametrize(("text", "form"), [(text, form) for form, texts in REFUSED.items() for text in texts])
def test_what_is_not_of_the_told_form_is_refused(text: str, form: tuple[str | None, ...]) -> None:
    with pytest.raises(ValueError, match="must be a number such as"):
        read(text, *form)


@pytest.mark.parametrize(
    ("text", "form", "shown"), [("x", (",", ".", "Rs."), r"Rs\.1\.234,50"), ("yesterday", (), r"12\.50")]
)
def test_the_refusal_shows_the_form_and_nonsense_is_not_taken_for_another_one(
    text: str, form: tuple[str, ...], shown: str
) -> None:
    with pytest.raises(ValueError, match=rf"^must be a number such as {shown}$"):
        read(text, *form)


@pytest.mark.parametrize("text", ["1,234.50", "€12.50", "12,50", "1 234.50", "USD 5"])
def test_without_being_told_nothing_is_guessed_and_the_options_are_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"\(or say with thousands, decimal, currency_sign how\)$"):
        read(text)


@pytest.mark.parametrize(("text", "whole", "part"), [("5.000", "5000", "5"), ("-10.500", "-10500", "-10.5")])
def test_what_may_be_thousands_is_not_taken_for_a_fraction(text: str, whole: str, part: str) -> None:
    both = rf"^may be {whole} \(say thousands \. decimal ,\) or {part} \(say decimal \. or write "
    with pytest.raises(ValueError, match=rf"{both}2 decimals\)$"):
        read(text)
    with pytest.raises(ValueError, match=rf"{both}no decimals\)$"):
        make_amount_reader(0, AmountForm())(text)
    assert make_amount_reader(3, AmountForm())(text) == int(whole)
    assert read(text, ".") * 10 == int(whole)
    assert [read(other) for other in ("0.000", "1000.000", "5.0000", ".500")] == [0, 100_000, 500, 50]


@pytest.mark.parametrize(
    ("text", "minor", "shown"), [("16.448", 1645, "16.45"), ("272.735", 27274, "272.74"), ("0.125", 12, "0.12")]
)
def test_more_decimals_than_the_currency_s_are_rounded_only_where_it_is_told(text: str, minor: int, shown: str) -> None:
    for form in (AmountForm(), AmountForm.of(".", None, None), AmountForm.of(".", ",", "$")):
        with pytest.raises(ValueError, match=rf"^must have at most 2 decimals \(give round if it means {shown}\)$"):
            make_amount_reader(2, form)(text)
        assert make_amount_reader(2, replace(form, rounded=True))(text) == minor


@pytest.mark.parametrize(
    ("text", "minor"),
    [("12.300000000000001", 1230), ("12.4999999999", 1250), ("0.30000000000000004", 30), ("12.5000004", 1250)],
)
def test_the_noise_of_a_binary_fraction_is_taken_off(text: str, minor: int) -> None:
    assert read(text) == minor
    with pytest.raises(ValueError, match="at most 2 decimals"):
        read("12.5000005")


def test_a_minus_may_stand_at_the_end_where_it_is_told_and_be_a_sign_of_its_own() -> None:
    trailing = make_amount_reader(2, replace(AmountForm.of(",", ".", "€"), trailing=True))

    assert [trailing(text) for text in ("1.234,50-", "-12,50", "12,50 €-", "12,50")] == [-123450, -1250, -1250, 1250]
    assert read("\u221212.50") == -1250
    for text in ("12.50-", "12.50 -"):
        with pytest.raises(
            ValueError, match=r"^must be a number such as 12.50 \(give negative trailing if it is below"
        ):
            read(text)
    for text in ("-", "x-", "-12.50-"):
        with pytest.raises(ValueError, match=r"^must be a number such as 12.50$"):
            read(text)


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


SIGNED = {
    "USD": ["$12.50", "US$12.50", "US $12.50", "USD 12.50", "12.50 USD", "12.50"],
    "AUD": ["$12.50", "A$12.50", "AU $12.50", "12.50 AUD"],
    "EUR": ["€12.50", "12.50 €", "EUR 12.50", "(€12.50)"],
    "SEK": ["12.50 kr", "kr12.50", "SEK 12.50"],
    "CHF": ["CHF 12.50", "12.50"],
}


@pytest.mark.parametrize(
    ("currency", "text"), [(currency, text) for currency, texts in SIGNED.items() for text in texts]
)
def test_the_signs_of_the_business_s_own_currency_are_read_where_it_is_told(currency: str, text: str) -> None:
    form = AmountForm.of(None, None, "own").allow_own_signs(currency)

    assert abs(make_amount_reader(2, form)(text)) == 1250


@pytest.mark.parametrize(
    ("currency", "text"), [("EUR", "$12.50"), ("USD", "€12.50"), ("AUD", "US$12.50"), ("USD", "own12.50")]
)
def test_a_sign_of_another_currency_is_refused(currency: str, text: str) -> None:
    with pytest.raises(ValueError, match="must be a number such as"):
        make_amount_reader(2, AmountForm.of(None, None, "own").allow_own_signs(currency))(text)


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
