"""The report as CSV: rectangular, exact, readable by programs and by spreadsheets, and no name runs as a formula."""

import csv
import io
from dataclasses import replace
from decimal import Decimal

import pytest

from domain.formulas import protect_text
from domain.reports.document import ReportDocument
from domain.reports.insights import Insights
from persistence.exports.csv import COLUMNS, render_report_csv
from tests.shops.report_documents import categories, eight_segments

MARK = b"\xef\xbb\xbf"


def rows(document: ReportDocument) -> list[list[str]]:
    text = render_report_csv(document).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


def table(document: ReportDocument) -> list[dict[str, str]]:
    found = rows(document)
    head = found.index(list(COLUMNS))
    return [dict(zip(COLUMNS, row, strict=True)) for row in found[head + 1 :]]


def test_every_row_has_the_same_number_of_cells_and_ends_as_the_rfc_says() -> None:
    body = render_report_csv(eight_segments())

    assert {len(row) for row in rows(eight_segments())} == {len(COLUMNS)}
    assert body.endswith(b"\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")


def test_the_table_holds_every_number_of_the_document() -> None:
    document = eight_segments()

    found = table(document)

    assert [row["segment_name"] for row in found] == [group.name for group in document.rows]
    assert found[0] == {
        "dimension": "rfm",
        "segment_name": "Champions",
        "segment_code": "R5F5M5",
        "description": "Recent, frequent, high spenders",
        "customer_count": "124",
        "customer_share": "0.124",
        "previous_customer_count": "118",
        "order_count": "1116",
        "total_revenue": "148204.50",
        "revenue_share": repr(14_820_450 / 35_321_338),
        "average_order_value": "132.80",
        "recency_score": "",
        "frequency_score": "",
        "monetary_score": "",
        "avg_days_since_last_purchase": "8.0",
        "avg_purchase_frequency": "9.0",
        "avg_total_spend": "1195.20",
        "recommended_actions": "Offer VIP loyalty perks; Invite to referral programs; Early access to new collections",
    }
    assert sum(Decimal(row["total_revenue"]) for row in found) == document.totals.revenue
    assert sum(int(row["customer_count"]) for row in found) == document.totals.customers


def test_dimensions_stand_one_after_the_other_in_one_order() -> None:
    made = categories(("Tea", "Milk"))
    mixed = replace(made, groups=(made.groups[4], made.groups[0], made.groups[2], made.groups[5], *made.groups[1:4:2]))

    found = table(mixed)

    assert [row["dimension"] for row in found] == ["category", "category", "channel", "channel", "season", "season"]
    assert [row["segment_name"] for row in found[:2]] == ["Tea", "Milk"]


def test_the_insights_stand_in_a_block_before_the_table() -> None:
    found = rows(eight_segments())

    start = next(place for place, row in enumerate(found) if row[0] == "Insights")
    said = {row[0]: row[1] for row in found[start + 1 : start + 5]}
    assert list(said) == ["Highest revenue segment", "Largest segment", "Fastest growing segment", "Needs attention"]
    assert list(said.values()) == ["Champions", "Loyal Customers", "New Customers", "At Risk"]
    assert set(found[start - 1]) == set(found[start + 5]) == {""}
    assert found[start + 6] == list(COLUMNS)


def test_a_report_of_ascii_has_no_mark_and_any_other_has_one() -> None:
    assert not render_report_csv(eight_segments(business="Shop")).startswith(MARK)
    assert render_report_csv(eight_segments(business="متجر")).startswith(MARK)


def test_times_are_those_of_the_business() -> None:
    named = {row[0]: row[1] for row in rows(eight_segments(time_zone="Asia/Colombo"))}

    assert named["Generated at"] == "2026-09-28T17:35:33+05:30"
    assert (named["First day"], named["Last day"], named["Days"]) == ("2026-07-01", "2026-09-28", "90")


@pytest.mark.parametrize(
    "name",
    ["=1+1", "+49 170", "-2", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1", ";=1", '"=1', '=HYPERLINK("http://x","y")'],
)
def test_a_name_that_looks_like_a_formula_is_text_everywhere(name: str) -> None:
    document = categories((name, "Plain"), business=name, storefront=name, insights=Insights(name, name))

    cells = [cell for row in rows(document) for cell in row]

    assert protect_text(name) in cells
    assert name not in cells
    assert [row["segment_name"] for row in table(document)][:2] == [protect_text(name), "Plain"]


@pytest.mark.parametrize("name", ["Plain", "1-2", "a=b", "'quoted", "", " plain", "é=1", "(1)"])
def test_other_text_stays_as_it_is(name: str) -> None:
    assert protect_text(name) == name


def test_numbers_stay_numbers_also_negative_ones() -> None:
    document = eight_segments()
    lost = replace(document.groups[0], revenue=Decimal("-12.50"))

    found = table(replace(document, groups=(lost,)))

    assert found[0]["total_revenue"] == "-12.50"


@pytest.mark.parametrize(
    "names",
    [('a "quoted", name', "two\nlines", "semi;colon"), tuple(f"Category {place}" for place in range(300))],
    ids=["quotes, commas and lines", "a long tail"],
)
def test_every_name_is_listed_as_it_is(names: tuple[str, ...]) -> None:
    assert [row["segment_name"] for row in table(categories(names)) if row["dimension"] == "category"] == list(names)


def test_a_currency_without_decimals_has_none() -> None:
    whole = replace(eight_segments().groups[0], revenue=Decimal(1200), average_order=Decimal(400))

    found = table(replace(eight_segments(), currency="JPY", decimals=0, groups=(whole,)))

    assert (found[0]["total_revenue"], found[0]["average_order_value"]) == ("1200", "400")
