"""The sentence of a rule: it reads well, names no variable, holds no JSON, and no two trees share one."""

import re
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from typing import Any as Anything
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidRule
from domain.rules.listing import list_rule_variables
from domain.rules.parser import parse_rule
from domain.rules.sentence import format_number, quote, write_sentence
from domain.rules.tree import (
    CONDITIONS,
    Aggregate,
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Choice,
    Collection,
    Comparison,
    Default,
    Equality,
    Literal,
    Missing,
    Not,
    OneOf,
    Op,
    Quantified,
    Quantity,
    ShortCircuit,
    Substring,
    Value,
    walk,
)
from domain.rules.variables import CUSTOMER, LISTS, Kind
from tests.conftest import examples
from tests.shops.rule_strategies import CATALOGUE, rules

ORDERED = (Op.LESS, Op.AT_MOST, Op.MORE, Op.AT_LEAST)
EXAMPLES = {
    "total revenue is more than LKR 1,000 and the last purchase was 90 or more days ago":
        {"and": [{">": [{"var": "total_revenue"}, 1000]}, {">=": [{"var": "days_since_last_purchase"}, 90]}]},
    "there is at least one qualifying order for which (it was exactly 3 days ago and its value is more than LKR 5)":
        {"some": [{"var": "purchases"}, {"and": [{"==": [{"var": "days_ago"}, 3]}, {">": [{"var": "amount"}, 5]}]}]},
    "(the number of qualifying orders where the way it was ordered is “web”) is at least 3":
        {">=": [{"reduce": [{"filter": [{"var": "purchases"}, {"==": [{"var": "channel"}, "web"]}]},
                            {"+": [{"var": "accumulator"}, 1]}, 0]}, 3]},
    "the loyalty level is one of “GOLD”, “PLATINUM” or (not (the customer belongs to “lapsed”))":
        {"or": [{"in": [{"var": "loyalty_level"}, ["GOLD", "PLATINUM"]]},
                {"!": [{"in": ["lapsed", {"var": "segments"}]}]}]},
    "(total revenue divided by tenure) is between 0.5 and 20":
        {"<=": [0.5, {"/": [{"var": "total_revenue"}, {"var": "tenure_days"}]}, 20]},
    "LKR 1,000 is less than total revenue": {"<": [1000, {"var": "total_revenue"}]},
    "the last purchase is at or after 2024-05-01": {">=": [{"var": "last_purchase_at"}, "2024-05-01"]},
}  # fmt: skip


@pytest.mark.parametrize("said", EXAMPLES)
def test_a_rule_is_said_in_words(said: str) -> None:
    tree = parse_rule(EXAMPLES[said])

    assert write_sentence(tree, "LKR") == said


def local_edits(node: Anything) -> Iterator[Anything]:
    """Trees that differ from the node in its outermost construct."""
    match node:
        case AllOf(operands=(first, *rest) as operands) | AnyOf(operands=(first, *rest) as operands):
            yield type(node)(operands[::-1])
            yield (AnyOf if isinstance(node, AllOf) else AllOf)(operands)
            if len(operands) > 2:
                yield type(node)((type(node)(operands[:2]), *operands[2:]))
                yield type(node)((first, type(node)(tuple(rest))))
                yield type(node)(operands[:-1])
        case Comparison(op=op, left=left, right=right):
            yield from (replace(node, op=other) for other in ORDERED if other != op)
            yield replace(node, left=right, right=left)
            yield Equality(left, right)
            yield Between(op, left, right, right)
        case Between(low=low, high=high):
            yield from (replace(node, op=other) for other in ORDERED)
            yield replace(node, low=high, high=low)
        case Equality(left=left, right=right, negated=negated):
            yield replace(node, negated=not negated)
            yield replace(node, left=right, right=left)
            yield OneOf(left, (right,))
        case OneOf(options=options):
            yield replace(node, options=options[::-1])
            yield replace(node, options=options[:-1])
        case Not(operand=operand):
            yield operand
        case Choice(branches=((test, value), *rest), otherwise=otherwise):
            yield replace(node, branches=((test, otherwise), *rest), otherwise=value)
        case Quantified(quantity=quantity, collection=collection, condition=condition):
            yield from (replace(node, quantity=other) for other in Quantity if other is not quantity)
            if collection.name == "purchases":
                yield replace(node, collection=replace(collection, name="all_purchases"))
            kept = Collection(collection.name)
            for test in collection.filters:
                yield replace(node, collection=kept, condition=AllOf((test, condition)))
                yield replace(node, collection=replace(collection, filters=(condition,)), condition=test)
        case Aggregate(collection=collection):
            yield replace(node, addend=None)
            yield replace(node, collection=Collection(collection.name))
        case Missing(variables=variables, need=need):
            yield replace(node, variables=variables[::-1])
            yield replace(node, need=3 if need is None else None)
            yield replace(node, need=(need or 0) + 1)
        case Arithmetic(op=op, operands=operands):
            yield replace(node, operands=operands[::-1])
            if len(operands) == 2:
                yield from (replace(node, op=other) for other in Op if other not in (*ORDERED, op))
        case Substring(start=start, length=length):
            yield replace(node, start=-start - 1)
            yield replace(node, length=None if length is not None else 3)
            yield replace(node, length=-(length or 0) - 1)
        case ShortCircuit(conjunction=conjunction, operands=operands):
            yield replace(node, conjunction=not conjunction)
            yield replace(node, operands=operands[::-1])
        case Default(variable=variable):
            yield variable
        case Literal(value=float(value)):
            yield from (replace(node, value=other) for other in (value + 1, value / 8 + 0.1, value * 1000 + 1))
        case Literal(value=str(text), kind=Kind.TEXT):
            yield from (replace(node, value=f"{text}{more}") for more in ("”", " and", "\\", "”, “"))
    if isinstance(node, CONDITIONS):
        yield Not(node)


def edits(node: Anything) -> Iterator[Anything]:
    """Trees that differ from the node in one place."""
    yield from local_edits(node)
    for each in fields(node):
        for changed in inner_edits(getattr(node, each.name)):
            yield replace(node, **{each.name: changed})


def inner_edits(value: Anything) -> Iterator[Anything]:
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            for changed in inner_edits(item):
                yield (*value[:place], changed, *value[place + 1 :])
    elif hasattr(value, "__dataclass_fields__"):
        yield from edits(value)


@pytest.mark.hypothesis
def test_different_trees_have_different_sentences() -> None:
    said: dict[str, Value] = {}
    met = set()

    @settings(max_examples=examples(150, 1_200), suppress_health_check=list(HealthCheck))
    @given(rules())
    def each_is_its_own(rule: Anything) -> None:
        try:
            tree = parse_rule(rule, CATALOGUE)
        except InvalidRule:
            return
        met.update(type(node) for node in walk(tree))
        outermost = (node for node in walk(tree) if isinstance(node, CONDITIONS) and not inside_a_list(tree, node))
        for node in (tree, *islice(outermost, 20), *islice(edits(tree), 200)):
            assert said.setdefault(write_sentence(node, "LKR"), node) == node

    each_is_its_own()
    print(f"{len(said)} different sentences")
    assert len(said) > examples(2_000, 20_000)
    assert met <= {*get_args(Value), Collection}
    # Few rules leave a kind out by chance.
    assert len({*get_args(Value), Collection} - met) <= examples(2, 0)


def inside_a_list(tree: Value, wanted: Value) -> bool:
    lists = [node for node in walk(tree) if isinstance(node, Quantified | Aggregate)]
    return any(node is wanted for each in lists for node in walk(each) if node is not each)


@given(st.lists(st.text("“”\\a, "), min_size=2, max_size=2, unique=True))
def test_quotation_marks_inside_a_text_do_not_end_it(texts: list[str]) -> None:
    joined = [", ".join(map(quote, texts)), quote(", ".join(texts)), quote("”, “".join(texts))]

    assert len(set(joined)) == 3 or texts == [""]
    assert quote(texts[0]) != quote(texts[1])


@given(st.lists(st.floats(1e-15, 1e15) | st.floats(-1e15, -1e-15), min_size=2, max_size=2, unique=True))
def test_different_numbers_are_said_differently(numbers: list[float]) -> None:
    assert format_number(numbers[0]) != format_number(numbers[1])
    assert float(format_number(numbers[0]).replace(",", "")) == numbers[0]


@pytest.mark.hypothesis
def test_a_sentence_names_no_variable_and_holds_no_json() -> None:
    names = {variable.name.rpartition("[].")[2] for variable in list_rule_variables("LKR")} | {"current", "accumulator"}

    @settings(max_examples=examples(60, 300), suppress_health_check=list(HealthCheck))
    @given(rules())
    def speaks_english(rule: Anything) -> None:
        try:
            said = write_sentence(parse_rule(rule, CATALOGUE), "LKR")
        except InvalidRule:
            return
        words = re.sub(r"“(\\.|[^“”\\])*”", "", said)
        assert not re.search(r'[{}\[\]"_]', words)
        assert [name for name in names if name in words] == []

    speaks_english()


def test_every_variable_is_called_differently() -> None:
    for infos in (CUSTOMER, *(info.variables for info in LISTS.values())):
        phrases = [info.phrase for info in infos.values()]
        assert len(set(phrases)) == len(phrases)
        assert not [phrase for phrase in phrases if re.search(r"[,()“”]|^(not|one of|missing|yes|no)\b", phrase)]
