"""Writing customers: absent fields keep, null clears, all or nothing with the index of what is wrong."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.errors import InvalidInput
from domain.model import Actor, Business, NewCustomer, WriteCounts
from gql.composition import Services
from persistence.database.engines import Database
from tests.drivers.store_image import image

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
DAY = "2024-03-01"


def problems(error: InvalidInput) -> list[tuple[str, str]]:
    """Field path and code of every problem."""
    return [(".".join(problem.field), problem.code) for problem in error.problems]


async def test_of_a_customer_absent_fields_are_kept_and_null_clears(
    services: Services, shop: Business, database: Database
) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    full = NewCustomer("C1", "Ada Lovelace", "ada@example.org", "GOLD", at)
    await services.customers.upsert(shop, [full], ACTOR)

    kept = await services.customers.upsert(shop, [NewCustomer("C1", given=frozenset())], ACTOR)
    assert kept == WriteCounts(0, 0, 1)
    named = NewCustomer("C1", name="Ada King", given=frozenset({"name"}))
    assert await services.customers.upsert(shop, [named], ACTOR) == WriteCounts(0, 1, 0)
    assert await services.customers.upsert(shop, [named], ACTOR) == WriteCounts(0, 0, 1)

    record = await services.read(shop, lambda unit: unit.customers.find_by_external_id("C1"))
    assert record is not None
    customer = record.customer
    assert (customer.name, customer.email, customer.loyalty_level) == ("Ada King", "ada@example.org", "GOLD")
    assert customer.registered_at == at
    assert [term for term, _ in image(database, shop).terms] == ["ada", "ada king", "ada@example.org", "c1", "king"]

    cleared = await services.customers.upsert(shop, [NewCustomer("C1")], ACTOR)

    assert cleared == WriteCounts(0, 1, 0)
    record = await services.read(shop, lambda unit: unit.customers.find_by_external_id("C1"))
    assert record is not None
    assert record.customer == replace(customer, name=None, email=None, loyalty_level=None, registered_at=None)
    assert record.totals.registered_day is None
    assert image(database, shop).terms == [("c1", "C1")]


async def test_with_one_wrong_customer_none_is_written(services: Services, shop: Business, database: Database) -> None:
    await services.customers.upsert(shop, [NewCustomer("gone")], ACTOR)
    with database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE customer SET erased = true")
    before = image(database, shop)
    wrong = [
        NewCustomer("good", "Good"),
        NewCustomer("  "),
        NewCustomer("a", name="x" * 1001),
        NewCustomer("b", email="x\0"),
        NewCustomer("good"),
        NewCustomer("c", loyalty_level="\udfff"),
        NewCustomer("d", registered_at=datetime.max.replace(tzinfo=UTC)),
    ]

    with pytest.raises(InvalidInput) as refused:
        await services.customers.upsert(shop, wrong, ACTOR)
    with pytest.raises(InvalidInput) as erased:
        await services.customers.upsert(shop, [NewCustomer("fine"), NewCustomer("gone", "Back")], ACTOR)

    assert problems(refused.value) == [
        ("input.1.externalId", "BLANK"),
        ("input.2.name", "TOO_LONG"),
        ("input.3.email", "INVALID"),
        ("input.4.externalId", "INVALID"),
        ("input.5.loyaltyLevel", "INVALID"),
        ("input.6.registeredAt", "INVALID"),
    ]
    assert problems(erased.value) == [("input.1.externalId", "ERASED")]
    assert image(database, shop) == before
