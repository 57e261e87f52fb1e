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
from tests.conftest import examples
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
EVERYBODY = CustomerFilter()
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
@settings(
    max_examples=examples(8, 25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
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
    there = await services.read(
        business, lambda unit: unit.customers.load_page(PageRequest(250), EVERYBODY, sort, reverse)
    )
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
        request = (
            PageRequest(size, True, before=page.positions[0])
            if backward
            else PageRequest(size, after=page.positions[-1])
        )
        round_ = len(seen)
        await add(services, business, next(additions, []), f"{'az'[round_ % 2]}{round_}-")

    ids = [record.customer.id for record in seen]
    assert len(set(ids)) == len(ids)
    assert [key for key in ids if key in {record.customer.id for record in there.items}] == [
        record.customer.id for record in there.items
    ]
    assert [sort_key(record, sort) for record in seen] == sorted(
        (sort_key(record, sort) for record in seen), reverse=reverse
    )


@pytest.mark.parametrize("sort", list(CustomerSort))
async def test_missing_values_stand_last_ties_by_id_and_reverse_flips_all(
    sort: CustomerSort, services: Services, shop: Business
) -> None:
    buyers = [
        *(Buyer(None, ()), Buyer("Zed", ((1, 5),)), Buyer("zed", ((1, 5),)), Buyer(None, ((0, 0),)), Buyer("", ())),
        *(Buyer("\U0010fffe", ((9, 1), (9, 4))), Buyer("Éa", ()), Buyer("ea", ((2, 10**15),)), Buyer("EB", ((2, 0),))),
    ]
    await add(services, shop, buyers, "c")

    page = await services.read(shop, lambda unit: unit.customers.load_page(PageRequest(250), EVERYBODY, sort, False))
    flipped = await services.read(shop, lambda unit: unit.customers.load_page(PageRequest(250), EVERYBODY, sort, True))

    keys = [sort_key(record, sort) for record in page.items]
    assert keys == sorted(keys)
    assert len(keys) == len(buyers)
    assert list(flipped.items) == list(reversed(page.items))


async def test_orders_are_those_of_code_points_and_casefolded_names(services: Services, shop: Business) -> None:
    ids = ["a", "B", "Z", "é", "É", "ｱ", "李", "😀", "\uffee", "10", "9", " x", "_", "~"]
    await services.customers.upsert(shop, [NewCustomer(key, key) for key in ids], ACTOR)

    by_id = await services.read(
        shop, lambda unit: unit.customers.load_page(PageRequest(250), EVERYBODY, CustomerSort.EXTERNAL_ID, False)
    )
    by_name = await services.read(
        shop, lambda unit: unit.customers.load_page(PageRequest(250), EVERYBODY, CustomerSort.NAME, False)
    )

    assert [record.customer.external_id for record in by_id.items] == sorted(ids)
    assert [record.customer.name for record in by_name.items] == sorted(
        ids, key=lambda key: (key.casefold(), ids.index(key))
    )


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("ada", ["1"]),
        ("ADA LOV", ["1"]),
        ("love", ["1"]),
        ("ovelace", []),
        ("ada@", ["1"]),
        ("strasse", ["2"]),
        ("STRASSE", ["2"]),
        ("straße", ["2"]),
        ("и", ["3"]),
        ("ИВАНОВА", ["3"]),
        ("佐", ["4"]),
        ("藤", []),
        ("فاط", ["5"]),
        ("नी", ["6"]),
        ("😀", ["7"]),
        ("o'", ["8"]),
        ("%", []),
        ("_", []),
        ("\\", []),
        ("1", ["1"]),
        ("\U0010ffff", []),
        ("x\0", []),
        ("\ud83d", []),
        ("", ["1", "2", "3", "4", "5", "6", "7", "8"]),
    ],
)
async def test_search_is_a_casefolded_prefix_of_id_name_email_or_a_word(
    search: str, found: list[str], services: Services, shop: Business
) -> None:
    names = ["Ada Lovelace", "Große Straße", "Ольга Иванова", "佐藤 美咲", "فاطمة علي", "नीलम शर्मा", "😀👍", "O'Brien"]
    people = [NewCustomer(str(n), name, "Ada@Example.org" if n == 1 else None) for n, name in enumerate(names, 1)]
    await services.customers.upsert(shop, people, ACTOR)
    where = CustomerFilter(search)

    page = await services.read(
        shop, lambda unit: unit.customers.load_page(PageRequest(250), where, CustomerSort.EXTERNAL_ID, False)
    )

    assert [record.customer.external_id for record in page.items] == found
    assert await services.read(shop, lambda unit: unit.customers.count(where)) == len(found)


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
