"""Merging customers as clients ask for it and see it, on both databases."""

from typing import Any

import pytest

from domain.model import Actor, NewCustomer
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.segment_client import ERRORS, by_hand
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
MERGE = f"""mutation Merge($from: ID!, $into: ID!) {{ mergeCustomers(fromId: $from, intoId: $into) {{
  customer {{ id externalId name email metrics {{ orderCount totalRevenue }} purchases {{ totalCount }}
    segments {{ source assignedBy segment {{ name memberCount }} }} }} {ERRORS} }} }}"""
ASSIGN = """mutation Assign($segment: ID!, $customers: [ID!]!) {
  assignSegment(segmentId: $segment, customerIds: $customers) { assignedCount userErrors { field code } } }"""


@pytest.fixture
async def pair(both: Face) -> list[str]:
    """The ids of A, who is named and has an order of 10, and of B, who has one of 20."""
    shop = await both.services.businesses.open("shop")
    orders = [purchase("A", "O1", "2024-06-01", 1000), purchase("B", "O2", "2024-06-02", 2000)]
    await both.services.purchases.record(shop, orders, ACTOR)
    await both.services.customers.upsert(shop, [NewCustomer("A", "Ada", "a@example.com")], ACTOR)
    return [encode("Customer", shop.id, number) for number in (1, 2)]


async def merge(face: Face, source: str, target: str) -> dict[str, Any]:
    return dict((await face.data(MERGE, {"from": source, "into": target}))["mergeCustomers"])


async def test_merges_and_answers_with_the_customer_who_stays(both: Face, pair: list[str]) -> None:
    vip = await by_hand(both, "VIP")
    await both.data(ASSIGN, {"segment": vip, "customers": pair[:1]})

    done = await merge(both, *pair)

    assert done == {
        "customer": {
            "id": pair[1],
            "externalId": "B",
            "name": "Ada",
            "email": "a@example.com",
            "metrics": {"orderCount": 2, "totalRevenue": "30.00"},
            "purchases": {"totalCount": 2},
            "segments": [
                {"source": "MANUAL", "assignedBy": "tester", "segment": {"name": "VIP", "memberCount": 1}},
            ],
        },
        "userErrors": [],
    }


async def test_the_other_id_leads_to_the_customer_and_the_old_object_is_gone_but_for_the_history(
    both: Face, pair: list[str]
) -> None:
    vip = await by_hand(both, "VIP")
    await both.data(ASSIGN, {"segment": vip, "customers": pair[:1]})
    await merge(both, *pair)

    query = """query Both($a: ID!, $vip: ID!) {
      named: customer(externalId: "A") { id externalId
        membershipHistory { totalCount nodes { kind customer { externalId } } } }
      numbered: customer(id: $a) { id } node(id: $a) { id } customers { totalCount nodes { externalId } }
      found: customers(filter: {search: "a"}) { nodes { externalId } }
      segment(id: $vip) { changes { nodes { kind customer { externalId } } } } }"""
    data = await both.data(query, {"a": pair[0], "vip": vip})

    steps = [
        {"kind": "ENTERED", "customer": {"externalId": "A"}},
        {"kind": "LEFT", "customer": {"externalId": "A"}},
        {"kind": "ENTERED", "customer": {"externalId": "B"}},
    ]
    assert data == {
        "named": {"id": pair[1], "externalId": "B", "membershipHistory": {"totalCount": 3, "nodes": steps}},
        "numbered": None,
        "node": None,
        "customers": {"totalCount": 1, "nodes": [{"externalId": "B"}]},
        "found": {"nodes": [{"externalId": "B"}]},
        "segment": {"changes": {"nodes": steps}},
    }


async def test_what_cannot_be_is_a_user_error_with_its_field(both: Face, pair: list[str]) -> None:
    vip = await by_hand(both, "VIP")
    same = await merge(both, pair[0], pair[0])
    await merge(both, *pair)
    again, back = await merge(both, *pair), await merge(both, pair[1], pair[0])
    assigned = (await both.data(ASSIGN, {"segment": vip, "customers": pair[:1]}))["assignSegment"]

    def told(payload: dict[str, Any]) -> list[tuple[list[str], str, str]]:
        assert payload["customer"] is None
        return [(error["field"], error["code"], error["message"]) for error in payload["userErrors"]]

    merged = "must not name a customer who was merged into another one already"
    assert told(same) == [(["intoId"], "INVALID", "intoId must be another customer than fromId")]
    assert told(again) == [(["fromId"], "CONFLICT", f"fromId {merged}")]
    assert told(back) == [(["intoId"], "CONFLICT", f"intoId {merged}")]
    assert assigned["userErrors"] == [{"field": ["customerIds", "0"], "code": "NOT_FOUND"}]
