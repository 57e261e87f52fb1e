"""What the ids of another business are worth: line T5 of the reliability requirements, tried with every field that
takes an id."""

import base64
import itertools
from typing import Any

import httpx
import pytest

from domain.imports.model import NewImport
from gql.schema.types.ids import decode, encode
from persistence.database.engines import Database
from tests.conftest import once_a_store, sqlite_alone
from tests.drivers.face import Face
from tests.drivers.root_fields import FIELDS, RootField

pytestmark = pytest.mark.anyio
ITEM = {"customerExternalId": "A", "externalId": "order", "purchasedAt": "2024-05-01", "amount": "10", "channel": "web"}
RECORD = "mutation R($input: [PurchaseInput!]!) { recordPurchases(input: $input) { created userErrors { message } } }"
SEGMENT = """mutation S($input: CreateSegmentInput!) { createSegment(input: $input) {
  segment { id } recalculation { id } userErrors { message } } }"""
SNAPSHOT = "mutation P($id: ID!) { createSnapshot(segmentId: $id) { snapshot { id } userErrors { message } } }"
IDS = """{ viewer { business { id } } storefronts { id }
  customers { nodes { id externalId purchases { nodes { id externalId } } } } segments { nodes { id name } } }"""


async def own_ids(face: Face, business: str) -> list[str]:
    """The id of one object of each type, in a business that has one customer with one purchase in a storefront, a
    segment of each kind and an import that waits."""
    token = face.token(business=business)
    made = await face.data(RECORD, {"input": [{**ITEM, "storefrontKey": "main"}]}, token)
    assert made["recordPurchases"] == {"created": 1, "userErrors": []}
    data = await face.data(IDS, token=token)
    customer = data["customers"]["nodes"][0]
    rule = {"name": "Buyers", "rules": {">": [{"var": "order_count"}, 0]}}
    buyers = (await face.data(SEGMENT, {"input": rule}, token))["createSegment"]
    vip = (await face.data(SEGMENT, {"input": {"name": "VIP", "kind": "MANUAL"}}, token))["createSegment"]["segment"]
    snapshot = (await face.data(SNAPSHOT, {"id": vip["id"]}, token))["createSnapshot"]["snapshot"]
    things = (data["viewer"]["business"], data["storefronts"][0], customer, customer["purchases"]["nodes"][0])
    more = (buyers["segment"], buyers["recalculation"], vip, snapshot)
    shop = await face.services.businesses.open(business)
    waiting = await face.services.imports.queue(shop, NewImport("orders.csv", {}, "tester"), None)
    return [*(thing["id"] for thing in (*things, *more)), str(encode("PurchaseImport", shop.id, waiting.id))]


def absent(value: str) -> str:
    """An id of the same type and business that nothing has."""
    found = decode(value)
    assert found is not None
    kind, numbers = found
    return str(encode(kind, numbers[0], *(number + 10**6 for number in numbers[1:])))


def document(field: RootField, argument: str, own: list[str]) -> str:
    """The call with `$id` as that argument, and with ids of one's own wherever else one is needed."""
    customer, segment = own[2], own[6]
    others = {"customerId": f'"{customer}"', "customerIds": f'["{customer}"]', "segmentId": f'"{segment}"'}
    others["segmentIds"] = f'[$id, "{segment}"]'
    arguments = {name: others[name] for name in field.given if name in others}
    if argument != "segmentIds":
        arguments[argument] = "[$id]" if argument.endswith("ds") else "$id"
    return field.ask_with(arguments).replace(" {", " Tried($id: ID!) {", 1)


@pytest.fixture
@once_a_store
async def ids(database: Database, both: Face) -> tuple[list[str], list[str]]:
    """Those of the shop, and those of the other business."""
    return await own_ids(both, "shop"), await own_ids(both, "other")


WITH_IDS = [(field, name) for field in FIELDS for name in field.ids if not field.name.startswith("subscription")]
CASES = [
    pytest.param(field, name, id=f"{field.name}-{name}", marks=[pytest.mark.read_only] * field.name.startswith("query"))
    for field, name in WITH_IDS
]


def read_body(answer: httpx.Response) -> Any:
    """The answer but for what is left in the caller's bucket, which is never the same."""
    body = answer.json()
    body.get("extensions", {}).pop("cost", None)
    return body


@sqlite_alone
@pytest.mark.parametrize(("field", "argument"), CASES)
async def test_t5_an_id_of_another_business_is_answered_like_one_that_nothing_has(
    both: Face, ids: tuple[list[str], list[str]], field: RootField, argument: str
) -> None:
    own, foreign = ids
    tried = document(field, argument, own)
    found = {str(read_body(await both.post(tried, {"id": value}))) for value in own}
    assert len(found) > 1

    for value in foreign:
        kind, numbers = decode(value) or ("", ())
        mine = str(encode(kind, 1, *(10**6 for _ in numbers[1:]))) if numbers[1:] else str(encode(kind, 99))
        answers = [await both.post(tried, {"id": one}) for one in (value, absent(value), mine)]
        bodies = [(answer.status_code, read_body(answer)) for answer in answers]

        assert bodies[0] == bodies[1] == bodies[2], (kind, bodies)
        assert "INTERNAL" not in str(bodies)


async def test_t5_every_field_with_an_id_was_tried() -> None:
    tried = {
        "query": """node id, nodes ids, customer id, segmentationReport storefrontId, segmentTransitions storefrontId,
            segmentationTrend storefrontId, segment id, job id, recalculations segmentId, auditEvents subjectId,
            segmentPreview againstSegmentId, segmentExplain segmentId, segmentExplain customerId,
            segmentOverlap segmentIds""",
        "mutation": """deleteSegment id, assignSegment segmentId, assignSegment customerIds, removeSegment segmentId,
            removeSegment customerIds, duplicateSegment id, freezeSegment id, setSegmentMembers segmentId,
            setSegmentMembers customerIds, createSnapshot segmentId, recalculateSegment segmentId, cancelJob id,
            recalculateCustomer customerId, eraseCustomer customerId, mergeCustomers fromId, mergeCustomers intoId,
            exportSegmentationReport storefrontId, exportSegmentMembers segmentId, updateStorefront id,
            undoImport id""",
    }

    assert {f"{field.name} {argument}" for field, argument in WITH_IDS} == {
        f"{kind} {each.strip()}" for kind, fields in tried.items() for each in fields.split(",")
    }


async def test_t5_changes_by_the_shops_own_ids_stay_in_the_business(both: Face) -> None:
    await own_ids(both, "other")
    other = both.token(business="other")
    before = await both.data(IDS, token=other)

    deleted = await both.data('mutation { deletePurchases(externalIds: ["order"]) { deletedCount } }')
    recorded = await both.data(RECORD, {"input": [{**ITEM, "customerExternalId": "B"}]})
    renamed = await both.data(
        'mutation { upsertCustomers(input: [{externalId: "A", name: "Mine"}]) { created updated } }'
    )
    after = await both.data(IDS, token=other)
    names = await both.data("{ customers { nodes { externalId name } } }", token=other)

    assert deleted["deletePurchases"]["deletedCount"] == 0
    assert recorded["recordPurchases"] == {"created": 1, "userErrors": []}
    assert renamed["upsertCustomers"] == {"created": 1, "updated": 0}
    assert after == before
    assert names["customers"]["nodes"] == [{"externalId": "A", "name": None}]


@pytest.mark.parametrize("sort", ["EXTERNAL_ID", "NAME", "TOTAL_REVENUE", "LAST_PURCHASE_AT"])
async def test_t5_a_cursor_of_another_business_shows_none_of_its_rows(both: Face, sort: str) -> None:
    query = "query P($after: String, $sort: CustomerSort) { customers(after: $after, sort: $sort) { %s } }"
    upsert = "mutation U($input: [CustomerInput!]!) { upsertCustomers(input: $input) { created } }"
    for business in ("shop", "other"):
        rows = [{"externalId": f"{business}-{number}", "name": f"Name {number}"} for number in range(5)]
        await both.data(upsert, {"input": rows}, both.token(business=business))
    foreign = await both.data(query % "edges { cursor }", {"sort": sort}, both.token(business="other"))

    seen: set[str] = set()
    for edge in foreign["customers"]["edges"]:
        variables = {"sort": sort, "after": edge["cursor"]}
        page: Any = (await both.data(query % "nodes { externalId }", variables))["customers"]["nodes"]
        seen |= {node["externalId"].partition("-")[0] for node in page}

    assert len(foreign["customers"]["edges"]) == 5
    assert seen <= {"shop"}


def write_otherwise(value: str) -> list[str]:
    """The same content as ids that we do not write."""
    kind, numbers = decode(value) or ("", ())
    text = f"{kind}:{'.'.join(map(str, numbers))}"
    padded = value + "=" * (-len(value) % 4)
    others = [text.replace(":", ":0"), text.replace(":", ":+"), text.translate(str.maketrans("1", "١")), f"{text}\n"]
    made = [base64.urlsafe_b64encode(other.encode()).decode().rstrip("=") for other in others]
    last = {"A": "B", "Q": "R", "g": "h", "w": "x"}.get(value[-1])
    spare = [value[:-1] + last] if last is not None and len(value) % 4 else []
    return [padded] * (padded != value) + [f" {value}", f"{value} ", f"{value}\n", f"{value}====", *made, *spare]


@pytest.mark.read_only
async def test_t5_one_thing_has_one_id(both: Face, ids: tuple[list[str], list[str]]) -> None:
    query = "query N($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    otherwise = [other for value in ids[0] for other in write_otherwise(value)]
    assert any(value.endswith("=") for value in otherwise)

    found = await both.data(query, {"ids": otherwise})

    assert found["nodes"] == [None] * len(otherwise)


@pytest.mark.read_only
async def test_t5_no_made_up_id_is_found_or_breaks_anything(both: Face, ids: tuple[list[str], list[str]]) -> None:
    query = "query N($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    kinds = ("Customer", "Purchase", "Storefront", "Business", "Query", "Node")
    numbers = itertools.chain(itertools.product((0, 1, 2, 10**18 - 1), repeat=2), itertools.product((1, 2), repeat=3))
    made = [str(encode(kind, *one)) for one in numbers for kind in kinds] + [str(encode(kind, 2)) for kind in kinds]

    found: list[Any] = []
    for start in range(0, len(made), 200):
        found += (await both.data(query, {"ids": made[start : start + 200]}))["nodes"]
    own = await both.data(query, {"ids": ids[0]})
    foreign = await both.data(query, {"ids": ids[0]}, both.token(business="other"))

    assert {node["id"] for node in found if node} <= set(ids[0])
    assert own["nodes"] == [{"id": one} for one in ids[0]]
    assert foreign["nodes"] == [None] * len(ids[0])
