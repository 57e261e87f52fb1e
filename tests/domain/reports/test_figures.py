"""Figures as people read them."""

from decimal import Decimal

import pytest

from domain.reports.figures import choose_decimals, format_amount, format_change, format_growth, sign


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("0.00", "0.00"),
        ("9999.99", "9,999.99"),
        ("-9999.99", "-9,999.99"),
        ("10000.00", "10,000"),
        ("12345.50", "12,346"),
        ("12344.50", "12,344"),
        ("-12345.67", "-12,346"),
        ("92233720368547758.07", "92,233,720,368,547,758"),
        ("9999", "9,999"),
        ("1.234", "1.234"),
        ("12000.234", "12,000"),
    ],
)
def test_an_amount_has_decimals_where_they_say_something(amount: str, expected: str) -> None:
    assert format_amount(Decimal(amount)) == expected


def test_amounts_of_one_column_have_as_many_decimals() -> None:
    amounts = [Decimal("12.50"), None, Decimal("12000.00")]

    places = choose_decimals(amounts, 2)

    assert [format_amount(amount, places) for amount in amounts] == ["12", "–", "12,000"]
    assert choose_decimals(amounts[:2], 2) == 2
    assert choose_decimals([], 3) == 3


def test_changes_have_their_sign_and_growth_is_of_what_was_before() -> None:
    assert [format_change(change) for change in (61, -1400, 0, None)] == ["+61", "−1,400", "0", "–"]
    assert format_growth(1000, 939) == "+6.5 %"
    assert format_growth(Decimal("104.67"), Decimal("107.39")) == "−2.5 %"
    assert (format_growth(5, 0), format_growth(5, 5)) == ("", "0.0 %")
    assert sign(-1, "2") == "−2"
