"""Members that change at once: whatever the order, the count, the members and the log agree at every moment."""

import asyncio

import pytest
from sqlalchemy import func, select

from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import Definition, NewSegment, SegmentKind
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables import membership, membership_change
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")


async def test_assigning_against_removing_while_others_read(
    database: Database, clock: SetClock, services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer(f"C{number:02d}") for number in range(1, 21)], ACTOR)
    store = SqlStore(database, clock)
    async with store.write(shop) as unit:
        new = NewSegment("vip", "VIP", None, SegmentKind.MANUAL, False, False, Definition(), None, None)
        await unit.segments.add(new, unit.instant)
    ended = asyncio.Event()
    moments: list[tuple[int, int, int]] = []

    async def move(place: int) -> int:
        some = [1 + (place * 3 + step) % 20 for step in range(7)]
        change = services.memberships.remove if place % 3 == 2 else services.memberships.assign
        _, count = await change(shop, 1, some, ACTOR)
        return -count if place % 3 == 2 else count

    async def watch() -> None:
        while not ended.is_set():
            async with store.read(shop) as unit:
                page = await unit.memberships.load_members(1, PageRequest(250))
                kept = (await unit.segments.find_by_ids([1]))[1].member_count
                moves = select(func.sum(membership_change.c.entered - membership_change.c.left_count))
                logged = (await unit.connection.execute(moves)).scalar_one() or 0
            moments.append((len(page.items), kept, int(logged)))

    watchers = [asyncio.create_task(watch()) for _ in range(2)]
    changes = await asyncio.gather(*(move(place) for place in range(30)))
    ended.set()
    await asyncio.gather(*watchers)

    assert [moment for moment in moments if len(set(moment)) != 1] == []
    assert len(moments) > 2
    async with store.read(shop) as unit:
        page = await unit.memberships.load_members(1, PageRequest(250))
        negative = select(func.count()).where(membership.c.left_at <= membership.c.entered_at)
        assert (await unit.connection.execute(negative)).scalar_one() == 0
        instants = (
            (await unit.connection.execute(select(membership_change.c.member_count).order_by(membership_change.c.at)))
            .scalars()
            .all()
        )
    assert sum(changes) == len(page.items) == instants[-1]
