"""Statements of rules as the services use them: ranges of customers, many rules at once, other segments each computed
once, circles refused, and never a customer of another business. The deepest and the longest rules that are accepted
become statements that the database takes, and they select what the row evaluator says."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import BigInteger, literal, literal_column, select

from domain.errors import InvalidRule
from domain.model import Actor
from domain.money import LARGEST, divide_half_even
from domain.pages import MAXIMUM_FIRST
from domain.rules.evaluator import holds
from domain.rules.limits import MAXIMUM_LEVELS
from domain.rules.parser import parse_rule
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context, read_customer_facts
from gql.composition import Services
from persistence.database.dialects import divide_half_even as mean_of_columns
from persistence.database.engines import Database
from persistence.rules.compiler import RuleCompiler, select_matching, select_members
from persistence.store import SqlStore
from persistence.tables.customers import customer
from tests.conftest import once_a_store
from tests.persistence.conftest import selects, statements
from tests.shops.factories import purchase
from tests.shops.rule_population import NOW, SEGMENTS, Population, populate

pytestmark = pytest.mark.anyio
BUYER = parse_rule({">=": [{"var": "order_count"}, 1]})
EITHER = parse_rule({"in": ["either", {"var": "segments"}]})


@pytest.fixture
@once_a_store
async def people(database: Database) -> Population:
    return await populate(database)


def rows(population: Population, statement: Any) -> list[tuple[Any, ...]]:
    with population.database.bulk.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(statement))


@pytest.mark.read_only
async def test_ranges_of_customers_add_up_to_all_members(people: Population) -> None:
    held = RuleCompiler(people.context).compile_condition(BUYER)

    whole = rows(people, select_members(people.context, held))
    parts = [rows(people, select_members(people.context, held, low, low + 29)) for low in range(1, 121, 30)]

    assert len(whole) > 70
    assert [row for part in parts for row in part] == whole
    assert all(part for part in parts)


@pytest.mark.read_only
async def test_many_rules_are_answered_for_one_customer_in_one_statement(people: Population) -> None:
    compiler = RuleCompiler(people.context, people.segments)
    rules = {"buyer": BUYER, "either": EITHER, "listed": parse_rule({"in": ["listed", {"var": "segments"}]})}

    statement = select_matching(
        people.context, {name: compiler.compile_condition(tree) for name, tree in rules.items()}
    )
    found = rows(people, statement.where(customer.c.id == 3))

    keys = people.subjects[3].segments
    assert found == [(3, people.subjects[3].values["order_count"] != 0, "either" in keys, "listed" in keys)]


@pytest.mark.read_only
async def test_a_segment_that_several_use_stands_once_in_the_statement(people: Population) -> None:
    statement = select_members(people.context, RuleCompiler(people.context, people.segments).compile_condition(EITHER))

    text = str(statement.compile(people.database.bulk))
    assert text.count(" AS \n(SELECT") == len(SEGMENTS)
    assert [key for (key,) in rows(people, statement)] == [
        key for key, each in people.subjects.items() if "either" in each.segments
    ]


@pytest.mark.read_only
async def test_a_segment_may_be_answered_by_its_members(people: Population) -> None:
    compiler = RuleCompiler(people.context, lambda key: literal_column("(customer.id = 5)"))

    assert rows(people, select_members(people.context, compiler.compile_condition(EITHER))) == [(5,)]


@pytest.mark.read_only
async def test_a_choice_between_numbers_is_asked_whether_it_is_there(people: Population) -> None:
    choice = {"if": [{"var": "erased"}, 1, {"var": "order_count"}]}
    rule = parse_rule({"!!": [{"+": [choice]}]})

    found = rows(people, select_members(people.context, RuleCompiler(people.context).compile_condition(rule)))

    assert [key for (key,) in found] == [key for key, each in people.subjects.items() if each.values["order_count"]]
    assert 70 < len(found) < len(people.subjects)


@pytest.mark.read_only
async def test_circles_and_unknown_segments_are_refused(people: Population) -> None:
    def circle(key: str) -> Condition:
        return parse_rule({"in": ["b" if key == "a" else "a", {"var": "segments"}]})

    rule = parse_rule({"in": ["a", {"var": "segments"}]})
    with pytest.raises(InvalidRule, match="a uses b uses a") as caught:
        RuleCompiler(people.context, circle).compile_condition(rule)
    assert caught.value.problems[0].code == "CIRCULAR_REFERENCE"
    with pytest.raises(InvalidRule, match="There is no segment with the key a"):
        RuleCompiler(people.context).compile_condition(rule)


async def test_another_business_is_never_looked_at(people: Population) -> None:
    services = Services(people.database, lambda: NOW)
    other = await services.businesses.create("other", "Other", "UTC", "EUR")
    await services.purchases.record(other, [purchase("X", "X1", "2024-06-01", 900_000)], Actor("test"))
    rule = parse_rule({"some": [{"var": "purchases"}, {"==": [{"var": "amount"}, 9000]}]})

    async with SqlStore(people.database, lambda: NOW).read(other) as unit:
        context = await build_rule_context(unit, NOW, [rule])

    assert len(rows(people, select_members(context, RuleCompiler(context).compile_condition(rule)))) == 1
    assert rows(people, select_members(people.context, RuleCompiler(people.context).compile_condition(rule))) == []


async def test_a_customer_with_more_purchases_than_a_page_is_read_wholly(people: Population) -> None:
    services = Services(people.database, lambda: NOW)
    business = people.context.business
    bought = [purchase("one", f"N{number}", "2024-06-01", 100) for number in range(2 * MAXIMUM_FIRST + 1)]
    await services.purchases.record(business, bought, Actor("test"))

    async with SqlStore(people.database, lambda: NOW).read(business) as unit:
        record = await unit.customers.find_by_external_id("one")
        assert record is not None
        found = await read_customer_facts(unit, people.context, [record.customer.id])

    before = people.subjects[record.customer.id].lists["purchases"]
    assert len(found[record.customer.id].lists["purchases"]) == len(before) + len(bought)


@pytest.mark.read_only
async def test_only_rules_that_need_them_ask_for_cuts_and_days(people: Population) -> None:
    counts = []
    for rule in ({">": [{"var": "order_count"}, 1]}, {"missing": ["rfm_segment", "purchase_frequency_label"]}):
        async with SqlStore(people.database, lambda: NOW).read(people.context.business) as unit:
            with statements(people.database) as seen:
                await build_rule_context(unit, NOW, [parse_rule(rule)])
        counts.append(selects(seen))

    assert counts == [0, 2]


def var(name: str) -> Any:
    return {"var": name}


def nested(wrap: Callable[[Any], Any], inner: Any, levels: int) -> Any:
    """The inner expression wrapped as often as the levels allow, which `wrap` adds one or more of."""
    found = inner
    while depth(wrap(found)) <= levels:
        found = wrap(found)
    return found


def depth(rule: Any) -> int:
    if isinstance(rule, dict):
        return 1 + max(depth(part) for part in rule.values())
    return max(map(depth, rule), default=0) if isinstance(rule, list) else 0


AGE, AVERAGE, LABEL = var("days_since_last_purchase"), var("average_order_value"), var("category_label")
OLD = {">": [AGE, 100]}
INSIDE = {">": [var("days_ago"), 60]}
FILTERED = {"filter": [var("purchases"), nested(lambda x: {"!=": [x, INSIDE]}, INSIDE, 28)]}
KANDY = {"==": [var("storefront"), "kandy"]}
CHOICE = nested(lambda x: {"if": [x, KANDY, INSIDE]}, {"missing": "category"}, 31)
SUM = {"reduce": [var("purchases"), {"+": [var("accumulator"), var("current.amount")]}, 0]}
DEEP: dict[str, Any] = {
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
    "sums of elements": {"all": [var("purchases"), {"<": [nested(lambda x: {"+": [x, var("amount")]}, 1, 30), 9000]}]},
    "filters": {"<": [1, {"reduce": [FILTERED, {"+": [var("accumulator"), 1]}, 0]}]},
    "choices of lines": {"some": [var("purchases.lines"), CHOICE]},
    "lists far inside": nested(lambda x: {"!": [x]}, {"<": [{"+": [SUM, 1]}, 900]}, 32),
}
WIDE: dict[str, Any] = {
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


@pytest.mark.read_only
async def test_averages_in_statements_are_rounded_as_those_of_one_customer(people: Population) -> None:
    totals = [*range(25), *range(LARGEST - 12, LARGEST + 1)]
    pairs = [(total, count) for count in range(1, 9) for total in totals]
    columns = [(literal(total, BigInteger), literal(count, BigInteger)) for total, count in pairs]

    found = rows(people, select(*(mean_of_columns(*pair) for pair in columns)))

    assert found == [tuple(divide_half_even(*pair) for pair in pairs)]


@pytest.mark.read_only
async def test_the_deepest_and_longest_rules_are_taken(people: Population) -> None:
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
