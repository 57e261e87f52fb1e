"""What a score takes, in words: exact, in the units of the shop, and without a bound where there is none."""

import pytest

from domain.classification.rfm import Quintiles, Score
from domain.customers.metrics import find_thresholds

SHOP = Quintiles((1, 2, 2, 8), (90_000, 150_001, 400_000, 1_239_999), 10)


def said(score: Score, quintiles: Quintiles = SHOP, days: int = 365, currency: str = "LKR") -> list[str]:
    return [each.sentence for each in find_thresholds(score, quintiles, days, currency)]


def test_the_highest_have_no_upper_bound_and_the_lowest_no_lower_one() -> None:
    assert said(Score(5, 5, 5)) == [
        "R5 up to 72 days since the last purchase",
        "F5 from 9 orders",
        "M5 from 12,400 LKR",
    ]
    assert said(Score(1, 1, 1)) == ["R1 from 292 days since the last purchase", "F1 up to 1 order", "M1 up to 900 LKR"]


def test_those_between_have_both_and_one_value_is_said_once() -> None:
    assert said(Score(4, 4, 3)) == [
        "R4 from 73 to 145 days since the last purchase",
        "F4 from 3 to 8 orders",
        "M3 from 1,500.02 to 4,000 LKR",
    ]
    assert said(Score(2, 2, 2))[1:] == ["F2 with 2 orders", "M2 from 900.01 to 1,500.01 LKR"]
    assert said(Score(5, 1, 1), days=5)[0] == "R5 up to 0 days since the last purchase"
    assert said(Score(4, 1, 1), days=5)[0] == "R4 with 1 day since the last purchase"


@pytest.mark.parametrize(
    ("currency", "sentence"),
    [("JPY", "M5 from 1,240,000 JPY"), ("KWD", "M5 from 1,240 KWD"), ("EUR", "M5 from 12,400 EUR")],
)
def test_money_has_the_decimals_of_the_currency_where_they_say_something(currency: str, sentence: str) -> None:
    assert said(Score(5, 5, 5), currency=currency)[2] == sentence


def test_where_nobody_bought_in_the_window_there_is_nothing_to_compare_with() -> None:
    assert said(Score(1, 1, 1), Quintiles((), (), 0))[1:] == [
        "F1 without bounds, as nobody bought in the window",
        "M1 without bounds, as nobody bought in the window",
    ]
