"""What is known of a customer beside name and e-mail: written, kept, compared by rules, erased."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select

from domain.errors import InvalidInput
from domain.model import Actor, AttributeKind, AttributeKinds, Business, NewCustomer, WriteCounts
from domain.segments.model import Definition
from domain.segments.validation import Draft
from gql.composition import Services
from persistence.database.engines import Database
from persistence.tables.customers import customer, customer_attribute
from tests.persistence.conftest import record_of

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
EVERYTHING = {"colour": "blue", "size": 38.5, "agreed": True, "since": "2024-03-01"}
KEPT = {"agreed": True, "colour": "blue", "since": datetime(2024, 3, 1, tzinfo=UTC), "size": Decimal("38.5")}


def stating(key: str, **attributes: object) -> NewCustomer:
    return NewCustomer(key, given=frozenset(), attributes=attributes)


async def attributes_of(services: Services, shop: Business, key: str) -> object:
    number = (await record_of(services, shop, key)).customer.id
    return (await services.read(shop, lambda unit: unit.customers.load_attributes([number])))[number]


async def test_values_are_kept_by_name_and_absent_names_stay(services: Services, shop: Business) -> None:
    assert await services.customers.upsert(shop, [stating("C1", **EVERYTHING)], ACTOR) == WriteCounts(1, 0, 0)
    assert await services.customers.upsert(shop, [stating("C1", **EVERYTHING)], ACTOR) == WriteCounts(0, 0, 1)
    assert await services.customers.upsert(shop, [stating("C1")], ACTOR) == WriteCounts(0, 0, 1)
    assert await attributes_of(services, shop, "C1") == KEPT

    changed = [stating("C1", colour=None, size="7", fresh="x"), stating("C2", colour=None)]
    assert await services.customers.upsert(shop, changed, ACTOR) == WriteCounts(1, 1, 0)

    expected = {**KEPT, "size": Decimal(7), "fresh": "x"}
    del expected["colour"]
    assert await attributes_of(services, shop, "C1") == expected
    assert await attributes_of(services, shop, "C2") == {}
    kinds = (await services.businesses.open("shop")).attributes
    assert kinds.customer == {
        "colour": AttributeKind.TEXT,
        "size": AttributeKind.NUMBER,
        "agreed": AttributeKind.BOOLEAN,
        "since": AttributeKind.INSTANT,
        "fresh": AttributeKind.TEXT,
    }


async def test_a_wrong_value_changes_nothing_at_all(services: Services, shop: Business) -> None:
    await services.customers.upsert(shop, [stating("C1", size=1)], ACTOR)
    items = [stating("C1", size=2, fresh=1), stating("C2", size="big"), stating("C3", fresh="x")]

    with pytest.raises(InvalidInput) as refused:
        await services.customers.upsert(shop, items, ACTOR)

    assert [problem.field for problem in refused.value.problems] == [
        ("input", "1", "attributes", "size"),
        ("input", "2", "attributes", "fresh"),
    ]
    assert await attributes_of(services, shop, "C1") == {"size": Decimal(1)}
    assert (await services.businesses.open("shop")).attributes == AttributeKinds({"size": AttributeKind.NUMBER})


async def test_the_names_of_one_business_are_not_those_of_another(services: Services, shop: Business) -> None:
    other = await services.businesses.create("other", None, "UTC", "EUR")
    await services.customers.upsert(shop, [stating("C1", size=1)], ACTOR)

    await services.customers.upsert(other, [stating("C1", size="large")], ACTOR)

    assert await attributes_of(services, other, "C1") == {"size": "large"}
    assert await attributes_of(services, shop, "C1") == {"size": Decimal(1)}


async def test_kinds_are_declared_before_there_are_values(services: Services, shop: Business) -> None:
    declared = await services.customers.declare_attributes(shop, {"code": AttributeKind.TEXT}, ACTOR)
    await services.customers.upsert(shop, [stating("C1", code="2024-01-01")], ACTOR)

    assert declared.attributes.customer == {"code": AttributeKind.TEXT}
    assert await attributes_of(services, shop, "C1") == {"code": "2024-01-01"}
    with pytest.raises(InvalidInput, match="the attribute code is of the kind text, not number"):
        await services.customers.declare_attributes(shop, {"code": AttributeKind.NUMBER}, ACTOR)


async def test_erasure_takes_all_that_is_known(services: Services, shop: Business, database: Database) -> None:
    known = {"phone": "+94 77 1", "country": "LK", "city": "Colombo"}
    await services.customers.upsert(shop, [NewCustomer("C1", "Zoë", **known, attributes=EVERYTHING)], ACTOR)  # type: ignore[arg-type]
    await services.customers.upsert(shop, [NewCustomer("C2", **known, attributes={"colour": "blue"})], ACTOR)  # type: ignore[arg-type]
    record = await record_of(services, shop, "C1")
    assert (record.customer.phone, record.customer.country, record.customer.city) == tuple(known.values())

    await services.erasure.erase(shop, record.customer.id, ACTOR)

    columns = (customer.c.phone, customer.c.country, customer.c.city)
    with database.bulk.connect() as connection:
        rows = connection.execute(select(*columns).order_by(customer.c.id)).all()
        held = connection.execute(select(customer_attribute.c.customer_id)).scalars().all()
    assert [tuple(row) for row in rows] == [(None, None, None), tuple(known.values())]
    assert held == [record.customer.id + 1]


async def test_segments_follow_a_changed_attribute(services: Services, shop: Business) -> None:
    await services.customers.upsert(shop, [stating("C1", size=1), stating("C2", size=5), stating("C3")], ACTOR)
    rule = {">": [{"var": "attributes.size"}, 4]}
    made, _ = await services.segments.create(shop, Draft("Big", definition=Definition(rule)), ACTOR)
    entered, left = await services.recalculations.recalculate_customer(shop, 2, ACTOR)
    assert [each.id for each in entered] == [made.id]

    await services.customers.upsert(shop, [stating("C2", size=None), stating("C1", size=9)], ACTOR)
    store = services.store
    async with store.evaluate(shop) as evaluation:
        changed = await evaluation.load_changed_customers(10)

    assert {1, 2} <= set(changed[0])
    entered, left = await services.recalculations.recalculate_customer(shop, 2, ACTOR)
    assert [each.id for each in left] == [made.id]
    entered, left = await services.recalculations.recalculate_customer(shop, 1, ACTOR)
    assert [each.id for each in entered] == [made.id]
