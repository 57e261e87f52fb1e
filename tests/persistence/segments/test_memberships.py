"""Memberships in the store: what changes them keeps the count and the log, and the past stays as it was."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from domain.calendar import SeriesInterval, build_series, to_micros
from domain.jobs.model import Difference
from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import (
    ChangeKind,
    ChangeList,
    Definition,
    MembershipChange,
    MembershipSource,
    MemberTotals,
    NewSegment,
    Place,
    SegmentKind,
)
from domain.store import Comparison, MemberList
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables.segments import membership
from persistence.unit import Unit
from tests.conftest import SetClock
from tests.persistence.conftest import statements
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
BY_HAND = MembershipSource.MANUAL
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
START = datetime(2024, 6, 15, 12, 0, tzinfo=UTC)


@pytest.fixture
async def store(database: Database, clock: SetClock, services: Services, shop: Business) -> SqlStore:
    """Ten customers, 1 to 10, and the segments 1 (MANUAL) and 2 (AUTOMATIC)."""
    made = SqlStore(database, clock)
    await services.customers.upsert(shop, [NewCustomer(f"C{n:02d}") for n in range(1, 11)], Actor("test"))
    for number, kind in enumerate((SegmentKind.MANUAL, SegmentKind.AUTOMATIC), 1):
        new = NewSegment(f"s{number}", f"S{number}", None, kind, False, False, Definition(), None, "test")
        async with made.write(shop) as unit:
            await unit.segments.add(new, unit.instant)
    return made


async def members(unit: Unit, segment: int, at: datetime | None = None) -> list[int]:
    return [
        record.customer.id
        for record, _ in (await unit.members.load_page(MemberList(segment, at), PageRequest(250))).items
    ]


async def put(
    store: SqlStore, shop: Business, segment: int, customers: Sequence[int], by: str | None = None
) -> Difference:
    async with store.write(shop) as unit:
        return await unit.memberships.add(segment, customers, unit.instant, BY_HAND, by)


async def take(store: SqlStore, shop: Business, customers: Sequence[int], by: str | None = None) -> Difference:
    async with store.write(shop) as unit:
        return await unit.memberships.remove(1, customers, unit.instant, by)


async def synced(
    store: SqlStore, shop: Business, held: Sequence[int], failed: Sequence[int] = (), only: bool = False
) -> Difference:
    """What becomes of segment 2 when its rule holds for the first and not for the second."""
    async with store.write(shop) as unit:
        await unit.connection.execute(
            text("CREATE TEMPORARY TABLE IF NOT EXISTS evaluated (customer_id BIGINT PRIMARY KEY, flags BIGINT)")
        )
        await unit.connection.execute(text("DELETE FROM evaluated"))
        # Other segments were evaluated with it, whose rules hold where its own does not.
        for key, flags in (*((key, 0b010) for key in held), *((key, 0b101) for key in failed)):
            await unit.connection.execute(text(f"INSERT INTO evaluated VALUES ({key}, {flags})"))
        return (await unit.memberships.sync_evaluated({2: 0b010}, unit.instant, {2: "run"}, of_all=not only))[2]


async def test_putting_in_and_taking_out_again_changes_only_what_differs(store: SqlStore, shop: Business) -> None:
    first = await put(store, shop, 1, [1, 2, 3, 3, 99], "ann")
    again = await put(store, shop, 1, [2, 3, 4], "ben")
    out = await take(store, shop, [1, 5], "cid")

    assert (first, again, out) == (Difference(3, 0, 3), Difference(1, 0, 4), Difference(0, 1, 3))
    async with store.read(shop) as unit:
        assert await members(unit, 1) == [2, 3, 4]
        assert (await unit.segments.find_by_ids([1]))[1].member_count == 3
        page = await unit.members.load_page(MemberList(1), PageRequest())
        assert [kept.entered_by for _, kept in page.items] == ["ann", "ann", "ben"]


async def test_the_past_shows_the_members_of_then(store: SqlStore, shop: Business, clock: SetClock) -> None:
    for customers in ([1, 2], [3]):
        await put(store, shop, 1, customers)
        clock.now += DAY
    await take(store, shop, [1])
    clock.now += DAY
    await put(store, shop, 1, [1])

    async with store.read(shop) as unit:
        moments = [START - DAY, *(START + number * DAY + HOUR for number in range(4))]
        seen = [await members(unit, 1, at) for at in moments]
        counted = await unit.history.count_past_members([(1, at) for at in moments])
    assert seen == [[], [1, 2], [1, 2, 3], [2, 3], [1, 2, 3]]
    assert counted == [0, 2, 3, 2, 3]


async def test_recalculation_moves_only_rule_memberships(store: SqlStore, shop: Business) -> None:
    first = await synced(store, shop, [1, 2, 3])
    async with store.write(shop) as unit:
        await unit.memberships.add(2, [3, 9], unit.instant, MembershipSource.IMPORT, "file")
    second = await synced(store, shop, [2, 4], [1])
    third = await synced(store, shop, [2, 4], [1])

    assert (first, second, third) == (Difference(3, 0, 3), Difference(1, 2, 3), Difference(0, 0, 3))
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2, 4, 9]
        page = await unit.members.load_page(MemberList(2), PageRequest())
        assert [kept.source.value for _, kept in page.items] == ["RULE", "RULE", "IMPORT"]
        rows = (await unit.connection.execute(select(func.count()).select_from(membership))).scalar_one()
    assert rows == 5


async def test_following_a_few_customers_leaves_the_others(store: SqlStore, shop: Business) -> None:
    await synced(store, shop, [1, 2, 3])

    followed = await synced(store, shop, [4, 3], [1], only=True)

    assert followed == Difference(1, 1, 3)
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2, 3, 4]


async def test_two_changes_of_one_unit_are_one_line_of_the_log(store: SqlStore, shop: Business) -> None:
    await put(store, shop, 1, [1, 2])
    async with store.write(shop) as unit:
        await unit.memberships.remove(1, [1], unit.instant, None)
        await unit.memberships.add(1, [3, 4], unit.instant, BY_HAND, None)
    async with store.read(shop) as unit:
        changes = text("SELECT entered, left_count, member_count FROM membership_change ORDER BY at")
        rows = (await unit.connection.execute(changes)).all()
    assert [tuple(row) for row in rows] == [(2, 0, 2), (2, 1, 3)]


async def test_a_customer_leaves_everything_at_once(store: SqlStore, shop: Business) -> None:
    for segment in (1, 2):
        await put(store, shop, segment, [1, 2])
    async with store.write(shop) as unit:
        ended = await unit.memberships.close_customer(1, unit.instant, "eraser")
    async with store.write(shop) as unit:
        everyone = await unit.memberships.close_segment(1, unit.instant, "ann")

    assert (ended, everyone) == (2, Difference(0, 1, 0))
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2]
        found = await unit.segments.find_by_ids([1, 2])
        assert [found[key].member_count for key in (1, 2)] == [0, 1]
        assert await unit.history.count_past_members([(2, START + HOUR)]) == [1]


@pytest.fixture
async def filled(store: SqlStore, shop: Business, clock: SetClock) -> SqlStore:
    """A line of the log each day: 1 to 3 enter; 1 leaves and 4 enters; 5 and 6 enter; 2 and 5 leave."""
    for entering, leaving in (([1, 2, 3], []), ([4], [1]), ([5, 6], []), ([], [2, 5])):
        async with store.write(shop) as unit:
            await unit.memberships.remove(1, leaving, unit.instant, "b")
            await unit.memberships.add(1, entering, unit.instant, BY_HAND, "a")
            await unit.memberships.add(2, entering[:1], unit.instant, BY_HAND, "a")
        clock.now += DAY
    return store


def shown(changes: Sequence[MembershipChange]) -> list[str]:
    return [f"{'+' if change.kind is ChangeKind.ENTERED else '-'}{change.customer_id}" for change in changes]


ALL = ["+1", "+2", "+3", "-1", "+4", "+5", "+6", "-2", "-5"]


@pytest.mark.parametrize("size", [1, 2, 4, 50])
async def test_changes_stand_in_the_order_of_their_commits_page_by_page(
    filled: SqlStore, shop: Business, size: int
) -> None:
    seen: list[str] = []
    after = None
    async with filled.read(shop) as unit:
        while True:
            (page,) = await unit.history.load_change_pages([(ChangeList(1), PageRequest(size, after=after))])
            seen += shown(page.items)
            after = page.positions[-1]
            if not page.has_next:
                break
        since, until = START + DAY, START + 3 * DAY
        lists = [ChangeList(1), ChangeList(1, since=since, until=until), ChangeList(customer_id=5)]
        counts = await unit.history.count_changes(lists)
        _, some, of_customer = await unit.history.load_change_pages([(which, PageRequest(50)) for which in lists])

    assert seen == ALL
    assert shown(some.items) == ["-1", "+4", "+5", "+6"]
    assert counts == [9, 4, 3]
    of_five = [(change.segment_id, change.kind.value) for change in of_customer.items]
    assert of_five == [(1, "ENTERED"), (2, "ENTERED"), (1, "LEFT")]


@pytest.mark.parametrize("size", [1, 2, 4, 50])
async def test_changes_are_read_from_the_newest_back_page_by_page(filled: SqlStore, shop: Business, size: int) -> None:
    seen: list[str] = []
    before = None
    async with filled.read(shop) as unit:
        while True:
            request = PageRequest(size, backward=True, before=before)
            (page,) = await unit.history.load_change_pages([(ChangeList(1), request)])
            seen = shown(page.items) + seen
            before = page.positions[0]
            if not page.has_previous:
                break
        (between,) = await unit.history.load_change_pages(
            [(ChangeList(1), PageRequest(50, after=page.positions[0], before=Place.before(START + 3 * DAY).position))]
        )

    assert seen == ALL
    assert shown(between.items) == ALL[1:7]


async def test_whoever_leaves_and_enters_at_one_instant_is_read_from_the_end_once(
    store: SqlStore, shop: Business
) -> None:
    async with store.write(shop) as unit:
        await unit.memberships.add(1, [1], unit.instant, BY_HAND, "a")
    async with store.write(shop) as unit:
        await unit.memberships.remove(1, [1], unit.instant, "b")
        await unit.memberships.add(1, [1], unit.instant, BY_HAND, "a")

    async with store.read(shop) as unit:
        (whole,) = await unit.history.load_change_pages([(ChangeList(1), PageRequest())])
        seen = []
        for place in range(len(whole.items)):
            request = PageRequest(1, backward=True, before=whole.positions[place])
            (page,) = await unit.history.load_change_pages([(ChangeList(1), request)])
            seen.append(shown(page.items))

    assert shown(whole.items) == ["+1", "-1", "+1"]
    assert seen == [[], ["+1"], ["-1"]]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
async def test_changes_of_all_segments_can_be_followed_from_any_place(
    filled: SqlStore, shop: Business, size: int
) -> None:
    seen: list[MembershipChange] = []
    place = Place.before(START)
    async with filled.read(shop) as unit:
        while batch := await unit.history.load_changes_after(place, None, size):
            assert len(batch) <= size
            seen += batch
            place = Place.of(batch[-1])

    found = [f"{change.segment_id}{move}" for change, move in zip(seen, shown(seen), strict=True)]
    assert " ".join(found) == "1+1 1+2 1+3 2+1 1-1 1+4 2+4 1+5 1+6 2+5 1-2 1-5"


async def test_sizes_come_from_the_log_alone(filled: SqlStore, shop: Business) -> None:
    days = build_series(START.date(), START.date() + 5 * DAY, SeriesInterval.DAY, "UTC")

    async with filled.read(shop) as unit:
        found = await unit.history.compute_sizes([1, 2, 7], days.bounds)
        later = await unit.history.compute_sizes([1], days.bounds[2:])

    assert found[1] == [(3, 3, 0), (3, 1, 1), (5, 2, 0), (3, 0, 2), (3, 0, 0), (3, 0, 0)]
    assert found[2] == [(1, 1, 0), (2, 1, 0), (3, 1, 0), (3, 0, 0), (3, 0, 0), (3, 0, 0)]
    assert found[7] == [(0, 0, 0)] * 6
    assert later[1] == found[1][2:]


async def test_who_came_and_who_went_between_two_instants(filled: SqlStore, shop: Business) -> None:
    first, last = START + HOUR, START + 3 * DAY + HOUR

    async with filled.read(shop) as unit:

        async def moved(left: datetime, right: datetime, stayed: bool = False) -> list[int]:
            between = Comparison(1, left, right, stayed)
            page = (await unit.history.load_compared_pages([(between, PageRequest(50))]))[0]
            assert await unit.history.count_compared([between]) == [len(page.items)]
            return [record.customer.id for record in page.items]

        assert await moved(first, last) == [4, 6]
        assert await moved(last, first) == [1, 2]
        assert await moved(first, first) == []
        assert await moved(first, last, stayed=True) == await moved(last, first, stayed=True) == [3]
        ids = await unit.history.load_id_lists([(1, first, 2, None), (1, first, 2, 2), (1, last, 9, None)])
        assert ids == [[1, 2], [3], [3, 4, 6]]
        assert await unit.history.count_past_members([(1, first), (1, last), (2, last), (3, last)]) == [3, 3, 3, 0]


async def test_totals_of_members_come_in_one_statement(
    store: SqlStore, shop: Business, services: Services, clock: SetClock
) -> None:
    bought = [
        purchase("C01", "1", "2024-06-10", 1000),
        purchase("C01", "2", "2024-06-15", 500),
        # The last of 90 days, and the one before it.
        purchase("C02", "3", "2024-03-18", 100),
        purchase("C03", "4", "2024-03-17", 7),
    ]
    await services.purchases.record(shop, bought, Actor("test"))
    await put(store, shop, 1, [1, 2, 3, 4])
    await put(store, shop, 2, [4])

    async with store.read(shop) as unit:
        found = await unit.memberships.compute_totals([1, 2, 3], START.date().toordinal(), 90)

    assert found[1] == MemberTotals(members=4, inactive=2, revenue=1607, orders=4, ages=0 + 89 + 90, buyers=3)
    assert found[2] == MemberTotals(members=1, inactive=1)
    assert found[3] == MemberTotals()


async def test_pages_of_members_are_statements_that_do_not_grow_with_the_segments(
    database: Database, clock: SetClock, shop: Business
) -> None:
    moments = (None, clock())
    requests = (PageRequest(2), PageRequest(2, backward=True), PageRequest(2, after=(3, 3)))
    found = []

    for segments in (1, 300):
        keys = [
            (MemberList(number, at), request) for number in range(segments) for request in requests for at in moments
        ]
        async with SqlStore(database, clock).read(shop) as unit:
            with statements(database) as seen:
                await unit.members.load_pages(keys)
        found.append([statement for statement in seen if "membership" in statement])

    assert found[0] == found[1]
    assert len(found[0]) == len(requests) * len(moments)


MORE, EARLIER = PageRequest(2), START - DAY
LISTS: dict[str, Callable[[Unit, Sequence[int]], Awaitable[object]]] = {
    "changes": lambda unit, keys: unit.history.load_change_pages([(ChangeList(key), MORE) for key in keys]),
    "changes after a place": lambda unit, keys: unit.history.load_change_pages(
        [(ChangeList(key), PageRequest(2, after=Place(key, key, key).position)) for key in keys]
    ),
    "changes before a place": lambda unit, keys: unit.history.load_change_pages(
        [(ChangeList(key), PageRequest(2, backward=True, before=Place(key, key, key).position)) for key in keys]
    ),
    "changes of customers": lambda unit, keys: unit.history.load_change_pages(
        [(ChangeList(customer_id=key, since=START), MORE) for key in keys]
    ),
    "counts of changes": lambda unit, keys: unit.history.count_changes([ChangeList(key) for key in keys]),
    "counts of customers": lambda unit, keys: unit.history.count_changes([ChangeList(None, key) for key in keys]),
    "past counts": lambda unit, keys: unit.history.count_past_members([(key, START) for key in keys]),
    "past ids": lambda unit, keys: unit.history.load_id_lists([(key, START, 2, key) for key in keys]),
    "entrants": lambda unit, keys: unit.history.load_compared_pages(
        [(Comparison(key, EARLIER, START), MORE) for key in keys]
    ),
    "those who stayed": lambda unit, keys: unit.history.load_compared_pages(
        [(Comparison(key, EARLIER, START, stayed=True), MORE) for key in keys]
    ),
    "counts of entrants": lambda unit, keys: unit.history.count_compared(
        [Comparison(key, EARLIER, START) for key in keys]
    ),
    "snapshots": lambda unit, keys: unit.snapshots.load_pages([(key, MORE) for key in keys]),
    "snapshots of instants": lambda unit, keys: unit.snapshots.find_by_keys([(key, START) for key in keys]),
    "members": lambda unit, keys: unit.memberships.are_members([(key, key) for key in keys]),
    "newest snapshots": lambda unit, keys: unit.snapshots.load_newest(keys, 2),
}


@pytest.mark.parametrize("what", LISTS)
async def test_what_is_listed_of_many_is_one_statement_that_does_not_grow_with_them(
    database: Database, clock: SetClock, shop: Business, what: str
) -> None:
    found = []

    for many in (1, 20):
        async with SqlStore(database, clock).read(shop) as unit:
            with statements(database) as seen:
                await LISTS[what](unit, range(1, many + 1))
        found.append([statement for statement in seen if "keys" in statement])

    assert len(found[0]) == 1
    assert found[0] == found[1]


async def test_changes_of_many_lines_are_read_by_one_statement_that_does_not_grow(
    filled: SqlStore, shop: Business, database: Database
) -> None:
    found = []

    for size in (1, 9):
        async with filled.read(shop) as unit:
            with statements(database) as seen:
                assert len(await unit.history.load_changes_after(Place(0), None, size)) == size
        found.append([statement for statement in seen if "keys" in statement])

    assert found[0] == found[1]
    assert len(found[0]) == 1


async def test_lists_of_different_forms_are_answered_each_as_it_was_asked(filled: SqlStore, shop: Business) -> None:
    asked = [
        (ChangeList(segment, customer, since), PageRequest(size, after=after))
        for segment, customer in ((1, None), (2, None), (None, 4), (1, 2))
        for since in (None, START + DAY)
        for size in (1, 50)
        for after in (None, Place.before(START + DAY).position, Place(to_micros(START), 1, 2, 1).position)
    ] + [
        (ChangeList(1), PageRequest(2, backward=True, before=before))
        for before in (None, Place.before(START + DAY).position, Place(to_micros(START + DAY), 1, 4, 1).position)
    ]
    lists = [which for which, _ in asked]

    async with filled.read(shop) as unit:
        together = await unit.history.load_change_pages(asked * 2)
        singly = [(await unit.history.load_change_pages([key]))[0] for key in asked]
        counts = await unit.history.count_changes(lists * 2)
        counted = [(await unit.history.count_changes([which]))[0] for which in lists]

    assert [list(page.items) for page in together] == [list(page.items) for page in singly] * 2
    assert any(page.items for page in singly)
    assert counts == counted * 2
