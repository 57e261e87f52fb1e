"""The labels of all customers at once: equal to the labels decided one by one, whatever
was kept of them before."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from domain.calendar import load_zone, to_local_date
from domain.classification.labels import Classification, ClassificationFacts, ClassificationSettings, classify
from domain.model import Actor, Business, NewPurchase, PurchaseLine, PurchaseStatus
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.undo import ImportUndo
from persistence.labels.labels import LabelStore, keep
from persistence.soundness.checks import find_broken_rules
from tests.conftest import NOW, SetClock
from tests.drivers.files import Importer
from tests.persistence.conftest import change_settings
from tests.shops.factories import line, purchase
from tests.shops.festivals import is_festive

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
Labels = dict[str, tuple[str | None, ...]]
COUNTED = (PurchaseStatus.COMPLETED, PurchaseStatus.PARTIAL)
LINE_AMOUNTS = (10, 10, 0, -1)
LINE_STATUSES = (*PurchaseStatus, PurchaseStatus.COMPLETED, PurchaseStatus.PARTIAL)
SETTINGS: list[dict[str, object]] = [
    {},
    {"frequency_order": ["SEASONAL", "LAPSED", "LOYAL", "NEW"], "festive_percent": 50, "loyal_orders": 2},
    {"dominant_percent": 40, "family_percent": 20, "high_average_order": "30", "high_lifetime": "90"}
    | {"low_lifetime": "0.50"},
    {"dominant_percent": 100, "family_percent": 100, "low_lifetime": "0.50", "lapsed_days": 1, "loyal_months": 1},
]


def batch(database: Database, business: Business, clock: SetClock, as_of: date | None = None) -> tuple[Labels, int]:
    """The labels by external id, and how many were decided anew; they are kept."""
    with LabelStore(database, business.id, clock).decide_labels(as_of) as decided:
        found = {str(row[0]): tuple(row[1:]) for row in decided.load_rows()}
        assert list(found) == sorted(found)
        keep(decided)
        return found, decided.fresh


def noise(draw: random.Random, customers: int) -> list[NewPurchase]:
    """Customers of every kind: of one purchase and many, long ago and yesterday, with and without lines."""
    items = []
    for customer in range(customers):
        start = draw.choice([5, 60, 92, 200, 800])
        for order in range(draw.choice([1, 1, 2, 3, 5, 6])):
            at = NOW - timedelta(days=draw.randrange(start), minutes=draw.randrange(1440))
            if draw.random() < 0.3:
                at = at.replace(month=draw.choice([4, 12]), day=draw.choice([1, 20, 21, 30]))
            categories = draw.choice([[], ["Tea"], ["Tea", "Rice"], ["Tea", "Rice", "tea"], [None], [None, "Tea"]])
            lines = tuple(
                replace(line(draw.choice(categories), draw.choice(LINE_AMOUNTS)), status=draw.choice(LINE_STATUSES))
                for _ in range(draw.randrange(0, 4) if categories else 0)
            )
            status = draw.choice([*PurchaseStatus, PurchaseStatus.COMPLETED, PurchaseStatus.COMPLETED])
            amount = draw.choice([0, 50, 2999, 3000, 9000, 1_000_000, 1_500_000, 15_000_000])
            items.append(
                purchase(f"C{customer}", f"O{customer}-{order}", at.isoformat(), amount, lines=lines, status=status)
            )
    return items


def bought(item: NewPurchase) -> list[PurchaseLine]:
    """The lines of a qualifying purchase that were bought."""
    return [each for each in item.lines if each.status in COUNTED and each.amount >= 0]


def one_by_one(
    items: list[NewPurchase], business: Business, settings: Mapping[str, object], today: date, now: datetime
) -> Labels:
    """The labels by the rules for one customer, from the purchases themselves."""
    chosen = ClassificationSettings.from_settings(settings)
    tz, found = load_zone(business.time_zone), {}
    recent, festive = chosen.find_recent_start(today), chosen.festive
    for customer in {item.customer_external_id for item in items}:
        all_of_it = [item for item in items if item.customer_external_id == customer and item.status in COUNTED]
        mine = [
            item for item in all_of_it if item.purchased_at <= now and to_local_date(item.purchased_at, tz) <= today
        ]
        days = [to_local_date(item.purchased_at, tz) for item in mine]
        categories = [each.category for item in mine for each in bought(item) or (line(None, 0),)]
        facts = None
        if mine:
            facts = ClassificationFacts(
                len(mine),
                sum(item.amount for item in mine),
                sum(day >= recent for day in days),
                max(days).toordinal(),
                sum(is_festive(festive, day) for day in days),
                {name: categories.count(name) for name in set(categories)},
            )
        label: Classification = classify(facts, chosen, today, 2)
        found[customer] = (label.frequency, label.spending, label.category)
    return found


@pytest.mark.parametrize("settings", SETTINGS)
async def test_random_customers_have_the_labels_that_each_has_alone(
    settings: dict[str, object], services: Services, database: Database, clock: SetClock
) -> None:
    draw = random.Random(repr(settings))
    business = await services.businesses.create("noise", None, "Asia/Colombo", "EUR")
    items = noise(draw, 200)
    await services.purchases.record(business, items, ACTOR)
    await change_settings(services, database, "noise", **settings)

    for today in (None, date(2024, 6, 1), date(2023, 4, 20), date(2021, 1, 1)):
        found, _ = batch(database, business, clock, today)

        assert found == one_by_one(items, business, settings, today or date(2024, 6, 15), clock.now)


@pytest.mark.parametrize("seed", range(3))
async def test_kept_labels_are_those_that_would_be_decided_now(
    seed: int, services: Services, database: Database, shop: Business, clock: SetClock
) -> None:
    draw = random.Random(seed)
    stated = {item.external_id: item for item in noise(draw, 60)}
    await services.purchases.record(shop, list(stated.values()), ACTOR)
    first, decided = batch(database, shop, clock)
    assert decided == sum(label != (None, None, None) for label in first.values())

    for _ in range(4):
        changed = [replace(item, amount=item.amount + 1) for item in draw.sample(list(stated.values()), 3)]
        gone = draw.sample(sorted(stated), 2)
        await services.purchases.record(shop, changed, ACTOR)
        await services.purchases.delete(shop, gone, ACTOR)
        stated |= {item.external_id: item for item in changed}
        touched = {item.customer_external_id for item in changed}
        touched |= {stated.pop(order).customer_external_id for order in gone}
        found, decided = batch(database, shop, clock)

        want = one_by_one(list(stated.values()), shop, {}, date(2024, 6, 15), clock.now)
        assert {key: want.get(key, (None, None, None)) for key in found} == found
        assert decided == len(touched)
    assert batch(database, shop, clock)[1] == 0


async def test_another_day_or_other_settings_decide_all_anew(
    services: Services, database: Database, shop: Business, clock: SetClock
) -> None:
    items = [purchase("A", "O1", "2024-03-18", 100), purchase("A", "O2", "2024-03-18", 100)]
    await services.purchases.record(shop, items, ACTOR)
    assert batch(database, shop, clock) == ({"A": ("Regular", "Low Value", "Mixed")}, 1)

    await change_settings(services, database, low_lifetime="1")
    assert batch(database, shop, clock) == ({"A": ("Regular", "Medium Value", "Mixed")}, 1)
    clock.now += timedelta(days=1)
    assert batch(database, shop, clock) == ({"A": ("Lapsed", "Medium Value", "Mixed")}, 1)
    # A look at the past leaves the labels of today where they are.
    assert batch(database, shop, clock, date(2024, 3, 20))[0] == {"A": ("Regular", "Medium Value", "Mixed")}
    assert batch(database, shop, clock) == ({"A": ("Lapsed", "Medium Value", "Mixed")}, 0)


async def test_labels_that_were_kept_meanwhile_are_not_written_over(
    services: Services, database: Database, shop: Business, clock: SetClock
) -> None:
    await services.purchases.record(shop, [purchase("A", "O1", "2024-06-01", 100)], ACTOR)
    with LabelStore(database, shop.id, clock).decide_labels() as slow:
        list(slow.load_rows())
        await services.purchases.record(shop, [purchase("A", "O2", "2024-06-02", 100)], ACTOR)
        assert batch(database, shop, clock)[0] == {"A": ("Regular", "Low Value", "Mixed")}

        keep(slow)

    assert batch(database, shop, clock) == ({"A": ("Regular", "Low Value", "Mixed")}, 0)


async def test_labels_of_which_some_were_kept_are_decided_anew(
    services: Services, database: Database, shop: Business, clock: SetClock
) -> None:
    items = [purchase(name, name, "2024-06-01", 100) for name in ("A", "B")]
    await services.purchases.record(shop, items, ACTOR)
    batch(database, shop, clock)
    with database.bulk.begin() as connection:
        connection.execute(text("UPDATE label_state SET basis = NULL"))
        connection.execute(text("DELETE FROM customer_label WHERE customer_id = 1"))

    found, decided = batch(database, shop, clock)

    assert (found, decided) == (dict.fromkeys("AB", ("New", "Low Value", "Mixed")), 2)


async def test_who_never_bought_has_no_labels_and_who_was_erased_is_left_out(
    services: Services, database: Database, shop: Business, clock: SetClock
) -> None:
    pending = purchase("Z", "O2", "2024-06-01", 100, status=PurchaseStatus.PENDING)
    items = [purchase("é", "O1", "2024-06-01", 100), pending, purchase("gone", "O3", "2024-06-01", 100)]
    await services.purchases.record(shop, items, ACTOR)
    gone = await services.read(shop, lambda unit: unit.customers.find_by_external_id("gone"))
    assert gone is not None
    await services.erasure.erase(shop, gone.customer.id, ACTOR)

    found, _ = batch(database, shop, clock)

    assert list(found.items()) == [("Z", (None, None, None)), ("é", ("New", "Low Value", "Mixed"))]


async def test_customers_whose_import_was_taken_back_meanwhile_get_no_labels(
    importer: Importer, database: Database, shop: Business, clock: SetClock
) -> None:
    importer.lines("Ada,A1,2024-05-01,10")
    importer.lines("Ben,B1,2024-05-01,10")
    with database.bulk.connect() as connection:
        newest = connection.execute(text("SELECT MAX(id) FROM purchase_import")).scalar_one()

    with LabelStore(database, shop.id, clock).decide_labels() as decided:
        undone = ImportUndo(database, shop, clock, newest).run(ACTOR)
        keep(decided)

    assert undone.customers_removed == 1
    assert list(find_broken_rules(database)) == []
