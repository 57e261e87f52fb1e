"""`segments verify`: the arithmetic checked without a store, one line each."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

from domain.model import Window
from domain.ports import Cell
from domain.reporting import Method, Report, grouped, insights
from domain.rfm import (
    EIGHT,
    ELEVEN_BY_RECENCY,
    UNCLASSIFIED,
    RfmScheme,
    Score,
    cut_values,
    eight,
    eleven,
    rank_score,
    recency,
)
from gql.cli_report import METHODS, report_json

CELLS = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]


def verify_all() -> Iterator[tuple[str, bool]]:
    """What is checked, and whether it holds."""
    names = ["Champions", "Loyal Customers", "Potential Loyalists", "Promising"]
    names += ["At Risk", "Need Attention", "New Customers", "Hibernating"]
    yield "eight groups, in the table's order", [group.name for group in EIGHT] == names
    unnamed = sum(eight(*cell) is UNCLASSIFIED for cell in CELLS)
    yield f"125 cells, {unnamed} of them unclassified", len(CELLS) == 125 and unnamed == 38
    known = {name for names_ in ELEVEN_BY_RECENCY.values() for name in names_}
    yield "every cell has a name in the eleven-segment scheme", {eleven(*cell).name for cell in CELLS} == known
    spend = [10, 20, 20, 30, 50, 80, 80, 80, 90, 100]
    scores = [rank_score(value, cut_values(spend)) for value in spend]
    yield "scoring of a built-in case with ties", scores == [1, 1, 1, 2, 3, 3, 3, 3, 5, 5]
    yield "recency by fifths of the window", [recency(age, 90) for age in (0, 17, 18, 89)] == [5, 5, 4, 1]
    report = _report()
    data = report_json(report, insights(report, None))["data"]
    keys = {"method", "insights", "customer_count", "total_revenue", "segments", "unclassified"}
    yield "the response's shape", set(data) == keys and len(data["segments"]) == 8
    yield "groups and unclassified add up", sum(group.customers for group in report.everyone) == 3
    yield "methods", METHODS == ("rfm", "value", "behavior")
    yield "parameters: days 1 to 9999", Window(date(2024, 2, 29), 366).first_day == date(2023, 3, 1).toordinal()
    yield "a score's digits", Score(4, 4, 4).digits == "444"


def _report() -> Report:
    named, other = grouped([Cell(5, 5, 5, 2, 9, 900, 3), Cell(4, 5, 1, 1, 4, 10, 20)], RfmScheme.EIGHT_SEGMENT)
    window, now = Window(date(2024, 1, 31), 90), datetime(2024, 1, 31, tzinfo=UTC)
    return Report(Method.RFM, RfmScheme.EIGHT_SEGMENT, window, None, 2, named, other, now)
