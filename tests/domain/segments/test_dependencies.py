"""Segments that use each other: what is missing, what goes round in a circle, and who uses whom."""

from datetime import UTC, datetime

import pytest

from domain.rules.criteria import build_definition_tree
from domain.segments.dependencies import find_dependents, find_reference_problems
from domain.segments.model import Definition, Segment, SegmentKind

NOW = datetime(2024, 6, 15, tzinfo=UTC)


def uses(*keys: str) -> object:
    """A rule that uses the segments of those keys."""
    return {"and": [{">": [{"var": "order_count"}, 0]}, *({"in": [key, {"var": "segments"}]} for key in keys)]}


def stored(key: str, rules: object = None) -> Segment:
    """A segment with that rule, or by hand."""
    kind = SegmentKind.MANUAL if rules is None else SegmentKind.AUTOMATIC
    return Segment(
        1, key, key, None, kind, False, False, Definition(rules), None, 1, NOW, NOW, NOW, None, None, None, None, 0
    )


def found(key: str, rules: object, *others: Segment) -> list[tuple[str, str | None, str]]:
    problems = find_reference_problems(key, build_definition_tree(rules, None, None), others)
    assert {problem.field for problem in problems} <= {("input", "rules")}
    return [(problem.code, problem.path, problem.message) for problem in problems]


def test_segments_that_are_there_may_be_used() -> None:
    assert found("gold", uses("vip", "big"), stored("vip"), stored("big", uses("vip"))) == []


def test_an_unknown_segment_is_named_with_its_place_and_the_likely_one() -> None:
    assert found("gold", uses("vip", "goldd", "zzz"), stored("vip"), stored("golden")) == [
        ("UNKNOWN_VARIABLE", "/and/2", "There is no segment with the key goldd. Did you mean golden?"),
        ("UNKNOWN_VARIABLE", "/and/3", "There is no segment with the key zzz."),
    ]


def test_a_segment_cannot_use_itself() -> None:
    assert found("gold", uses("gold")) == [
        ("CIRCULAR_REFERENCE", "/and/1", "Segments must not use each other in a circle: gold uses gold.")
    ]


def test_a_way_round_over_others_is_named_from_the_place_where_it_begins() -> None:
    others = (stored("a", uses("b")), stored("b", uses("gold")), stored("free", uses("a")), stored("vip"))

    problems = found("gold", uses("vip", "a"), *others)

    (code, path, message) = problems[0]
    assert len(problems) == 1
    assert (code, path) == ("CIRCULAR_REFERENCE", "/and/2")
    assert message == "Segments must not use each other in a circle: a uses b uses gold uses a."


def test_the_same_segment_by_two_ways_is_no_circle() -> None:
    others = (stored("left", uses("base")), stored("right", uses("base")), stored("base", uses()))

    assert found("top", uses("left", "right"), *others) == []


def test_a_chain_of_a_thousand_segments_is_followed() -> None:
    chain = [stored(f"s{number}", uses(f"s{number + 1}")) for number in range(1000)]

    assert found("s1000", uses("s0"), *chain)[0][0] == "CIRCULAR_REFERENCE"
    assert found("top", uses("s0"), *chain, stored("s1000")) == []


@pytest.mark.parametrize("rules", [uses("vip"), [uses(), {"!": [{"in": ["vip", {"var": "segments"}]}]}]])
def test_users_are_those_whose_rules_hold_the_key_as_a_segment(rules: object) -> None:
    text_only = stored("text", {"==": [{"var": "name"}, "vip"]})
    longer = stored("longer", uses("vip-old"))
    user = stored("user", rules)

    assert find_dependents("vip", [text_only, longer, stored("vip"), user]) == [user]
