"""Members in other orders, segments made of segments, and members set as a whole, as clients ask for them."""

from datetime import timedelta
from typing import Any

import pytest

from domain.model import Actor, NewCustomer
from gql.schema.types.ids import encode
from persistence.soundness.checks import find_faults
from persistence.store import SqlStore
from tests.drivers.face import Face
from tests.drivers.segment_client import ERRORS, FIELDS, RICH, RUN, by_hand, create, events, said, uses
from tests.schema.pages import pages
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
MEMBERS = """query Members($key: String, $sort: MemberSort, $reverse: Boolean, $search: String, $asOf: DateTime,
    $first: Int, $after: String, $last: Int, $before: String) {
  segment(key: $key) { members(sort: $sort, reverse: $reverse, search: $search, asOf: $asOf, first: $first,
    after: $after, last: $last, before: $before) {
    totalCount nodes { externalId } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""
SET = f"""mutation Set($segment: ID!, $ids: [ID!], $externalIds: [String!], $emails: [String!]) {{
  setSegmentMembers(segmentId: $segment, customerIds: $ids, externalIds: $externalIds, emails: $emails) {{
    assignedCount removedCount segment {{ memberCount }} {ERRORS} }} }}"""
COPY = """mutation Copy($id: ID!, $name: String!{declared}) {{ {field}(id: $id, name: $name{given}) {{
  segment {{ {fields} }} {run} {errors} }} }}"""
DUPLICATE = COPY.format(field="duplicateSegment", declared="", given="", fields=FIELDS, run=RUN, errors=ERRORS)
FREEZE = COPY.format(
    field="freezeSegment", declared=", $asOf: DateTime", given=", asOf: $asOf", fields=FIELDS, run=RUN, errors=ERRORS
)
PEOPLE = (
    ("C1", "Zoe", "zoe@x.com"),
    ("C2", "ann Lee", "Shared@X.com"),
    ("C3", "Ben", "shared@x.com"),
    ("C4", None, "straße@x.de"),
    ("c5@x.com", "zoe@x.com", "ÄNNE@x.de"),
)


async def fill(face: Face) -> list[str]:
    """Five customers, of whom the first bought; their ids."""
    shop = await face.services.businesses.open("shop")
    people = [
        NewCustomer(key, name, email, given=frozenset({"name", "email"} if name else {"email"}))
        for key, name, email in PEOPLE
    ]
    await face.services.customers.upsert(shop, people, ACTOR)
    await face.services.purchases.record(shop, [purchase("C1", "O1", "2024-06-01", 5_000)], ACTOR)
    return [encode("Customer", shop.id, number) for number in range(1, len(people) + 1)]


async def set_members(face: Face, segment: str, **names: object) -> dict[str, Any]:
    return dict((await face.data(SET, {"segment": segment, **names}))["setSegmentMembers"])


async def list_members(face: Face, key: str = "vip", **arguments: object) -> list[str]:
    found = (await face.data(MEMBERS, {"key": key, **arguments}))["segment"]["members"]
    return [node["externalId"] for node in found["nodes"]]


async def test_a_segment_is_found_by_its_key(both: Face) -> None:
    vip = await by_hand(both, "VIP")
    ask = "query S($id: ID, $key: String) { segment(id: $id, key: $key) { id key } }"

    found = [(await both.data(ask, {"key": key}))["segment"] for key in ("vip", "VIP", "nope", "\0")]
    codes = [await both.code(ask, given) for given in ({}, {"id": vip, "key": "vip"})]

    assert found == [{"id": vip, "key": "vip"}, None, None, None]
    assert codes == ["BAD_USER_INPUT"] * 2


async def test_members_come_in_every_order_and_as_far_as_a_search_finds_them(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids)

    by_name = await list_members(both, sort="NAME")
    turned = await list_members(both, sort="NAME", reverse=True)
    by_revenue = await list_members(both, sort="TOTAL_REVENUE", reverse=True)
    by_last = await list_members(both, sort="LAST_PURCHASE_AT", last=2)
    found = (await both.data(MEMBERS, {"key": "vip", "search": "ZOE", "first": 1}))["segment"]["members"]
    walked = await pages(both, MEMBERS, "segment.members", {"key": "vip", "sort": "NAME", "first": 2})

    assert by_name == ["C2", "C3", "C1", "c5@x.com", "C4"]
    assert turned == by_name[::-1]
    assert by_revenue == ["C1", "c5@x.com", "C4", "C3", "C2"]
    assert by_last == ["C4", "c5@x.com"]
    assert (found["totalCount"], found["nodes"], found["pageInfo"]["hasNextPage"]) == (2, [{"externalId": "C1"}], True)
    assert [node["externalId"] for page in walked for node in page["nodes"]] == by_name


async def test_a_cursor_of_another_order_is_refused(face: Face) -> None:
    ids, vip = await fill(face), await by_hand(face, "VIP")
    await set_members(face, vip, ids=ids)
    page = (await face.data(MEMBERS, {"key": "vip", "sort": "NAME", "first": 2}))["segment"]["members"]

    for other in ({}, {"sort": "NAME", "reverse": True}, {"sort": "EXTERNAL_ID"}, {"sort": "ORDER_COUNT"}):
        answer = (await face.post(MEMBERS, {"key": "vip", "after": page["pageInfo"]["endCursor"], **other})).json()
        assert answer["errors"][0]["message"] == "after must be a cursor of this list in this order"
    long = (await face.post(MEMBERS, {"key": "vip", "search": "x" * 1001})).json()
    assert long["errors"][0]["message"] == "search must be at most 1000 characters, without NUL"


async def test_exactly_the_named_customers_are_members_afterwards(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids[:1])
    await create(both, "User", rules=uses("vip"))

    first = await set_members(both, vip, ids=ids[1:2], externalIds=[" C2 ", "C5@X.com"], emails=["ZOE@x.com"])
    again = await set_members(both, vip, externalIds=["C1", "C2", "c5@x.com"])
    log = await both.data(
        '{ segment(key: "vip") { changes(first: 9) { nodes { kind source by customer { externalId } } } } }'
    )
    queued = await both.data('{ segment(key: "user") { latestRecalculation { status } } }')
    told = [(action, detail["asked"], detail["entered"]) for _, action, detail in (await events(both))[-2:]]

    assert first == {"assignedCount": 2, "removedCount": 0, "segment": {"memberCount": 3}, "userErrors": []}
    assert again == {"assignedCount": 0, "removedCount": 0, "segment": {"memberCount": 3}, "userErrors": []}
    assert [(one["kind"], one["customer"]["externalId"]) for one in log["segment"]["changes"]["nodes"]] == [
        ("ENTERED", "C1"),
        ("ENTERED", "C2"),
        ("ENTERED", "c5@x.com"),
    ]
    assert {(one["source"], one["by"]) for one in log["segment"]["changes"]["nodes"]} == {("MANUAL", "tester")}
    assert queued["segment"]["latestRecalculation"]["status"] == "QUEUED"
    assert told == [("setSegmentMembers", 4, 2), ("setSegmentMembers", 3, 0)]


async def test_an_e_mail_means_everybody_who_has_it_and_nobody_who_is_called_so(both: Face) -> None:
    await fill(both)
    vip = await by_hand(both, "VIP")

    found = {}
    for email in ("shared@X.com", "zoe@x.com", "Straße@x.de", "änne@X.de"):
        payload = await set_members(both, vip, emails=[email])
        assert payload["userErrors"] == []
        found[email] = await list_members(both)
    none = await set_members(both, vip, emails=["c5@x.com", "strasse@x.de"])

    assert list(found.values()) == [["C2", "C3"], ["C1"], ["C4"], ["c5@x.com"]]
    assert said(none) == [("emails.0", "NOT_FOUND", None), ("emails.1", "NOT_FOUND", None)]


async def test_a_list_with_unknown_names_changes_nothing(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids[:2])
    await both.data("mutation E($id: ID!) { eraseCustomer(customerId: $id) { erasedCustomerId } }", {"id": ids[2]})
    before = await both.services.businesses.open("shop")

    unknown = await set_members(
        both, vip, ids=[ids[0], "nonsense", ids[2], encode("Customer", 1, 99)], externalIds=["C3", "C1"], emails=["q@x"]
    )
    wrong = await set_members(both, vip, externalIds=["C1", "N/A", "a\0b"], emails=[""])
    nothing = await set_members(both, vip)
    many = await set_members(both, vip, ids=ids[:1] * 600, emails=["zoe@x.com"] * 401)
    rich = (await create(both, "Rich", rules=RICH))["segment"]["id"]
    automatic = await set_members(both, rich, ids=[])

    assert said(unknown) == [
        ("customerIds.1", "NOT_FOUND", None),
        ("customerIds.2", "ERASED", None),
        ("customerIds.3", "NOT_FOUND", None),
        ("externalIds.0", "NOT_FOUND", None),
        ("emails.0", "NOT_FOUND", None),
    ]
    assert said(wrong) == [
        ("externalIds.1", "BLANK", None),
        ("externalIds.2", "INVALID", None),
        ("emails.0", "BLANK", None),
    ]
    assert said(nothing) == [("customerIds", "INVALID", None)]
    assert said(many) == [("customerIds", "LIMIT_REACHED", None)]
    assert said(automatic) == [("segmentId", "SEGMENT_IS_AUTOMATIC", None)]
    assert {payload["segment"] and payload["assignedCount"] for payload in (unknown, wrong, nothing, many)} == {None}
    assert await list_members(both) == ["C1", "C2"]
    assert (await both.services.businesses.open("shop")).data_version == before.data_version


async def test_an_empty_list_takes_everybody_out(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids)

    payload = await set_members(both, vip, emails=[])

    assert (payload["removedCount"], payload["segment"]["memberCount"]) == (5, 0)
    assert (await both.data('{ segment(key: "vip") { metrics { totalMembers } } }'))["segment"]["metrics"] == {
        "totalMembers": 0
    }


async def test_a_segment_is_duplicated_with_its_definition_or_with_its_members(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids[:3])
    rich = (await create(both, "Rich", rules=RICH, description="Spent much", schedule="0 3 * * *"))["segment"]

    like = (await both.data(DUPLICATE, {"id": rich["id"], "name": "Très Rich"}))["duplicateSegment"]
    copy = (await both.data(DUPLICATE, {"id": vip, "name": "VIP too"}))["duplicateSegment"]
    taken = (await both.data(DUPLICATE, {"id": vip, "name": " vip"}))["duplicateSegment"]
    gone = (await both.data(DUPLICATE, {"id": encode("Segment", 1, 99), "name": "X"}))["duplicateSegment"]
    blank = (await both.data(DUPLICATE, {"id": vip, "name": " "}))["duplicateSegment"]

    same = {name: rich[name] for name in ("description", "kind", "isDynamic", "isRfm", "rules", "schedule", "sentence")}
    assert {name: like["segment"][name] for name in same} == same
    assert (like["segment"]["key"], like["segment"]["version"]) == ("tres-rich", 1)
    assert like["recalculation"]["segment"] == {"key": "tres-rich"}
    assert (copy["recalculation"], copy["segment"]["memberCount"]) == (None, 3)
    assert await list_members(both, "vip-too") == ["C1", "C2", "C3"]
    assert [said(payload) for payload in (taken, gone, blank)] == [
        [("name", "TAKEN", None)],
        [("id", "NOT_FOUND", None)],
        [("name", "BLANK", None)],
    ]


async def test_the_members_of_now_or_of_an_instant_become_a_segment_by_hand(both: Face) -> None:
    ids, vip = await fill(both), await by_hand(both, "VIP")
    await set_members(both, vip, ids=ids)
    then = both.clock() + timedelta(hours=1)
    both.clock.now += timedelta(days=1)
    await both.data("mutation E($id: ID!) { eraseCustomer(customerId: $id) { erasedCustomerId } }", {"id": ids[2]})
    merge = "mutation M($a: ID!, $b: ID!) { mergeCustomers(fromId: $a, intoId: $b) { userErrors { code } } }"
    await both.data(merge, {"a": ids[3], "b": ids[0]})
    await set_members(both, vip, ids=ids[1:2])

    now = (await both.data(FREEZE, {"id": vip, "name": "Now"}))["freezeSegment"]
    past = (await both.data(FREEZE, {"id": vip, "name": "Then", "asOf": then.isoformat()}))["freezeSegment"]
    late = (await both.data(FREEZE, {"id": vip, "name": "Late", "asOf": "2100-01-01T00:00:00Z"}))["freezeSegment"]
    made = [detail for _, action, detail in await events(both) if action == "freezeSegment" and "from" in detail]

    assert (now["segment"]["kind"], now["segment"]["memberCount"], now["recalculation"]) == ("MANUAL", 1, None)
    assert await list_members(both, "now") == ["C2"]
    assert past["segment"]["memberCount"] == 3
    assert await list_members(both, "then") == ["C1", "C2", "c5@x.com"]
    assert said(late) == [("asOf", "INVALID", None)]
    source = await both.data('{ segment(key: "then") { members { edges { source assignedBy } } } }')
    assert {tuple(edge.values()) for edge in source["segment"]["members"]["edges"]} == {("MANUAL", "tester")}
    assert [(detail["from"], detail["members"]) for detail in made] == [("vip", 1), ("vip", 3)]
    assert find_faults(both.database).faults == ()


async def test_what_was_compacted_cannot_be_frozen(both: Face) -> None:
    vip, shop = await by_hand(both, "VIP"), await both.services.businesses.open("shop")
    then = both.clock() - timedelta(days=9)
    async with SqlStore(both.database, both.clock).write(shop) as unit:
        await unit.save_settings({"history_from": int(both.clock().timestamp()) * 1_000_000})

    assert await both.code(FREEZE, {"id": vip, "name": "Then", "asOf": then.isoformat()}) == "HISTORY_COMPACTED"
