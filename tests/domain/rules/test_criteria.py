"""Criteria and RFM boxes: the rule that each is, what is wrong with a field, and that everything given must hold."""

from decimal import Decimal
from typing import Any

import pytest

from domain.errors import InvalidInput, InvalidRule
from domain.rules.criteria import RfmConfig, SegmentCriteria, build_definition_tree, is_rfm
from domain.rules.parser import parse_rule
from domain.rules.sentence import write_sentence


def said(rules: object = None, rfm: tuple[str, str] | None = None, **criteria: Any) -> str:
    box = None if rfm is None else RfmConfig(*rfm)
    tree = build_definition_tree(rules, SegmentCriteria(**criteria), box)
    assert tree is not None
    return write_sentence(tree, "LKR")


def wrong(rfm: tuple[str, str] | None = None, **criteria: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(InvalidInput) as caught:
        said(None, rfm, **criteria)
    return [(".".join(problem.field), problem.code, problem.message) for problem in caught.value.problems]


def test_the_example_criteria_are_rules() -> None:
    high_value = said(min_lifetime_value=Decimal(1000), min_orders=5, loyalty_levels=("GOLD", "PLATINUM"))
    at_risk = said(min_days_since_last_purchase=90, max_purchase_frequency=0.5)
    new = said(max_tenure_days=30, min_orders=1)

    assert high_value == (
        "total revenue is at least LKR 1,000 and the number of orders is at least 5 "
        "and the loyalty level is one of “GOLD”, “PLATINUM”"
    )
    assert at_risk == "the last purchase was 90 or more days ago and the purchase frequency is at most 0.5"
    assert new == "the number of orders is at least 1 and tenure is at most 30 days"


def test_criteria_become_the_tree_that_rules_become() -> None:
    rule = {"and": [{">=": [{"var": "order_count"}, 2]}, {"<=": [{"var": "total_revenue"}, 99.5]}]}

    tree = build_definition_tree(None, SegmentCriteria(min_orders=2, max_lifetime_value=Decimal("99.50")), None)

    assert tree is not None
    assert set(tree.operands) == set(parse_rule(rule).operands)  # type: ignore[union-attr]


def test_a_box_bounds_each_digit() -> None:
    assert said(rfm=("344", "555")) == (
        "the recency score is between 3 and 5 and the frequency score is between 4 and 5 "
        "and the monetary score is between 4 and 5"
    )
    assert is_rfm(build_definition_tree(None, None, RfmConfig("111", "111")))
    assert not is_rfm(build_definition_tree(None, SegmentCriteria(min_orders=1), None))


def test_everything_given_must_hold() -> None:
    rule = {"or": [{">": [{"var": "total_revenue"}, 5]}, {"missing": "email"}]}

    assert said(rule, ("111", "555"), min_orders=3).startswith(
        "(total revenue is more than LKR 5 or not all of these are there and not blank: the mail address) "
        "and the number of orders is at least 3 and the recency score is between 1 and 5"
    )


def test_a_definition_may_be_without_any_condition() -> None:
    assert build_definition_tree(None, None, None) is None
    assert build_definition_tree(None, SegmentCriteria(), None) is None


def test_what_is_wrong_with_criteria_is_told_by_field() -> None:
    bounds = "must be 0 or more, and at most 15 digits long."
    assert wrong(min_orders=5, max_orders=4, min_tenure_days=-1, max_purchase_frequency=float("nan")) == [
        ("criteria.max_orders", "INVALID", "max_orders must be at least min_orders."),
        ("criteria.max_purchase_frequency", "INVALID", f"max_purchase_frequency {bounds}"),
        ("criteria.min_tenure_days", "INVALID", f"min_tenure_days {bounds}"),
    ]
    assert wrong(max_lifetime_value=Decimal("Infinity"))[0][0] == "criteria.max_lifetime_value"
    assert wrong(min_lifetime_value=Decimal("1e30"))[0][0] == "criteria.min_lifetime_value"
    assert wrong(loyalty_levels=())[0][2] == "loyalty_levels must hold 1 to 999 levels."
    assert wrong(loyalty_levels=("GOLD", ""))[0][0] == "criteria.loyalty_levels"


def test_equal_bounds_are_a_value() -> None:
    assert said(min_tenure_days=4, max_tenure_days=4) == "tenure is at least 4 days and tenure is at most 4 days"
    assert said(min_orders=0) == "the number of orders is at least 0"


@pytest.mark.parametrize("score", ["", "34", "3444", "340", "346", "a44", "٣٤٤", "344\n"])
def test_a_score_is_three_digits_from_1_to_5(score: str) -> None:
    assert wrong((score, "555")) == [
        ("rfm_config.min_score", "INVALID", "min_score must be three digits from 1 to 5, such as 344.")
    ]


def test_a_box_upside_down_in_one_digit_is_refused() -> None:
    assert wrong(("334", "525")) == [
        ("rfm_config.max_score", "INVALID", "max_score must be at least min_score in each of its digits.")
    ]


def test_a_wrong_rule_is_refused_beside_good_criteria() -> None:
    with pytest.raises(InvalidRule, match="There is no variable orders"):
        build_definition_tree({">": [{"var": "orders"}, 1]}, SegmentCriteria(min_orders=1), None)
