"""Snapshots, metrics, sizes and changes of segments as clients see them, and what a page of segments costs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from domain.model import Actor
from gql.schema.types.ids import encode
from tests.drivers.face import Face
from tests.drivers.segment_client import by_hand, events, said
from tests.schema.pages import pages
from tests.schema.test_memberships import assign, business, customers, members, remove
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
CREATE = """mutation Create($segment: ID!) { createSnapshot(segmentId: $segment) {
  snapshot { id snapshotDate memberCount memberIds segment { key } } userErrors { field code path } } }"""
COMPARE = """query Compare($from: ID!, $to: ID!, $after: String) {
  node(id: $from) { ... on Snapshot { compare(to: $to) {
  entered(first: 1, after: $after) { totalCount pageInfo { hasNextPage endCursor } nodes { externalId } }
  left { totalCount nodes { externalId } } stayedCount stayed { totalCount } } } } }"""
SIZES = """query Sizes($id: ID!, $from: Date!, $to: Date!, $interval: SeriesInterval!) { segment(id: $id) {
  sizeSeries(from: $from, to: $to, interval: $interval) { date memberCount entered left } } }"""
CHANGES = """query Changes($id: ID!, $since: DateTime, $until: DateTime, $after: String) { segment(id: $id) {
  changes(first: 2, since: $since, until: $until, after: $after) { totalCount pageInfo { hasNextPage endCursor }
    nodes { kind at customer { externalId } } } } }"""


async def snapshot(face: Face, segment: str) -> dict[str, Any]:
    payload = (await face.data(CREATE, {"segment": segment}))["createSnapshot"]
    assert payload["userErrors"] == []
    return dict(payload["snapshot"])


async def moves(face: Face, segment: str, ids: Sequence[str], *days: tuple[Sequence[int], Sequence[int]]) -> list[str]:
    """On each day some enter and some leave; the ids of the snapshots made after each."""
    made = []
    for entering, leaving in days:
        await assign(face, segment, [ids[place - 1] for place in entering])
        await remove(face, segment, [ids[place - 1] for place in leaving])
        made.append((await snapshot(face, segment))["id"])
        face.clock.now += timedelta(days=1)
    return made


async def test_a_snapshot_keeps_the_members_of_its_instant(both: Face) -> None:
    ids, vip = await customers(both, 4), await by_hand(both, "VIP")
    await assign(both, vip, ids[:3])

    made = await snapshot(both, vip)
    await remove(both, vip, ids[:2])
    await assign(both, vip, ids[3:])

    assert (made["memberCount"], made["memberIds"], made["segment"]) == (3, ids[:3], {"key": "vip"})
    query = """query Node($id: ID!, $after: ID) { node(id: $id) { ... on Snapshot { memberCount
      memberIds(first: 2, after: $after) members(first: 2) { totalCount nodes { externalId }
        pageInfo { hasNextPage } } } } }"""
    later = (await both.data(query, {"id": made["id"], "after": ids[0]}))["node"]
    page = {"nodes": [{"externalId": "C01"}, {"externalId": "C02"}], "pageInfo": {"hasNextPage": True}}
    assert later == {"memberCount": 3, "memberIds": ids[1:3], "members": {"totalCount": 3, **page}}
    assert await members(both, vip) == ["C03", "C04"]


async def test_two_snapshots_of_a_clock_that_stands_are_two(both: Face) -> None:
    vip = await by_hand(both, "VIP")

    first, second = await snapshot(both, vip), await snapshot(both, vip)

    assert first["id"] != second["id"]
    assert first["snapshotDate"] < second["snapshotDate"]


@pytest.mark.read_only
async def test_a_snapshot_of_an_unknown_segment_is_refused(face: Face) -> None:
    for unknown in ("nonsense", encode("Segment", 1, 9), encode("Segment", (await business(face, "other")).id, 1)):
        payload = (await face.data(CREATE, {"segment": unknown}))["createSnapshot"]
        assert (payload["snapshot"], said(payload)) == (None, [("segmentId", "NOT_FOUND", None)])


async def test_a_snapshot_made_by_hand_is_audited(face: Face) -> None:
    ids, vip = await customers(face, 2), await by_hand(face, "VIP")
    await assign(face, vip, ids)
    await snapshot(face, vip)

    actor, action, detail = (await events(face))[-1]

    assert (actor, action, detail) == ("tester", "createSnapshot", {"segment": "vip", "memberCount": 2})


async def test_comparing_says_who_came_who_went_and_who_stayed(both: Face) -> None:
    ids, vip = await customers(both, 6), await by_hand(both, "VIP")
    first, second, third = await moves(both, vip, ids, ([1, 2, 3], []), ([4, 5], [1, 2]), ([1], [3]))

    forth = (await both.data(COMPARE, {"from": first, "to": second}))["node"]["compare"]
    after = forth["entered"]["pageInfo"]["endCursor"]
    rest = (await both.data(COMPARE, {"from": first, "to": second, "after": after}))["node"]["compare"]
    back = (await both.data(COMPARE, {"from": third, "to": first}))["node"]["compare"]
    same = (await both.data(COMPARE, {"from": third, "to": third}))["node"]["compare"]

    def shown(diff: dict[str, Any]) -> tuple[int, list[str], int]:
        left = [node["externalId"] for node in diff["left"]["nodes"]]
        assert diff["stayed"]["totalCount"] == diff["stayedCount"]
        return diff["entered"]["totalCount"], left, diff["stayedCount"]

    assert shown(forth) == (2, ["C01", "C02"], 1)
    assert [diff["entered"]["nodes"][0]["externalId"] for diff in (forth, rest)] == ["C04", "C05"]
    assert [diff["entered"]["pageInfo"]["hasNextPage"] for diff in (forth, rest)] == [True, False]
    # From 1, 4, 5 to 1, 2, 3: whoever left and came again stayed.
    assert shown(back) == (2, ["C04", "C05"], 1)
    assert shown(same) == (0, [], 3)


async def test_only_snapshots_of_one_segment_are_compared(face: Face) -> None:
    vip, top = await by_hand(face, "VIP"), await by_hand(face, "Top")
    one, other = (await snapshot(face, vip))["id"], (await snapshot(face, top))["id"]

    assert await face.code(COMPARE, {"from": one, "to": other}) == "BAD_USER_INPUT"
    assert await face.code(COMPARE, {"from": one, "to": encode("Snapshot", 1, 1, 5)}) == "NOT_FOUND"
    assert await face.code(COMPARE, {"from": one, "to": encode("Snapshot", 1, 1, 10**18 - 1)}) == "NOT_FOUND"


async def test_metrics_say_what_the_members_amount_to(both: Face) -> None:
    ids, vip = await customers(both, 4), await by_hand(both, "VIP")
    shop = await business(both)
    bought = [
        purchase("C01", "1", "2024-06-15", 1000),
        purchase("C01", "2", "2024-06-10", 500),
        purchase("C02", "3", "2024-03-18", 1),
        purchase("C03", "4", "2024-03-17", 2),
    ]
    await both.services.purchases.record(shop, bought, ACTOR)
    query = """query Metrics($id: ID!) { segment(id: $id) { metrics { totalMembers inactiveMembers totalRevenue
      averageOrderValue averageDaysSinceLastPurchase lastCalculated snapshots { memberCount } } } }"""

    empty = (await both.data(query, {"id": vip}))["segment"]["metrics"]
    await assign(both, vip, ids)
    for _ in range(11):
        await snapshot(both, vip)
    full = (await both.data(query, {"id": vip}))["segment"]["metrics"]

    assert tuple(empty.values()) == (0, 0, "0.00", None, None, None, [])
    # 89 days ago is the last of 90 days, today included. (0 + 89 + 90) / 3
    assert tuple(full.values()) == (4, 2, "15.03", "3.76", 179 / 3, None, [{"memberCount": 4}] * 10)


async def test_snapshots_stand_newest_first_by_page(both: Face) -> None:
    vip = await by_hand(both, "VIP")
    made = [(await snapshot(both, vip))["id"] for _ in range(12)]
    query = """query Pages($id: ID!, $after: String) { segment(id: $id) { snapshots(after: $after) { totalCount
      nodes { id } pageInfo { hasNextPage endCursor } } } }"""

    page, rest = await pages(both, query, "segment.snapshots", {"id": vip})

    assert [node["id"] for node in page["nodes"] + rest["nodes"]] == made[::-1]
    assert (len(page["nodes"]), page["totalCount"]) == (10, 12)


async def test_sizes_by_day_week_and_month(both: Face) -> None:
    ids, vip = await customers(both, 5), await by_hand(both, "VIP")
    # 15 June 2024 is a Saturday.
    await moves(both, vip, ids, ([1, 2, 3], []), ([4], [1]), ([5], []))

    async def sizes(start: str, end: str, interval: str) -> list[tuple[object, ...]]:
        found = await both.data(SIZES, {"id": vip, "from": start, "to": end, "interval": interval})
        return [tuple(point.values()) for point in found["segment"]["sizeSeries"]]

    days = [(0, 0, 0), (3, 3, 0), (3, 1, 1), (4, 1, 0), (4, 0, 0)]
    assert await sizes("2024-06-14", "2024-06-30", "DAY") == [(f"2024-06-{14 + n}", *day) for n, day in enumerate(days)]
    assert await sizes("2024-06-13", "2024-06-17", "WEEK") == [("2024-06-10", 3, 4, 1), ("2024-06-17", 4, 1, 0)]
    assert await sizes("2024-05-31", "2024-06-01", "MONTH") == [("2024-05-01", 0, 0, 0), ("2024-06-01", 4, 5, 1)]


async def test_a_series_has_at_most_a_thousand_points(face: Face) -> None:
    vip = await by_hand(face, "VIP")

    for start, end in (("2021-09-18", "2024-06-14"), ("0001-01-01", "9999-12-31"), ("2024-06-02", "2024-06-01")):
        response = await face.post(SIZES, {"id": vip, "from": start, "to": end, "interval": "DAY"})
        error = response.json()["errors"][0]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "1000 points" in error["message"] or error["message"] == "to must not be before from"
    whole = await face.data(SIZES, {"id": vip, "from": "2021-09-20", "to": "2024-06-15", "interval": "DAY"})
    assert len(whole["segment"]["sizeSeries"]) == 1000


async def test_changes_are_paged_in_commit_order_between_instants(both: Face) -> None:
    ids, vip = await customers(both, 4), await by_hand(both, "VIP")
    await moves(both, vip, ids, ([1, 2, 3], []), ([4], [1]))

    async def walk(**arguments: object) -> tuple[list[str], set[int]]:
        found = await pages(both, CHANGES, "segment.changes", {"id": vip, **arguments})
        nodes = [node for page in found for node in page["nodes"]]
        told = [f"{node['kind']} {node['customer']['externalId']}" for node in nodes]
        return told, {page["totalCount"] for page in found}

    first = [f"ENTERED C0{number}" for number in (1, 2, 3)]
    assert await walk() == ([*first, "ENTERED C04", "LEFT C01"], {5})
    assert await walk(until="2024-06-16") == (first, {3})
    assert await walk(since="2024-06-16") == (["ENTERED C04", "LEFT C01"], {2})
    assert await walk(since="2024-06-16", until="2024-06-16") == ([], {0})
    assert await both.code(CHANGES, {"id": vip, "since": "2024-06-16", "until": "2024-06-15"}) == "BAD_USER_INPUT"
    assert await both.code(CHANGES, {"id": vip, "after": "bm9uc2Vuc2U"}) == "BAD_USER_INPUT"
    newest = """query Newest($id: ID!, $before: String) { segment(id: $id) { changes(last: 2, before: $before) {
      pageInfo { hasPreviousPage startCursor } nodes { kind customer { externalId } } } } }"""
    ends = (await both.data(newest, {"id": vip}))["segment"]["changes"]
    earlier = (await both.data(newest, {"id": vip, "before": ends["pageInfo"]["startCursor"]}))["segment"]["changes"]
    assert [node["kind"] for node in ends["nodes"]] == ["ENTERED", "LEFT"]
    assert [node["customer"]["externalId"] for node in earlier["nodes"]] == ["C02", "C03"]
    assert await both.code(newest, {"id": vip, "before": "bm9uc2Vuc2U"}) == "BAD_USER_INPUT"
