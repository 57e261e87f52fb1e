"""The API over ASGI on both databases: what resolvers answer, what they cost, and what is refused."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from domain.model import Actor, Business
from gql.app import create_app
from gql.auth import issue_token
from gql.composition import Services
from gql.settings import Settings
from persistence.database.engines import Database
from tests.conftest import SetClock, sqlite_alone
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
SECRET = "k8Zr2-p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc"
ACTOR = Actor("test")
PAGE = """query Page($first: Int, $last: Int, $after: String, $before: String, $sort: CustomerSort, $reverse: Boolean) {
  customers(first: $first, last: $last, after: $after, before: $before, sort: $sort, reverse: $reverse) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes { externalId metrics { orderCount totalRevenue averageOrderValue daysSinceLastPurchase tenureDays }
      rfm { score segmentName } classification { frequency spending category }
      purchases(first: 2) { nodes { externalId amount storefront { key } lines { category amount } } } }
  }
}"""


class Api:
    """Asks the application as a client does."""

    def __init__(self, client: httpx.AsyncClient, clock: SetClock) -> None:
        self.client = client
        self.clock = clock

    def token(self, *permissions: str, business: str = "shop", hours: float = 1) -> str:
        return issue_token(
            SECRET,
            subject="tester",
            business=business,
            permissions=permissions or ("customers:view", "customers:edit"),
            lifetime=timedelta(hours=hours),
            now=self.clock(),
        )

    async def post(
        self, query: str, variables: dict[str, Any] | None = None, token: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        return await self.client.post("/graphql", json={"query": query, "variables": variables}, headers=headers)

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        body = (await self.post(query, variables)).json()
        assert "errors" not in body, body
        data: dict[str, Any] = body["data"]
        return data


@pytest.fixture
async def api(database: Database, shop: Business, clock: SetClock) -> AsyncIterator[Api]:
    app = create_app(Settings(jwt_secret=SECRET), clock, database=database)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        yield Api(client, clock)


async def fill(services: Services, shop: Business, customers: int) -> None:
    items = [
        purchase(f"C{n:03d}", f"O{n:03d}-{k}", f"2024-0{1 + k}-1{n % 9}", 1000 + n * 7 + k, lines=(line("Tea", 1000),))
        for n in range(customers)
        for k in range(1 + n % 3)
    ]
    for start in range(0, len(items), 1000):
        await services.purchases.record(shop, items[start : start + 1000], ACTOR)


async def test_a_page_costs_the_same_for_1_and_250_customers(
    api: Api, services: Services, shop: Business, database: Database
) -> None:
    await fill(services, shop, 300)
    statements: list[str] = []

    def count(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA")):
            statements.append(statement)

    event.listen(database.reader.sync_engine, "before_cursor_execute", count)
    costs = []
    for first in (1, 250):
        statements.clear()
        # A write in between, so that no cut values are kept from the page before.
        await services.purchases.record(shop, [purchase("C000", f"X{first}", "2024-05-01", 100)], ACTOR)
        statements.clear()
        data = await api.data(PAGE, first=first)
        assert len(data["customers"]["nodes"]) == first
        costs.append(len(statements))

    print(f"statements of a page of 1 and of 250 customers: {costs}")
    assert costs[0] == costs[1] <= 8


@pytest.mark.parametrize("sort", ["EXTERNAL_ID", "NAME", "TOTAL_REVENUE", "ORDER_COUNT", "LAST_PURCHASE_AT"])
@pytest.mark.parametrize("reverse", [False, True])
async def test_pages_both_ways_have_no_gap_and_no_duplicate(
    api: Api, services: Services, shop: Business, sort: str, reverse: bool
) -> None:
    await fill(services, shop, 23)
    whole = [node["externalId"] for node in (await api.data(PAGE, sort=sort, reverse=reverse))["customers"]["nodes"]]

    forward: list[str] = []
    after = None
    while True:
        page = (await api.data(PAGE, first=5, after=after, sort=sort, reverse=reverse))["customers"]
        forward += [node["externalId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    backward: list[str] = []
    before = None
    while True:
        page = (await api.data(PAGE, last=5, before=before, sort=sort, reverse=reverse))["customers"]
        backward = [node["externalId"] for node in page["nodes"]] + backward
        before = page["pageInfo"]["startCursor"]
        if not page["pageInfo"]["hasPreviousPage"]:
            break

    assert len(whole) == len(set(whole)) == 23
    assert forward == backward == whole


async def test_recorded_purchases_are_all_or_nothing(api: Api) -> None:
    mutation = """mutation Record($input: [PurchaseInput!]!) {
      recordPurchases(input: $input) { created updated unchanged userErrors { field message code } } }"""
    good = {"customerExternalId": "A", "externalId": "1", "purchasedAt": "2024-05-01", "amount": "10.50"}

    wrong = await api.data(mutation, input=[good, {**good, "externalId": "2", "amount": "1.234"}])
    first = await api.data(mutation, input=[good])
    again = await api.data(mutation, input=[good])
    other = await api.data(mutation, input=[{**good, "customerExternalId": "B"}])
    changed = await api.data(mutation, input=[{**good, "amount": "11"}])

    assert wrong["recordPurchases"]["userErrors"][0]["field"] == ["input", "1", "amount"]
    assert wrong["recordPurchases"]["created"] == 0
    assert first["recordPurchases"] == {"created": 1, "updated": 0, "unchanged": 0, "userErrors": []}
    assert again["recordPurchases"]["unchanged"] == 1
    assert other["recordPurchases"]["userErrors"][0]["field"] == ["input", "0", "externalId"]
    assert changed["recordPurchases"]["updated"] == 1
    customer = await api.data('{ customer(externalId: "A") { metrics { orderCount totalRevenue } } }')
    assert customer["customer"]["metrics"] == {"orderCount": 1, "totalRevenue": "11.00"}


async def test_a_purchase_counts_from_its_instant_on(
    api: Api, services: Services, shop: Business, clock: SetClock
) -> None:
    await services.purchases.record(shop, [purchase("A", "1", "2024-06-16T09:00:00", 500)], ACTOR)
    query = '{ customer(externalId: "A") { metrics { orderCount totalRevenue } } }'

    before = (await api.data(query))["customer"]["metrics"]
    clock.now += timedelta(days=1)
    after = (await api.data(query))["customer"]["metrics"]

    assert before == {"orderCount": 0, "totalRevenue": "0.00"}
    assert after == {"orderCount": 1, "totalRevenue": "5.00"}


async def test_another_businesss_ids_behave_as_if_they_did_not_exist(
    api: Api, services: Services, shop: Business
) -> None:
    await fill(services, shop, 3)
    await services.businesses.create("other", None, "UTC", "EUR")
    ids = "{ customers { nodes { id purchases { nodes { id } } } } viewer { business { id } } }"
    data = await api.data(ids)
    values = [data["viewer"]["business"]["id"]]
    for node in data["customers"]["nodes"]:
        values += [node["id"], *(one["id"] for one in node["purchases"]["nodes"])]

    query = "query Nodes($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    own = (await api.post(query, {"ids": values})).json()["data"]["nodes"]
    foreign = (await api.post(query, {"ids": values}, api.token(business="other"))).json()["data"]["nodes"]

    assert [node["id"] for node in own] == values
    assert foreign == [None] * len(values)


@sqlite_alone
@pytest.mark.read_only
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer a.b.c"])
async def test_without_a_good_token_nothing_is_answered(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}

    answer = await api.client.post("/graphql", json={"query": "{ viewer { subject } }"}, headers=headers)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


@sqlite_alone
@pytest.mark.read_only
async def test_writes_need_the_edit_permission(api: Api) -> None:
    mutation = 'mutation { deletePurchases(externalIds: ["1"]) { deletedCount } }'

    answer = await api.post(mutation, token=api.token("customers:view"))

    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@sqlite_alone
@pytest.mark.read_only
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ customers(first: 0) { totalCount } }", "BAD_USER_INPUT"),
        ("{ customers(first: 251) { totalCount } }", "BAD_USER_INPUT"),
        ("{ segmentationReport(days: 10000) { days } }", "BAD_USER_INPUT"),
        ('{ segmentationReport(segmentName: "Nobody") { days } }', "BAD_USER_INPUT"),
        ("{ customers(first: 250) { nodes { purchases(first: 250) { nodes { id } } } } }", "LIMIT_EXCEEDED"),
        ("{ " + " ".join(f"a{n}: viewer {{ subject }}" for n in range(16)) + " }", "LIMIT_EXCEEDED"),
        ("{ nope }", "BAD_USER_INPUT"),
        ("{", "BAD_USER_INPUT"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_with_a_code(api: Api, query: str, code: str) -> None:
    body = (await api.post(query)).json()

    assert body["errors"][0]["extensions"]["code"] == code


@sqlite_alone
@pytest.mark.read_only
@pytest.mark.parametrize(
    "body", [b"null", b"1", b'"x"', b"[]", b"\xff", b"{", b'{"query": NaN}', b"[" * 5000, b"9" * 5000]
)
async def test_bad_bodies_are_client_errors(api: Api, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {api.token()}", "Content-Type": "application/json"}

    answer = await api.client.post("/graphql", content=body, headers=headers)

    assert 400 <= answer.status_code < 500


async def test_the_report_of_a_business_without_data_is_empty(api: Api) -> None:
    data = await api.data(
        "{ segmentationReport { customerCount totalRevenue insights { largestSegment } "
        "segments { customerCount averageOrderValue previousCustomerCount } unclassified { customerCount } } }"
    )

    report = data["segmentationReport"]
    assert (report["customerCount"], report["totalRevenue"], len(report["segments"])) == (0, "0.00", 8)
    assert report["insights"]["largestSegment"] is None
    assert report["segments"][0] == {"customerCount": 0, "averageOrderValue": None, "previousCustomerCount": None}
