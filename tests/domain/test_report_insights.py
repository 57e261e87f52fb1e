"""What is said of a report in words: never more than the table beside it shows."""

from datetime import UTC, date, datetime

import pytest

from domain.classification.groups import Cell, LabelSums, Method
from domain.classification.rfm import RfmScheme
from domain.model import Window
from domain.reports.insights import Insights, describe_insights, find_insights
from domain.reports.report import Report, group_cells, group_labels

EIGHT = RfmScheme.EIGHT_SEGMENT


def rfm(scheme: RfmScheme = EIGHT, decimals: int = 2, **cells: tuple[int, int]) -> Report:
    """A report with so many customers, and so much revenue in minor units, of each score, such as `s555`."""
    made = [
        Cell(*map(int, score[1:]), customers, customers, revenue, 0) for score, (customers, revenue) in cells.items()
    ]
    groups, other = group_cells(made, scheme)
    now = datetime(2024, 4, 1, tzinfo=UTC)
    return Report(Method.RFM, scheme, Window(date(2024, 3, 31), 90), None, decimals, groups, other, now)


def say(report: Report, before: Report | None = None, currency: str = "EUR") -> list[str]:
    return list(describe_insights(report, find_insights(report, before), currency))


def test_everything_that_stands_out_is_said_with_its_figures() -> None:
    now = rfm(s555=(30, 900_000), s322=(12, 99_999), s233=(8, 50_050))
    before = rfm(s322=(2, 100))

    assert find_insights(now, before) == Insights("Champions", "Champions", "Promising", 10, "At Risk")
    assert say(now, before) == [
        "Most revenue: Champions, 9,000.00 EUR, 85.7 % of the total, from 30 customers.",
        "Largest group: Champions, 30 customers, 60.0 % of all.",
        "Fastest growing: Promising, 12 customers, 10 more than in the window before.",
        "Needs attention: At Risk, 8 customers who spent 500.50 EUR. First step: Send win-back offers.",
    ]


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (None, "Most potential: Promising, 12 customers."),
        (12, "Most potential: Promising, 12 customers, as many as in the window before."),
        (1_500, "Most potential: Promising, 12 customers, 1,488 fewer than in the window before."),
        (11, "Fastest growing: Promising, 12 customers, 1 more than in the window before."),
    ],
)
def test_only_what_grew_is_called_growing(before: int | None, said: str) -> None:
    found = say(rfm(s322=(12, 100)), None if before is None else rfm(s322=(before, 100)))

    assert found[2] == said


@pytest.mark.parametrize(
    ("unclassified", "revenue", "largest"),
    [
        ((5, 5_000), "Most revenue: Champions", "Largest group: Champions"),
        ((5, 5_001), "Most revenue of the named groups: Champions", "Largest group: Champions"),
        ((6, 5_000), "Most revenue: Champions", "Largest of the named groups: Champions"),
        ((6, 9_000), "Most revenue of the named groups: Champions", "Largest of the named groups: Champions"),
    ],
)
def test_what_the_unclassified_exceed_is_the_most_of_the_named_groups_only(
    unclassified: tuple[int, int], revenue: str, largest: str
) -> None:
    found = say(rfm(s555=(5, 5_000), s311=unclassified))

    assert [found[0].partition(",")[0], found[1].partition(",")[0]] == [revenue, largest]


def test_the_unclassified_are_told_with_the_scheme_that_places_them() -> None:
    said = "Unclassified: {}, in none of the named groups; the eleven-segment scheme places them all."

    assert say(rfm(s555=(5, 5_000), s311=(1_234, 1_000_000)))[-1] == said.format(
        "1,234 customers, 10,000 EUR of revenue"
    )
    assert say(rfm(s311=(1, 4_000))) == [said.format("1 customer, 40.00 EUR of revenue")]
    assert say(rfm(s555=(5, 5_000)))[-1].startswith("Largest group")
    assert "nclassified" not in "".join(say(rfm(RfmScheme.ELEVEN_SEGMENT, s555=(5, 5_000), s311=(9, 1_000_000))))


def test_amounts_have_the_decimals_of_the_currency_until_they_are_large() -> None:
    for decimals, amount, shown in (
        (0, 9_999, "9,999 JPY"),
        (3, 9_999_999, "9,999.999 JPY"),
        (3, 10_000_500, "10,000 JPY"),
        (2, 123_456_789_55, "123,456,790 JPY"),
    ):
        assert f", {shown}, 100.0 % of the total" in say(rfm(decimals=decimals, s555=(1, amount)), currency="JPY")[0]


def test_of_behaviour_the_dimension_is_said_because_others_have_larger_groups() -> None:
    sums = [
        LabelSums("category", "Tea", 6, 6, 600, 0),
        LabelSums("category", "\u05ea\u05d4", 5, 5, 700, 0),
        LabelSums("season", "Festive", 11, 11, 1_300, 0),
    ]
    window, now = Window(date(2024, 3, 31), 90), datetime(2024, 4, 1, tzinfo=UTC)
    report = Report(Method.BEHAVIOR, EIGHT, window, None, 2, group_labels(sums), None, now)

    # A name that runs leftwards is kept from turning the sentence round.
    assert say(report, report) == [
        "Most revenue by category: \u200e\u05ea\u05d4\u200e, 7.00 EUR, 53.8 % of the total, from 5 customers.",
        "Largest group by category: Tea, 6 customers, 54.5 % of all.",
    ]


def test_of_nobody_there_is_nothing_to_say() -> None:
    assert say(rfm(), rfm(s555=(1, 1))) == ["No customer bought in this window, so there is nothing to compare."]
