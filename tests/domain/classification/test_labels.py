"""Labels at their thresholds, festive periods that wrap the year, and settings that contradict each other, which are
refused with the field that is wrong."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.classification.festive import FestivePeriods
from domain.classification.labels import (
    Classification,
    ClassificationFacts,
    ClassificationSettings,
    classify,
    subtract_months,
)
from domain.errors import InvalidInput
from tests.shops.festivals import is_festive

TODAY = date(2024, 6, 15)
SETTINGS = ClassificationSettings()


def facts(**given: object) -> ClassificationFacts:
    """A customer of two orders today, without festive ones, for 500.00 each."""
    values = {
        "order_count": 2,
        "lifetime": 2_000_000,
        "recent_orders": 2,
        "last_day": TODAY.toordinal(),
        "festive_orders": 0,
        "category_lines": {"Tea": 1, "Rice": 1},
    }
    return ClassificationFacts(**(values | given))  # type: ignore[arg-type]


def labels(settings: ClassificationSettings = SETTINGS, decimals: int = 2, **given: object) -> Classification:
    return classify(facts(**given), settings, TODAY, decimals)


@pytest.mark.parametrize(
    ("given", "label"),
    [
        ({"order_count": 1, "recent_orders": 1}, "New"),
        ({"order_count": 1, "recent_orders": 0, "last_day": 1, "festive_orders": 1}, "New"),
        ({"order_count": 5, "recent_orders": 5}, "Loyal"),
        ({"order_count": 5, "recent_orders": 4}, "Regular"),
        ({"last_day": TODAY.toordinal() - 89}, "Regular"),
        ({"last_day": TODAY.toordinal() - 90}, "Lapsed"),
        ({"order_count": 5, "recent_orders": 0, "festive_orders": 4}, "Seasonal"),
        ({"order_count": 5, "recent_orders": 0, "festive_orders": 3}, "Regular"),
        ({"order_count": 10, "recent_orders": 5, "last_day": 1, "festive_orders": 10}, "Loyal"),
        ({"order_count": 5, "recent_orders": 0, "festive_orders": 5, "last_day": 1}, "Lapsed"),
    ],
)
def test_frequency_is_the_first_that_holds(given: dict[str, object], label: str) -> None:
    assert labels(**given).frequency == label


def test_the_order_of_the_frequency_labels_is_a_setting() -> None:
    seasonal_first = ClassificationSettings(frequency_order=("SEASONAL", "LAPSED", "LOYAL", "NEW"))

    assert labels(seasonal_first, order_count=1, festive_orders=1).frequency == "Seasonal"


@pytest.mark.parametrize(
    ("orders", "lifetime", "label"),
    [
        (1, "14999.99", "Medium Value"),
        (1, "15000.00", "High Value"),
        (2, "29999.99", "Medium Value"),
        (2, "30000.00", "High Value"),
        (100, "149999.99", "Medium Value"),
        (100, "150000.00", "High Value"),
        (100, "10000.01", "Medium Value"),
        (100, "10000.00", "Low Value"),
        (3, "0.00", "Low Value"),
    ],
)
def test_spending_at_its_thresholds(orders: int, lifetime: str, label: str) -> None:
    assert labels(order_count=orders, lifetime=int(Decimal(lifetime) * 100)).spending == label


@pytest.mark.parametrize(("decimals", "minor"), [(0, 15_000), (2, 1_500_000), (3, 15_000_000)])
def test_thresholds_are_in_major_units_of_every_currency(decimals: int, minor: int) -> None:
    assert labels(decimals=decimals, order_count=1, lifetime=minor).spending == "High Value"
    assert labels(decimals=decimals, order_count=1, lifetime=minor - 1).spending == "Medium Value"


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        ({"Tea": 7, "Rice": 3}, "Tea"),
        ({"Tea": 69, "Rice": 31}, "Family"),
        ({"Tea": 3, "Rice": 3, "Salt": 4}, "Family"),
        ({"Tea": 30, "Rice": 29, "Salt": 29, "Oil": 12}, "Mixed"),
        ({"Tea": 6, None: 4}, "Mixed"),
        ({"Tea": 7, None: 3}, "Tea"),
        ({None: 9}, "Mixed"),
        ({"Tea": 1, None: 1, "Rice": 1}, "Family"),
    ],
)
def test_category_by_the_share_of_lines_of_which_those_without_one_count(
    lines: dict[str | None, int], label: str
) -> None:
    assert labels(category_lines=lines).category == label


def test_nobody_without_a_counted_purchase_has_labels() -> None:
    assert classify(None, SETTINGS, TODAY, 2) == Classification(None, None, None)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"low_lifetime": Decimal(150_000)}, "low_lifetime"),
        ({"low_lifetime": Decimal(200_000)}, "low_lifetime"),
        ({"low_lifetime": Decimal(-1)}, "low_lifetime"),
        ({"high_average_order": Decimal("-0.01")}, "high_average_order"),
        ({"family_percent": 71}, "family_percent"),
        ({"family_percent": 0}, "family_percent"),
        ({"dominant_percent": 101}, "dominant_percent"),
        ({"festive_percent": 0}, "festive_percent"),
        ({"loyal_orders": 0}, "loyal_orders"),
        ({"loyal_months": 121}, "loyal_months"),
        ({"lapsed_days": 10_000}, "lapsed_days"),
        ({"frequency_order": ("NEW", "LOYAL")}, "frequency_order"),
        ({"frequency_order": ("NEW", "NEW", "LOYAL", "LAPSED", "SEASONAL")}, "frequency_order"),
        ({"frequency_order": ("NEW", "LOYAL", "LAPSED", "REGULAR")}, "frequency_order"),
    ],
)
def test_thresholds_that_contradict_each_other_are_refused_with_the_field(given: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput, match=f"^{field} must ") as refused:
        ClassificationSettings.from_settings(given)

    assert refused.value.problems[0].field == (field,)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("high_lifetime", "much"),
        ("high_lifetime", "NaN"),
        ("low_lifetime", None),
        ("loyal_orders", "5"),
        ("loyal_months", 1.5),
        ("lapsed_days", True),
        ("frequency_order", "NEW"),
        ("frequency_order", 4),
        ("frequency_order", [1, 2, 3, 4]),
    ],
)
def test_settings_of_another_type_are_refused_with_the_field(name: str, value: object) -> None:
    with pytest.raises(InvalidInput, match=f"^{name} must ") as refused:
        ClassificationSettings.from_settings({name: value})

    assert refused.value.problems[0].field == (name,)


def test_absent_settings_have_their_defaults() -> None:
    changed = ClassificationSettings.from_settings({"loyal_orders": 3, "high_lifetime": "99999.50", "rfm_days": 30})

    assert changed == ClassificationSettings(loyal_orders=3, high_lifetime=Decimal("99999.50"))


@pytest.mark.parametrize(
    ("day", "months", "before"),
    [
        ("2024-08-31", 6, "2024-02-29"),
        ("2023-08-31", 6, "2023-02-28"),
        ("2024-06-15", 6, "2023-12-15"),
        ("2024-01-15", 1, "2023-12-15"),
        ("2024-02-29", 12, "2023-02-28"),
        ("2024-02-29", 48, "2020-02-29"),
    ],
)
def test_calendar_months_before_end_with_the_month(day: str, months: int, before: str) -> None:
    assert subtract_months(date.fromisoformat(day), months) == date.fromisoformat(before)


def test_the_last_six_calendar_months_begin_the_day_after() -> None:
    assert SETTINGS.find_recent_start(date(2024, 8, 31)) == date(2024, 3, 1)
    assert SETTINGS.find_recent_start(date(2024, 6, 15)) == date(2023, 12, 16)


def test_festive_periods_are_april_and_december_unless_set() -> None:
    festive = FestivePeriods()
    days = [
        "2024-03-31",
        "2024-04-01",
        "2024-04-20",
        "2024-04-21",
        "2024-11-30",
        "2024-12-01",
        "2024-12-31",
        "2025-01-01",
    ]

    ranges = festive.find_day_ranges(date(2024, 1, 1).toordinal(), date(2025, 12, 31).toordinal())

    inside = {date.fromordinal(day).isoformat() for low, high in ranges for day in range(low, high + 1)}
    assert [day in inside for day in days] == [
        *(False, True, True, False),
        *(False, True, True, False),
    ]


def test_festive_periods_may_wrap_the_new_year() -> None:
    festive = FestivePeriods(yearly=(((12, 24), (1, 6)),))

    ranges = festive.find_day_ranges(date(2023, 1, 3).toordinal(), date(2024, 12, 25).toordinal())

    assert [(date.fromordinal(low), date.fromordinal(high)) for low, high in ranges] == [
        (date(2023, 1, 3), date(2023, 1, 6)),
        (date(2023, 12, 24), date(2024, 1, 6)),
        (date(2024, 12, 24), date(2024, 12, 25)),
    ]


MONTH_DAYS = st.dates(date(2024, 1, 1), date(2024, 12, 31)).map(lambda day: (day.month, day.day))
SPANS = st.tuples(st.integers(1, date.max.toordinal()), st.integers(0, 1500))


@given(
    st.lists(st.tuples(MONTH_DAYS, MONTH_DAYS), max_size=3),
    st.lists(st.tuples(st.dates(date(2020, 1, 1), date(2026, 1, 1)), st.integers(0, 40)), max_size=2),
    st.one_of(SPANS, st.tuples(st.integers(737_000, 739_500), st.integers(0, 1500))),
)
def test_ranges_of_days_hold_exactly_the_festive_days(
    yearly: list[tuple[tuple[int, int], tuple[int, int]]], dated: list[tuple[date, int]], span: tuple[int, int]
) -> None:
    first, last = span[0], min(span[0] + span[1], date.max.toordinal())
    periods = tuple((low, date.fromordinal(low.toordinal() + length)) for low, length in dated)
    festive = FestivePeriods(tuple(yearly), periods)

    ranges = festive.find_day_ranges(first, last)

    inside = [day for low, high in ranges for day in range(low, high + 1)]
    assert inside == [day for day in range(first, last + 1) if is_festive(festive, date.fromordinal(day))]
