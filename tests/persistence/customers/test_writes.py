"""Recording and deleting purchases and writing customers: all or nothing with the index of what is wrong, absent fields
keep and null clears, the same again changes nothing, and the kept totals agree after every kind of write."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.errors import InvalidInput
from domain.model import Actor, Business, NewCustomer, NewPurchase, PurchaseLine, PurchaseStatus, WriteCounts
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.store_image import assert_sound, image
from tests.persistence.conftest import record_of, statements
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
DAY = "2024-03-01"


FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
LONG_AND_INVALID = {"storefront_key": "TOO_LONG", "channel": "INVALID"}
LONG_PRODUCT = {"lines.0.product": "TOO_LONG", "lines.0.sku": "INVALID"}


def goods(product: str, sku: str) -> PurchaseLine:
    return PurchaseLine(None, 1, PurchaseStatus.COMPLETED, product, sku)


def by_index(found: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """The problems of a list by those of each of its items: codes by field."""
    return [(f"input.{place}.{field}", code) for place, each in enumerate(found) for field, code in each.items()]


def problems(error: InvalidInput) -> list[tuple[str, str]]:
    """Field path and code of every problem."""
    return [(".".join(problem.field), problem.code) for problem in error.problems]


async def test_the_same_purchases_again_are_unchanged(services: Services, shop: Business, database: Database) -> None:
    whole = {"storefront_key": "Main", "channel": "web", "lines": (line("Tea", 1000), line(None, 250))}
    items = [
        purchase("C1", "O1", DAY, 1250, **whole),
        purchase("C1", "O2", DAY, 0),
        purchase("C2", "O3", DAY, 500, status=PurchaseStatus.PENDING),
    ]

    first = await services.purchases.record(shop, items, ACTOR)
    before, version = image(database, shop), (await services.businesses.open("shop")).data_version
    again = await services.purchases.record(shop, items, ACTOR)

    assert (first, again) == (WriteCounts(3, 0, 0), WriteCounts(0, 0, 3))
    assert image(database, shop) == before
    assert (await services.businesses.open("shop")).data_version == version


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 1251},
        {"purchased_at": datetime(2024, 3, 1, 0, 0, 0, 1, tzinfo=UTC)},
        {"status": PurchaseStatus.CANCELLED},
        {"storefront_key": None},
        {"storefront_key": "Other"},
        {"channel": None},
        {"channel": "Web"},
        {"lines": ()},
        {"lines": (line("Tea", 1250), line("Tea", 0))},
        {"lines": (line("Rice", 1250),)},
        {"lines": (line(None, 1250),)},
        {"lines": (line("Tea", 1249),)},
        {"lines": (PurchaseLine("Tea", 1250, PurchaseStatus.REFUNDED),)},
        {"lines": (PurchaseLine("Tea", 1250, PurchaseStatus.COMPLETED, product="Green"),)},
        {"lines": (PurchaseLine("Tea", 1250, PurchaseStatus.COMPLETED, sku="G-1"),)},
        {"lines": (PurchaseLine("Tea", 1250, PurchaseStatus.COMPLETED, quantity=0),)},
        {"attributes": {"gift": False}},
    ],
)
async def test_a_purchase_that_differs_is_updated_and_counted_once(
    change: dict[str, object], services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    stored = purchase("C1", "O1", DAY, 1250, storefront_key="Main", channel="web", lines=(line("Tea", 1250),))
    await services.purchases.record(shop, [stored, purchase("C1", "O2", DAY, 10)], ACTOR)

    changed = replace(stored, **change)  # type: ignore[arg-type]
    counts = await services.purchases.record(shop, [changed], ACTOR)

    assert counts == WriteCounts(0, 1, 0)
    assert await services.purchases.record(shop, [changed], ACTOR) == WriteCounts(0, 0, 1)
    found = image(database, shop)
    assert len(found.purchases) == 2
    kept = 10 + (0 if changed.status is PurchaseStatus.CANCELLED else changed.amount)
    assert found.totals["C1"][1] == kept
    await assert_sound(database, shop, clock)


async def test_with_one_wrong_item_nothing_is_written_and_each_wrong_field_is_named(
    services: Services, shop: Business, database: Database
) -> None:
    await services.purchases.record(shop, [purchase("C1", "O1", DAY, 100)], ACTOR)
    before, business = image(database, shop), await services.businesses.open("shop")
    wrong: list[tuple[NewPurchase, dict[str, str]]] = [
        (purchase("C1", "good", DAY, 1), {}),
        (purchase(" ", "a", DAY, 1), {"customer_external_id": "BLANK"}),
        (purchase("C1", "", DAY, 1), {"external_id": "BLANK"}),
        (purchase("C1", "b", DAY, -1), {"amount": "INVALID"}),
        (purchase("C1", "good", DAY, 1), {"external_id": "INVALID"}),
        (purchase("C1", "c\0", DAY, 1), {"external_id": "INVALID"}),
        (purchase("C" * 1001, "d", DAY, 1), {"customer_external_id": "TOO_LONG"}),
        (purchase("C1", "e", DAY, 1, storefront_key="s" * 1001, channel="\ud800"), LONG_AND_INVALID),
        (purchase("C1", "f", DAY, 1, lines=(line("Tea", 1), line("T\0", 1))), {"lines.1.category": "INVALID"}),
        (purchase("C1", "g", DAY, 2**63), {"amount": "INVALID"}),
        (purchase("C1", "h", DAY, 1, lines=(line("Tea", -(2**63)),)), {"lines.0.amount": "INVALID"}),
        (replace(purchase("C1", "i", DAY, 1), purchased_at=LAST), {"purchased_at": "INVALID"}),
        (replace(purchase("C1", "j", DAY, 1), purchased_at=FIRST), {"purchased_at": "INVALID"}),
        (purchase("C1", "k", DAY, 1, lines=(line(None, 1),) * 1001), {"lines": "LIMIT_REACHED"}),
        (purchase("C1", "l", DAY, 1, lines=(goods("p" * 1001, "s\0"),)), LONG_PRODUCT),
        (purchase("C1", "m", DAY, 1, attributes=["red"]), {"attributes": "INVALID"}),
        (purchase("C1", "n", DAY, 1, attributes={"n": float("inf")}), {"attributes.n": "INVALID"}),
        (purchase("C1", "o", DAY, 1, attributes={"a b": "1"}), {"attributes.a b": "INVALID"}),
        (purchase("C1", "p", DAY, 1, attributes={str(n): 1 for n in range(51)}), {"attributes.50": "LIMIT_REACHED"}),
    ]

    with pytest.raises(InvalidInput) as refused:
        await services.purchases.record(shop, [item for item, _ in wrong], ACTOR)

    assert problems(refused.value) == by_index(found for _, found in wrong)
    assert image(database, shop) == before
    assert await services.businesses.open("shop") == business


async def test_purchases_of_another_customer_or_of_an_erased_one_are_refused_with_their_index(
    services: Services, shop: Business, database: Database
) -> None:
    await services.purchases.record(shop, [purchase("C1", "O1", DAY, 1), purchase("gone", "O2", DAY, 1)], ACTOR)
    with database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE customer SET erased = true WHERE external_id = 'gone'")
    before = image(database, shop)
    items = [purchase("C9", "O9", DAY, 5), purchase("C2", "O1", DAY, 5), purchase("gone", "O7", DAY, 5)]

    with pytest.raises(InvalidInput) as refused:
        await services.purchases.record(shop, items, ACTOR)

    assert problems(refused.value) == [("input.1.external_id", "INVALID"), ("input.2.customer_external_id", "ERASED")]
    assert image(database, shop) == before


async def test_a_thousand_items_a_call_and_no_more(services: Services, shop: Business, database: Database) -> None:
    items = [purchase("C1", f"O{n}", DAY, n) for n in range(1001)]
    people = [NewCustomer(f"C{n}") for n in range(1001)]

    for refuse in (
        services.purchases.record(shop, items, ACTOR),
        services.customers.upsert(shop, people, ACTOR),
        services.purchases.delete(shop, [item.external_id for item in items], ACTOR),
    ):
        with pytest.raises(InvalidInput, match=r"^\w+ must hold at most 1000 items$") as refused:
            await refuse
        assert refused.value.problems[0].code == "LIMIT_REACHED"

    assert await services.purchases.record(shop, items[:1000], ACTOR) == WriteCounts(1000, 0, 0)
    assert await services.customers.upsert(shop, people[:1000], ACTOR) == WriteCounts(999, 0, 1)
    assert await services.purchases.delete(shop, [item.external_id for item in items[:1000]], ACTOR) == 1000
    assert image(database, shop).purchases == {}


async def test_nothing_to_write_changes_no_data(services: Services, shop: Business) -> None:
    assert await services.purchases.record(shop, [], ACTOR) == WriteCounts()
    assert await services.customers.upsert(shop, [], ACTOR) == WriteCounts()
    assert await services.purchases.delete(shop, [], ACTOR) == 0
    assert (await services.businesses.open("shop")).data_version == shop.data_version


async def test_deleted_purchases_leave_their_customers_and_no_lines(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    items = [purchase("C1", f"O{n}", f"2024-03-0{n}", n, lines=(line("Tea", n),)) for n in (1, 2, 3)]
    await services.purchases.record(shop, [*items, purchase("C2", "P1", "2999-01-01", 9)], ACTOR)
    business = await services.businesses.open("shop")

    gone = await services.purchases.delete(shop, ["O1", "O3", "O1", "nowhere", "", "n\0l", "\ud800", "P1"], ACTOR)

    assert gone == 3
    found = image(database, shop)
    assert (list(found.purchases), list(found.lines)) == (["O2"], ["O2"])
    assert {key: total[:2] for key, total in found.totals.items()} == {"C1": (1, 2), "C2": (0, 0)}
    assert (await services.businesses.open("shop")).data_version > business.data_version
    await assert_sound(database, shop, clock)
    assert await services.purchases.delete(shop, ["O1"], ACTOR) == 0
    assert await services.purchases.record(shop, items, ACTOR) == WriteCounts(2, 0, 1)


async def test_totals_agree_after_a_long_mixture_of_writes(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    statuses = list(PurchaseStatus)
    for step in range(12):
        known, items = image(database, shop).purchases, []
        for n in range(20):
            order, day = f"O{step * 7 + n}", f"2024-0{1 + (step + n) % 9}-1{n % 10}"
            name = str(known[order][0]) if order in known else f"C{(step * 7 + n) % 9}"
            more = {"status": statuses[(step + n) % 5], "lines": (line("Tea", n),) * (n % 3)}
            items.append(purchase(name, order, day, n * 100 + step, **more))
        await services.purchases.record(shop, items, ACTOR)
        await services.purchases.delete(shop, [f"O{n}" for n in range(step, 90, 11)], ACTOR)
        await services.customers.upsert(shop, [NewCustomer(f"C{step}", f"Name {step}")], ACTOR)
        clock.now += timedelta(days=11)
        await assert_sound(database, await services.businesses.open("shop"), clock)


async def test_concurrent_writers_lose_nothing_and_each_has_its_own_change_number(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    async def record(n: int) -> WriteCounts:
        items: list[NewPurchase] = [purchase("same", f"O{n}-{k}", DAY, 100) for k in range(3)]
        return await services.purchases.record(shop, items, ACTOR)

    counts = await asyncio.gather(*(record(n) for n in range(12)))

    assert counts == [WriteCounts(3, 0, 0)] * 12
    assert image(database, shop).totals["same"][:2] == (36, 3600)
    assert (await services.businesses.open("shop")).change_number == shop.change_number + 12
    await assert_sound(database, shop, clock)


async def test_amounts_that_cannot_be_summed_change_nothing(
    services: Services, shop: Business, database: Database
) -> None:
    largest = 2**63 - 1
    await services.purchases.record(shop, [purchase("C1", "O1", DAY, largest)], ACTOR)
    before = image(database, shop)

    with pytest.raises(InvalidInput, match=r"^The amounts add up to more than 9223372036854775807 minor units"):
        await services.purchases.record(shop, [purchase("C1", "O2", DAY, 1)], ACTOR)

    assert image(database, shop) == before
    assert before.totals["C1"][:2] == (1, largest)


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

    customer = (await record_of(services, shop, "C1")).customer
    assert (customer.name, customer.email, customer.loyalty_level) == ("Ada King", "ada@example.org", "GOLD")
    assert customer.registered_at == at
    assert [term for term, _ in image(database, shop).terms] == ["ada", "ada king", "ada@example.org", "c1", "king"]

    cleared = await services.customers.upsert(shop, [NewCustomer("C1")], ACTOR)

    assert cleared == WriteCounts(0, 1, 0)
    record = await record_of(services, shop, "C1")
    assert record.customer == replace(customer, name=None, email=None, loyalty_level=None, registered_at=None)
    assert record.totals.registered_day is None
    assert image(database, shop).terms == [("c1", "C1")]


async def test_with_one_wrong_customer_none_is_written(services: Services, shop: Business, database: Database) -> None:
    await services.customers.upsert(shop, [NewCustomer("gone")], ACTOR)
    with database.bulk.begin() as connection:
        connection.exec_driver_sql("UPDATE customer SET erased = true")
    before = image(database, shop)
    wrong: list[tuple[NewCustomer, dict[str, str]]] = [
        (NewCustomer("good", "Good"), {}),
        (NewCustomer("  "), {"external_id": "BLANK"}),
        (NewCustomer("a", name="x" * 1001), {"name": "TOO_LONG"}),
        (NewCustomer("b", email="x\0"), {"email": "INVALID"}),
        (NewCustomer("good"), {"external_id": "INVALID"}),
        (NewCustomer("c", loyalty_level="\udfff"), {"loyalty_level": "INVALID"}),
        (NewCustomer("d", registered_at=LAST), {"registered_at": "INVALID"}),
    ]

    with pytest.raises(InvalidInput) as refused:
        await services.customers.upsert(shop, [item for item, _ in wrong], ACTOR)
    with pytest.raises(InvalidInput) as erased:
        await services.customers.upsert(shop, [NewCustomer("fine"), NewCustomer("gone", "Back")], ACTOR)

    assert problems(refused.value) == by_index(found for _, found in wrong)
    assert problems(erased.value) == [("input.1.external_id", "ERASED")]
    assert image(database, shop) == before


async def test_purchases_are_recorded_by_as_many_statements_however_many_they_are(
    services: Services, shop: Business, database: Database
) -> None:
    async def count(first: int, size: int) -> int:
        items = [purchase(f"C{number}", f"O{number}", DAY, 100) for number in range(first, first + size)]
        with statements(database) as seen:
            await services.purchases.record(shop, items, ACTOR)
        return len(seen)

    # What temporary tables need is told PostgreSQL together: each of its statements is a way to a server.
    expected = {"sqlite": 30, "postgresql": 19}[database.dialect]
    await count(0, 1)
    assert [await count(1, 1), await count(2, 5), await count(7, 50)] == [expected] * 3
