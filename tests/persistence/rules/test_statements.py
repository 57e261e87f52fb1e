"""Statements of rules as the services use them: ranges of customers, many rules at once, other segments each computed
once, circles refused, and never a customer of another business."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, literal_column

from domain.errors import InvalidRule
from domain.model import Actor
from domain.pages import MAXIMUM_FIRST
from domain.rules.parser import parse_rule
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context, read_customer_facts
from gql.composition import make_services
from persistence.database.engines import Database
from persistence.rules.compiler import RuleCompiler, select_matching, select_members
from persistence.store import SqlStore
from persistence.tables import customer
from tests.shops.factories import purchase
from tests.shops.rule_population import NOW, SEGMENTS, Population, populate

pytestmark = pytest.mark.anyio
BUYER = parse_rule({">=": [{"var": "order_count"}, 1]})
EITHER = parse_rule({"in": ["either", {"var": "segments"}]})


@pytest.fixture
async def people(database: Database) -> AsyncIterator[Population]:
    yield await populate(database)


def rows(population: Population, statement: Any) -> list[tuple[Any, ...]]:
    with population.database.bulk.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(statement))


async def test_ranges_of_customers_add_up_to_all_members(people: Population) -> None:
    held = RuleCompiler(people.context).compile_condition(BUYER)

    whole = rows(people, select_members(people.context, held))
    parts = [rows(people, select_members(people.context, held, low, low + 29)) for low in range(1, 121, 30)]

    assert len(whole) > 70
    assert [row for part in parts for row in part] == whole
    assert all(part for part in parts)


async def test_many_rules_are_answered_for_one_customer_in_one_statement(people: Population) -> None:
    compiler = RuleCompiler(people.context, people.segments)
    rules = {"buyer": BUYER, "either": EITHER, "listed": parse_rule({"in": ["listed", {"var": "segments"}]})}

    statement = select_matching(
        people.context, {name: compiler.compile_condition(tree) for name, tree in rules.items()}
    )
    found = rows(people, statement.where(customer.c.id == 3))

    keys = people.subjects[3].segments
    assert found == [(3, people.subjects[3].values["order_count"] != 0, "either" in keys, "listed" in keys)]


async def test_a_segment_that_several_use_stands_once_in_the_statement(people: Population) -> None:
    statement = select_members(people.context, RuleCompiler(people.context, people.segments).compile_condition(EITHER))

    text = str(statement.compile(people.database.bulk))
    assert text.count(" AS \n(SELECT") == len(SEGMENTS)
    assert [key for (key,) in rows(people, statement)] == [
        key for key, each in people.subjects.items() if "either" in each.segments
    ]


async def test_a_segment_may_be_answered_by_its_members(people: Population) -> None:
    compiler = RuleCompiler(people.context, lambda key: literal_column("(customer.id = 5)"))

    assert rows(people, select_members(people.context, compiler.compile_condition(EITHER))) == [(5,)]


async def test_a_choice_between_numbers_is_asked_whether_it_is_there(people: Population) -> None:
    choice = {"if": [{"var": "erased"}, 1, {"var": "order_count"}]}
    rule = parse_rule({"!!": [{"+": [choice]}]})

    found = rows(people, select_members(people.context, RuleCompiler(people.context).compile_condition(rule)))

    assert [key for (key,) in found] == [key for key, each in people.subjects.items() if each.values["order_count"]]
    assert 70 < len(found) < len(people.subjects)


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
    services = make_services(people.database, lambda: NOW)
    other = await services.businesses.create("other", "Other", "UTC", "EUR")
    await services.purchases.record(other, [purchase("X", "X1", "2024-06-01", 900_000)], Actor("test"))
    rule = parse_rule({"some": [{"var": "purchases"}, {"==": [{"var": "amount"}, 9000]}]})

    async with SqlStore(people.database, lambda: NOW).read(other) as unit:
        context = await build_rule_context(unit, NOW, [rule])

    assert len(rows(people, select_members(context, RuleCompiler(context).compile_condition(rule)))) == 1
    assert rows(people, select_members(people.context, RuleCompiler(people.context).compile_condition(rule))) == []


async def test_a_customer_with_more_purchases_than_a_page_is_read_wholly(people: Population) -> None:
    services = make_services(people.database, lambda: NOW)
    business = people.context.business
    bought = [purchase("one", f"N{number}", "2024-06-01", 100) for number in range(2 * MAXIMUM_FIRST + 1)]
    await services.purchases.record(business, bought, Actor("test"))

    async with SqlStore(people.database, lambda: NOW).read(business) as unit:
        record = await unit.customers.find_by_external_id("one")
        assert record is not None
        found = await read_customer_facts(unit, people.context, [record.customer.id])

    before = people.subjects[record.customer.id].lists["purchases"]
    assert len(found[record.customer.id].lists["purchases"]) == len(before) + len(bought)


async def test_only_rules_that_need_them_ask_for_cuts_and_days(people: Population) -> None:
    statements: list[str] = []
    engine = people.database.reader.sync_engine

    @event.listens_for(engine, "before_cursor_execute")
    def count(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            statements.append(statement)

    counts = []
    for rule in ({">": [{"var": "order_count"}, 1]}, {"missing": ["rfm_segment", "purchase_frequency_label"]}):
        statements.clear()
        async with SqlStore(people.database, lambda: NOW).read(people.context.business) as unit:
            await build_rule_context(unit, NOW, [parse_rule(rule)])
        counts.append(len(statements))

    assert counts == [0, 2]
