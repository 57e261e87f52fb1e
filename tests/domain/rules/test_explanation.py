"""Why a customer is in or out: one clause for every leaf of the rule, in its order, with what was asked, what the
customer has and whether it holds; and for lists the purchases that decided, at most five."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from domain.calendar import to_micros
from domain.rules.evaluator import CustomerFacts, Element, Scalar, holds
from domain.rules.explanation import Clause, Verdict, explain
from domain.rules.parser import parse_rule

ASIDE: dict[str, Scalar] = {"storefront": None, "channel": "web", "status": "COMPLETED"}
LAST, DAY = datetime(2024, 6, 1, 20, 30, tzinfo=UTC), "2024-06-02"


def order(number: int, amount: float, days_ago: float) -> Element:
    values: dict[str, Scalar] = {"amount": amount, "days_ago": days_ago, "purchased_at": to_micros(LAST)}
    return Element({**values, **ASIDE}, external_id=f"O{number}")


ORDERS = [order(number, 100.5 * number, 10.0 * number) for number in range(1, 9)]
ANA = CustomerFacts(
    {
        "total_revenue": 1250.5, "order_count": 8.0, "days_since_last_purchase": 14.0, "average_order_value": None,
        "loyalty_level": "GOLD", "email": None, "name": "", "last_purchase_at": to_micros(LAST),
    },
    {"purchases": ORDERS},
    ZoneInfo("Asia/Colombo"),
    frozenset({"vip", "buyers"}),
)  # fmt: skip


def var(name: str) -> dict[str, str]:
    return {"var": name}


def clauses(rule: Any) -> list[Clause]:
    return explain(parse_rule(rule), ANA, "LKR")


def clause(rule: Any) -> Clause:
    (found,) = clauses(rule)
    return found


def test_each_leaf_is_a_clause_in_the_order_of_the_rule() -> None:
    rule = {
        "and": [
            {">": [var("total_revenue"), 1000]},
            {"!": [{"or": [{"<=": [var("days_since_last_purchase"), 7]}, {"==": [var("loyalty_level"), "GOLD"]}]}]},
            {"if": [{">": [var("order_count"), 100]}, {"!!": [var("email")]}, True]},
        ]
    }

    found = clauses(rule)

    assert [(each.path, each.text, each.verdict.value) for each in found] == [
        ("/and/0", "total revenue is more than LKR 1,000", "TRUE"),
        ("/and/1/!/0/or/0", "the last purchase was 7 or fewer days ago", "FALSE"),
        ("/and/1/!/0/or/1", "the loyalty level is “GOLD”", "TRUE"),
        ("/and/2/if/0", "the number of orders is more than 100", "FALSE"),
        ("/and/2/if/1/!!/0", "the mail address is there and not blank", "MISSING"),
    ]


def test_a_clause_says_what_was_asked_and_what_the_customer_has_in_the_same_unit() -> None:
    for rule, *expected in (
        ({"<": [900.25, var("total_revenue")]}, "total_revenue", 900.25, 1250.5, "TRUE"),
        ({"<=": [5, var("order_count"), 9]}, "order_count", [5, 9], 8, "TRUE"),
        ({"in": [var("loyalty_level"), ["GOLD", "SILVER"]]}, "loyalty_level", ["GOLD", "SILVER"], "GOLD", "TRUE"),
        ({">=": [var("last_purchase_at"), DAY]}, "last_purchase_at", DAY, f"{DAY}T02:00:00+05:30", "TRUE"),
        ({">": [{"/": [var("total_revenue"), var("order_count")]}, 100]}, None, 100, 156.3125, "TRUE"),
        ({"<": [var("days_since_last_purchase"), var("order_count")]}, None, None, [14, 8], "FALSE"),
        ({"in": ["OL", var("loyalty_level")]}, "loyalty_level", "OL", "GOLD", "TRUE"),
    ):
        found = clause(rule)
        assert [found.variable, found.expected, found.actual, found.verdict.value] == expected


def test_what_is_missing_is_told_from_what_is_not_so() -> None:
    assert clause({">": [var("average_order_value"), 5]}).verdict is Verdict.MISSING
    assert clause({">": [5, var("average_order_value"), 1]}).verdict is Verdict.MISSING
    assert clause({"==": [var("average_order_value"), None]}).verdict is Verdict.TRUE
    assert clause({"!=": [var("email"), "ana@example.com"]}).verdict is Verdict.TRUE
    assert clause({"==": [var("email"), "ana@example.com"]}).verdict is Verdict.FALSE
    found = clause({"missing": ["email", "name", "loyalty_level"]})
    assert (found.variable, found.actual, found.verdict) == (None, [None, "", "GOLD"], Verdict.TRUE)


def test_the_purchases_that_decided_are_shown_five_at_most() -> None:
    some = clause({"some": [var("purchases"), {">": [var("amount"), 150]}]})
    every = clause({"all": [var("purchases"), {">": [var("amount"), 150]}]})
    none = clause({"none": [{"filter": [var("purchases"), {">": [var("days_ago"), 60]}]}, {">": [var("amount"), 750]}]})

    shown = [
        (each.verdict.value, each.actual["count"], each.actual["satisfying"],
         [purchase["externalId"] for purchase in each.actual["purchases"]])
        for each in (some, every, none)
    ]  # fmt: skip
    assert shown == [("TRUE", 8, 7, ["O2", "O3", "O4", "O5", "O6"]), ("FALSE", 8, 7, ["O1"]), ("FALSE", 2, 1, ["O8"])]
    assert some.variable == "purchases"
    first = {"externalId": "O2", "amount": 201, "days_ago": 20, "purchased_at": f"{DAY}T02:00:00+05:30"}
    assert some.actual["purchases"][0] == first | ASIDE


def test_a_reference_to_a_segment_shows_those_the_customer_is_in() -> None:
    found = clause({"in": ["vip", var("segments")]})

    shown = (found.variable, found.expected, found.actual, found.verdict)
    assert shown == ("segments", "vip", ["buyers", "vip"], Verdict.TRUE)


def test_a_number_that_counts_purchases_is_shown() -> None:
    recent = {"filter": [var("purchases"), {"<": [var("days_ago"), 35]}]}
    found = clause({">=": [{"reduce": [recent, {"+": [var("accumulator"), 1]}, 0]}, 4]})

    assert (found.variable, found.expected, found.actual, found.verdict) == ("purchases", 4, 3, Verdict.FALSE)
    assert not holds(parse_rule({">=": [{"reduce": [recent, {"+": [1, var("accumulator")]}, 0]}, 4]}), ANA)
