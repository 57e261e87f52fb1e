"""Following committed changes of memberships: in commit order, each exactly once, from a cursor, while writers race."""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import pytest

from domain.model import Business, NewCustomer
from domain.segments.history import Compaction
from domain.segments.model import ChangeKind, MembershipChange, MembershipSource, Place, Segment
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working

pytestmark = pytest.mark.anyio
CUSTOMERS, WRITTEN = 40, 24


@pytest.fixture
async def working(database: Database, services: Services, shop: Business, clock: SetClock) -> Working:
    """A worker on a shop of forty customers."""
    await services.customers.upsert(shop, [NewCustomer(f"C{n}") for n in range(CUSTOMERS)], ACTOR)
    return Working.of(database, clock, shop)


async def put_in(working: Working, segment: Segment, *customers: int) -> None:
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(segment.id, customers, unit.instant, MembershipSource.MANUAL, "tester")


async def take_out(working: Working, segment: Segment, *customers: int) -> None:
    async with working.store.write(working.business) as unit:
        await unit.memberships.remove(segment.id, customers, unit.instant, "tester")


async def gather(working: Working, segment: Segment | None, after: Place | None, count: int) -> list[MembershipChange]:
    """The next changes, so many of them."""
    found: list[MembershipChange] = []
    key = None if segment is None else segment.id
    async with (
        asyncio.timeout(20),
        aclosing(working.recalculations.follow_changes(working.business, key, after)) as stream,
    ):
        async for portion, place in stream:
            assert len(portion) <= 500
            assert not portion or place == Place.of(portion[-1])
            found += portion
            if len(found) >= count:
                break
    return found


def told(changes: list[MembershipChange]) -> list[tuple[int, int, ChangeKind]]:
    return [(change.segment_id, change.customer_id, change.kind) for change in changes]


async def read_place(working: Working, after: Place | None = None) -> Place:
    """Where to go on from now, told where no change waits."""
    stream = working.recalculations.follow_changes(working.business, None, after)
    async with asyncio.timeout(20), aclosing(stream):
        portion, place = await anext(stream)
    assert portion == []
    return place


async def test_changes_are_told_from_now_on_in_commit_order(working: Working) -> None:
    vip, press = await working.by_hand("vip"), await working.by_hand("press")
    await put_in(working, vip, 1, 2)
    stream = working.recalculations.follow_changes(working.business, None, None)
    async with asyncio.timeout(20), aclosing(stream):
        first = await anext(stream)

        await put_in(working, press, 3)
        await take_out(working, vip, 2)
        await put_in(working, vip, 4, 5)
        found: list[MembershipChange] = []
        while len(found) < 4:
            found += (await anext(stream))[0]

    assert first[0] == []
    assert await gather(working, None, first[1], 4) == found
    assert told(found) == [
        (press.id, 3, ChangeKind.ENTERED),
        (vip.id, 2, ChangeKind.LEFT),
        (vip.id, 4, ChangeKind.ENTERED),
        (vip.id, 5, ChangeKind.ENTERED),
    ]


async def test_a_follower_goes_on_from_any_change(working: Working) -> None:
    vip, press = await working.by_hand("vip"), await working.by_hand("press")
    for segment in (vip, press):
        await put_in(working, segment, *range(1, 6))
        await take_out(working, segment, 1, 2)
    whole = await gather(working, None, Place(0), 14)
    of_vip = await gather(working, vip, Place(0), 7)

    assert len(whole) == 14
    assert told(of_vip) == [change for change in told(whole) if change[0] == vip.id]
    for number in range(13):
        assert await gather(working, None, Place.of(whole[number]), 13 - number) == whole[number + 1 :]


async def test_a_follower_goes_on_from_before_the_first_change(working: Working) -> None:
    vip = await working.by_hand("vip")
    start = await read_place(working)
    again = await read_place(working, start)
    await put_in(working, vip, 1)
    await put_in(working, vip, 2)

    assert again == start
    assert told(await gather(working, None, start, 2)) == [
        (vip.id, 1, ChangeKind.ENTERED),
        (vip.id, 2, ChangeKind.ENTERED),
    ]


async def test_where_to_go_on_lies_behind_the_horizon_of_history(working: Working, clock: SetClock) -> None:
    vip = await working.by_hand("vip")
    await put_in(working, vip, 1)
    await take_out(working, vip, 1)
    clock.now += timedelta(days=40)
    compaction = Compaction(working.store, clock)
    horizon = compaction.read_horizon(working.business, (clock.now - timedelta(days=1)).date())
    await compaction.remove(working.business, horizon, ACTOR)

    assert (await read_place(working)).instant >= horizon


async def test_many_changes_of_one_instant_come_in_portions(working: Working, services: Services) -> None:
    for start in range(0, 1100, 550):
        items = [NewCustomer(f"N{n}") for n in range(start, start + 550)]
        await services.customers.upsert(working.business, items, ACTOR)
    segment = await working.segment("everybody", {">=": [{"var": "order_count"}, 0]})
    await working.calculate(segment)

    found = await gather(working, segment, Place(0), 1100 + CUSTOMERS)

    assert [change.customer_id for change in found] == list(range(1, 1101 + CUSTOMERS))


async def test_racing_writers_are_told_of_each_exactly_once_and_in_order(working: Working) -> None:
    segments = [await working.by_hand(f"segment-{n}") for n in range(4)]

    async def write(segment: Segment) -> None:
        for customer in range(1, WRITTEN + 1):
            await put_in(working, segment, customer)
            if customer % 4 == 0:
                await take_out(working, segment, customer)

    expected = 4 * (WRITTEN + WRITTEN // 4)
    following = [asyncio.create_task(gather(working, None, Place(0), expected)) for _ in range(3)]
    await asyncio.gather(*(write(segment) for segment in segments))

    for found in await asyncio.gather(*following):
        assert len(set(told(found))) == len(found) == expected
        assert [change.at for change in found] == sorted(change.at for change in found)
