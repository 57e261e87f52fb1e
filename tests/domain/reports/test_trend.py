"""What charts of a trend show: every customer once, few names, and colours of what the groups mean."""

from datetime import date
from decimal import Decimal

from domain.classification.groups import Meaning
from domain.reports.brand import COLOURS
from domain.reports.transitions import list_months_back
from domain.reports.trend import BANDS, TrendSeries, list_bands

ACCENT = "#7b1fa2"


def series(name: str, customers: tuple[int, ...], meaning: Meaning = Meaning.NEUTRAL) -> TrendSeries:
    return TrendSeries("rfm", name, name, meaning, customers, tuple(Decimal(each) for each in customers))


def test_the_months_before_a_day_end_with_it() -> None:
    assert list_months_back(date(2024, 3, 31))[-3:] == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31)]
    assert list_months_back(date(2024, 3, 31))[0] == date(2023, 4, 30)
    assert list_months_back(date(2, 1, 15))[0] == date(1, 2, 15)
    assert list_months_back(date(1, 2, 28)) == [date(1, 1, 28), date(1, 2, 28)]


def test_bands_lie_from_the_good_up_to_the_bad_in_shades_of_what_they_mean() -> None:
    found = list_bands(
        [
            series("Champions", (1, 2), Meaning.GOOD),
            series("At Risk", (3, 3), Meaning.BAD),
            series("Loyal", (2, 1), Meaning.GOOD),
            series("Need Attention", (1, 1), Meaning.WATCH),
            series("Unclassified", (1, 0)),
            series("Nobody", (0, 0), Meaning.GOOD),
        ],
        ACCENT,
    )

    assert [band.name for band in found] == ["Champions", "Loyal", "Unclassified", "Need Attention", "At Risk"]
    assert found[0].colour == COLOURS[Meaning.GOOD] != found[1].colour
    assert [band.colour for band in found[2:]] == [
        COLOURS[meaning] for meaning in (Meaning.NEUTRAL, Meaning.WATCH, Meaning.BAD)
    ]


def test_groups_that_mean_nothing_have_shades_of_the_business() -> None:
    found = list_bands([series("Tea", (1, 2)), series("Milk", (1, 2))], ACCENT)

    assert found[0].colour == ACCENT
    assert len({band.colour for band in found}) == 2


def test_many_groups_are_few_bands_that_add_up_to_all() -> None:
    many = [series(f"Category {place}", (place, 40 - place)) for place in range(1, 30)]

    found = list_bands(many, ACCENT)

    assert len(found) == BANDS
    assert found[-1].name == f"Other ({len(many) - BANDS + 1})"
    assert len({band.colour for band in found}) == BANDS
    for window in (0, 1):
        assert sum(band.customers[window] for band in found) == sum(one.customers[window] for one in many)
        assert sum(band.revenue[window] for band in found) == sum(one.revenue[window] for one in many)
