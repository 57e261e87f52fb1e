"""What is said of a segment before it is written: each wrong field at once, its code, and its place in the rule."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.segments.model import Definition, SegmentKind
from domain.segments.validation import Draft, find_free_key, make_slug, validate_draft

RULES = {">": [{"var": "total_revenue"}, 1000]}
RANKED = {"==": [{"var": "rfm_segment"}, "555"]}
GOOD = Draft("Gold", definition=Definition(RULES))
BY_HAND = Draft("VIP", SegmentKind.MANUAL)


def ruled(rules: object) -> dict[str, object]:
    return {"definition": Definition(rules)}


def meeting(**criteria: Any) -> dict[str, object]:
    return {"definition": Definition(criteria=SegmentCriteria(**criteria))}


def said(draft: Draft) -> list[tuple[str, str]]:
    """Field and code of everything that is wrong."""
    with pytest.raises(InvalidInput) as error:
        validate_draft(draft, "EUR")
    return [(".".join(problem.field), problem.code) for problem in error.value.problems]


def test_a_draft_is_kept_without_the_space_around_it() -> None:
    kept = validate_draft(replace(GOOD, name="  Gold ", description="  ", schedule=" 5  3 * * 1 "), "EUR")

    assert (kept.draft.name, kept.draft.description, kept.draft.schedule) == ("Gold", None, "5 3 * * 1")
    assert (kept.dynamic, kept.rfm) == (True, False)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"name": ""}, ("input.name", "BLANK")),
        ({"name": " \t"}, ("input.name", "BLANK")),
        ({"name": "x" * 256}, ("input.name", "TOO_LONG")),
        ({"name": "a\0b"}, ("input.name", "INVALID")),
        ({"name": "\ud800"}, ("input.name", "INVALID")),
        ({"description": "x" * 1001}, ("input.description", "TOO_LONG")),
        ({"key": " "}, ("input.key", "BLANK")),
        ({"key": "x" * 65}, ("input.key", "TOO_LONG")),
        ({"key": "Gold"}, ("input.key", "INVALID")),
        ({"key": "-gold"}, ("input.key", "INVALID")),
        ({"key": "gold\n"}, ("input.key", "INVALID")),
        ({"schedule": "every day"}, ("input.schedule", "INVALID")),
        ({"schedule": "0" + ",0" * 130 + " 3 * * *"}, ("input.schedule", "TOO_LONG")),
        ({"schedule": "61 3 * * *"}, ("input.schedule", "INVALID")),
        ({"schedule": "0 3 * * *", "is_dynamic": False}, ("input.schedule", "INVALID")),
        ({"is_rfm": True}, ("input.is_rfm", "INVALID")),
        ({"is_rfm": False, "definition": Definition(RANKED)}, ("input.is_rfm", "INVALID")),
        (ruled(None), ("input.rules", "INVALID")),
        (meeting(), ("input.rules", "INVALID")),
        (ruled([]), ("input.rules", "INVALID")),
        (ruled({}), ("input.rules", "INVALID")),
        (ruled({"frobnicate": [1]}), ("input.rules", "UNKNOWN_OPERATOR")),
        (meeting(min_orders=5, max_orders=4), ("input.criteria.max_orders", "INVALID")),
        (meeting(min_lifetime_value=Decimal("1.005")), ("input.criteria.min_lifetime_value", "INVALID")),
        (meeting(max_lifetime_value=Decimal(-1)), ("input.criteria.max_lifetime_value", "INVALID")),
        ({"definition": Definition(rfm_config=RfmConfig("555", "600"))}, ("input.rfm_config.max_score", "INVALID")),
    ],
)
def test_what_is_wrong_with_an_automatic_segment_names_its_field(
    change: dict[str, object], wrong: tuple[str, str]
) -> None:
    assert said(replace(GOOD, **change)) == [wrong]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (ruled(RULES), "input.rules"),
        (meeting(), "input.criteria"),
        ({"definition": Definition(rfm_config=RfmConfig("111", "555"))}, "input.rfm_config"),
        ({"is_dynamic": True}, "input.is_dynamic"),
        ({"is_rfm": True}, "input.is_rfm"),
        ({"schedule": "0 3 * * *"}, "input.schedule"),
    ],
)
def test_a_segment_by_hand_has_no_definition(change: dict[str, object], field: str) -> None:
    assert said(replace(BY_HAND, **change)) == [(field, "INVALID")]  # type: ignore[arg-type]


def test_a_segment_by_hand_needs_only_a_name() -> None:
    kept = validate_draft(replace(BY_HAND, is_dynamic=False, is_rfm=False), "EUR")

    assert (kept.draft.name, kept.dynamic, kept.rfm, kept.tree) == ("VIP", False, False, None)


def test_a_rule_says_where_it_is_wrong() -> None:
    rules = {"and": [RULES, {">": [{"var": "total_revenu"}, 5]}]}

    with pytest.raises(InvalidInput) as error:
        validate_draft(replace(GOOD, definition=Definition(rules)), "EUR")

    (problem,) = error.value.problems
    assert (problem.field, problem.path) == (("input", "rules"), "/and/1/>/0/var")
    assert "total_revenue" in problem.message


def test_everything_that_is_wrong_is_said_at_once() -> None:
    definition = Definition({"boo": 1}, SegmentCriteria(min_orders=-1), RfmConfig("1", "555"))
    draft = Draft(" ", key="A", description="x" * 1001, definition=definition, schedule="never")

    assert said(draft) == [
        ("input.name", "BLANK"), ("input.key", "INVALID"), ("input.description", "TOO_LONG"),
        ("input.schedule", "INVALID"), ("input.rules", "UNKNOWN_OPERATOR"), ("input.criteria.min_orders", "INVALID"),
        ("input.rfm_config.min_score", "INVALID"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "rfm"),
    [
        (Definition(RULES), False),
        (Definition(RANKED), True),
        (Definition(RULES, None, RfmConfig("344", "555")), True),
        (Definition({"in": ["rfm", {"var": "segments"}]}), False),
    ],
)
def test_a_definition_with_scores_is_rfm(definition: Definition, rfm: bool) -> None:
    assert validate_draft(replace(GOOD, definition=definition), "EUR").rfm is rfm
    assert validate_draft(replace(GOOD, definition=definition, is_rfm=rfm), "EUR").rfm is rfm


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("High Value!", "high-value"),
        ("  Café & Crème  ", "cafe-creme"),
        ("日本", "segment"),
        ("x" * 80, "x" * 64),
        ("a" * 63 + " b", "a" * 63),
    ],
)
def test_a_key_is_made_from_the_name(name: str, key: str) -> None:
    assert make_slug(name) == key


def test_a_key_in_use_gets_a_number() -> None:
    assert find_free_key("gold", []) == "gold"
    assert find_free_key("gold", ["gold", "gold-2"]) == "gold-3"
    assert find_free_key("x" * 64, ["x" * 64]) == "x" * 62 + "-2"
