"""Segments as clients define and list them, on both databases, and what is refused with which field."""

import json

import pytest

from domain.model import Actor
from domain.segments.model import SegmentKind
from domain.segments.validation import Draft
from persistence.database.engines import Database
from tests.conftest import once_a_store
from tests.drivers.face import Face
from tests.drivers.segment_client import CREATE, LIST, RICH, by_hand, create, names, uses, wrong

pytestmark = pytest.mark.anyio


async def test_creates_automatic_and_manual_segments(both: Face) -> None:
    automatic = await create(both, "Rich", rules=RICH, description="Who buys most")
    manual = await create(both, "VIP", kind="MANUAL")

    made = automatic["segment"]
    assert (made["key"], made["kind"], made["isDynamic"], made["isRfm"]) == ("rich", "AUTOMATIC", True, False)
    assert (made["rules"], made["sentence"]) == (RICH, "total revenue is more than EUR 1,000")
    assert (made["version"], made["memberCount"], made["createdBy"]) == (1, 0, "tester")
    assert made["createdAt"] == made["updatedAt"]
    assert made["deletedAt"] is made["lastCalculated"] is None
    assert made["nextRunAt"] is not None
    assert (automatic["recalculation"]["status"], automatic["recalculation"]["segment"]) == ("QUEUED", {"key": "rich"})
    hand = manual["segment"]
    assert (hand["kind"], hand["isDynamic"], hand["rules"], hand["sentence"]) == ("MANUAL", False, None, None)
    assert hand["nextRunAt"] is manual["recalculation"] is None


@pytest.mark.parametrize(
    ("criteria", "words"),
    [
        (
            {"minLifetimeValue": "1000", "minOrders": 5, "loyaltyLevels": ["GOLD", "PLATINUM"]},
            "total revenue is at least EUR 1,000 and the number of orders is at least 5 and the loyalty level is one "
            "of “GOLD”, “PLATINUM”",
        ),
        (
            {"minDaysSinceLastPurchase": 90, "maxPurchaseFrequency": 0.5},
            "the last purchase was 90 or more days ago and the purchase frequency is at most 0.5",
        ),
        ({"maxTenureDays": 30, "minOrders": 1}, "the number of orders is at least 1 and tenure is at most 30 days"),
    ],
)
async def test_segments_by_criteria_say_them_in_words(face: Face, criteria: dict[str, object], words: str) -> None:
    made = (await create(face, "By criteria", criteria=criteria))["segment"]

    kept = {name: value for name, value in made["criteria"].items() if value is not None}
    assert kept == criteria
    assert made["sentence"] == words


async def test_a_definition_of_all_three_holds_together(both: Face) -> None:
    rules = json.dumps([RICH, {"==": [{"var": "name"}, "Zoë"]}])
    box = {"minScore": "344", "maxScore": "555"}

    made = (await create(both, "All", rules=rules, criteria={"minOrders": 5}, rfmConfig=box))["segment"]

    assert (made["rules"], made["rfmConfig"], made["isRfm"]) == (json.loads(rules), box, True)
    assert made["criteria"]["minOrders"] == 5
    said = "(total revenue is more than EUR 1,000 and what the customer is called is “Zoë”) and"
    assert made["sentence"].startswith(said)


async def test_a_key_is_given_or_made_from_the_name(both: Face) -> None:
    assert (await create(both, "Été à Paris!", rules=RICH))["segment"]["key"] == "ete-a-paris"
    assert (await create(both, "Ete a Paris?", rules=RICH))["segment"]["key"] == "ete-a-paris-2"
    assert (await create(both, "Third", key="own-key", rules=RICH))["segment"]["key"] == "own-key"
    assert await wrong(both, key="own-key", rules=RICH) == [("input.key", "TAKEN", None)]


@pytest.mark.parametrize("name", ["Gold Members", "GOLD members", "  gold   members "])
async def test_a_name_is_unique_whatever_its_letter_case(face: Face, name: str) -> None:
    await create(face, "Gold Members", rules=RICH)

    assert await wrong(face, name=name, rules=RICH) == [("input.name", "TAKEN", None)]


async def test_names_and_keys_are_unique_in_their_business_only(both: Face) -> None:
    await create(both, "Gold", rules=RICH)

    other = (await both.post(CREATE, {"input": {"name": "Gold", "rules": RICH}}, both.token(business="other"))).json()

    assert other["data"]["createSegment"]["segment"]["key"] == "gold"


@pytest.mark.read_only
@pytest.mark.parametrize(
    ("input", "errors"),
    [
        ({"name": " ", "rules": RICH}, [("input.name", "BLANK", None)]),
        ({"name": "x" * 256, "rules": RICH}, [("input.name", "TOO_LONG", None)]),
        ({}, [("input.rules", "INVALID", None)]),
        ({"rules": "null"}, [("input.rules", "INVALID", None)]),
        ({"criteria": {}}, [("input.rules", "INVALID", None)]),
        ({"rules": []}, [("input.rules", "INVALID", "")]),
        ({"rules": 5}, [("input.rules", "INVALID_RULE", "")]),
        ({"rules": {">": [{"var": "total_revenu"}, 5]}}, [("input.rules", "UNKNOWN_VARIABLE", "/>/0/var")]),
        ({"rules": {">": [{"var": "total_revenue"}, "5"]}}, [("input.rules", "TYPE_MISMATCH", "/>/1")]),
        ({"rules": [RICH, {"in": ["vip", {"var": "segments"}]}]}, [("input.rules", "UNKNOWN_VARIABLE", "/1")]),
        ({"key": "x", "rules": uses("x")}, [("input.rules", "CIRCULAR_REFERENCE", "/0")]),
        ({"rules": uses("x")}, [("input.rules", "CIRCULAR_REFERENCE", "/0")]),
        ({"rules": RICH, "isRfm": True}, [("input.isRfm", "INVALID", None)]),
        ({"rules": RICH, "schedule": "daily"}, [("input.schedule", "INVALID", None)]),
        ({"criteria": {"minOrders": 3, "maxOrders": 2}}, [("input.criteria.maxOrders", "INVALID", None)]),
        ({"rfmConfig": {"minScore": "9", "maxScore": "555"}}, [("input.rfmConfig.minScore", "INVALID", None)]),
        ({"kind": "MANUAL", "rules": RICH}, [("input.rules", "INVALID", None)]),
        ({"kind": "MANUAL", "isDynamic": True}, [("input.isDynamic", "INVALID", None)]),
    ],
)
async def test_what_cannot_be_a_segment_is_refused_with_its_field(
    face: Face, input: dict[str, object], errors: list[tuple[str, str, str | None]]
) -> None:
    before = await names(face)

    assert await wrong(face, **input) == errors
    assert await names(face) == before


async def test_returns_all_segments_ordered_by_name(both: Face) -> None:
    for name in ("beta", "Äpfel", "ALPHA", "Gamma"):
        await by_hand(both, name)

    assert await names(both) == ["ALPHA", "beta", "Gamma", "Äpfel"]
    assert await names(both, reverse=True) == ["Äpfel", "Gamma", "beta", "ALPHA"]
    assert await names(both, sort="CREATED_AT") == ["beta", "Äpfel", "ALPHA", "Gamma"]


async def test_segments_are_found_by_search_and_filters(both: Face) -> None:
    await create(both, "Gold Members", kind="MANUAL")
    await create(both, "The Golden", rules=RICH, isDynamic=False)
    await create(both, "Champions of gold", rfmConfig={"minScore": "444", "maxScore": "555"})

    assert await names(both, filter={"search": "GOLD"}) == ["Champions of gold", "Gold Members", "The Golden"]
    assert await names(both, filter={"search": "the-"}) == ["The Golden"]
    assert await names(both, filter={"kind": "MANUAL"}) == ["Gold Members"]
    assert await names(both, filter={"isRfm": True}) == ["Champions of gold"]
    assert await names(both, filter={"isDynamic": False}) == ["Gold Members", "The Golden"]
    assert await names(both, filter={"kind": "AUTOMATIC", "isRfm": False, "search": "gold"}) == ["The Golden"]
    found = await both.data(LIST, {"filter": {"search": "gold"}, "first": 1})
    assert found["segments"]["totalCount"] == 3
    assert await both.code(LIST, {"filter": {"search": "x" * 1001}}) == "BAD_USER_INPUT"


@pytest.fixture
@once_a_store
async def seven(database: Database, both: Face) -> Face:
    """With seven segments."""
    for number in range(7):
        await by_hand(both, f"Segment {number * 3 % 7}")
    return both


@pytest.mark.read_only
@pytest.mark.parametrize("sort", ["NAME", "CREATED_AT", "LAST_CALCULATED", "MEMBER_COUNT"])
async def test_pages_both_ways_have_no_gap_and_no_duplicate(seven: Face, sort: str) -> None:
    whole = await names(seven, sort=sort)

    first = (await seven.data(LIST, {"sort": sort, "first": 4}))["segments"]
    rest = (await seven.data(LIST, {"sort": sort, "first": 4, "after": first["pageInfo"]["endCursor"]}))["segments"]
    last = (await seven.data(LIST, {"sort": sort, "last": 3}))["segments"]
    start = last["pageInfo"]["startCursor"]
    before = (await seven.data(LIST, {"sort": sort, "last": 4, "before": start}))["segments"]

    assert [node["name"] for page in (first, rest) for node in page["nodes"]] == whole
    assert [node["name"] for page in (before, last) for node in page["nodes"]] == whole
    assert (first["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]) == (True, False)
    assert await seven.code(LIST, {"sort": "NAME", "reverse": True, "after": start}) == "BAD_USER_INPUT"


async def test_a_segment_is_found_by_its_id(both: Face) -> None:
    made = (await create(both, "Rich", rules=RICH))["segment"]
    one = "query One($id: ID!) { segment(id: $id) { key } node(id: $id) { id ... on Segment { name } } }"

    found = await both.data(one, {"id": made["id"]})

    assert found == {"segment": {"key": "rich"}, "node": {"id": made["id"], "name": "Rich"}}


async def test_a_page_of_segments_reads_no_memberships_and_costs_the_same_for_1_and_50(both: Face) -> None:
    shop = await both.services.businesses.open("shop")
    for number in range(50):
        await both.services.segments.create(shop, Draft(f"Segment {number}", SegmentKind.MANUAL), Actor("test"))
    seen = both.statements()
    costs = []

    for first in (1, 50):
        seen.clear()
        assert len((await both.data(LIST, {"first": first}))["segments"]["nodes"]) == first
        costs.append(len([one for one in seen if not one.startswith(("BEGIN", "PRAGMA"))]))

    assert costs[0] == costs[1] <= 3
    assert not any("membership" in one for one in seen)
