"""Which orders of an import stand out: by the quartiles of their logarithms, whatever the currency's size."""

from datetime import date

import pytest

from domain.imports.quality import CHECKS, FEWEST, Outlier, Quality, compute_outlier_fence, find_usual_days
from domain.money import LARGEST


def test_few_orders_have_no_outliers() -> None:
    assert compute_outlier_fence([100] * (FEWEST - 1)) is None
    assert compute_outlier_fence([100] * FEWEST) is not None


def test_orders_of_one_amount_may_grow_eightfold() -> None:
    assert compute_outlier_fence([100] * 50) in (799, 800)


@pytest.mark.parametrize("scale", [1, 100, 10_000])
def test_the_fence_moves_with_the_scale_and_not_with_the_outliers(scale: int) -> None:
    usual = [amount * scale for amount in range(10, 110)]

    fence = compute_outlier_fence(usual)
    with_outliers = compute_outlier_fence([*usual, 10**9 * scale, 10**9 * scale])

    assert fence is not None and with_outliers is not None
    # Quartiles 34 and 84: 84 * (84 / 34) ** 3.
    assert 1200 * scale < fence < 1300 * scale
    assert 1200 * scale < with_outliers < 1400 * scale


def test_a_spread_of_everything_never_leaves_what_an_amount_can_be() -> None:
    assert compute_outlier_fence([1] * 30 + [10**14] * 30) == LARGEST


def test_what_is_kept_is_what_was_found() -> None:
    found = Quality(1, 2, 7, 3, 4, 5, 6, 1, 900, (Outlier("O1", 1000),), 8, 1250, 9)

    assert Quality.read(found.to_document()) == found
    assert list(found.counts.items()) == list(zip(CHECKS, (1, 2, 7, 3, 4, 5, 6, 1, 8, 9), strict=True))


def test_what_was_kept_before_a_check_was_made_has_none_of_it() -> None:
    kept = Quality(1, 2, 7, 3, 4, 5, 6, 0).to_document()
    del kept["doubtful_dates"]

    assert Quality.read(kept) == Quality(1, 2, 0, 3, 4, 5, 6, 0)


@pytest.mark.parametrize(
    ("today", "last"), [(date(2024, 6, 15), date(2034, 6, 15)), (date(2024, 2, 29), date(2034, 2, 28))]
)
def test_days_before_1970_and_more_than_ten_years_ahead_are_doubtful(today: date, last: date) -> None:
    assert find_usual_days(today) == (date(1970, 1, 1).toordinal(), last.toordinal())
