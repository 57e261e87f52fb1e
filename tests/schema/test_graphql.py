"""The API over ASGI on both databases: what resolvers answer, what they cost, and what is refused."""

from datetime import timedelta

import pytest

from domain.model import Actor
from persistence.database.engines import Database
from tests.conftest import once_a_store, sqlite_alone
from tests.drivers.face import Face, code_of
from tests.schema.pages import pages
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
PAGE = """query Page($first: Int, $last: Int, $after: String, $before: String, $sort: CustomerSort, $reverse: Boolean) {
  customers(first: $first, last: $last, after: $after, before: $before, sort: $sort, reverse: $reverse) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { externalId metrics { orderCount totalRevenue averageOrderValue daysSinceLastPurchase tenureDays }
      rfm { score segmentName } classification { frequency spending category }
      purchases(first: 2) { nodes { externalId amount storefront { key } lines { category amount } } } }
  }
}"""


async def fill(face: Face, customers: int) -> None:
    items = [
        purchase(f"C{n:03d}", f"O{n:03d}-{k}", f"2024-0{1 + k}-1{n % 9}", 1000 + n * 7 + k, lines=(line("Tea", 1000),))
        for n in range(customers)
        for k in range(1 + n % 3)
    ]
    await face.services.purchases.record(await face.services.businesses.open("shop"), items, ACTOR)


@pytest.fixture
@once_a_store
async def filled(database: Database, both: Face) -> Face:
    """With 23 customers."""
    await fill(both, 23)
    return both


async def test_a_page_costs_the_same_for_1_and_250_customers(both: Face) -> None:
    await fill(both, 251)
    shop = await both.services.businesses.open("shop")
    statements = both.statements()
    costs = []
    for first in (1, 250):
        # A write in between, so that no cut values are kept from the page before.
        await both.services.purchases.record(shop, [purchase("C000", f"X{first}", "2024-05-01", 100)], ACTOR)
        statements.clear()
        assert len((await both.data(PAGE, {"first": first}))["customers"]["nodes"]) == first
        costs.append(len([one for one in statements if not one.startswith(("BEGIN", "PRAGMA"))]))

    print(f"statements of a page of 1 and of 250 customers: {costs}")
    assert costs[0] == costs[1] <= 8


@pytest.mark.read_only
@pytest.mark.parametrize("sort", ["EXTERNAL_ID", "NAME", "TOTAL_REVENUE", "ORDER_COUNT", "LAST_PURCHASE_AT"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_both_ways_have_no_gap_and_no_duplicate(filled: Face, sort: str, reverse: bool) -> None:
    order = {"sort": sort, "reverse": reverse}
    whole = [node["externalId"] for node in (await filled.data(PAGE, order))["customers"]["nodes"]]

    forward = await pages(filled, PAGE, "customers", {**order, "first": 5})
    backward = await pages(filled, PAGE, "customers", {**order, "last": 5}, back=True)

    assert len(whole) == len(set(whole)) == 23
    for found in (forward, backward):
        assert [node["externalId"] for page in found for node in page["nodes"]] == whole


async def test_recorded_purchases_are_all_or_nothing(both: Face) -> None:
    mutation = """mutation Record($input: [PurchaseInput!]!) {
      recordPurchases(input: $input) { created updated unchanged userErrors { field message code } } }"""
    good = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "10.50"}

    wrong = await both.data(mutation, {"input": [good, {**good, "externalId": "2", "amount": "1.234"}]})
    first = await both.data(mutation, {"input": [good]})
    again = await both.data(mutation, {"input": [good]})
    other = await both.data(mutation, {"input": [{**good, "customerExternalId": "B"}]})
    changed = await both.data(mutation, {"input": [{**good, "amount": "11"}]})

    assert wrong["recordPurchases"]["userErrors"][0]["field"] == ["input", "1", "amount"]
    assert wrong["recordPurchases"]["created"] == 0
    assert first["recordPurchases"] == {"created": 1, "updated": 0, "unchanged": 0, "userErrors": []}
    assert again["recordPurchases"]["unchanged"] == 1
    assert other["recordPurchases"]["userErrors"][0]["field"] == ["input", "0", "externalId"]
    assert changed["recordPurchases"]["updated"] == 1
    customer = await both.data('{ customer(externalId: "A") { metrics { orderCount totalRevenue } } }')
    assert customer["customer"]["metrics"] == {"orderCount": 1, "totalRevenue": "11.00"}


async def test_lines_and_purchases_say_more_than_money(both: Face) -> None:
    mutation = """mutation Record($input: [PurchaseInput!]!) {
      recordPurchases(input: $input) { created updated unchanged userErrors { field message } } }"""
    query = """{ customer(externalId: "A") { purchases { nodes { externalId attributes
      lines { category product sku quantity amount status } } } } }"""
    lines = [
        {"category": "Tea", "product": "Green", "sku": "007", "quantity": "2.500", "amount": "10"},
        {"quantity": "-100", "amount": "0"},
        {"product": "", "amount": "0"},
    ]
    good = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "10.50"}
    full = {**good, "lines": lines, "attributes": {"gift_wrap": True, "weight": 1.5, "note": None}}

    first = await both.data(mutation, {"input": [full, {**good, "externalId": "0", "purchasedAt": "2024-04-01"}]})
    again = await both.data(mutation, {"input": [{**full, "attributes": '{"weight": 1.50, "gift_wrap": true}'}]})

    assert first["recordPurchases"] == {"created": 2, "updated": 0, "unchanged": 0, "userErrors": []}
    assert again["recordPurchases"]["unchanged"] == 1
    nothing = {"category": None, "product": None, "sku": None, "quantity": None}
    said = {"category": "Tea", "product": "Green", "sku": "007", "quantity": "2.5"}
    rest = {"amount": "0.00", "status": "COMPLETED"}
    stored = [{**said, **rest, "amount": "10.00"}, {**nothing, **rest, "quantity": "-100"}, {**nothing, **rest}]
    assert (await both.data(query))["customer"]["purchases"]["nodes"] == [
        {"externalId": "1", "attributes": {"gift_wrap": True, "weight": 1.5}, "lines": stored},
        {"externalId": "0", "attributes": {}, "lines": []},
    ]


async def test_a_quantity_or_an_attribute_that_cannot_be_kept_is_named(both: Face) -> None:
    mutation = """mutation Record($input: [PurchaseInput!]!) {
      recordPurchases(input: $input) { created userErrors { field message } } }"""
    good = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "1"}
    lines = [{"amount": "1", "quantity": quantity} for quantity in ("999999999.999999", "1000000000", "0.0000001")]

    wrong = (await both.data(mutation, {"input": [{**good, "lines": lines}]}))["recordPurchases"]
    odd = (await both.data(mutation, {"input": [{**good, "attributes": {"eye_color": {}}}]}))["recordPurchases"]

    assert wrong["created"] == odd["created"] == 0
    where = ["input", "0", "lines"]
    assert wrong["userErrors"] == [
        {"field": [*where, "1", "quantity"], "message": "quantity must have at most 9 digits before the point"},
        {"field": [*where, "2", "quantity"], "message": "quantity must have at most 6 decimals"},
    ]
    message = "the attribute eye_color must be a text, a number, true or false, or a date"
    assert odd["userErrors"] == [{"field": ["input", "0", "attributes", "eye_color"], "message": message}]


async def test_a_purchase_counts_from_its_instant_on(both: Face) -> None:
    shop = await both.services.businesses.open("shop")
    await both.services.purchases.record(shop, [purchase("A", "1", "2024-06-16T09:00:00", 500)], ACTOR)
    query = '{ customer(externalId: "A") { metrics { orderCount totalRevenue } } }'

    before = (await both.data(query))["customer"]["metrics"]
    both.clock.now += timedelta(days=1)
    after = (await both.data(query))["customer"]["metrics"]

    assert before == {"orderCount": 0, "totalRevenue": "0.00"}
    assert after == {"orderCount": 1, "totalRevenue": "5.00"}


@sqlite_alone
@pytest.mark.read_only
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer a.b.c"])
async def test_without_a_good_token_nothing_is_answered(both: Face, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = await both.client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert code_of(answer) == "UNAUTHENTICATED"


async def test_the_report_of_a_business_without_data_is_empty(both: Face) -> None:
    data = await both.data(
        "{ segmentationReport { customerCount totalRevenue insights { largestSegment } "
        "segments { customerCount averageOrderValue previousCustomerCount } unclassified { customerCount } } }"
    )

    report = data["segmentationReport"]
    assert (report["customerCount"], report["totalRevenue"], len(report["segments"])) == (0, "0.00", 8)
    assert report["insights"]["largestSegment"] is None
    assert report["segments"][0] == {"customerCount": 0, "averageOrderValue": None, "previousCustomerCount": None}
