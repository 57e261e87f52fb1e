"""Transitions as a client meets them: every customer once in each dimension, and every cell paged to its end."""

import pytest

from domain.model import Actor
from tests.drivers.face import Face, code_of
from tests.shops.factories import line, purchase
from tests.shops.reported_shop import CUSTOMERS, over_purchases

pytestmark = pytest.mark.anyio
MOVES = """query T($method: SegmentationMethod! = RFM, $first: Int! = 250, $after: String) {
  segmentTransitions(method: $method, days: 45, from: "2024-03-06", to: "2024-04-20") { from to
    cells { dimension fromSegment fromCode toSegment toCode customerCount fromRevenue toRevenue
      customers(first: $first, after: $after) {
        totalCount nodes { externalId } edges { cursor } pageInfo { hasNextPage hasPreviousPage endCursor } } } } }"""


@pytest.mark.read_only
@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_transitions_hold_every_customer_once_in_each_dimension(reported: Face, method: str) -> None:
    seen = reported.statements()
    found = (await reported.data(MOVES, {"method": method}))["segmentTransitions"]

    assert (found["from"], found["to"]) == ("2024-03-06", "2024-04-20")
    assert over_purchases(seen) == 2
    dimensions: dict[str, list[str]] = {}
    for cell in found["cells"]:
        names = [each["externalId"] for each in cell["customers"]["nodes"]]
        assert len(names) == cell["customerCount"] == cell["customers"]["totalCount"]
        assert (cell["fromSegment"] is None) == (cell["fromCode"] is None)
        dimensions.setdefault(cell["dimension"], []).extend(names)
        spent = sum(CUSTOMERS[name][2] for name in names)
        assert float(cell["fromRevenue"]) + float(cell["toRevenue"]) == spent / 100
    assert [sorted(names) for names in dimensions.values()] == [sorted(CUSTOMERS)] * (3 if method == "BEHAVIOR" else 1)


@pytest.mark.read_only
@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_each_cell_of_several_is_walked_to_its_end(reported: Face, method: str) -> None:
    whole = (await reported.data(MOVES, {"method": method}))["segmentTransitions"]["cells"]
    begun = (await reported.data(MOVES, {"method": method, "first": 1}))["segmentTransitions"]["cells"]
    assert len(whole) > 2
    assert any(each["customers"]["pageInfo"]["hasNextPage"] for each in begun)

    for place, (all_of_it, first) in enumerate(zip(whole, begun, strict=True)):
        walked, page = first["customers"]["nodes"], first["customers"]["pageInfo"]
        while page["hasNextPage"]:
            asked = {"method": method, "first": 1, "after": page["endCursor"]}
            cells = (await reported.data(MOVES, asked))["segmentTransitions"]["cells"]
            others = [each["customers"] for at, each in enumerate(cells) if at != place]
            assert [each["totalCount"] for each in others] == [
                each["customerCount"] for at, each in enumerate(whole) if at != place
            ]
            assert not any(each["nodes"] or each["edges"] or each["pageInfo"]["hasNextPage"] for each in others)
            walked, page = walked + cells[place]["customers"]["nodes"], cells[place]["customers"]["pageInfo"]
        assert walked == all_of_it["customers"]["nodes"]


async def test_long_names_make_no_cursor_that_is_refused(face: Face) -> None:
    long, longer = "👜" * 999, "👜" * 1000
    items = [
        purchase(f"C{n}", f"{n}-{day}", day, 100, lines=(line(category, 100),))
        for n in range(2)
        for day, category in (("2024-02-02", long), ("2024-04-02", longer))
    ]
    await face.services.purchases.record(await face.services.businesses.open("shop"), items, Actor("test"))
    asked = {"method": "BEHAVIOR", "first": 1}
    first = (await face.data(MOVES, asked))["segmentTransitions"]["cells"][0]

    asked["after"] = first["customers"]["pageInfo"]["endCursor"]
    second = (await face.data(MOVES, asked))["segmentTransitions"]["cells"][0]

    assert (first["fromSegment"], first["toSegment"], first["customerCount"]) == (long, longer, 2)
    assert [each["customers"]["nodes"] for each in (first, second)] == [[{"externalId": "C0"}], [{"externalId": "C1"}]]


@pytest.mark.read_only
async def test_a_page_of_one_cell_reads_that_cell_alone_and_a_foreign_cursor_is_refused(reported: Face) -> None:
    cells = (await reported.data(MOVES, {"method": "VALUE", "first": 1}))["segmentTransitions"]["cells"]
    cursor = next(
        each["customers"]["pageInfo"]["endCursor"] for each in cells if each["customers"]["pageInfo"]["hasNextPage"]
    )
    seen = reported.statements()

    await reported.data(MOVES, {"method": "VALUE", "first": 1, "after": cursor})
    refused = [
        await reported.post(MOVES, {"method": method, "first": 1, "after": after})
        for method, after in (("RFM", cursor), ("VALUE", "nonsense"), ("VALUE", ""))
    ]

    # The page of the customers: the moves are kept, and what is refused reads nothing else.
    assert over_purchases(seen) == 1
    assert {code_of(each) for each in refused} == {"BAD_USER_INPUT"}
    assert {each.json()["errors"][0]["message"] for each in refused} == {
        "after must be a cursor of this list in this order"
    }


@pytest.mark.read_only
async def test_one_move_is_asked_for_by_the_codes_of_its_groups(reported: Face) -> None:
    query = """query O($dimension: String, $from: String, $to: String) {
      segmentTransitions(method: BEHAVIOR, days: 45, from: "2024-03-06", to: "2024-04-20") {
        cells(dimension: $dimension, fromCode: $from, toCode: $to) { dimension fromCode toCode customerCount } } }"""
    every = (await reported.data(query))["segmentTransitions"]["cells"]

    one = [
        (await reported.data(query, {"dimension": each["dimension"], "from": each["fromCode"], "to": each["toCode"]}))
        for each in every
    ]
    newcomers = (await reported.data(query, {"from": None}))["segmentTransitions"]["cells"]

    assert [each["segmentTransitions"]["cells"] for each in one] == [[each] for each in every]
    assert newcomers == [each for each in every if each["fromCode"] is None] != []
