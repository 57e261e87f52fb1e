"""The ids of audit events: a sequence of the business's own, in the order of commits, without gaps, and apart from the
change number. What belongs to no write waits for none."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from domain.model import Actor, AuditOutcome, Business
from domain.pages import PageRequest
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables.requests import audit_event
from tests.conftest import SetClock
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test", "r1")


async def numbers(database: Database, business: int = 1) -> list[tuple[int, int | None]]:
    """Id and change number of every event of a business, oldest first."""
    column = audit_event.c
    statement = select(column.id, column.change_number).where(column.business_id == business).order_by(column.id)
    async with database.reader.connect() as connection:
        return [(row.id, row.change_number) for row in await connection.execute(statement)]


async def test_events_of_writes_have_their_change_number_and_others_raise_none(
    database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    store = SqlStore(database, clock)
    await store.audit(shop.id, ACTOR, "downloadMembers", ("Segment", 3), {"format": "csv"})
    await services.purchases.record(shop, [purchase("C1", "O1", "2024-06-01", 5)], ACTOR)
    await store.audit(other.id, ACTOR, "deleteSegment", None, {}, outcome=AuditOutcome.DENIED)
    async with store.write(shop) as unit:
        await unit.mark_data_changed()
    await services.purchases.delete(shop, ["O1"], ACTOR)

    assert await numbers(database) == [(1, None), (2, 1), (3, 3)]
    assert await numbers(database, other.id) == [(1, None)]
    assert (await services.businesses.open("other")).change_number == 0
    events = (await services.read(shop, lambda unit: unit.audits.load_page(PageRequest(9)))).items
    first = events[-1]
    assert (first.id, first.at, first.actor, first.request_id) == (1, clock.now, "test", "r1")
    assert (first.subject, first.detail, first.outcome) == (("Segment", 3), {"format": "csv"}, AuditOutcome.DONE)


async def test_a_write_that_is_rolled_back_takes_no_id(database: Database, shop: Business, clock: SetClock) -> None:
    store = SqlStore(database, clock)
    with pytest.raises(ZeroDivisionError):
        async with store.write(shop) as unit:
            await unit.audit(ACTOR, "note", None, {})
            raise ZeroDivisionError

    await store.audit(shop.id, ACTOR, "note", None, {})

    assert await numbers(database) == [(1, None)]


async def test_a_write_has_no_second_event(database: Database, shop: Business, clock: SetClock) -> None:
    with pytest.raises(IntegrityError):
        async with SqlStore(database, clock).write(shop) as unit:
            await unit.audit(ACTOR, "note", None, {})
            await unit.audit(ACTOR, "note", None, {})

    assert await numbers(database) == []


async def test_events_of_many_at_once_are_numbered_without_gaps(
    database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    store = SqlStore(database, clock)

    async def write(number: int) -> None:
        await services.purchases.record(shop, [purchase("C1", f"O{number}", "2024-06-01", 5)], ACTOR)

    await asyncio.gather(
        *(write(number) for number in range(8)), *(store.audit(shop.id, ACTOR, "read", None, {}) for _ in range(8))
    )

    found = await numbers(database)
    assert [id for id, _ in found] == [*range(1, 17)]
    # The order of commits is that of changes.
    assert [change for _, change in found if change is not None] == [*range(1, 9)]


async def test_an_event_of_no_write_does_not_wait_for_the_lock_of_the_business(
    fresh_postgresql: Database, clock: SetClock
) -> None:
    store = SqlStore(fresh_postgresql, clock)
    shop = await Services(fresh_postgresql, clock).businesses.create("shop", None, "UTC", "EUR")

    async with store.write(shop) as unit:
        async with asyncio.timeout(5):
            await store.audit(shop.id, ACTOR, "downloadMembers", None, {})
        before = await numbers(fresh_postgresql)
        await unit.audit(ACTOR, "note", None, {})

    assert before == [(1, None)]
    assert await numbers(fresh_postgresql) == [(1, None), (2, 1)]
