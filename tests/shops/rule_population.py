"""Customers of every kind for the tests of rules, the same in every store: with none, one and 200 purchases, with
nothing in any field that may be empty, with texts that sort and fold unlike ASCII, amounts of zero, the largest
amounts, refunds and the future."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from sqlalchemy import literal_column

from domain.model import (
    Actor,
    AttributeKind,
    AttributeKinds,
    Business,
    BusinessSettings,
    NewCustomer,
    NewPurchase,
    PurchaseLine,
    PurchaseStatus,
)
from domain.rules.context import RuleContext
from domain.rules.evaluator import CustomerFacts, holds
from domain.rules.parser import parse_rule
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context, read_customer_facts
from gql.composition import Services
from persistence.database.dialects import Expression
from persistence.database.engines import Database
from persistence.rules.compiler import Lookup
from persistence.store import SqlStore

NOW = datetime(2024, 6, 15, 2, 30, tzinfo=UTC)
LATER = NOW + timedelta(days=600)
"""When the last purchase of anybody lies before the window of scores."""
ZONE = "America/New_York"
SETTINGS: dict[str, object] = {
    "rfm_days": 400,
    "high_average_order": 400,
    "high_lifetime": 3000,
    "low_lifetime": 500,
    "loyal_orders": 3,
    "festive_percent": 60,
    "dominant_percent": 60,
    "family_percent": 30,
    "frequency_order": ["NEW", "LOYAL", "SEASONAL", "LAPSED"],
}
NAMES = (
    None,
    "",
    "Nimal Perera",
    "nimal",
    "Zoë",
    "Zoe\u0308",
    "\U0001d4b3avier",
    "\uff3a",
    "%_'\"\\",
    "Ana",
    "ß",
    "日本",
)
EMAILS = (None, "nimal@example.com", "ana@example.org", "x@y")
COUNTRIES = (None, "LK", "lk", "Sri Lanka", "")
CITIES = (None, "Colombo", "Kandy", "Zürich", "東京")
PHONES = (None, "+94 77 123", "0771", "")
COLOURS = (None, "blue", "Blue", "", "\U0001d4b3", "ß")
SIZES_WORN = (None, "38", "0", "-1.5", "0.1", "999999999999999.999999", "1e3", "7")
AGREED = (None, True, False)
SINCE = (
    None,
    "2024-01-01",
    "2023-11-05T01:30:00",
    "2024-03-10T02:30",
    "1969-12-31T23:59:59.999999Z",
    "1970-01-01T00:00Z",
)
LEVELS = (None, "GOLD", "SILVER", "gold", "PLATINUM")
STOREFRONTS = (None, "colombo", "kandy", "Online")
CHANNELS = (None, "web", "app", "shop")
CATEGORIES = (None, "Kids", "Womens", "Mens", "Kids")
ATTRIBUTES = AttributeKinds(
    {
        "colour": AttributeKind.TEXT,
        "size": AttributeKind.NUMBER,
        "agreed": AttributeKind.BOOLEAN,
        "since": AttributeKind.INSTANT,
        # Nobody has one.
        "unused": AttributeKind.NUMBER,
    }
)
PRODUCTS = (None, "Sarong", "sarong", 'Tea, "green"', "茶")
SKUS = (None, "SAR-1", "00123", "")
QUANTITIES = (None, 0, 1, 250_000, 1_000_000, 2_000_000, 3_333_333, -1_000_000, 999_999_999_999_999)
"""In millionths."""
SIZES = (0, 1, 1, 2, 3, 4, 6, 9, 14)
STATUSES = tuple(PurchaseStatus)
CUSTOMERS = 96
LARGEST_AMOUNT = 10**17 - 1
"""15 digits of euros, in cents."""
SEGMENTS: Mapping[str, object] = {
    "spenders": {">": [{"var": "total_revenue"}, 700]},
    "regulars": {"and": [{">=": [{"var": "order_count"}, 2]}, {"in": ["spenders", {"var": "segments"}]}]},
    "either": {"or": [{"in": ["regulars", {"var": "segments"}]}, {"in": ["spenders", {"var": "segments"}]}]},
}
LISTED = "listed"
"""A segment whose members are put in by hand: every third customer."""


@dataclass(frozen=True, slots=True)
class Population:
    """One store's customers, as rules see them, by id."""

    database: Database
    context: RuleContext
    subjects: Mapping[int, CustomerFacts]
    segments: Lookup


def _customer(random: Random, number: int) -> NewCustomer:
    registered = NOW - timedelta(minutes=random.randrange(0, 1_500_000))
    name, email, level = NAMES[number % len(NAMES)], random.choice(EMAILS), random.choice(LEVELS)
    more = Random(number)
    attributes = {
        "colour": more.choice(COLOURS),
        "size": None if (size := more.choice(SIZES_WORN)) is None else Decimal(size),
        "agreed": more.choice(AGREED),
        "since": more.choice(SINCE),
    }
    return NewCustomer(
        f"C{number:03d}",
        name,
        email,
        level,
        None if number % 4 == 0 else registered,
        phone=more.choice(PHONES),
        country=more.choice(COUNTRIES),
        city=more.choice(CITIES),
        # Some have none at all.
        attributes=attributes if number % 5 else {},
    )


def _purchases(random: Random, customer: str, count: int) -> Iterator[NewPurchase]:
    # Drawn apart, so that who bought what and when is what it was.
    goods = Random(customer)
    taste, reach = random.choice(CATEGORIES), random.choice((40, 200, 700, 1500))
    channel, generous = random.choice(CHANNELS), random.choice((500, 20_000, 120_000))
    for place in range(count):
        at = NOW - timedelta(minutes=random.randrange(0, reach * 1440))
        if random.random() < 0.25:
            at = at.replace(month=12, day=random.randrange(1, 31), year=at.year - 1)
        if random.random() < 0.04:
            at = NOW + timedelta(days=random.randrange(1, 30))
        amount = random.choice((0, 1, 99, random.randrange(generous), random.randrange(generous)))
        amount = LARGEST_AMOUNT - amount if customer == "rich" else amount
        lines = tuple(
            PurchaseLine(
                taste if random.random() < 0.7 else random.choice(CATEGORIES),
                amount if customer == "rich" else random.randrange(-2_000, 30_000),
                random.choices(STATUSES, (80, 8, 4, 4, 4))[0],
                goods.choice(PRODUCTS),
                goods.choice(SKUS),
                goods.choice(QUANTITIES),
            )
            for _ in range(random.choice((0, 1, 1, 2, 3)))
        )
        yield NewPurchase(
            customer,
            f"{customer}-{place}",
            at,
            amount,
            random.choices(STATUSES, (80, 8, 4, 4, 4))[0],
            random.choice(STOREFRONTS),
            channel if random.random() < 0.8 else random.choice(CHANNELS),
            lines,
        )


def people(seed: int = 11) -> tuple[list[NewCustomer], list[NewPurchase]]:
    """The customers and what they bought."""
    random = Random(seed)
    customers = [_customer(random, number) for number in range(CUSTOMERS)]
    many = NewCustomer("many", "Ana Maria", "ana@example.com", "GOLD", NOW - timedelta(days=900))
    customers += [NewCustomer("nothing"), NewCustomer("one"), many, NewCustomer("rich")]
    drawn = {each.external_id: random.choice(SIZES) for each in customers}
    counts = drawn | {"nothing": 0, "one": 1, "many": 200, "rich": 9}
    purchases = [bought for key, count in counts.items() for bought in _purchases(random, key, count)]
    return customers, purchases


async def populate(database: Database, now: datetime = NOW) -> Population:
    """Fill a new, empty store with the customers, as they are seen at that instant."""
    services = Services(database, lambda: now)
    made = await services.businesses.create("people", "People", ZONE, "EUR")
    made = await services.customers.declare_attributes(made, ATTRIBUTES.customer, Actor("test"))
    customers, purchases = people()
    actor = Actor("test")
    await services.customers.upsert(made, customers, actor, limit=len(customers))
    await services.purchases.record(made, purchases, actor, limit=len(purchases))
    business = replace(await services.businesses.open("people"), settings=BusinessSettings.of(SETTINGS))
    return await _read_population(database, business, now)


async def _read_population(database: Database, business: Business, now: datetime) -> Population:
    trees: dict[str, Condition] = {key: parse_rule(rule) for key, rule in SEGMENTS.items()}
    uses = parse_rule({"missing": ["rfm_segment", "purchase_frequency_label"]})
    async with SqlStore(database, lambda: now).read(business) as unit:
        context = await build_rule_context(unit, now, [uses])
        found = await read_customer_facts(unit, context, range(1, CUSTOMERS + 5))
    for key, each in found.items():
        keys = frozenset({LISTED} if key % 3 == 0 else ())
        for name, tree in trees.items():
            keys |= {name} if holds(tree, replace(each, segments=keys)) else set()
        found[key] = replace(each, segments=keys)

    def segments(key: str) -> Condition | Expression:
        # Stands for the membership of a segment that is filled by hand.
        return literal_column("(customer.id % 3 = 0)") if key == LISTED else trees[key]

    return Population(database, context, found, segments)
