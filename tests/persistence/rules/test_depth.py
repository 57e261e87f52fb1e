"""The deepest and the longest rules that are accepted, on both databases: each becomes a statement that the database
takes, and it selects what the row evaluator says."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from domain.rules.evaluator import holds
from domain.rules.limits import MAXIMUM_LEVELS
from domain.rules.parser import parse_rule
from persistence.database.engines import Database
from persistence.rules.compiler import RuleCompiler, select_members
from tests.shops.rule_population import Population, populate

pytestmark = pytest.mark.usefixtures("anyio_backend")
Json = Any


def var(name: str) -> Json:
    return {"var": name}


def nested(wrap: Callable[[Json], Json], inner: Json, levels: int) -> Json:
    """The inner expression wrapped as often as the levels allow, which `wrap` adds one or more of."""
    found = inner
    while depth(wrap(found)) <= levels:
        found = wrap(found)
    return found


def depth(rule: Json) -> int:
    if isinstance(rule, dict):
        return 1 + max(depth(part) for part in rule.values())
    return max(map(depth, rule), default=0) if isinstance(rule, list) else 0


AGE, AVERAGE, LABEL = var("days_since_last_purchase"), var("average_order_value"), var("category_label")
OLD = {">": [AGE, 100]}
INSIDE = {">": [var("days_ago"), 60]}
DEEP: dict[str, Json] = {
    "sums": {"<": [500, nested(lambda x: {"+": [x, AVERAGE]}, AGE, 31)]},
    "rests": {"<": [2, nested(lambda x: {"%": [x, 7]}, AVERAGE, 31)]},
    "quotients": {"<": [1, nested(lambda x: {"/": [{"-": [x, 1]}, 1.5]}, var("total_revenue"), 31)]},
    "extremes": {"<": [1, nested(lambda x: {"min": [{"max": [x, AVERAGE]}, 300]}, AGE, 31)]},
    "negations": nested(lambda x: {"!": [x]}, OLD, 32),
    "both": nested(lambda x: {"and": [{"or": [x, {"<": [AVERAGE, 90]}]}, {"!": [{"==": [AGE, 3]}]}]}, OLD, 32),
    "equalities": nested(lambda x: {"==": [{"<": [AGE, 200]}, x]}, OLD, 32),
    "choices": {"==": [nested(lambda x: {"if": [{">": [AGE, 90]}, x, AVERAGE]}, AGE, 31), AGE]},
    "tests of choices": nested(lambda x: {"if": [x, {">": [AVERAGE, 50]}, {"missing": "email"}]}, OLD, 32),
    "conditions in values": nested(lambda x: {"<": [{"if": [x, 1, AVERAGE]}, 90]}, OLD, 32),
    "texts": {"in": ["d", nested(lambda x: {"substr": [{"cat": [x, "d"]}, 1, 20]}, LABEL, 31)]},
    "parts": {"==": ["s", nested(lambda x: {"substr": [x, 0, 9]}, {"substr": [LABEL, -1]}, 31)]},
    "searches": nested(lambda x: {"in": [{"if": [x, "K", "M"]}, LABEL]}, OLD, 32),
    "fallbacks": {"<": [5, nested(lambda x: {"var": ["recency_score", x]}, 9, 31)]},
    "elements": {"some": [var("purchases"), nested(lambda x: {"and": [{"!": [x]}, INSIDE]}, INSIDE, 31)]},
    "sums of elements": {
        "all": [var("purchases"), {"<": [nested(lambda x: {"+": [x, var("amount")]}, 1, 30), 9000]}],
    },
    "filters": {
        "<": [
            1,
            {"reduce": [
                {"filter": [var("purchases"), nested(lambda x: {"!=": [x, INSIDE]}, INSIDE, 28)]},
                {"+": [var("accumulator"), 1]},
                0,
            ]},
        ]
    },
    "choices of lines": {
        "some": [
            var("purchases.lines"),
            nested(lambda x: {"if": [x, {"==": [var("storefront"), "kandy"]}, INSIDE]}, {"missing": "category"}, 31),
        ]
    },
    "lists far inside": nested(
        lambda x: {"!": [x]},
        {"<": [{"+": [{"reduce": [var("purchases"), {"+": [var("accumulator"), var("current.amount")]}, 0]}, 1]}, 900]},
        32,
    ),
}  # fmt: skip
WIDE: dict[str, Json] = {
    "a sum": {"<": [900, {"+": [AVERAGE] * 440}]},
    "a chain of or": {"or": [{"==": [AGE, place]} for place in range(200)]},
    "a list of texts": {"in": [var("external_id"), [f"C{place:03d}" for place in range(900)]]},
    "many lists": {"and": [{"some": [var("purchases"), {">": [var("amount"), place]}]} for place in range(150)]},
    "a largest": {"<": [50, {"max": [AGE, AVERAGE] * 200}]},
    "a long text": {"in": ["xx", {"cat": [LABEL, "x"] * 60}]},
    "many choices": {"if": [part for place in range(150) for part in ({"<": [AGE, place]}, place % 2 == 0)]},
    "many that miss": {"missing_some": [3, ["email", "name", "registered_at", "recency_score"] * 100]},
    "every label": {"or": [{"==": [LABEL, str(place)]} for place in range(60)]},
}


@pytest.fixture
async def people(database: Database) -> AsyncIterator[Population]:
    yield await populate(database)


def test_the_deepest_and_longest_rules_are_taken(people: Population) -> None:
    wrong = []

    for name, rule in (DEEP | WIDE).items():
        tree = parse_rule(rule)
        compiled = RuleCompiler(people.context, people.segments).compile_condition(tree)
        with people.database.bulk.connect() as connection:
            found = set(connection.execute(select_members(people.context, compiled)).scalars())
        if found != {key for key, each in people.subjects.items() if holds(tree, each)}:
            wrong.append(name)

    assert {depth(rule) for rule in DEEP.values()} <= {MAXIMUM_LEVELS - 1, MAXIMUM_LEVELS}
    assert wrong == []
