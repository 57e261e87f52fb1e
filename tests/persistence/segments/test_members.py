"""Lists of members in every order: on both databases the same as sorting by hand, however a page is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import Definition, MembershipSource, NewSegment, SegmentKind
from domain.store import Member, MemberList, MemberSort
from gql.composition import Services
from persistence.database.engines import Database
from persistence.segments import members as module
from persistence.store import SqlStore
from tests.conftest import SetClock, once_a_store, sample_cases
from tests.persistence.conftest import statements
from tests.shops.factories import purchase

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
PEOPLE, DENSE, SPARSE = 40, 1, 2
NAMES = ("Zoë", "ädi", "Adi", None, "Ärni Zimt", "zeno", "Ann Zimt", None)
BY_HAND = MembershipSource.MANUAL


@pytest.fixture
@once_a_store
async def then(*, database: Database, clock: SetClock, services: Services, shop: Business) -> datetime:
    """Forty customers with ties in everything. Most are members of segment 1, who entered in three writes, and some
    have left since; two are of segment 2. An instant before those left."""
    store = SqlStore(database, clock)
    people = [
        NewCustomer(f"{'aB'[n % 2]}{n:02d}", NAMES[n % 8], f"P{n % 10}@X.com", given=frozenset({"name", "email"}))
        for n in range(1, PEOPLE + 1)
    ]
    await services.customers.upsert(shop, people, Actor("test"))
    bought = [
        purchase(people[n - 1].external_id, f"O{n}-{k}", f"2024-05-{1 + n % 5:02d}", 100 * (1 + n % 3))
        for n in range(1, PEOPLE + 1)
        for k in range(n % 4)
    ]
    await services.purchases.record(shop, bought, Actor("test"))
    for name in ("dense", "sparse"):
        new = NewSegment(name, name, None, SegmentKind.MANUAL, False, False, Definition(), None, None)
        async with store.write(shop) as unit:
            await unit.segments.add(new, unit.instant)
    for segment, customers in ((1, range(2, 15)), (1, range(10, 31)), (2, (38, 4)), (1, range(35, 41))):
        async with store.write(shop) as unit:
            await unit.memberships.add(segment, list(customers), unit.instant, BY_HAND, None)
            at = unit.instant
    async with store.write(shop) as unit:
        await unit.memberships.remove(1, [3, 17, 36], unit.instant, None)
    return at


VALUES: dict[MemberSort | None, Callable[[Member], Any]] = {
    None: lambda member: 0,
    MemberSort.ASSIGNED_AT: lambda member: member[1].entered_at,
    MemberSort.EXTERNAL_ID: lambda member: member[0].customer.external_id,
    MemberSort.NAME: lambda member: (member[0].customer.name is None, (member[0].customer.name or "").casefold()),
    MemberSort.TOTAL_REVENUE: lambda member: member[0].totals.revenue,
    MemberSort.ORDER_COUNT: lambda member: member[0].totals.order_count,
    MemberSort.LAST_PURCHASE_AT: lambda member: (member[0].totals.last_at is None, str(member[0].totals.last_at)),
}
WAYS = {"among the members": (0, 1), "along the order, where it is long enough": (16, 2)}
TURNS = ((False, False), (True, True))
"""Whether the order is turned round, and whether the list is read from its end."""


async def walk(store: SqlStore, shop: Business, which: MemberList, *, backward: bool) -> list[Member]:
    """The whole list, page by page from either end."""
    found: list[Member] = []
    request = PageRequest(14, backward=backward)
    while True:
        async with store.read(shop) as unit:
            page = await unit.members.load_page(which, request)
        found = [*page.items, *found] if backward else [*found, *page.items]
        if not (page.has_previous if backward else page.has_next):
            return found
        end = {"before": page.positions[0]} if backward else {"after": page.positions[-1]}
        request = replace(request, **end)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "sort", sample_cases(VALUES, MemberSort.ASSIGNED_AT, MemberSort.NAME, MemberSort.TOTAL_REVENUE)
)
async def test_pages_in_every_order_are_those_of_sorting_by_hand(
    database: Database,
    clock: SetClock,
    shop: Business,
    then: datetime,
    monkeypatch: pytest.MonkeyPatch,
    sort: MemberSort | None,
    way: str,
) -> None:
    store = SqlStore(database, clock)
    monkeypatch.setattr(module, "SPARSE", WAYS[way][0])
    monkeypatch.setattr(module, "STEPS", WAYS[way][1])

    for segment, at, search in ((1, None, None), (1, then, None), (1, then, "Z"), (2, None, None)):
        async with store.read(shop) as unit:
            everybody = (await unit.members.load_page(MemberList(segment, at), PageRequest(250))).items
        if search:
            held = search.casefold()
            everybody = [
                member
                for member in everybody
                if any(word.startswith(held) for word in (member[0].customer.name or "").casefold().split())
            ]
        expected = sorted(everybody, key=lambda member: (VALUES[sort](member), member[0].customer.id))
        for reverse, backward in TURNS:
            which = MemberList(segment, at, sort, reverse, search)
            found = await walk(store, shop, which, backward=backward)
            assert found == (expected[::-1] if reverse else expected)
        if at is not None:
            # A unit of that moment lists the same as the members of now.
            moment = replace(shop, as_of=at)
            assert await walk(store, moment, MemberList(segment, None, sort, False, search), backward=True) == expected
        async with store.read(shop) as unit:
            assert await unit.members.count([MemberList(segment, at, search=search)]) == [len(expected)]
    assert len(expected) == 2


async def test_sorted_pages_of_many_segments_are_statements_that_do_not_grow(
    database: Database, clock: SetClock, shop: Business, then: datetime
) -> None:
    found = []

    for segments in ((1,), range(1, 200)):
        keys = [
            (MemberList(segment, at, sort, search=search), PageRequest(2, after=after))
            for segment in segments
            for at in (None, then)
            for sort, after in ((MemberSort.NAME, ("zeno", 3)), (MemberSort.TOTAL_REVENUE, None))
            for search in (None, "z")
        ]
        async with SqlStore(database, clock).read(shop) as unit:
            with statements(database) as seen:
                await unit.members.load_pages(keys)
        found.append([statement for statement in seen if "membership" in statement])

    # Where a segment has too few members for a walk, its pages are found among them.
    assert len(found[0]) <= len(found[1]) <= len(found[0]) + 4


async def test_a_search_that_no_store_can_hold_finds_nobody(
    database: Database, clock: SetClock, shop: Business, then: datetime
) -> None:
    which = MemberList(1, search="\ud800")

    async with SqlStore(database, clock).read(shop) as unit:
        page, counts = await unit.members.load_page(which, PageRequest(2)), await unit.members.count([which])

    assert (list(page.items), counts) == ([], [0])
