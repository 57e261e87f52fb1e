"""Questions about rules over all customers, on both databases: what is counted and sampled agrees with the evaluator of
single customers, and a stored segment in a rule stands for those who are its members now."""

import pytest
from sqlalchemy import event

from domain.rules.context import RuleContext
from domain.rules.evaluator import holds
from domain.rules.parser import parse_rule
from domain.segments.analysis import ProblemSeverity
from domain.segments.model import Definition
from domain.store import Side
from persistence.database.engines import Database
from tests.conftest import once_a_store
from tests.shops.rule_population import NOW
from tests.shops.rule_shop import BUYERS, RULES, VIP, Shop, add, open_shop

pytestmark = pytest.mark.anyio


@pytest.fixture
@once_a_store
async def shop(database: Database) -> Shop:
    return await open_shop(database)


@pytest.mark.read_only
@pytest.mark.parametrize("name", RULES)
async def test_a_preview_counts_those_for_whom_the_rule_holds(shop: Shop, name: str) -> None:
    expected = shop.members_of(RULES[name])

    found = await shop.preview(RULES[name])

    assert 0 < len(expected) < len(shop.subjects)
    assert found.sizes is not None
    assert (found.sizes.matching, found.population) == (len(expected), len(shop.subjects))
    assert await shop.sampled(found, Side.MATCHING) == expected[:50]
    assert await shop.sampled(found, Side.MATCHING, 3) == expected[:3]


@pytest.mark.read_only
async def test_a_preview_tells_who_would_enter_leave_and_stay(shop: Shop) -> None:
    expected, members = set(shop.members_of(RULES["spenders"])), set(range(1, 41))

    found = await shop.preview(RULES["spenders"], shop.buyers.id)

    assert found.sizes is not None
    assert (found.sizes.members, found.sizes.staying) == (40, len(expected & members))
    assert await shop.sampled(found, Side.ENTERING) == sorted(expected - members)[:50]
    assert await shop.sampled(found, Side.LEAVING) == sorted(members - expected)
    assert await shop.sampled(await shop.preview(RULES["spenders"]), Side.LEAVING) == []


async def test_a_reference_stands_for_the_members_of_now_and_not_for_the_rule(shop: Shop) -> None:
    rule = {"in": ["buyers", {"var": "segments"}]}
    async with shop.store.write(shop.business) as unit:
        await unit.memberships.remove(shop.buyers.id, range(11, 41), unit.instant, "test")

    found = await shop.preview(rule)

    assert await shop.sampled(found, Side.MATCHING) == list(range(1, 11))
    warned = [(each.code, each.severity) for each in found.findings]
    assert warned == [("NEVER_CALCULATED", ProblemSeverity.WARNING)]


async def test_a_segment_of_another_business_is_not_there(shop: Shop) -> None:
    other = await shop.services.businesses.create("other", None, "UTC", "EUR")
    await add(shop.store, other, "theirs")
    rule = {"and": [BUYERS, {"in": ["theirs", {"var": "segments"}]}]}

    found = await shop.preview(rule)

    assert [(each.path, each.code) for each in found.findings] == [("/and/1", "NOT_FOUND")]
    assert found.sizes is None
    assert found.population == len(shop.subjects)
    # The same key in both is each one's own.
    await add(shop.store, other, "vip")
    assert (await shop.analysis.preview(other, Definition(VIP))).population == 0
    assert await shop.sampled(await shop.preview(VIP), Side.MATCHING, 2) == [3, 6]


async def test_who_was_erased_belongs_to_no_segment(shop: Shop) -> None:
    before = shop.members_of(BUYERS)
    await shop.erase(before[0])

    found = await shop.preview(BUYERS)
    matching = await shop.analysis.find_matching(shop.business, before[:2])
    explained = await shop.analysis.explain(shop.business, shop.buyers.id, before[0])

    assert found.sizes is not None
    assert (found.sizes.matching, found.population) == (len(before) - 1, len(shop.subjects) - 1)
    assert await shop.sampled(found, Side.MATCHING, 2) == before[1:3]
    assert [[each.key for each in matching[key]] for key in before[:2]] == [[], ["buyers"]]
    assert explained is not None
    assert not explained.matches


async def test_every_problem_of_a_definition_is_told(shop: Shop) -> None:
    await add(shop.store, shop.business, "circle", {"in": ["buyers", {"var": "segments"}]})

    wrong = await shop.preview([{"<": [{"var": "order_cuont"}, 2]}, {">": [{"var": "name"}, 1]}])
    round_about = await shop.preview({"in": ["circle", {"var": "segments"}]}, shop.buyers.id)
    nobody = await shop.preview({"<": [{"var": "order_count"}, 0]})
    everybody = await shop.preview({">=": [{"var": "order_count"}, 0]})

    assert [each.path for each in wrong.findings] == ["/0/</0/var", "/1/>/1"]
    assert "order_count" in wrong.findings[0].message
    assert {each.severity for each in wrong.findings} == {ProblemSeverity.ERROR}
    assert [(each.code, each.path) for each in round_about.findings] == [("CIRCULAR_REFERENCE", "")]
    assert [each.code for each in nobody.findings] == ["NOBODY_MATCHES"]
    assert [each.code for each in everybody.findings] == ["EVERYBODY_MATCHES"]


async def test_the_rules_of_a_page_are_answered_by_one_statement(shop: Shop, database: Database) -> None:
    for name, rule in RULES.items():
        if name not in ("vip", "buyers"):
            await add(shop.store, shop.business, name, rule)
    statements: list[str] = []

    @event.listens_for(database.reader.sync_engine, "before_cursor_execute")
    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lstrip().startswith(("SELECT", "WITH")):
            statements.append(statement)

    await shop.analysis.find_matching(shop.business, [1])
    counts = []
    for customers in ([1], list(shop.subjects)):
        statements.clear()
        found = await shop.analysis.find_matching(shop.business, customers)
        counts.append(len(statements))
    for number in range(60):
        await add(shop.store, shop.business, f"more-{number}", {">": [{"var": "order_count"}, number]})
    statements.clear()
    await shop.analysis.find_matching(shop.business, list(shop.subjects))
    counts.append(len(statements))

    # The segments, the first day for labels, and the rules; cut values are kept.
    assert counts == [3, 3, 3]
    names = sorted(name for name in RULES if name != "vip")
    assert {key: [each.key for each in held] for key, held in found.items()} == {
        key: [name for name in names if holds(parse_rule(RULES[name]), each)] for key, each in shop.subjects.items()
    }


@pytest.mark.read_only
async def test_more_rules_than_a_statement_takes_are_all_answered(shop: Shop) -> None:
    trees = {key: parse_rule({">": [{"var": "order_count"}, key % 20]}) for key in range(1, 1101)}
    expected = {key for key in trees if shop.subjects[5].values["order_count"] > key % 20}  # type: ignore[operator]

    async with shop.store.read(shop.business) as unit:
        found = await unit.rules.find_matching(RuleContext(shop.business, NOW), trees, [5])

    assert 0 < len(expected) < 1100
    assert found == {5: expected}
