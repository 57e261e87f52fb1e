"""Questions about stored segments, on both databases: why somebody is a member, how segments overlap, and lists of
customers by segments and rules."""

import pytest

from domain.errors import InvalidInput, InvalidRule
from domain.pages import PageRequest
from domain.rules.evaluator import holds
from domain.rules.parser import parse_rule
from domain.segments.model import MembershipSource
from domain.store import CustomerFilter, CustomerSort, Side
from persistence.database.engines import Database
from tests.conftest import once_a_store
from tests.shops.rule_shop import BUYERS, RULES, VIP, Shop, add, open_shop

pytestmark = pytest.mark.anyio


@pytest.fixture
@once_a_store
async def shop(database: Database) -> Shop:
    return await open_shop(database)


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
    assert [(each.both, each.only_a, each.only_b) for each in found.pairs] == [
        (len(sets[a] & sets[b]), len(sets[a] - sets[b]), len(sets[b] - sets[a])) for a, b in places
    ]
    assert [each.jaccard for each in found.pairs] == [
        len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in places
    ]
    assert (found.union, found.intersection) == (len(set().union(*sets)), 0)
    assert three.intersection == len(sets[0] & sets[1] & sets[2]) == 4
    assert [each.key for each in found.segments] == ["vip", "buyers", "third", "empty"]


@pytest.mark.read_only
async def test_overlaps_take_two_to_ten_different_segments(shop: Shop) -> None:
    both = [shop.vip.id, shop.buyers.id]
    for ids, field in (
        ([shop.vip.id], ("segmentIds",)),
        ([*both, *range(100, 109)], ("segmentIds",)),
        ([*both, None], ("segmentIds", "2")),
        ([*both, shop.vip.id], ("segmentIds", "2")),
    ):
        with pytest.raises(InvalidInput) as caught:
            await shop.analysis.compute_overlap(shop.business, ids)
        assert caught.value.problems[0].field == field


async def test_an_explanation_has_a_clause_for_every_leaf(shop: Shop) -> None:
    rule = [{"or": [BUYERS, {"!": {"<": [{"var": "total_revenue"}, 1]}}]}, VIP]
    mixed = await add(shop.store, shop.business, "mixed", rule, members=[9])

    inside = await shop.analysis.explain(shop.business, mixed.id, 9)
    by_hand = await shop.analysis.explain(shop.business, shop.vip.id, 3)

    assert inside is not None
    assert inside.membership is not None
    assert inside.membership.source is MembershipSource.MANUAL
    assert [each.path for each in inside.clauses] == ["/0/or/0", "/0/or/1/!", "/1"]
    assert inside.clauses[2].actual == ["buyers", "mixed", "vip"]
    assert inside.matches == holds(parse_rule(rule), shop.subjects[9])
    assert by_hand is not None
    assert (by_hand.membership is not None, by_hand.matches, by_hand.clauses, by_hand.sentence) == (
        True,
        False,
        (),
        None,
    )
    assert await shop.analysis.explain(shop.business, 99, 3) is None
    assert await shop.analysis.explain(shop.business, shop.vip.id, 999) is None


async def test_explanations_agree_with_previews(shop: Shop) -> None:
    for name in ("ranked", "labelled", "others"):
        made = await add(shop.store, shop.business, name, RULES[name])
        matching = set(await shop.sampled(await shop.preview(RULES[name]), Side.MATCHING))

        for key in (1, 2, 3, 4, 5, 6):
            explained = await shop.analysis.explain(shop.business, made.id, key)
            assert explained is not None
            assert explained.matches == (key in matching)


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
    with pytest.raises(InvalidInput, match=r"segmentIds\[1\]") as caught:
        await shop.analysis.narrow(shop.business, CustomerFilter(), [shop.vip.id, 77], None)
    with pytest.raises(InvalidRule, match="no segment with the key nobody"):
        await shop.analysis.narrow(
            shop.business, CustomerFilter(), [], parse_rule({"in": ["nobody", {"var": "segments"}]})
        )

    assert caught.value.problems[0].field == ("filter", "segmentIds", "1")
