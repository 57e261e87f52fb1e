"""Segments that change and go, on both databases: what an update keeps and clears, what a deleted one leaves, the
standard segments, and what the audit trail keeps."""

import pytest

from tests.drivers.face import Face
from tests.drivers.segment_client import (
    DELETE,
    RICH,
    STANDARD,
    UPDATE,
    by_hand,
    create,
    events,
    names,
    said,
    update,
    uses,
)

pytestmark = pytest.mark.anyio


async def test_an_update_keeps_what_is_absent_and_clears_what_is_null(both: Face) -> None:
    made = (await create(both, "Rich", rules=RICH, description="Old", schedule="0 4 * * *"))["segment"]

    named = await update(both, id=made["id"], name="Richer")
    cleared = await update(both, id=made["id"], description=None, schedule=None, isDynamic=False)

    assert named["userErrors"] == cleared["userErrors"] == []
    assert named["segment"] == made | {"name": "Richer", "version": 2, "updatedAt": named["segment"]["updatedAt"]}
    assert named["recalculation"] is cleared["recalculation"] is None
    changed = cleared["segment"]
    assert (changed["description"], changed["schedule"], changed["isDynamic"]) == (None, None, False)
    assert (changed["nextRunAt"], changed["version"], changed["key"], changed["rules"]) == (None, 3, "rich", RICH)


async def test_a_new_definition_is_a_new_version_and_a_new_run(both: Face) -> None:
    first = await create(both, "Rich", rules=RICH)
    key = first["segment"]["id"]

    same = await update(both, id=key, rules=RICH, criteria=None)
    other = await update(both, id=key, rules=None, criteria={"minOrders": 5})

    assert (same["segment"]["version"], same["recalculation"]) == (1, None)
    assert (other["segment"]["version"], other["segment"]["rules"]) == (2, None)
    assert other["segment"]["sentence"] == "the number of orders is at least 5"
    assert other["recalculation"]["status"] == "QUEUED"
    run = "query Run($id: ID!) { job(id: $id) { status error { code } } }"
    old = (await both.data(run, {"id": first["recalculation"]["id"]}))["job"]
    assert old == {"status": "CANCELLED", "error": {"code": "REDEFINED"}}


async def test_numbers_and_truths_are_different_definitions(both: Face) -> None:
    made = (await create(both, "One", rules={"==": [{"var": "order_count"}, 1]}))["segment"]

    again = await update(both, id=made["id"], rules={"==": [{"var": "order_count"}, 1.5]})
    truth = await update(both, id=made["id"], rules={"==": [{"var": "erased"}, True]})
    number = await update(both, id=made["id"], rules={"!!": [1]})
    other = await update(both, id=made["id"], rules={"!!": [True]})

    assert [each["segment"]["version"] for each in (again, truth, number, other)] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Richer"},
        {"description": "Those who spend."},
        {"schedule": "0 4 * * *"},
        {"isDynamic": False},
        {"criteria": {"minOrders": 5}},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_two_editors_do_not_overwrite_each_other(both: Face, change: dict[str, object]) -> None:
    made = (await create(both, "Rich", rules=RICH))["segment"]

    first = await update(both, id=made["id"], expectedVersion=1, **change)
    second = await update(both, id=made["id"], expectedVersion=1, name="Mine")
    again = await update(both, id=made["id"], expectedVersion=2, **change)

    assert first["segment"]["version"] == 2
    assert (second["segment"], said(second)) == (None, [("input.expectedVersion", "CONFLICT", None)])
    assert await names(both) == [first["segment"]["name"]]
    # What says the same is no change, so nobody's version is gone.
    assert again["segment"]["version"] == 2
    assert (first["recalculation"] is None) is ("criteria" not in change)


async def test_what_an_update_cannot_be_is_refused_with_its_field(both: Face) -> None:
    rich = (await create(both, "Rich", rules=RICH))["segment"]["id"]
    vip = await by_hand(both, "VIP")
    await create(both, "Both", rules=uses("rich", "vip"))

    assert said(await update(both, id=rich, name=None)) == [("input.name", "BLANK", None)]
    assert said(await update(both, id=rich, name="vip")) == [("input.name", "TAKEN", None)]
    assert said(await update(both, id=rich, rules=None)) == [("input.rules", "INVALID", None)]
    assert said(await update(both, id=rich, rules=uses("both"))) == [("input.rules", "CIRCULAR_REFERENCE", "/0")]
    assert said(await update(both, id=rich, rules=uses("bot"))) == [("input.rules", "UNKNOWN_VARIABLE", "/0")]
    assert said(await update(both, id=vip, rules=RICH)) == [("input.rules", "INVALID", None)]
    assert said(await update(both, id=vip, schedule="0 1 * * *")) == [("input.schedule", "INVALID", None)]
    assert said(await update(both, id="nonsense", name="A")) == [("input.id", "NOT_FOUND", None)]
    assert (await update(both, id=rich, name="RICH"))["userErrors"] == []


async def test_deleting_keeps_what_was_and_frees_the_name(both: Face) -> None:
    rich = (await create(both, "Rich", rules=RICH))["segment"]["id"]
    one = "query One($id: ID!) { segment(id: $id) { key } node(id: $id) { id } nodes(ids: [$id]) { id } }"

    deleted = (await both.data(DELETE, {"id": rich}))["deleteSegment"]
    again = (await both.data(DELETE, {"id": rich}))["deleteSegment"]

    assert deleted == {"deletedSegmentId": rich, "userErrors": []}
    assert (again["deletedSegmentId"], said(again)) == (None, [("id", "NOT_FOUND", None)])
    assert await both.data(one, {"id": rich}) == {"segment": None, "node": None, "nodes": [None]}
    assert await names(both) == []
    assert said(await update(both, id=rich, name="Back")) == [("input.id", "NOT_FOUND", None)]
    new = (await create(both, "Rich", rules=RICH))["segment"]
    assert (new["key"], new["id"] == rich) == ("rich", False)


async def test_a_segment_that_others_use_is_not_deleted(both: Face) -> None:
    vip = await by_hand(both, "VIP")
    user = (await create(both, "Good ones", rules=uses("vip")))["segment"]["id"]

    refused = (await both.data(DELETE, {"id": vip}))["deleteSegment"]
    await both.data(DELETE, {"id": user})
    deleted = (await both.data(DELETE, {"id": vip}))["deleteSegment"]

    assert (refused["deletedSegmentId"], said(refused)) == (None, [("id", "IN_USE", None)])
    assert refused["userErrors"][0]["message"] == "vip is used by the rules of: Good ones (good-ones)"
    assert deleted["deletedSegmentId"] == vip


async def test_standard_segments_are_made_once(both: Face) -> None:
    await by_hand(both, "Champions")

    eight = (await both.data(STANDARD, {"scheme": "EIGHT_SEGMENT"}))["createStandardSegments"]["segments"]
    again = (await both.data(STANDARD, {"scheme": "EIGHT_SEGMENT"}))["createStandardSegments"]["segments"]
    eleven = (await both.data(STANDARD, {"scheme": "ELEVEN_SEGMENT"}))["createStandardSegments"]["segments"]

    assert [one["name"] for one in eight[:3]] == ["Champions (RFM)", "Loyal Customers", "Potential Loyalists"]
    assert eight[1]["sentence"] == "the RFM group is “Loyal Customers”"
    assert {(one["kind"], one["isRfm"], one["isDynamic"]) for one in eight + eleven} == {("AUTOMATIC", True, True)}
    assert again == eight
    assert (len(eight), len(eleven), len(await names(both))) == (8, 10, 19)
    first = "Champions (RFM of eleven), Loyal, Active, New, Promising (RFM of eleven)"
    assert [one["name"] for one in eleven[:5]] == first.split(", ")


async def test_segments_of_another_business_behave_as_if_they_did_not_exist(both: Face) -> None:
    mine = (await create(both, "Rich", rules=RICH))["segment"]["id"]
    other = both.token(business="other")
    one = "query One($id: ID!) { segment(id: $id) { key } node(id: $id) { id } segments { totalCount } }"

    seen = (await both.post(one, {"id": mine}, other)).json()["data"]
    changed = (await both.post(UPDATE, {"input": {"id": mine, "name": "Stolen"}}, other)).json()["data"]
    deleted = (await both.post(DELETE, {"id": mine}, other)).json()["data"]

    assert seen == {"segment": None, "node": None, "segments": {"totalCount": 0}}
    assert said(changed["updateSegment"]) == [("input.id", "NOT_FOUND", None)]
    assert said(deleted["deleteSegment"]) == [("id", "NOT_FOUND", None)]
    assert await names(both) == ["Rich"]


async def test_every_change_is_audited_with_old_and_new_values(both: Face) -> None:
    made = (await create(both, "Rich", rules=RICH))["segment"]["id"]
    await update(both, id=made, name="Richer", criteria={"minLifetimeValue": "12.50"})
    await update(both, id=made, name="Richer")
    await both.data(DELETE, {"id": made})
    await both.data(STANDARD, {"scheme": "EIGHT_SEGMENT"})
    await both.data(STANDARD, {"scheme": "EIGHT_SEGMENT"})

    found = await events(both)
    # What finds nothing to change is told, too.
    assert (found.pop(2)[2]["changes"], found.pop()[2]["segments"]) == ({}, [])

    actions = ("createSegment", "updateSegment", "deleteSegment", "createStandardSegments")
    assert [(actor, action) for actor, action, _ in found] == [("tester", action) for action in actions]
    assert found[0][2]["segment"] == "rich"
    assert found[0][2]["changes"]["rules"] == {"old": None, "new": RICH}
    assert found[1][2]["changes"] == {
        "name": {"old": "Rich", "new": "Richer"},
        "criteria": {"old": None, "new": {"minLifetimeValue": "12.50"}},
    }
    assert found[2][2]["changes"]["name"] == {"old": "Richer", "new": None}
    assert len(found[3][2]["segments"]) == 8
