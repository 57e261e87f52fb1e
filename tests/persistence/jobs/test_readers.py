"""Readers during a recalculation see the old set or the new one, never a mixture, and the count is the members'."""

import asyncio
from dataclasses import replace

import pytest

from domain.model import Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import Definition, Segment
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working

pytestmark = pytest.mark.anyio
CUSTOMERS = 200
LEVELS = ("GOLD", "SILVER")


async def seen(working: Working, segment: Segment) -> tuple[int, frozenset[int]]:
    """The count and the members in one state of the store."""
    async with working.store.read(working.business) as unit:
        held = (await unit.segments.find_by_ids([segment.id]))[segment.id]
        page = await unit.memberships.load_members(segment.id, PageRequest(CUSTOMERS))
    return held.member_count, frozenset(record.customer.id for record, _ in page.items)


async def test_a_reader_sees_the_old_set_or_the_new_one(
    database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    items = [NewCustomer(f"C{n}", loyalty_level=LEVELS[n % 2]) for n in range(CUSTOMERS)]
    await services.customers.upsert(shop, items, ACTOR)
    working = Working.of(database, clock, shop)
    rules = [{"==": [{"var": "loyalty_level"}, level]} for level in LEVELS]
    segment = await working.segment("level", rules[0])
    await working.calculate(segment)
    sets = {await seen(working, segment)}
    stop = asyncio.Event()

    async def read() -> set[tuple[int, frozenset[int]]]:
        found = set()
        while not stop.is_set():
            found.add(await seen(working, segment))
        return found

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for turn in range(1, 9):
        async with working.store.write(shop) as unit:
            held = (await unit.segments.find_by_ids([segment.id]))[segment.id]
            defined = Definition(rules=rules[turn % 2])
            await unit.segments.change(replace(held, definition=defined, version=held.version + 1))
        job = await working.calculate(segment)
        assert (job.entered, job.left) == (CUSTOMERS // 2, CUSTOMERS // 2)
        sets.add(await seen(working, segment))
    stop.set()

    assert len(sets) == 2
    assert {count for count, _ in sets} == {CUSTOMERS // 2}
    for found in await asyncio.gather(*readers):
        assert found <= sets
        assert len(found) == 2
