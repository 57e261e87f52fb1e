"""Members of segments as clients see and change them, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from domain.model import Actor, Business, NewCustomer
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.segment_client import ERRORS, RICH, by_hand, create, events, said
from tests.schema.pages import pages

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
ASSIGN = f"""mutation Assign($segment: ID!, $customers: [ID!]!) {{
  assignSegment(segmentId: $segment, customerIds: $customers) {{
    assignedCount segment {{ memberCount }} {ERRORS} }} }}"""
REMOVE = f"""mutation Remove($segment: ID!, $customers: [ID!]!) {{
  removeSegment(segmentId: $segment, customerIds: $customers) {{
    removedCount segment {{ memberCount }} {ERRORS} }} }}"""
MEMBERS = """query Members($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $asOf: DateTime) {
  segment(id: $id) { memberCount
    members(first: $first, after: $after, last: $last, before: $before, asOf: $asOf) { totalCount
      edges { cursor source assignedAt assignedBy node { externalId } } nodes { externalId }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


async def customers(face: Face, count: int) -> list[str]:
    """Customers C01, C02, … of the shop; their ids."""
    shop = await business(face)
    names = [f"C{number:02d}" for number in range(1, count + 1)]
    await face.services.customers.upsert(shop, [NewCustomer(name) for name in names], ACTOR)
    return [encode("Customer", shop.id, number) for number in range(1, count + 1)]


async def business(face: Face, key: str = "shop") -> Business:
    return await face.services.businesses.open(key)


async def assign(face: Face, segment: str, ids: list[str]) -> dict[str, Any]:
    return dict((await face.data(ASSIGN, {"segment": segment, "customers": ids}))["assignSegment"])


async def remove(face: Face, segment: str, ids: list[str]) -> dict[str, Any]:
    return dict((await face.data(REMOVE, {"segment": segment, "customers": ids}))["removeSegment"])


async def members(face: Face, segment: str, **arguments: object) -> list[str]:
    data = await face.data(MEMBERS, {"id": segment, **arguments})
    return [node["externalId"] for node in data["segment"]["members"]["nodes"]]


async def test_assigns_manual_segments(both: Face) -> None:
    ids, vip = await customers(both, 3), await by_hand(both, "VIP")

    payload = await assign(both, vip, ids[:2])

    assert payload == {"assignedCount": 2, "segment": {"memberCount": 2}, "userErrors": []}
    found = (await both.data(MEMBERS, {"id": vip}))["segment"]
    assert found["memberCount"] == found["members"]["totalCount"] == 2
    edge = found["members"]["edges"][0]
    assert (edge["source"], edge["assignedBy"], edge["node"]) == ("MANUAL", "tester", {"externalId": "C01"})
    assert edge["assignedAt"].startswith("2024-06-15T12:00:00")


async def test_assigning_twice_is_no_error(both: Face) -> None:
    ids, vip = await customers(both, 3), await by_hand(both, "VIP")

    counts = [(await assign(both, vip, chosen))["assignedCount"] for chosen in (ids[:2], ids[:2], [*ids, ids[0]])]

    assert counts == [2, 0, 1]
    assert await members(both, vip) == ["C01", "C02", "C03"]


async def test_removes_manual_assignments(both: Face) -> None:
    ids, vip = await customers(both, 3), await by_hand(both, "VIP")
    await assign(both, vip, ids)

    payloads = [await remove(both, vip, ids[1:]) for _ in range(2)]

    assert [payload["removedCount"] for payload in payloads] == [2, 0]
    assert payloads[1] == {"removedCount": 0, "segment": {"memberCount": 1}, "userErrors": []}
    assert await members(both, vip) == ["C01"]


@pytest.mark.parametrize("move", [assign, remove])
async def test_members_of_automatic_segments_are_not_put_in_or_taken_out_by_hand(face: Face, move: Any) -> None:
    ids = await customers(face, 1)
    rich = (await create(face, "Rich", rules=RICH))["segment"]["id"]

    payload = await move(face, rich, ids)

    count, segment, _ = payload.values()
    assert (count, segment) == (0, None)
    assert said(payload) == [("segmentId", "SEGMENT_IS_AUTOMATIC", None)]


@pytest.mark.parametrize("move", [assign, remove])
async def test_refuses_an_unknown_segment(face: Face, move: Any) -> None:
    ids = await customers(face, 1)
    elsewhere = encode("Segment", (await business(face, "other")).id, 1)

    for unknown in ("nonsense", ids[0], encode("Segment", 1, 99), elsewhere):
        assert said(await move(face, unknown, ids)) == [("segmentId", "NOT_FOUND", None)]


@pytest.mark.parametrize("move", [assign, remove])
async def test_unknown_customers_are_named_and_nothing_is_changed(both: Face, move: Any) -> None:
    ids, vip = await customers(both, 3), await by_hand(both, "VIP")
    await assign(both, vip, ids[:1])
    elsewhere = encode("Customer", (await business(both, "other")).id, 1)

    payload = await move(both, vip, [ids[0], elsewhere, ids[1], encode("Customer", 1, 99)])

    assert said(payload) == [("customerIds.1", "NOT_FOUND", None), ("customerIds.3", "NOT_FOUND", None)]
    assert await members(both, vip) == ["C01"]


@pytest.mark.parametrize("move", [assign, remove])
async def test_a_call_takes_at_most_a_thousand_customers(face: Face, move: Any) -> None:
    ids, vip = await customers(face, 1), await by_hand(face, "VIP")

    assert said(await move(face, vip, ids * 1001)) == [("customerIds", "LIMIT_REACHED", None)]
    assert said(await move(face, vip, ids * 1000)) == []


async def test_each_change_by_hand_is_audited(face: Face) -> None:
    ids, vip = await customers(face, 2), await by_hand(face, "VIP")
    await assign(face, vip, ids)
    await remove(face, vip, ids[:1])

    trail = (await events(face))[-2:]

    assert [(actor, action) for actor, action, _ in trail] == [("tester", "assignSegment"), ("tester", "removeSegment")]
    counts = [(detail["segment"], detail["entered"], detail["left"], detail["memberCount"]) for *_, detail in trail]
    assert counts == [("vip", 2, 0, {"old": 0, "new": 2}), ("vip", 0, 1, {"old": 2, "new": 1})]


async def test_one_document_sees_what_it_has_changed(both: Face) -> None:
    ids, vip = await customers(both, 1), await by_hand(both, "VIP")
    document = """mutation Both($segment: ID!, $customers: [ID!]!) {
      a: assignSegment(segmentId: $segment, customerIds: $customers) { segment { ...Shown } }
      b: removeSegment(segmentId: $segment, customerIds: $customers) { segment { ...Shown } } }
    fragment Shown on Segment {
      memberCount members { totalCount nodes { externalId segments { segment { key } } } } }"""

    data = await both.data(document, {"segment": vip, "customers": ids})

    one = {"externalId": "C01", "segments": [{"segment": {"key": "vip"}}]}
    assert data["a"]["segment"] == {"memberCount": 1, "members": {"totalCount": 1, "nodes": [one]}}
    assert data["b"]["segment"] == {"memberCount": 0, "members": {"totalCount": 0, "nodes": []}}


async def test_members_stand_in_pages_both_ways(both: Face) -> None:
    ids, vip = await customers(both, 7), await by_hand(both, "VIP")
    await assign(both, vip, ids)
    everybody = [f"C{number:02d}" for number in range(1, 8)]

    forward = await pages(both, MEMBERS, "segment.members", {"id": vip, "first": 3})
    backward = await pages(both, MEMBERS, "segment.members", {"id": vip, "last": 3}, back=True)

    for found, sizes in ((forward, [3, 3, 1]), (backward, [1, 3, 3])):
        assert [edge["node"]["externalId"] for page in found for edge in page["edges"]] == everybody
        assert [len(page["edges"]) for page in found] == sizes


async def test_members_of_any_instant(both: Face) -> None:
    ids, vip = await customers(both, 3), await by_hand(both, "VIP")
    for day, (entering, leaving) in enumerate((([0, 1], []), ([2], [0]), ([0], []))):
        both.clock.now += timedelta(days=1 if day else 0)
        await remove(both, vip, [ids[place] for place in leaving])
        await assign(both, vip, [ids[place] for place in entering])

    for asked, expected in (
        ("2024-06-14", []),
        ("2024-06-15T13:00:00Z", ["C01", "C02"]),
        ("2024-06-16T15:00:00+02:00", ["C02", "C03"]),
        ("2024-06-18", ["C01", "C02", "C03"]),
    ):
        found = (await both.data(MEMBERS, {"id": vip, "asOf": asked}))["segment"]["members"]
        assert ([node["externalId"] for node in found["nodes"]], found["totalCount"]) == (expected, len(expected))


async def test_is_member_is_asked_of_known_customers(both: Face) -> None:
    ids, vip = await customers(both, 2), await by_hand(both, "VIP")
    await assign(both, vip, ids[:1])
    query = "query Is($id: ID!, $customer: ID!) { segment(id: $id) { isMember(customerId: $customer) } }"

    answers = [(await both.data(query, {"id": vip, "customer": each}))["segment"]["isMember"] for each in ids]

    assert answers == [True, False]
    for unknown in ("nonsense", encode("Customer", 1, 99), encode("Customer", (await business(both, "other")).id, 1)):
        assert await both.code(query, {"id": vip, "customer": unknown}) == "NOT_FOUND"


async def test_a_customer_names_its_segments_and_its_history(both: Face) -> None:
    ids = await customers(both, 1)
    second, first = await by_hand(both, "zeta"), await by_hand(both, "Alpha")
    for segment in (second, first):
        await assign(both, segment, ids)
    await remove(both, second, ids)
    await assign(both, second, ids)
    query = """query Of($after: String) { customer(externalId: "C01") {
      segments { source assignedBy segment { key } }
      membershipHistory(first: 3, after: $after) { totalCount pageInfo { hasNextPage endCursor }
        nodes { cursor kind source by segment { key } customer { externalId } } } } }"""

    found = (await both.data(query))["customer"]
    history = found["membershipHistory"]
    rest = (await both.data(query, {"after": history["nodes"][-1]["cursor"]}))["customer"]["membershipHistory"]

    assert [each["segment"]["key"] for each in found["segments"]] == ["alpha", "zeta"]
    assert history["totalCount"] == 4
    assert history["pageInfo"] == {"hasNextPage": True, "endCursor": history["nodes"][-1]["cursor"]}
    last = """query Last($before: String) { customer(externalId: "C01") { membershipHistory(last: 3, before: $before) {
      pageInfo { hasPreviousPage startCursor } nodes { kind segment { key } } } } }"""
    newest = (await both.data(last))["customer"]["membershipHistory"]
    oldest = (await both.data(last, {"before": newest["pageInfo"]["startCursor"]}))["customer"]["membershipHistory"]

    shown = [(node["kind"], node["segment"]["key"]) for node in history["nodes"] + rest["nodes"]]
    assert [(node["kind"], node["segment"]["key"]) for node in oldest["nodes"] + newest["nodes"]] == shown
    assert [each["pageInfo"]["hasPreviousPage"] for each in (newest, oldest)] == [True, False]
    assert await both.code(last, {"before": "nonsense"}) == "BAD_USER_INPUT"
    assert shown == [("ENTERED", "zeta"), ("ENTERED", "alpha"), ("LEFT", "zeta"), ("ENTERED", "zeta")]
    assert history["nodes"][0]["customer"] == {"externalId": "C01"}


async def test_list_of_segments_with_counts_reads_no_membership_rows(both: Face) -> None:
    ids = await customers(both, 2)
    for number in range(3):
        await assign(both, await by_hand(both, f"Hand {number}"), ids)
    statements = both.statements()

    data = await both.data("{ segments(first: 50) { nodes { memberCount members(first: 1) { __typename } } } }")
    with_members = list(statements)
    statements.clear()
    data = await both.data("{ segments(first: 50) { nodes { memberCount } } }")

    assert [node["memberCount"] for node in data["segments"]["nodes"]] == [2, 2, 2]
    assert any("membership" in statement for statement in with_members)
    assert statements
    assert not any("membership" in statement for statement in statements)


async def test_an_erased_customer_leaves_every_list_and_cannot_be_assigned(both: Face) -> None:
    ids, vip = await customers(both, 2), await by_hand(both, "VIP")
    await assign(both, vip, ids)
    erase = """mutation Erase($id: ID!) { eraseCustomer(customerId: $id) {
      erasedCustomerId userErrors { field code path } } }"""

    done = (await both.data(erase, {"id": ids[0]}))["eraseCustomer"]
    again = (await both.data(erase, {"id": ids[0]}))["eraseCustomer"]
    wrong = (await both.data(erase, {"id": vip}))["eraseCustomer"]

    assert done == again == {"erasedCustomerId": ids[0], "userErrors": []}
    assert (wrong["erasedCustomerId"], said(wrong)) == (None, [("customerId", "NOT_FOUND", None)])
    assert await members(both, vip) == ["C02"]
    assert said(await assign(both, vip, ids)) == [("customerIds.0", "ERASED", None)]
    everybody = """query Everybody($rules: JSON) { customers { totalCount nodes { externalId } }
      ruled: customers(filter: {rules: $rules}) { totalCount }
      segmentPreview(definition: {rules: $rules}) { population matchCount } }"""
    assert await both.data(everybody, {"rules": {">=": [{"var": "order_count"}, 0]}}) == {
        "customers": {"totalCount": 1, "nodes": [{"externalId": "C02"}]},
        "ruled": {"totalCount": 1},
        "segmentPreview": {"population": 1, "matchCount": 1},
    }
    query = """query Gone($id: ID!) { node(id: $id) { ... on Customer { externalId name erased segments { source }
      membershipHistory { nodes { kind by } } } } }"""
    erased = {"externalId": "[erased]", "name": None, "erased": True, "segments": []}
    history = {"nodes": [{"kind": "ENTERED", "by": "tester"}, {"kind": "LEFT", "by": "tester"}]}
    assert (await both.data(query, {"id": ids[0]}))["node"] == {**erased, "membershipHistory": history}
