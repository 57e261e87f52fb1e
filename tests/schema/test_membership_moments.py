"""One operation is of one moment: whatever it tells of the members of a segment is of the old set or of the new one,
never a mixture, however many changes are written meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from domain.model import NewCustomer
from gql.schema.types.ids import encode
from tests.conftest import sample_cases
from tests.drivers.face import Face
from tests.drivers.segment_client import UPDATE, by_hand, uses
from tests.drivers.working import ACTOR, Working
from tests.schema.test_memberships import assign, business, remove

pytestmark = pytest.mark.anyio
LEVELS = ("GOLD", "SILVER", "SILVER")
several_turns = pytest.mark.parametrize("turns", sample_cases((3, 30), 3))
EVERYTHING = """query Everything($id: ID!, $other: ID!, $gold: ID!, $rules: JSON) {
  segment(id: $id) { memberCount lastCalculated metrics { totalMembers lastCalculated snapshots { memberCount } }
    members(first: 250) { totalCount nodes { externalId segments { segment { memberCount } } } }
    upToNow: members(first: 250, asOf: "2050-01-01") { totalCount nodes { externalId } }
    isMember(customerId: $gold) snapshots(first: 1) { totalCount nodes { snapshotDate memberCount } }
    sizeSeries(from: "2024-06-15", to: "2024-06-15") { memberCount }
    changes(first: 250) { totalCount nodes { kind } } }
  segments(sort: MEMBER_COUNT) { nodes { id memberCount } }
  customer(id: $gold) { segments { segment { id memberCount } } }
  customers(first: 250, filter: {segmentIds: [$id]}) { totalCount nodes { externalId } }
  segmentOverlap(segmentIds: [$id, $other]) { unionCount segments { memberCount } pairs { onlyA } }
  segmentPreview(definition: {rules: $rules}, againstSegmentId: $id) { leaving } }"""


async def fill_shop(face: Face, count: int) -> list[str]:
    """Customers C000, C001, … every third of them GOLD, the others SILVER; their ids."""
    shop = await business(face)
    named = [NewCustomer(f"C{n:03d}", loyalty_level=LEVELS[n % 3]) for n in range(count)]
    await face.services.customers.upsert(shop, named, ACTOR)
    return [encode("Customer", shop.id, number) for number in range(1, count + 1)]


def collect_sizes(data: Any, key: str) -> set[int]:
    """Every size that the answer tells of the segment: one, where it is of one moment."""
    segment, pages = data["segment"], [data["customers"]]
    pages += [segment["members"], segment["upToNow"]]
    sizes = {segment["memberCount"], segment["metrics"]["totalMembers"], segment["sizeSeries"][0]["memberCount"]}
    sizes |= {page["totalCount"] for page in pages} | {len(page["nodes"]) for page in pages}
    sizes |= {node["memberCount"] for node in data["segments"]["nodes"] if node["id"] == key}
    held = [each["segment"] for each in data["customer"]["segments"] if each["segment"]["id"] == key]
    sizes |= {each["memberCount"] for each in held}
    for node in segment["members"]["nodes"]:
        sizes |= {each["segment"]["memberCount"] for each in node["segments"]}
    overlap = data["segmentOverlap"]
    sizes |= {overlap["unionCount"], overlap["pairs"][0]["onlyA"], overlap["segments"][0]["memberCount"]}
    sizes.add(data["segmentPreview"]["leaving"])
    gold = "C000" in {node["externalId"] for node in segment["members"]["nodes"]}
    assert segment["isMember"] is bool(held) is gold
    assert len({frozenset(node["externalId"] for node in page["nodes"]) for page in pages}) == 1
    changes = segment["changes"]
    if changes["totalCount"] <= 250:
        assert len(changes["nodes"]) == changes["totalCount"]
        moved = [1 if node["kind"] == "ENTERED" else -1 for node in changes["nodes"]]
        sizes.add(sum(moved))
    assert [node["memberCount"] for node in data["segments"]["nodes"]] == sorted(
        node["memberCount"] for node in data["segments"]["nodes"]
    )
    return sizes


async def read_while(
    face: Face, segment: str, gold: str, write: Callable[[int], Awaitable[object]], turns: int
) -> list[Any]:
    """What two readers were told while somebody wrote, turn by turn, and read what was written."""
    ended, answers = asyncio.Event(), []
    asked = {"id": segment, "other": await by_hand(face, "Nobody"), "gold": gold, "rules": uses("nobody")}

    async def read() -> None:
        answers.append(await face.data(EVERYTHING, asked))

    async def read_on() -> None:
        while not ended.is_set():
            await read()

    readers = [asyncio.create_task(read_on()) for _ in range(2)]
    try:
        for turn in range(turns):
            await write(turn)
        for turn in range(turns, turns + 2):
            await write(turn)
            await read()
    finally:
        ended.set()
        await asyncio.gather(*readers)
    return answers


@several_turns
async def test_putting_in_and_taking_out_by_hand_is_seen_wholly_or_not_at_all(both: Face, turns: int) -> None:
    ids, vip = await fill_shop(both, 9), await by_hand(both, "VIP")

    async def write(turn: int) -> None:
        await (remove if turn % 2 else assign)(both, vip, ids)

    answers = await read_while(both, vip, ids[0], write, turns)

    sizes = [collect_sizes(answer, vip) for answer in answers]
    assert [found for found in sizes if len(found) != 1] == []
    assert set.union(*sizes) == {0, 9}


@several_turns
async def test_a_recalculation_is_seen_wholly_or_not_at_all(both: Face, turns: int) -> None:
    ids = await fill_shop(both, 9)
    working = Working.of(both.database, both.clock, await business(both))
    made = await working.segment("level", {"==": [{"var": "loyalty_level"}, "GOLD"]})
    await working.calculate(made)
    level = encode("Segment", working.business.id, made.id)

    async def write(turn: int) -> None:
        rules = {"==": [{"var": "loyalty_level"}, LEVELS[(turn + 1) % 2]]}
        await both.data(UPDATE, {"input": {"id": level, "rules": rules}})
        await working.runner.run_next(working.business)

    answers = await read_while(both, level, ids[0], write, turns)

    for answer in answers:
        segment = answer["segment"]
        sizes = collect_sizes(answer, level)
        newest, metrics = segment["snapshots"]["nodes"][0], segment["metrics"]
        # A run's snapshot, its instant and its members belong together.
        assert sizes | {newest["memberCount"], metrics["snapshots"][0]["memberCount"]} in ({3}, {6})
        assert segment["lastCalculated"] == metrics["lastCalculated"] == newest["snapshotDate"]
    assert {answer["segment"]["memberCount"] for answer in answers} == {3, 6}


async def test_a_mutation_answers_with_what_it_wrote_whatever_others_write(both: Face) -> None:
    ids, vip = await fill_shop(both, 9), await by_hand(both, "VIP")
    told = """segment { memberCount metrics { totalMembers } members(first: 20) { totalCount nodes { id } }
        sizeSeries(from: "2024-06-15", to: "2024-06-15") { memberCount } }"""

    async def write(name: str) -> set[int]:
        query = f"""mutation($segment: ID!, $customers: [ID!]!) {{
            {name}(segmentId: $segment, customerIds: $customers) {{ {told} }} }}"""
        segment = (await both.data(query, {"segment": vip, "customers": ids}))[name]["segment"]
        members = segment["members"]
        sizes = {segment["memberCount"], segment["metrics"]["totalMembers"], segment["sizeSeries"][0]["memberCount"]}
        return sizes | {members["totalCount"], len(members["nodes"])}

    found = await asyncio.gather(*(write(name) for name in ("assignSegment", "removeSegment") * 12))

    assert found == [{9}, {0}] * 12


async def test_recalculating_a_customer_answers_with_the_counts_that_it_made(both: Face) -> None:
    ids = await fill_shop(both, 3)
    working = Working.of(both.database, both.clock, await business(both))
    gold = await working.segment("gold", {"==": [{"var": "loyalty_level"}, "GOLD"]})
    silver = await working.segment("silver", {"==": [{"var": "loyalty_level"}, "SILVER"]})
    await working.calculate(gold)
    await both.services.customers.upsert(working.business, [NewCustomer("C000", loyalty_level="SILVER")], ACTOR)

    query = """mutation($id: ID!) { recalculateCustomer(customerId: $id) {
        customer { loyaltyLevel segments { segment { key memberCount } } }
        entered { key memberCount members { totalCount nodes { externalId } } }
        left { key memberCount members { totalCount nodes { externalId } } } } }"""
    found = (await both.data(query, {"id": ids[0]}))["recalculateCustomer"]

    one = {"totalCount": 1, "nodes": [{"externalId": "C000"}]}
    none: dict[str, object] = {"totalCount": 0, "nodes": []}
    assert found == {
        "customer": {"loyaltyLevel": "SILVER", "segments": [{"segment": {"key": silver.key, "memberCount": 1}}]},
        "entered": [{"key": "silver", "memberCount": 1, "members": one}],
        "left": [{"key": "gold", "memberCount": 0, "members": none}],
    }
