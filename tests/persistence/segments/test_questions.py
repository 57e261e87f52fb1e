"""Questions about rules and segments over all customers, on both databases: what is counted and sampled agrees with the
evaluator of single customers, a stored segment in a rule stands for those who are its members now, why somebody is a
member, how segments overlap, and lists of customers by segments and rules."""

import asyncio

import pytest

from domain.errors import InvalidInput, InvalidRule
from domain.pages import PageRequest
from domain.rules.context import RuleContext
from domain.rules.evaluator import holds
from domain.rules.parser import parse_rule
from domain.segments.analysis import ProblemSeverity
from domain.segments.model import Definition, MembershipSource
from domain.store import CustomerFilter, CustomerSort, Side
from persistence.database.engines import Database
from persistence.rules.compiler import RuleCompiler
from tests.conftest import once_a_store
from tests.persistence.conftest import selects, statements
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
    assert await shop.load_sample(found, Side.MATCHING) == expected[:50]
    assert await shop.load_sample(found, Side.MATCHING, 3) == expected[:3]


@pytest.mark.read_only
async def test_a_preview_tells_who_would_enter_leave_and_stay(shop: Shop) -> None:
    expected, members = set(shop.members_of(RULES["spenders"])), set(range(1, 41))

    found = await shop.preview(RULES["spenders"], shop.buyers.id)

    assert found.sizes is not None
    assert (found.sizes.members, found.sizes.staying) == (40, len(expected & members))
    assert await shop.load_sample(found, Side.ENTERING) == sorted(expected - members)[:50]
    assert await shop.load_sample(found, Side.LEAVING) == sorted(members - expected)
    assert await shop.load_sample(await shop.preview(RULES["spenders"]), Side.LEAVING) == []


async def test_a_reference_stands_for_the_members_of_now_and_not_for_the_rule(shop: Shop) -> None:
    rule = {"in": ["buyers", {"var": "segments"}]}
    async with shop.store.write(shop.business) as unit:
        await unit.memberships.remove(shop.buyers.id, range(11, 41), unit.instant, "test")

    found = await shop.preview(rule)

    assert await shop.load_sample(found, Side.MATCHING) == list(range(1, 11))
    warned = [(each.code, each.severity) for each in found.findings]
    assert warned == [("NEVER_CALCULATED", ProblemSeverity.WARNING)]


async def test_a_segment_of_another_business_is_not_there(shop: Shop) -> None:
    other = await shop.services.businesses.create("other", None, "UTC", "EUR")
    await add(shop.store, other, "theirs")
    rule = {"and": [BUYERS, {"in": ["theirs", {"var": "segments"}]}]}

    found = await shop.preview(rule)

    assert [(each.path, each.code) for each in found.findings] == [("/and/1", "UNKNOWN_VARIABLE")]
    assert found.sizes is None
    assert found.population == len(shop.subjects)
    # The same key in both is each one's own.
    await add(shop.store, other, "vip")
    assert (await shop.analysis.preview(other, Definition(VIP))).population == 0
    assert await shop.load_sample(await shop.preview(VIP), Side.MATCHING, 2) == [3, 6]


async def test_who_was_erased_belongs_to_no_segment(shop: Shop) -> None:
    before = shop.members_of(BUYERS)
    await shop.erase(before[0])

    found = await shop.preview(BUYERS)
    matching = await shop.analysis.find_matching(shop.business, before[:2])
    explained = await shop.analysis.explain(shop.business, shop.buyers.id, before[0])

    assert found.sizes is not None
    assert (found.sizes.matching, found.population) == (len(before) - 1, len(shop.subjects) - 1)
    assert await shop.load_sample(found, Side.MATCHING, 2) == before[1:3]
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

    await shop.analysis.find_matching(shop.business, [1])
    counts = []
    for customers in ([1], list(shop.subjects)):
        with statements(database) as seen:
            found = await shop.analysis.find_matching(shop.business, customers)
        counts.append(selects(seen))
    for number in range(60):
        await add(shop.store, shop.business, f"more-{number}", {">": [{"var": "order_count"}, number]})
    with statements(database) as seen:
        await shop.analysis.find_matching(shop.business, list(shop.subjects))
    counts.append(selects(seen))

    # The segments, the first day for labels, and the rules; cut values are kept.
    assert counts == [3, 3, 3]
    names = sorted(name for name in RULES if name != "vip")
    assert {key: [each.key for each in held] for key, held in found.items()} == {
        key: [name for name in names if holds(parse_rule(RULES[name]), each)] for key, each in shop.subjects.items()
    }


async def test_of_the_rules_that_customers_match_each_turn_of_the_loop_reads_and_compiles_one(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        await add(shop.store, shop.business, f"more-{number}", {">": [{"var": "order_count"}, number]})
    turn = 0
    worked: dict[str, list[int]] = {"read": [], "compiled": []}

    async def count() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    def note(what: str, owner: type, name: str) -> None:
        work = getattr(owner, name)

        def noted(*arguments: object) -> object:
            worked[what].append(turn)
            return work(*arguments)

        monkeypatch.setattr(owner, name, noted)

    note("read", Definition, "build_tree")
    note("compiled", RuleCompiler, "compile_condition")
    counting = asyncio.create_task(count())
    await shop.analysis.find_matching(shop.business, [5])
    counting.cancel()

    assert len(worked["read"]) == len(worked["compiled"]) >= 20
    assert all(len(set(turns)) == len(turns) for turns in worked.values())


@pytest.mark.read_only
async def test_more_rules_than_a_statement_takes_are_all_answered(shop: Shop) -> None:
    trees = {key: parse_rule({">": [{"var": "order_count"}, key % 20]}) for key in range(1, 1101)}
    expected = {key for key in trees if shop.subjects[5].values["order_count"] > key % 20}  # type: ignore[operator]

    async with shop.store.read(shop.business) as unit:
        found = await unit.rules.find_matching(RuleContext(shop.business, NOW), trees, [5])

    assert 0 < len(expected) < 1100
    assert found == {5: expected}


async def test_overlaps_count_every_customer_once(shop: Shop) -> None:
    sets = [set(range(3, 101, 3)), set(range(1, 41)), set(range(30, 61)), set()]
    third = await add(shop.store, shop.business, "third", members=range(30, 71))
    empty = await add(shop.store, shop.business, "empty")
    async with shop.store.write(shop.business) as unit:
        await unit.memberships.remove(third.id, range(61, 71), unit.instant, "test")
    ids = [shop.vip.id, shop.buyers.id, third.id, empty.id]

    found = await shop.analysis.compute_overlap(shop.business, ids)
    three = await shop.analysis.compute_overlap(shop.business, ids[:3])

    places = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    for each, (a, b) in zip(found.pairs, ((sets[a], sets[b]) for a, b in places), strict=True):
        assert (each.both, each.only_a, each.only_b) == (len(a & b), len(a - b), len(b - a))
        assert each.jaccard == len(a & b) / len(a | b)
    assert (found.union, found.intersection) == (len(set().union(*sets)), 0)
    assert three.intersection == len(sets[0] & sets[1] & sets[2]) == 4
    assert [each.key for each in found.segments] == ["vip", "buyers", "third", "empty"]


@pytest.mark.read_only
async def test_overlaps_take_two_to_ten_different_segments(shop: Shop) -> None:
    both = [shop.vip.id, shop.buyers.id]
    for ids, field in (
        ([shop.vip.id], ("segment_ids",)),
        ([*both, *range(100, 109)], ("segment_ids",)),
        ([*both, None], ("segment_ids", "2")),
        ([*both, shop.vip.id], ("segment_ids", "2")),
    ):
        with pytest.raises(InvalidInput) as caught:
            await shop.analysis.compute_overlap(shop.business, ids)
        assert caught.value.problems[0].field == field


async def test_an_explanation_has_a_clause_for_every_leaf(shop: Shop) -> None:
    rule = [{"or": [BUYERS, {"!": {"<": [{"var": "total_revenue"}, 1]}}]}, VIP]
    mixed = await add(shop.store, shop.business, "mixed", rule, members=[9])

    inside = await shop.analysis.explain(shop.business, mixed.id, 9)
    by_hand = await shop.analysis.explain(shop.business, shop.vip.id, 3)

    assert inside is not None and inside.membership is not None
    assert inside.membership.source is MembershipSource.MANUAL
    assert [each.path for each in inside.clauses] == ["/0/or/0", "/0/or/1/!", "/1"]
    assert inside.clauses[2].actual == ["buyers", "mixed", "vip"]
    assert inside.matches == holds(parse_rule(rule), shop.subjects[9])
    assert by_hand is not None and by_hand.membership is not None
    assert (by_hand.matches, by_hand.clauses, by_hand.sentence) == (False, (), None)
    assert await shop.analysis.explain(shop.business, 99, 3) is None
    assert await shop.analysis.explain(shop.business, shop.vip.id, 999) is None


async def test_explanations_agree_with_previews(shop: Shop) -> None:
    for name in ("ranked", "labelled", "others"):
        made = await add(shop.store, shop.business, name, RULES[name])
        matching = set(await shop.load_sample(await shop.preview(RULES[name]), Side.MATCHING))

        for key in (1, 2, 3, 4, 5, 6):
            explained = await shop.analysis.explain(shop.business, made.id, key)
            assert explained is not None and explained.matches == (key in matching)


@pytest.mark.read_only
@pytest.mark.parametrize("sort", CustomerSort)
async def test_lists_of_customers_are_narrowed_by_segments_and_rules(shop: Shop, sort: CustomerSort) -> None:
    expected = {key for key in shop.members_of(RULES["ranked"]) if key % 3 == 0 and key <= 40}
    ids = [shop.vip.id, shop.buyers.id, shop.vip.id]
    where = await shop.analysis.narrow(shop.business, CustomerFilter(), ids, parse_rule(RULES["ranked"]))

    seen: list[int] = []
    request = PageRequest(3)
    while True:
        async with shop.services.store.read(shop.business) as unit:
            page = await unit.customers.load_page(request, where, sort, False)
        seen += [record.customer.id for record in page.items]
        if not page.has_next:
            break
        request = PageRequest(3, after=page.positions[-1])

    count = await shop.services.read(shop.business, lambda unit: unit.customers.count(where))
    assert len(expected) > 3
    assert len(seen) == len(set(seen)) == count
    assert set(seen) == expected


@pytest.mark.read_only
async def test_a_filter_refuses_segments_that_are_not_there(shop: Shop) -> None:
    with pytest.raises(InvalidInput, match=r"segment_ids\[1\]") as caught:
        await shop.analysis.narrow(shop.business, CustomerFilter(), [shop.vip.id, 77], None)
    unknown = parse_rule({"in": ["nobody", {"var": "segments"}]})
    with pytest.raises(InvalidRule, match="no segment with the key nobody"):
        await shop.analysis.narrow(shop.business, CustomerFilter(), [], unknown)

    assert caught.value.problems[0].field == ("filter", "segment_ids", "1")
