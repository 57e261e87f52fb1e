"""Money is exact: what is written in major units is kept as an integer of the currency's minor units, or refused with
a sentence that says what would be right; no float and no silent rounding takes part."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.money import (
    LARGEST,
    compute_mean,
    divide_half_even,
    find_exponent,
    format_minor,
    is_currency,
    parse_minor,
    to_decimal,
    to_minor,
)


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [("EUR", 2), ("LKR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("BHD", 3), ("TND", 3), ("CLF", 4), ("CLP", 0)],
)
def test_the_iso_exponent_decides_the_minor_unit(currency: str, decimals: int) -> None:
    assert find_exponent(currency) == decimals
    assert to_minor(Decimal(1), decimals) == 10**decimals


@pytest.mark.parametrize("code", ["XXX", "eur", "EURO", "", "BTC", "€", "EU\0", "XAU"])
def test_a_code_that_is_no_active_currency_is_refused_with_the_field(code: str) -> None:
    assert not is_currency(code)

    with pytest.raises(InvalidInput, match="currency must be an ISO 4217 code such as EUR") as refused:
        find_exponent(code)

    assert refused.value.problems[0].field == ("currency",)


READ = [
    ("12.30", 2, 1230), ("12.3", 2, 1230), ("12", 2, 1200), ("12.", 2, 1200), (".5", 2, 50), ("-0.01", 2, -1),
    ("+7.00", 2, 700), ("-0", 2, 0), ("0.000", 2, 0), ("12.300000", 2, 1230), ("1500", 0, 1500), ("1500.00", 0, 1500),
    ("1.234", 3, 1234), ("000000000000000.01", 2, 1), ("999999999999999.99", 2, 99999999999999999),
    ("999999999999999", 0, 999999999999999), ("999999999999999.999", 3, 999999999999999999),
    ("922337203685477.5807", 4, LARGEST),
]  # fmt: skip
NO_NUMBERS = [
    "NaN", "inf", "-Infinity", "1e3", "1e400", "0x1F", "1,234.50", "1 234", "--1", "", ".", "-", "£5", "١٢", "1_000",
    "0" * 61,
]  # fmt: skip


@pytest.mark.parametrize(("text", "decimals", "minor"), READ)
def test_plain_decimal_text_is_read_exactly(text: str, decimals: int, minor: int) -> None:
    assert parse_minor(text, decimals) == minor
    assert to_minor(Decimal(text), decimals) == minor


@pytest.mark.parametrize(
    ("text", "decimals", "sentence"),
    [
        ("0.001", 2, "must have at most 2 decimals"),
        ("0.5", 0, "must have at most 0 decimals"),
        ("1.0005", 3, "must have at most 3 decimals"),
        ("1.00000000000000000000000000001", 2, "must have at most 2 decimals"),
        ("1000000000000000", 2, "must have at most 15 digits before the point"),
        ("-1000000000000000.00", 2, "must have at most 15 digits before the point"),
        ("922337203685477.5808", 4, "must be at most 922337203685477.5807 in this currency"),
        ("999999999999999.9999", 4, "must be at most 922337203685477.5807 in this currency"),
        *[(text, 2, "must be a number such as 12.50") for text in NO_NUMBERS],
    ],
)
def test_what_is_no_amount_of_the_currency_is_refused(text: str, decimals: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse_minor(text, decimals)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("NaN", "must be a finite number"),
        ("-Infinity", "must be a finite number"),
        ("1e400", "at most 15 digits before the point"),
        ("1e-400", "at most 2 decimals"),
        ("1e-999999", "at most 2 decimals"),
    ],
)
def test_decimals_out_of_bounds_are_refused_without_computing_them(value: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        to_minor(Decimal(value), 2)


def test_zero_is_zero_however_it_is_written() -> None:
    assert [to_minor(Decimal(text), 2) for text in ("0", "-0", "0E+999", "0E-999", "0.0000000")] == [0] * 5


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.sampled_from([0, 2, 3]))
def test_minor_units_survive_the_way_out_and_back(minor: int, decimals: int) -> None:
    assert format_minor([minor, 0], decimals) == [format(to_decimal(each, decimals), "f") for each in (minor, 0)]
    text = format(to_decimal(minor, decimals), "f")

    assert parse_minor(text, decimals) == minor
    assert to_minor(Decimal(text), decimals) == minor


def test_tenths_and_cents_add_up_without_a_remainder() -> None:
    assert parse_minor("0.1", 2) + parse_minor("0.2", 2) == parse_minor("0.3", 2)
    assert to_decimal(10**9 * parse_minor("0.01", 2), 2) == Decimal("10000000.00")
    assert [parse_minor(part, 2) for part in ("33.33", "33.33", "33.34")] == [3333, 3333, 3334]


@pytest.mark.parametrize(
    ("total", "count", "average"),
    [
        (5, 2, "0.02"),
        (15, 2, "0.08"),
        (10, 4, "0.02"),
        (-5, 2, "-0.02"),
        (-15, 2, "-0.08"),
        (2, 3, "0.01"),
        (0, 7, "0"),
    ],
)
def test_averages_are_rounded_half_to_even(total: int, count: int, average: str) -> None:
    assert compute_mean(total, count, 2) == Decimal(average)


def test_there_is_no_average_of_nothing() -> None:
    assert compute_mean(0, 0, 2) is None


@given(st.integers(-(10**25), 10**25), st.integers(1, 10**9))
def test_division_is_that_of_fractions(total: int, count: int) -> None:
    assert divide_half_even(total, count) == round(Fraction(total, count))
