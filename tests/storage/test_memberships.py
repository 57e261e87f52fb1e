"""Memberships in the store: what changes them keeps the count and the log, and the past stays as it was."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from domain.model import Business, NewCustomer
from domain.pages import PageRequest
from domain.ports import Actor
from domain.segment_model import Definition, Difference, MembershipSource, NewSegment, SegmentKind
from gql.services import Services
from persistence.database import Database
from persistence.segment_tables import membership
from persistence.unit_of_work import SqlStore, Unit
from tests.conftest import SetClock

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
    return [record.customer.id for record, _ in (await unit.memberships.members(segment, PageRequest(250), at)).items]


async def evaluated(unit: Unit, held: Sequence[int], failed: Sequence[int] = ()) -> None:
    await unit.connection.execute(
        text("CREATE TEMPORARY TABLE IF NOT EXISTS evaluated (customer_id BIGINT PRIMARY KEY, holds SMALLINT)")
    )
    await unit.connection.execute(text("DELETE FROM evaluated"))
    for customers, holds in ((held, 1), (failed, 0)):
        for key in customers:
            await unit.connection.execute(text(f"INSERT INTO evaluated VALUES ({key}, {holds})"))


async def test_putting_in_and_taking_out_again_changes_only_what_differs(store: SqlStore, shop: Business) -> None:
    async with store.write(shop) as unit:
        first = await unit.memberships.put_in(1, [1, 2, 3, 3, 99], unit.instant, BY_HAND, "ann")
    async with store.write(shop) as unit:
        again = await unit.memberships.put_in(1, [2, 3, 4], unit.instant, BY_HAND, "ben")
    async with store.write(shop) as unit:
        out = await unit.memberships.take_out(1, [1, 5], unit.instant, "cid")

    assert (first, again, out) == (Difference(3, 0, 3), Difference(1, 0, 4), Difference(0, 1, 3))
    async with store.read(shop) as unit:
        assert await members(unit, 1) == [2, 3, 4]
        assert (await unit.segments.by_ids([1]))[1].member_count == 3
        page = await unit.memberships.members(1, PageRequest())
        assert [kept.entered_by for _, kept in page.items] == ["ann", "ann", "ben"]


async def test_the_past_shows_the_members_of_then(store: SqlStore, shop: Business, clock: SetClock) -> None:
    for customers in ([1, 2], [3]):
        async with store.write(shop) as unit:
            await unit.memberships.put_in(1, customers, unit.instant, BY_HAND, None)
        clock.now += DAY
    async with store.write(shop) as unit:
        await unit.memberships.take_out(1, [1], unit.instant, None)
    clock.now += DAY
    async with store.write(shop) as unit:
        await unit.memberships.put_in(1, [1], unit.instant, BY_HAND, None)

    async with store.read(shop) as unit:
        moments = [START - DAY, *(START + number * DAY + HOUR for number in range(4))]
        seen = [await members(unit, 1, at) for at in moments]
        counted = [await unit.memberships.member_count(1, at) for at in moments]
    assert seen == [[], [1, 2], [1, 2, 3], [2, 3], [1, 2, 3]]
    assert counted == [0, 2, 3, 2, 3]


async def test_recalculation_moves_only_rule_memberships(store: SqlStore, shop: Business) -> None:
    async with store.write(shop) as unit:
        await evaluated(unit, [1, 2, 3])
        first = await unit.memberships.agree(2, unit.instant, "run")
    async with store.write(shop) as unit:
        await unit.memberships.put_in(2, [3, 9], unit.instant, MembershipSource.IMPORT, "file")
    async with store.write(shop) as unit:
        await evaluated(unit, [2, 4], [1])
        second = await unit.memberships.agree(2, unit.instant, "run")
    async with store.write(shop) as unit:
        await evaluated(unit, [2, 4], [1])
        third = await unit.memberships.agree(2, unit.instant, "run")

    assert (first, second, third) == (Difference(3, 0, 3), Difference(1, 2, 3), Difference(0, 0, 3))
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2, 4, 9]
        page = await unit.memberships.members(2, PageRequest())
        assert [kept.source.value for _, kept in page.items] == ["RULE", "RULE", "IMPORT"]
        rows = (await unit.connection.execute(select(func.count()).select_from(membership))).scalar_one()
    assert rows == 5


async def test_following_a_few_customers_leaves_the_others(store: SqlStore, shop: Business) -> None:
    async with store.write(shop) as unit:
        await evaluated(unit, [1, 2, 3])
        await unit.memberships.agree(2, unit.instant, "run")
    async with store.write(shop) as unit:
        await evaluated(unit, [4, 3], [1])
        followed = await unit.memberships.agree(2, unit.instant, "follow", only=True)

    assert followed == Difference(1, 1, 3)
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2, 3, 4]


async def test_two_changes_of_one_unit_are_one_line_of_the_log(store: SqlStore, shop: Business) -> None:
    async with store.write(shop) as unit:
        await unit.memberships.put_in(1, [1, 2], unit.instant, BY_HAND, None)
    async with store.write(shop) as unit:
        await unit.memberships.take_out(1, [1], unit.instant, None)
        await unit.memberships.put_in(1, [3, 4], unit.instant, BY_HAND, None)
    async with store.read(shop) as unit:
        rows = (
            await unit.connection.execute(
                text("SELECT entered, left_count, member_count FROM membership_change ORDER BY at")
            )
        ).all()
    assert [tuple(row) for row in rows] == [(2, 0, 2), (2, 1, 3)]


async def test_a_customer_leaves_everything_at_once(store: SqlStore, shop: Business) -> None:
    async with store.write(shop) as unit:
        for segment in (1, 2):
            await unit.memberships.put_in(segment, [1, 2], unit.instant, BY_HAND, None)
    async with store.write(shop) as unit:
        ended = await unit.memberships.end_of_customer(1, unit.instant, "eraser")
    async with store.write(shop) as unit:
        everyone = await unit.memberships.end_all(1, unit.instant, "ann")

    assert (ended, everyone) == (2, Difference(0, 1, 0))
    async with store.read(shop) as unit:
        assert await members(unit, 2) == [2]
        found = await unit.segments.by_ids([1, 2])
        assert [found[key].member_count for key in (1, 2)] == [0, 1]
        assert await unit.memberships.member_count(2, START + HOUR) == 1
