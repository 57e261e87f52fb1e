"""The report in the terminal and as the documented JSON, over the worked example of docs/numbers.md."""

import pytest

from tests.cli.conftest import WINDOW, Segments
from tests.cli.test_report_methods import table


def test_the_table_lists_every_group_and_its_sums(shop: Segments) -> None:
    shop.patch.setenv("COLUMNS", "80")

    shown = shop.run("report", *WINDOW)

    assert shown.lines[0] == "shop: RFM report, 2024-01-02 to 2024-03-31"
    assert table(shown.lines[2:12]) == [
        ["Champions", "2", "20.0 %", "1,300.00", "16"],
        ["At Risk", "2", "20.0 %", "650.00", "5"],
        ["Loyal Customers", "2", "20.0 %", "450.00", "8"],
        ["Potential Loyalists", "1", "10.0 %", "80.00", "2"],
        ["New Customers", "1", "10.0 %", "50.00", "1"],
        ["Hibernating", "1", "10.0 %", "20.00", "1"],
        ["Promising", "0", "0.0 %", "0.00", "0"],
        ["Need Attention", "0", "0.0 %", "0.00", "0"],
        ["Unclassified", "1", "10.0 %", "50.00", "1"],
        ["All", "10", "100.0 %", "2,600.00", "34"],
    ]
    assert [line.rstrip() for line in shown.lines[12:]] == [
        "Customers: 10   Revenue: EUR 2,600.00",
        "Most revenue: Champions, 1,300.00 EUR, 50.0 % of the total, from 2 customers.",
        "Largest group: Champions, 2 customers, 20.0 % of all.",
        "Most potential: Potential Loyalists, 1 customer.",
        "Needs attention: At Risk, 2 customers who spent 650.00 EUR. First step: Send",
        "win-back offers.",
        "Unclassified: 1 customer, 50.00 EUR of revenue, in none of the named groups; the",
        "eleven-segment scheme places them all.",
    ]
    assert max(map(len, shown.lines)) <= 80


def test_json_is_the_documented_response_with_numbers(shop: Segments) -> None:
    answer = shop.json("report", *WINDOW)

    data = answer["data"]
    assert list(answer) == ["success", "data"]
    assert answer["success"] is True
    documented = ["method", "insights", "customer_count", "total_revenue", "segments", "unclassified"]
    assert list(data)[: len(documented)] == documented
    assert (data["method"], data["customer_count"], data["total_revenue"]) == ("rfm", 10, 2600.0)
    assert data["insights"] == {
        "highest_revenue_segment": "Champions",
        "largest_segment": "Champions",
        "fastest_growing_segment": "Potential Loyalists",
        "needs_attention": "At Risk",
    }
    assert data["segments"][1] == {
        "segment_name": "At Risk",
        "segment_code": "R2F2M3",
        "description": "Previously loyal but recent activity dipping",
        "customer_count": 2,
        "total_revenue": 650.0,
        "average_order_value": 130.0,
        "recency_score": 2,
        "frequency_score": 2,
        "monetary_score": 3,
        "characteristics": {
            "avg_days_since_last_purchase": 72.5,
            "avg_purchase_frequency": 2.5,
            "avg_total_spend": 325.0,
        },
        "recommended_actions": [
            "Send win-back offers",
            "Trigger churn prevention drip",
            "Survey to understand drop-off",
        ],
    }
    assert data["unclassified"]["segment_code"] == "OTHER"
    assert len(data["segments"]) == 8


def test_the_averages_of_an_empty_group_are_null(shop: Segments) -> None:
    (promising,) = shop.json("report", *WINDOW, "--segment-code", "r3f2m2")["data"]["segments"]

    assert promising["customer_count"] == 0
    assert promising["average_order_value"] is None
    assert set(promising["characteristics"].values()) == {None}


def test_a_group_can_be_chosen_by_name_or_code_and_the_totals_stay(shop: Segments) -> None:
    by_name = shop.run("report", *WINDOW, "--segment-name", "AT RISK")
    other = shop.run("report", *WINDOW, "--segment-code", "OTHER")
    eleven = shop.run("report", *WINDOW, "--scheme", "eleven", "--segment-name", "dormant")

    said = [line.rstrip() for line in shop.run("report", *WINDOW).lines[12:]]
    assert by_name.lines[2].split()[:2] == ["At", "Risk"]
    assert [line.rstrip() for line in by_name.lines[3:]] == said
    assert by_name.lines[3] == "Customers: 10   Revenue: EUR 2,600.00"
    assert other.lines[2].split()[:2] == ["Unclassified", "1"]
    assert eleven.lines[2].split()[:2] == ["Dormant", "1"]


def test_a_storefront_limits_the_report_and_is_named(shop: Segments) -> None:
    shown = shop.run("report", *WINDOW, "--storefront", "main")

    assert shown.lines[0] == "shop: RFM report, 2024-01-02 to 2024-03-31, storefront main"
    assert shown.lines[12] == "Customers: 10   Revenue: EUR 2,600.00"


def test_the_eleven_segment_scheme_has_no_unclassified(shop: Segments) -> None:
    data = shop.json("report", *WINDOW, "--scheme", "ELEVEN_SEGMENT")["data"]

    assert data["unclassified"] is None
    assert sum(group["customer_count"] for group in data["segments"]) == 10
    assert {group["recency_score"] for group in data["segments"]} == {None}


def test_a_business_without_purchases_has_a_report_of_zeros(segments: Segments) -> None:
    segments.run("businesses", "create", "shop", "--time-zone", "UTC", "--currency", "JPY", "--name", "[b]Shop")

    shown = segments.run("report", *WINDOW)

    assert shown.lines[0] == "[b]Shop: RFM report, 2024-01-02 to 2024-03-31"
    assert table(shown.lines[11:12]) == [["All", "0", "0.0 %", "0", "0"]]
    assert shown.lines[-2:] == [
        "Customers: 0   Revenue: JPY 0",
        "No customer bought in this window, so there is nothing to compare.",
    ]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--days 0", "--days must be between 1 and 9999."),
        ("--days 10000", "--days must be between 1 and 9999."),
        ("--days ninety", "Invalid value for '--days': it must be a whole number. --help shows how it is used."),
        ("--as-of 31.3.2024", "--as-of must be an ISO 8601 date, such as 2024-03-01."),
        ("--scheme nine", "--scheme must be one of: eight, eleven."),
        ("--format xml", "--format must be one of: table, csv, xlsx, pdf, json."),
        ("--method magic", "--method must be one of: rfm, value, behavior."),
        ("--storefront mars", "There is no storefront with the key mars."),
        (
            "--segment-name Dormant",
            "--segment-name must be one of: Champions, Loyal Customers, Potential Loyalists, Promising, At Risk, "
            "Need Attention, New Customers, Hibernating, Unclassified.",
        ),
        (
            "--segment-code 555",
            "--segment-code must be one of: R5F5M5, R4F4M4, R4F2M3, R3F2M2, R2F2M3, R2F3M3, R5F1M1, R1F1M2, OTHER.",
        ),
        ("--business mars", "There is no business with the key mars. There are: shop."),
        ("--tint", "No such option: --tint. --help shows how it is used."),
        ("now", "Got unexpected extra argument(s) (now). --help shows how it is used."),
    ],
)
def test_a_wrong_option_is_one_sentence_with_what_would_be_right(shop: Segments, arguments: str, sentence: str) -> None:
    assert shop.expect_refusal("report", *arguments.split()) == sentence
