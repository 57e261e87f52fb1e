"""Automatic segments by criteria, calculated for everybody and for one customer: who is in them, and who is not."""

from decimal import Decimal

import pytest

from domain.model import Business, NewCustomer
from domain.rules.criteria import SegmentCriteria
from domain.segments.model import Definition, Segment
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working
from tests.persistence.conftest import record_of
from tests.persistence.jobs.conftest import DAY
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
HIGH_VALUE = SegmentCriteria(min_lifetime_value=Decimal(1000), min_orders=5, loyalty_levels=("GOLD", "PLATINUM"))


@pytest.fixture
async def working(database: Database, services: Services, shop: Business, clock: SetClock) -> Working:
    """A worker on a shop with five customers: each but the first misses High Value by one thing, the last by all."""
    bought = {"All": (5, 20_000), "Few": (4, 30_000), "Poor": (5, 19_999), "Silver": (9, 90_000)}
    levels = {"All": "GOLD", "Few": "PLATINUM", "Poor": "GOLD", "Silver": "SILVER"}
    customers = [NewCustomer(name, loyalty_level=levels.get(name)) for name in (*bought, "Nobody")]
    await services.customers.upsert(shop, customers, ACTOR)
    items = [
        purchase(name, f"{name}-{n}", DAY, amount) for name, (orders, amount) in bought.items() for n in range(orders)
    ]
    await services.purchases.record(shop, items, ACTOR)
    return Working.of(database, clock, shop)


async def by(working: Working, key: str, criteria: SegmentCriteria) -> Segment:
    """A segment by criteria, not calculated yet."""
    return await working.define(key, Definition(criteria=criteria))


async def test_excludes_when_criteria_are_not_met(working: Working) -> None:
    segment = await by(working, "high-value", HIGH_VALUE)

    job = await working.calculate(segment)

    assert (job.evaluated, job.entered) == (5, 1)
    assert await working.members(segment) == ["All"]


async def test_handles_loyalty_levels(working: Working, services: Services) -> None:
    gold = await by(working, "gold", SegmentCriteria(loyalty_levels=("GOLD",)))
    both = await by(working, "both", SegmentCriteria(loyalty_levels=("GOLD", "SILVER")))
    lower = await by(working, "lower", SegmentCriteria(loyalty_levels=("gold",)))
    for segment in (gold, both, lower):
        await working.calculate(segment)

    assert await working.members(gold) == ["All", "Poor"]
    assert await working.members(both) == ["All", "Poor", "Silver"]
    assert await working.members(lower) == []
    await services.customers.upsert(working.business, [NewCustomer("Poor", loyalty_level="SILVER")], ACTOR)
    await working.calculate(gold)
    assert await working.members(gold) == ["All"]


async def test_assigns_matching_automatic_segments(working: Working, services: Services) -> None:
    high = await by(working, "high-value", HIGH_VALUE)
    gold = await by(working, "gold", SegmentCriteria(loyalty_levels=("GOLD",)))
    await by(working, "never", SegmentCriteria(max_orders=0))
    key = (await record_of(services, working.business, "All")).customer.id

    entered, left = await working.recalculations.recalculate_customer(working.business, key, ACTOR)
    again = await working.recalculations.recalculate_customer(working.business, key, ACTOR)

    assert (sorted(each.key for each in entered), left, again) == (["gold", "high-value"], [], ([], []))
    async with working.store.read(working.business) as unit:
        held = (await unit.memberships.find_open_memberships([key]))[key]
        segments = await unit.segments.find_by_ids([each.segment_id for each in held])
    assert [segments[each.segment_id].key for each in held] == ["gold", "high-value"]
    assert await working.members(high) == await working.members(gold) == ["All"]
