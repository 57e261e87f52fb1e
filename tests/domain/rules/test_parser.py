"""What a rule may be: one object or a list, as JSON or as JSON text; what is refused, with the path, the sentence and
the likely name; how large it may be. Everything is decided before a rule is saved."""

import json
import time
from typing import Any

import pytest

from domain.errors import InvalidRule, RuleProblem
from domain.errors import RuleProblemCode as Code
from domain.rules.context import collect_references, collect_variable_names, sort_by_dependency, uses_rank
from domain.rules.limits import MAXIMUM_LEVELS
from domain.rules.listing import list_rule_variables
from domain.rules.parser import parse_rule
from domain.rules.tree import AllOf, Comparison, Literal, Op, Variable
from domain.rules.variables import CUSTOMER, LISTS, Kind

REVENUE, AGE = {"var": "total_revenue"}, {"var": "days_since_last_purchase"}
RICH = {">": [REVENUE, 1000]}
PURCHASES = {"var": "purchases"}


def problems(rule: object) -> tuple[RuleProblem, ...]:
    """What is wrong with the rule."""
    with pytest.raises(InvalidRule) as caught:
        parse_rule(rule)
    return caught.value.problems


def only(rule: object) -> tuple[str, str]:
    """Path and message of the only problem."""
    (problem,) = problems(rule)
    return problem.path, problem.message


def nested(levels: int) -> Any:
    rule: Any = RICH
    for _ in range(levels - 2):
        rule = {"!": [rule]}
    return rule


def test_an_object_a_list_of_one_and_their_texts_are_the_same_rule() -> None:
    tree = Comparison(Op.MORE, Variable("total_revenue", Kind.NUMBER, False), Literal(1000.0, Kind.NUMBER))

    assert [parse_rule(given) for given in (RICH, [RICH], json.dumps(RICH), json.dumps([RICH]))] == [tree] * 4


def test_a_list_must_hold_together() -> None:
    tree = parse_rule([RICH, {"<": [AGE, 30]}])

    assert isinstance(tree, AllOf)
    assert [operand.path for operand in tree.operands if isinstance(operand, Comparison)] == ["/0", "/1"]


@pytest.mark.parametrize("rule", [{}, [], "[]", "{}"])
def test_a_rule_holds_a_condition(rule: object) -> None:
    assert only(rule) == ("", "A rule must hold at least one condition.")


@pytest.mark.parametrize("rule", [None, 3, True, [RICH, 3], [[RICH]], '"text"', [None]])
def test_a_rule_is_an_object_or_a_list_of_objects(rule: object) -> None:
    assert only(rule) == ("", "A rule is one JSONLogic object, or a list of them that must all hold.")


@pytest.mark.parametrize("text", ["{", "not JSON", '{"!": [NaN]}', "[" * 5000, "1" * 5000, '{"a": 1'])
def test_a_text_that_is_no_json_is_refused(text: str) -> None:
    assert only(text) == ("", "A rule must be JSON: one JSONLogic object, or a list of them.")


REFUSED: list[tuple[object, str, str]] = [
    ({">": [{"var": "totalRevenue"}, 5]}, "/>/0/var",
     "There is no variable totalRevenue. Did you mean total_revenue?"),
    ({">": [{"var": "total_revenu"}, 5]}, "/>/0/var", "There is no variable total_revenu. Did you mean total_revenue?"),
    ({">": [{"var": "metrics.order_count"}, 5]}, "/>/0/var",
     "There is no variable metrics.order_count. Did you mean order_count?"),
    ({"==": [{"var": "purchases.amount"}, 1]}, "/==/0/var",
     "There is no variable purchases.amount: each element of purchases has amount, which is seen inside some, all, "
     'none or reduce over {"var": "purchases"}.'),
    ({"==": [{"var": "purchases.lines[].categry"}, "Kids"]}, "/==/0/var",
     "There is no variable purchases.lines[].categry: each element of purchases.lines has category, which is seen "
     'inside some, all, none or reduce over {"var": "purchases.lines"}.'),
    ({"==": [{"var": "purchases.colour"}, "red"]}, "/==/0/var",
     "There is no variable purchases.colour: each element of purchases has amount, days_ago, purchased_at, storefront, "
     'channel, status, which is seen inside some, all, none or reduce over {"var": "purchases"}.'),
    ({"some": [PURCHASES, {">": [{"var": "purchases.amount"}, 1]}]}, "/some/1/>/0/var",
     "There is no variable purchases.amount. Did you mean amount?"),
    ({"in": ["vip", {"var": "segment"}]}, "/in/1/var", "There is no variable segment. Did you mean segments?"),
    ({"!!": [{"var": "all_purchase"}]}, "/!!/0/var", "There is no variable all_purchase. Did you mean all_purchases?"),
    ({"==": [{"var": "__class__"}, 5]}, "/==/0/var", "There is no variable __class__."),
    ({"==": [{"var": "qqqq"}, 5]}, "/==/0/var", "There is no variable qqqq."),
    ({"=": [REVENUE, 5]}, "/=", "There is no operator =. Did you mean ==?"),
    ({"AND": [RICH]}, "/AND", "There is no operator AND. Did you mean and?"),
    ({"=>": [REVENUE, 5]}, "/=>", "There is no operator =>. Did you mean >=?"),
    ({"substring": ["a", 1]}, "/substring", "There is no operator substring. Did you mean substr?"),
    ({"frobnicate": []}, "/frobnicate", "There is no operator frobnicate."),
    ({"log": "x"}, "/log", "The operator log is not supported: a rule only answers; it writes nothing."),
    ({"some": [{"map": [PURCHASES, 1]}, True]}, "/some/0",
     "This must be a list, as in {'var': 'purchases'}; there are purchases, all_purchases, purchases.lines, "
     "all_purchases.lines."),
    ({">": [REVENUE, "1000"]}, "/>/1",
     "> takes values of one kind: a number is wanted here, and this is a text. Did you mean 1000 without quotes?"),
    ({"and": [RICH, {"==": [{"var": "email"}, 3]}]}, "/and/1/==/1",
     "== takes values of one kind: a text is wanted here, and this is a number."),
    ({"<": [{"var": "last_purchase_at"}, "yesterday"]}, "/</1",
     "'yesterday' is not an ISO date or timestamp such as 2024-03-01."),
    ({"<": [{"var": "last_purchase_at"}, 5]}, "/</1",
     "< takes values of one kind: a date or timestamp is wanted here, and this is a number."),
    ({">": [{"+": [{"var": "last_purchase_at"}, 1]}, 0]}, "/>/0/+/0",
     "+ takes a number here, not a date or timestamp."),
    ({"<": [{"var": "erased"}, True]}, "/<", "true or false has no order."),
    ({"some": [{"var": "orders"}, True]}, "/some/0/var", "There is no list orders."),
    ({"some": [{"var": "purchase"}, True]}, "/some/0/var", "There is no list purchase. Did you mean purchases?"),
    ({">": [PURCHASES, 3]}, "/>/0/var", "purchases is a list: use it in some, all, none or reduce."),
    ({"==": [{"var": "segments"}, "vip"]}, "/==/0/var",
     'segments is a list: use it as {"in": ["key", {"var": "segments"}]}.'),
    ({"in": [{"var": "name"}, {"var": "segments"}]}, "/in/0",
     "Only the key of a segment, written out, can be looked for in segments."),
    ({"some": [PURCHASES, {">": [REVENUE, 5]}]}, "/some/1/>/0/var",
     "total_revenue cannot be seen inside a list; its elements have amount, days_ago, purchased_at, storefront, "
     "channel, status."),
    ({"some": [PURCHASES, {"some": [PURCHASES, True]}]}, "/some/1/some/0",
     "A list cannot be looked at inside another list's elements."),
    ({"some": [PURCHASES, {"==": [{"var": "categry"}, "Kids"]}]}, "/some/1/==/0/var",
     "There is no variable categry."),
    ({">": [{"reduce": [PURCHASES, {"*": [{"var": "accumulator"}, 2]}, 1]}, 5]}, "/>/0/reduce/2",
     "reduce takes the accumulator + 1, or + a number of the element, from 0."),
    ({">": [{"reduce": [PURCHASES, {"*": [{"var": "accumulator"}, {"var": "accumulator"}]}, 0]}, 5]}, "/>/0/reduce/1",
     "reduce takes the accumulator + 1, or + a number of the element, from 0."),
    ({"==": [{"missing": ["email"]}, 1]}, "/==/0/missing",
     "missing cannot be used as a value: it gives a list, which can only stand where a condition stands."),
    ({"==": [{"cat": ["a", 1.5]}, "a"]}, "/==/0/cat/1", "cat takes text and whole numbers that are written out, "
     "no fractions."),
    ({"==": [{"cat": [REVENUE]}, "a"]}, "/==/0/cat/0", "cat takes text and whole numbers that are written out, "
     "no variable numbers."),
    ({"==": [{"substr": ["abc", {"var": "order_count"}]}, "a"]}, "/==/0/substr/1",
     "substr takes positions that are written out as whole numbers."),
    ({"!": []}, "/!", "! takes 1 argument, not 0."),
    ({"<": [1, 2, 3, 4]}, "/<", "< takes 2 to 3 arguments, not 4."),
    ({"==": [[1], 1]}, "/==/0", "A list can only stand in `in`, or where a condition stands."),
    ({"==": [{"or": [RICH, 5]}, 5]}, "/==/0/or/1",
     "or takes values of one kind: true or false is wanted here, and this is a number."),
    ({"and": [{"var": "a", "==": 1}]}, "/and/0", "An object in a rule must hold exactly one operator, such as var."),
    ({">": [REVENUE, 1e16]}, "/>/1", "A number must be 0 or between 1e-15 and 1e15 in size."),
    ({">": [REVENUE, 1e-16]}, "/>/1", "A number must be 0 or between 1e-15 and 1e15 in size."),
    ({">": [REVENUE, float("nan")]}, "/>/1", "A number must be finite."),
    ({">": [REVENUE, 10**5000]}, "/>/1", "A number must be 0 or between 1e-15 and 1e15 in size."),
    ({">": [{"*": [REVENUE] * 16}, 1]}, "/>/0/*",
     "This calculation could leave the range of numbers, 1e-300 to 1e300."),
    ({"in": ["\ud800", {"var": "name"}]}, "/in/0", "A text must be valid Unicode, without half surrogate pairs."),
    ({"in": ["\0", {"var": "name"}]}, "/in/0", "A text must not hold a NUL character."),
    ({"in": ["é" * 513, {"var": "name"}]}, "/in/0", "A text must have at most 1,024 bytes."),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "message"), REFUSED, ids=[message[:60] for _, _, message in REFUSED])
def test_what_is_wrong_is_refused_with_its_path(rule: object, path: str, message: str) -> None:
    assert only(rule) == (path, message)


def test_every_problem_is_told_at_once_with_the_likely_name() -> None:
    rule = {"and": [{">": [{"var": "order_cuont"}, 1]}, {"equals": [1, 1]}, {"==": [{"var": "spending"}, "x"]}]}

    assert [(problem.path, problem.suggestion) for problem in problems(rule)] == [
        ("/and/0/>/0/var", "order_count"),
        ("/and/1/equals", None),
        ("/and/2/==/0/var", "spending_label"),
    ]


def test_levels_and_nodes_and_bytes_are_bounded() -> None:
    many = {"or": [{"!!": [0]}] * 499}
    long = {"in": [{"var": "name"}, ["x" * 1000] * 64]}

    assert parse_rule(nested(MAXIMUM_LEVELS))
    assert only(nested(MAXIMUM_LEVELS + 1))[1] == "A rule must have at most 32 levels."
    assert parse_rule(many)
    assert only({"or": [*many["or"], {"!!": [0]}]})[1] == "A rule must have at most 1,000 nodes."
    assert parse_rule(long)
    assert only({"in": [{"var": "name"}, ["x" * 1000] * 66]})[1] == "A rule must have at most 64 KiB."
    assert only(" " * 70_000 + json.dumps(RICH))[1] == "A rule must have at most 64 KiB."


@pytest.mark.usefixtures("undisturbed")
def test_bombs_are_refused_at_once() -> None:
    deep: Any = RICH
    for _ in range(500):
        deep = {"!": deep}
    wide = {"or": [RICH] * 2_000_000}
    started = time.monotonic()

    messages = {only(deep)[1], only(wide)[1], only("[" * 10_000_000)[1], only({"in": ["a" * 10_000_000, "b"]})[1]}

    assert len(messages) == 4
    assert time.monotonic() - started < 1


def test_a_rule_that_repeats_its_operands_is_bounded() -> None:
    rule: Any = REVENUE
    for _ in range(20):
        rule = {"and": [rule, rule and 1]}

    assert only({">": [rule, 1]})[1].startswith("The rule repeats too much")


def test_what_a_rule_depends_on_is_known() -> None:
    tree = parse_rule(
        [RICH, {"in": ["vip", {"var": "segments"}]}, {"some": [PURCHASES, {">": [{"var": "amount"}, 5]}]}]
    )

    assert collect_variable_names(tree) == {"total_revenue", "segments", "purchases"}
    assert collect_references(tree) == {"vip": "/1"}
    assert not uses_rank(tree)
    assert uses_rank(parse_rule({"==": [{"var": "rfm_segment_name"}, "At Risk"]}))


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"var": [{"cat": ["a", "b"]}]}, Code.INVALID_RULE),
        ({">": [REVENUE]}, Code.INVALID_RULE),
        ("{", Code.INVALID_RULE),
        ({">": [{"var": "total_revenu"}, 1]}, Code.UNKNOWN_VARIABLE),
        ({"==": [{"var": "attributes.tier"}, 1]}, Code.UNKNOWN_VARIABLE),
        ({"some": [{"var": "orders"}, RICH]}, Code.UNKNOWN_VARIABLE),
        ({"some": [PURCHASES, {">": [REVENUE, 1]}]}, Code.UNKNOWN_VARIABLE),
        ({"frobnicate": [1]}, Code.UNKNOWN_OPERATOR),
        ({"map": [PURCHASES, 1]}, Code.UNKNOWN_OPERATOR),
        ({">": [REVENUE, "5"]}, Code.TYPE_MISMATCH),
        ({"<": [{"var": "erased"}, True]}, Code.TYPE_MISMATCH),
        ({"==": [{"var": "registered_at"}, "soon"]}, Code.TYPE_MISMATCH),
        ({"==": [PURCHASES, 1]}, Code.TYPE_MISMATCH),
        ({"some": [REVENUE, RICH]}, Code.TYPE_MISMATCH),
        ({">": [{"cat": [REVENUE]}, "a"]}, Code.TYPE_MISMATCH),
        (nested(MAXIMUM_LEVELS + 1), Code.LIMIT_REACHED),
        ({">": [REVENUE, 1e16]}, Code.LIMIT_REACHED),
        ({"==": [{"var": "name"}, "x" * 1025]}, Code.LIMIT_REACHED),
        (json.dumps([RICH] * 5000), Code.LIMIT_REACHED),
        ({">": [{"*": [REVENUE] * 40}, 1]}, Code.LIMIT_REACHED),
    ],
)
def test_every_problem_says_of_which_kind_it_is(rule: object, code: Code) -> None:
    assert problems(rule)[0].code is code


def test_segments_are_ordered_after_those_they_use_each_once() -> None:
    def using(*keys: str) -> Any:
        return parse_rule({"or": [RICH, *({"in": [key, {"var": "segments"}]} for key in keys)]})

    trees = {"top": using("left", "right"), "left": using("base"), "right": using("base"), "base": using()}

    assert sort_by_dependency(trees) == ("base", "left", "right", "top")
    assert sort_by_dependency({"a": using("by-hand")}) == ("a",)
    with pytest.raises(InvalidRule, match="a uses b uses a") as caught:
        sort_by_dependency({"a": using("b"), "b": using("a")})
    assert caught.value.problems[0].code == "CIRCULAR_REFERENCE"


def test_the_variables_are_listed_with_type_unit_and_an_example_that_a_rule_may_use() -> None:
    listed = list_rule_variables("LKR")

    assert len(listed) == len(CUSTOMER) + 1 + len(LISTS) + sum(len(info.variables) for info in LISTS.values())
    assert len({each.name for each in listed}) == len(listed)
    assert {each.unit for each in listed if each.name in ("total_revenue", "purchases[].amount")} == {"LKR"}
    assert all(each.description for each in listed)
    for each in listed:
        if each.name in CUSTOMER:
            assert parse_rule({"==": [{"var": each.name}, each.example]})
        elif "[]." in each.name:
            name, _, inner = each.name.partition("[].")
            assert parse_rule({"some": [{"var": name}, {"==": [{"var": inner}, each.example]}]})
        else:
            assert parse_rule(each.example)
