"""Random rules over customers of every kind: the statement on SQLite, the statement on PostgreSQL and the row evaluator
give the same customers, and a rule and its negation split the population."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import copy
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from domain.errors import InvalidRule
from domain.rules.context import collect_references, collect_variable_names
from domain.rules.evaluator import holds
from domain.rules.parser import CONDITION_OPERATORS, VALUE_OPERATORS
from domain.rules.parser import parse_rule as parse
from domain.rules.sentence import write_sentence
from domain.rules.tree import Condition
from domain.rules.variables import LISTS
from persistence.database.engines import open_database
from persistence.lake.engines import CopyTables, DuckDbEngine
from persistence.lake.places import read_address
from persistence.lake.reading import Lake
from persistence.lake.writing import CopyWriter
from persistence.rules.compiler import RuleCompiler, select_matching
from persistence.segments.analysis import COPIED
from persistence.tables.copies import store_identity
from persistence.tables.customers import PRESENT
from tests.conftest import examples
from tests.drivers.stores import PostgresqlServer
from tests.shops import rule_strategies
from tests.shops.rule_noise import ANYTHING
from tests.shops.rule_population import LATER, LISTED, NOW, Population, populate
from tests.shops.rule_strategies import CATALOGUE, rules

pytestmark = pytest.mark.usefixtures("anyio_backend")
BATCH = 20
parse_rule = partial(parse, catalogue=CATALOGUE)
OUT_OF_RANGE = "could leave the range of numbers"


@pytest.fixture(scope="module")
async def both(
    request: pytest.FixtureRequest,
    migrated: Path,
    postgresql_server: PostgresqlServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[Population, Population]]:
    """The same customers in a store of each kind, at the instant when the rules are asked."""
    name, now = f"people_{uuid4().hex}", getattr(request, "param", NOW)
    lite = open_database(f"sqlite:///{copy(migrated, tmp_path_factory.mktemp('people') / 'store.sqlite')}")
    server = open_database(postgresql_server.create(name))
    yield await populate(lite, now), await populate(server, now)
    await lite.close()
    await server.close()
    postgresql_server.drop(name)


SUMMED = ("amount", "days_ago", "quantity")
SUMS = [
    {">": [{"reduce": [{"var": name}, {"+": [{"var": "accumulator"}, addend]}, 0]}, 3]}
    for name in LISTS
    for addend in (1, *({"var": f"current.{number}"} for number in SUMMED if number in LISTS[name].variables))
]
"""Every count and sum of a list."""
COUNT, NAME, RICH = {"var": "order_count"}, {"var": "name"}, {">": [{"var": "amount"}, 50]}
EACH: list[Any] = [
    *({operator: [COUNT, 3]} for operator in ("<", "<=", ">", ">=", "==", "===", "!=", "!==")),
    *({"<": [{operator: [COUNT, 2]}, 3]} for operator in ("+", "-", "*", "/", "%", "min", "max")),
    *({operator: [{"var": name}, RICH]} for operator in ("some", "all", "none") for name in LISTS),
    {">": [{"reduce": [{"filter": [{"var": "purchases"}, RICH]}, {"+": [{"var": "accumulator"}, 1]}, 0]}, 1]},
    *({operator: [{"!!": [NAME]}, {"!": [NAME]}, {"in": ["a", NAME]}]} for operator in ("if", "?:", "and", "or")),
    {"!=": [{"cat": [NAME, {"substr": [NAME, 0, 1]}]}, ""]},
    {"missing_some": [1, ["name", "email"]]},
    {"missing": [*CATALOGUE.variables]},
    *({"some": [{"var": name}, {"missing": [*info.variables]}]} for name, info in LISTS.items()),
    {"in": [LISTED, {"var": "segments"}]},
]
"""Every operator and every variable: chance leaves some of them out."""


@dataclass
class Seen:
    """What the random rules were."""

    rules: int = 0
    selective: int = 0
    operators: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def note(self, rule: Any, inside: str = "") -> None:
        """The operators and the variables of a rule; those of a list's elements stand after the list."""
        if isinstance(rule, list):
            for part in rule:
                self.note(part, inside)
        if not isinstance(rule, dict):
            return
        ((operator, given_),) = rule.items()
        self.operators.add(operator)
        arguments = given_ if isinstance(given_, list) else [given_]
        if operator in ("var", "missing"):
            self.names |= {f"{inside}{name}" for name in arguments if isinstance(name, str)}
        elif operator in ("some", "all", "none", "filter", "reduce"):
            self.note(arguments[0], inside)
            below = f"{list_name(arguments[0])}[]."
            self.note(arguments[1], below if operator != "reduce" else below + "reduced.")
        else:
            self.note(arguments, inside)


def list_name(raw: Any) -> str:
    return str(raw["var"]) if "var" in raw else list_name(raw["filter"][0])


def parse_fitting(rule: Any) -> Condition | None:
    """The tree; None where the only fault is that a calculation could become too large."""
    try:
        return parse_rule(rule)
    except InvalidRule as error:
        assert all(OUT_OF_RANGE in problem.message for problem in error.problems), (rule, error.problems)
        return None


def select_customers(population: Population, trees: Mapping[str, Condition]) -> dict[str, set[int]]:
    """The customers whom each of the rules selects, all in one statement."""
    compiler = RuleCompiler(population.context, population.segments)
    statement = select_matching(
        population.context, {name: compiler.compile_condition(tree) for name, tree in trees.items()}
    )
    found: dict[str, set[int]] = {name: set() for name in trees}
    with population.database.bulk.connect() as connection:
        for key, *answers in connection.execute(statement):
            for name, answer in zip(trees, answers, strict=True):
                assert answer in (True, False), name
                if answer:
                    found[name].add(key)
    return found


def agree(both: tuple[Population, Population], count: int) -> Seen:
    """Compare that many rules, in batches of one statement."""
    everyone = both[0].subjects
    seen = Seen()
    fitting = rules().filter(lambda rule: parse_fitting(rule) is not None)

    @settings(
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        max_examples=count // BATCH,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(fitting, min_size=BATCH, max_size=BATCH))
    @example(SUMS)
    @example(EACH)
    def compare(batch: list[Any]) -> None:
        trees = {f"r{place}": parse_rule(rule) for place, rule in enumerate(batch)}
        negations = {f"n{place}": parse_rule({"!": [{"and": rule} if isinstance(rule, list) else rule]})
                     for place, rule in enumerate(batch)}  # fmt: skip
        answers = [select_customers(population, trees | negations) for population in both]
        for place, rule in enumerate(batch):
            expected = {key for key, each in everyone.items() if holds(trees[f"r{place}"], each)}
            for found in answers:
                assert found[f"r{place}"] == expected, rule
                assert found[f"n{place}"] == everyone.keys() - expected, rule
            if batch not in (SUMS, EACH):
                seen.note(rule)
                seen.rules += 1
                seen.selective += 0.05 * len(everyone) <= len(expected) <= 0.95 * len(everyone)

    compare()
    return seen


OPERATORS = {*VALUE_OPERATORS, *CONDITION_OPERATORS, "filter"}


def every_name() -> Iterator[str]:
    yield from CATALOGUE.variables
    yield "segments"
    for name, info in LISTS.items():
        yield name
        yield from (f"{name}[].{inner}" for inner in info.variables)
        yield from (f"{name}[].reduced.{inner}" for inner in ("accumulator", "current.amount", "current.days_ago"))


def check(seen: Seen, count: int) -> None:
    print(f"{seen.rules} rules, of which {seen.selective} select 5 to 95 % of the customers")
    assert seen.rules >= count
    assert seen.selective * 3 >= seen.rules
    # What few rules leave out by chance stands among the examples.
    assert seen.operators <= OPERATORS
    assert len(OPERATORS - seen.operators) <= 3
    assert len(set(every_name()) - seen.names) <= 8


def test_the_examples_hold_every_operator_and_every_variable() -> None:
    seen = Seen()
    for rule in (*SUMS, *EACH):
        seen.note(rule)

    assert seen.operators == OPERATORS
    assert set(every_name()) <= seen.names


@pytest.mark.hypothesis
def test_statements_and_the_row_evaluator_agree_on_random_rules(both: tuple[Population, Population]) -> None:
    count = examples(200, 2_000)
    check(agree(both, count), count)


@pytest.mark.hypothesis
@pytest.mark.parametrize("both", [LATER], indirect=True)
def test_they_agree_where_nobody_bought_inside_the_window(both: tuple[Population, Population]) -> None:
    everyone = both[0].subjects
    buyers = {key for key, each in everyone.items() if each.values["order_count"]}
    scores: dict[str, object] = {"rfm_segment": "111", "rfm_segment_name": "Hibernating"}
    scores |= dict.fromkeys(("recency_score", "frequency_score", "monetary_score"), 1)
    rules: dict[str, Any] = {
        **{name: {"==": [{"var": name}, score]} for name, score in scores.items()},
        "sum": {"<": [{"+": [{"var": "frequency_score"}, {"var": "monetary_score"}]}, 5]},
        "there": {"!": {"missing": ["rfm_segment", "frequency_score", "monetary_score"]}},
    }
    trees = {name: parse_rule(rule) for name, rule in rules.items()}

    assert 70 < len(buyers) < len(everyone)
    for name, tree in trees.items():
        assert {key for key, each in everyone.items() if holds(tree, each)} == buyers, name
    for population in both:
        assert select_customers(population, trees) == dict.fromkeys(trees, buyers)
    count = examples(60, 200)
    assert agree(both, count).rules >= count


@pytest.mark.slow
def test_statements_and_the_row_evaluator_agree_on_many_more(both: tuple[Population, Population]) -> None:
    check(agree(both, 10_000), 10_000)


@pytest.mark.hypothesis
def test_any_json_is_a_rule_on_both_databases_or_is_refused(both: tuple[Population, Population]) -> None:
    everyone = both[0].subjects
    accepted, refused = 0, 0

    @settings(max_examples=examples(1_000, 5_000), suppress_health_check=list(HealthCheck))
    @given(ANYTHING)
    def understood_or_refused(noise: Any) -> None:
        nonlocal accepted, refused
        try:
            tree = parse_rule([noise] if isinstance(noise, dict) else noise)
        except InvalidRule as error:
            refused += 1
            assert all(problem.message for problem in error.problems)
            return
        assert write_sentence(tree, "EUR")
        if collect_references(tree):
            return
        accepted += 1
        expected = {key for key, each in everyone.items() if holds(tree, each)}
        assert [select_customers(population, {"odd": tree})["odd"] for population in both] == [expected, expected]

    understood_or_refused()
    print(f"{accepted} accepted, {refused} refused")
    assert accepted > examples(40, 200)
    assert refused > examples(40, 200)


async def copy_people(population: Population, folder: Path) -> CopyTables:
    """A columnar copy of the population."""
    database, business = population.database, population.context.business
    lake = Lake(read_address(str(folder), folder), DuckDbEngine(), 1)
    with database.bulk.connect() as connection:
        place = lake.open_place(connection.execute(select(store_identity.c.id)).scalar_one(), business.id)
    CopyWriter(database, business.id, place, lambda: NOW).renew()
    async with database.reader.connect() as connection:
        return await lake.open_tables(connection, business.id, ())


def agree_with_copy(population: Population, folder: Path, count: int) -> None:
    """Compare that many rules over what a copy holds, in batches of one statement."""
    tables, engine = asyncio.run(copy_people(population, folder)), DuckDbEngine()

    @settings(max_examples=count // BATCH, suppress_health_check=list(HealthCheck))
    @given(st.lists(rules().map(parse_fitting).filter(is_copied), min_size=BATCH, max_size=BATCH))
    def compare(trees: list[Condition]) -> None:
        compiler = RuleCompiler(population.context)
        held = {f"r{place}": compiler.compile_condition(tree) for place, tree in enumerate(trees)}
        statement = select_matching(population.context, held).where(PRESENT)
        with population.database.bulk.connect() as connection:
            stored = sorted(map(tuple, connection.execute(statement)))
        assert sorted(asyncio.run(engine.run(tables, statement))) == stored

    compare()
    asyncio.run(engine.close())


def is_copied(tree: Condition | None) -> bool:
    return tree is not None and collect_variable_names(tree) <= COPIED


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules are drawn over what a copy holds."""
    bought = {name: LISTS["purchases"].variables[name] for name in ("amount", "days_ago", "channel")}
    own = {name: info for name, info in CATALOGUE.variables.items() if name in COPIED}
    monkeypatch.setattr(rule_strategies, "SCOPES", {"": own, "purchases": bought})


@pytest.mark.hypothesis
@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.slow)])
def test_a_columnar_copy_gives_the_customers_of_the_store(
    both: tuple[Population, Population], tmp_path: Path, count: int
) -> None:
    agree_with_copy(both[0], tmp_path, count)


def test_customers_are_read_alike_from_both_databases(both: tuple[Population, Population]) -> None:
    assert both[0].subjects == both[1].subjects
    sizes = {len(each.lists["all_purchases"]) for each in both[0].subjects.values()}
    assert {0, 1}.issubset(sizes)
    assert max(sizes) > 150
