"""Pages of customers by key: every order on both databases, both ways, and while customers are added between pages:
whoever was there and kept the sort value is seen exactly once, in order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.store import CustomerFilter, CustomerRecord, CustomerSort
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import examples, once_a_store
from tests.persistence.conftest import EVERYBODY, everybody
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
NUMBERS = itertools.count()
NAMES = st.one_of(
    st.none(), st.sampled_from(["ada", "Ada", "ÁDA", "ß", "SS", "李", "𝔘", "\uffff", "Zoë", "zoe", "é", "e\u0301"])
)


@dataclass(frozen=True)
class Buyer:
    """A customer to make: a name or none, and amounts of orders, by the number of days before the summer."""

    name: str | None
    orders: tuple[tuple[int, int], ...]


BUYERS = st.builds(Buyer, NAMES, st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=2).map(tuple))


async def add(services: Services, business: Business, buyers: Sequence[Buyer], prefix: str) -> None:
    """Customers of distinct ids that do not sort in the order in which they are made."""
    ids = [f"{prefix}{chr(0x4E00 + (7 * n) % 31)}{n}" for n in range(len(buyers))]
    people = [NewCustomer(key, buyer.name) for key, buyer in zip(ids, buyers, strict=True)]
    orders = [
        purchase(key, f"{key}/{place}", (datetime(2024, 6, 1, tzinfo=UTC) - timedelta(days=days)).isoformat(), amount)
        for key, buyer in zip(ids, buyers, strict=True)
        for place, (days, amount) in enumerate(buyer.orders)
    ]
    await services.customers.upsert(business, people, ACTOR)
    await services.purchases.record(business, orders, ACTOR)


def sort_key(record: CustomerRecord, sort: CustomerSort) -> tuple[bool, object, int]:
    """Missing values last, then the value, then the id."""
    values = {
        CustomerSort.EXTERNAL_ID: record.customer.external_id,
        CustomerSort.NAME: None if record.customer.name is None else record.customer.name.casefold(),
        CustomerSort.TOTAL_REVENUE: record.totals.revenue,
        CustomerSort.ORDER_COUNT: record.totals.order_count,
        CustomerSort.LAST_PURCHASE_AT: record.totals.last_at,
    }
    value = values[sort]
    return value is None, "" if value is None else value, record.customer.id


@pytest.mark.parametrize("sort", list(CustomerSort))
@settings(max_examples=examples(8, 25), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    first=st.lists(BUYERS, min_size=1, max_size=12),
    later=st.lists(st.lists(BUYERS, max_size=3), max_size=4),
    size=st.integers(1, 4),
    reverse=st.booleans(),
    backward=st.booleans(),
)
async def test_pages_have_no_gap_and_no_duplicate_while_customers_are_added(
    sort: CustomerSort,
    services: Services,
    first: list[Buyer],
    later: list[list[Buyer]],
    size: int,
    reverse: bool,
    backward: bool,
) -> None:
    business = await services.businesses.create(f"pages-{next(NUMBERS)}", None, "UTC", "EUR")
    await add(services, business, first, "m")
    there = [record.customer.id for record in await everybody(services, business, sort, reverse)]
    additions = iter(later)

    seen: list[CustomerRecord] = []
    request = PageRequest(size, backward)
    while True:
        async with services.store.read(business) as unit:
            page = await unit.customers.load_page(request, EVERYBODY, sort, reverse)
        assert len(page.items) <= size
        seen = [*page.items, *seen] if backward else [*seen, *page.items]
        if not (page.has_previous if backward else page.has_next):
            break
        before, after = (page.positions[0], None) if backward else (None, page.positions[-1])
        request = PageRequest(size, backward, after=after, before=before)
        round_ = len(seen)
        await add(services, business, next(additions, []), f"{'az'[round_ % 2]}{round_}-")

    ids = [record.customer.id for record in seen]
    assert len(set(ids)) == len(ids)
    assert [key for key in ids if key in there] == there
    keys = [sort_key(record, sort) for record in seen]
    assert keys == sorted(keys, reverse=reverse)


@pytest.mark.parametrize("sort", list(CustomerSort))
async def test_missing_values_stand_last_ties_by_id_and_reverse_flips_all(
    sort: CustomerSort, services: Services, shop: Business
) -> None:
    buyers = [
        *(Buyer(None, ()), Buyer("Zed", ((1, 5),)), Buyer("zed", ((1, 5),)), Buyer(None, ((0, 0),)), Buyer("", ())),
        *(Buyer("\U0010fffe", ((9, 1), (9, 4))), Buyer("Éa", ()), Buyer("ea", ((2, 10**15),)), Buyer("EB", ((2, 0),))),
    ]
    await add(services, shop, buyers, "c")

    found = await everybody(services, shop, sort)
    flipped = await everybody(services, shop, sort, True)

    keys = [sort_key(record, sort) for record in found]
    assert keys == sorted(keys)
    assert len(keys) == len(buyers)
    assert flipped == found[::-1]


async def test_orders_are_those_of_code_points_and_casefolded_names(services: Services, shop: Business) -> None:
    ids = ["a", "B", "Z", "é", "É", "ｱ", "李", "😀", "\uffee", "10", "9", "x", "_", "~"]
    await services.customers.upsert(shop, [NewCustomer(key, key) for key in ids], ACTOR)

    by_id = await everybody(services, shop)
    by_name = await everybody(services, shop, CustomerSort.NAME)

    assert [record.customer.external_id for record in by_id] == sorted(ids)
    folded = sorted(ids, key=lambda key: (key.casefold(), ids.index(key)))
    assert [record.customer.name for record in by_name] == folded


@pytest.fixture
@once_a_store
async def named(database: Database, services: Services, shop: Business) -> Business:
    names = ["Ada Lovelace", "Große Straße", "Ольга Иванова", "佐藤 美咲", "فاطمة علي", "नीलम शर्मा", "😀👍", "O'Brien"]
    people = [NewCustomer(str(n), name, "Ada@Example.org" if n == 1 else None) for n, name in enumerate(names, 1)]
    await services.customers.upsert(shop, people, ACTOR)
    return shop


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("search", "found"),
    [
        *((text, ["1"]) for text in ("ada", "ADA LOV", "love", "ada@", "1")),
        *((text, ["2"]) for text in ("strasse", "STRASSE", "straße")),
        *((text, ["3"]) for text in ("и", "ИВАНОВА")),
        *(("佐", ["4"]), ("فاط", ["5"]), ("नी", ["6"]), ("😀", ["7"]), ("o'", ["8"])),
        *((text, []) for text in ("ovelace", "藤", "%", "_", "\\", "\U0010ffff", "x\0", "\ud83d")),
        ("", list("12345678")),
    ],
)
async def test_search_is_a_casefolded_prefix_of_id_name_email_or_a_word(
    search: str, found: list[str], services: Services, named: Business
) -> None:
    where = CustomerFilter(search)

    records = await everybody(services, named, where=where)

    assert [record.customer.external_id for record in records] == found
    assert await services.read(named, lambda unit: unit.customers.count(where)) == len(found)


async def test_pages_of_purchases_are_newest_first_for_many_customers_at_once(
    services: Services, shop: Business
) -> None:
    items = [purchase(f"C{n % 3}", f"O{n:02d}", f"2024-03-0{1 + n % 4}", n) for n in range(30)]
    await services.purchases.record(shop, items, ACTOR)
    customers = [1, 2, 3, 99]

    seen: dict[int, list[str]] = {key: [] for key in customers}
    for key in customers:
        request = PageRequest(4)
        while True:
            async with services.store.read(shop) as unit:
                page = (await unit.purchases.load_pages([key], request))[key]
            seen[key] += [record.purchase.external_id for record in page.items]
            if not page.has_next:
                break
            request = PageRequest(4, after=page.positions[-1])

    whole = await services.read(shop, lambda unit: unit.purchases.load_pages(customers, PageRequest(250)))
    for key in customers:
        assert seen[key] == [record.purchase.external_id for record in whole[key].items]
        instants = [(record.purchase.purchased_at, record.purchase.id) for record in whole[key].items]
        assert instants == sorted(instants, reverse=True)
    assert [len(found) for found in seen.values()] == [10, 10, 10, 0]
