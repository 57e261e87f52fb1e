"""Lists of customers by what reports say of them: exactly those whom the report counts, in any order, beside any other
filter, by a fixed number of statements."""

from typing import Any

import pytest

from tests.drivers.face import Face
from tests.schema.pages import pages
from tests.shops.reported_shop import CUSTOMERS, over_purchases

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
LIST = """query C($filter: CustomerFilter, $first: Int, $after: String, $sort: CustomerSort, $reverse: Boolean) {
  customers(filter: $filter, first: $first, after: $after, sort: $sort, reverse: $reverse) {
    totalCount nodes { externalId } pageInfo { hasNextPage endCursor } } }"""
REPORT = """query R($method: SegmentationMethod!, $scheme: RfmScheme!, $storefrontId: ID) {
  segmentationReport(method: $method, scheme: $scheme, storefrontId: $storefrontId, asOf: "2024-04-20") {
    customerCount
    segments { segmentCode customers(first: 100) { nodes { externalId } } }
    unclassified { segmentCode customers(first: 100) { nodes { externalId } } }
    cells { recency frequency monetary customers(first: 100) { nodes { externalId } } } } }"""
MOVES = """query T($method: SegmentationMethod!) {
  segmentTransitions(method: $method, days: 45, from: "2024-03-06", to: "2024-04-20") {
    cells { fromCode toCode customers(first: 100) { nodes { externalId } } } } }"""
DAY = {"asOf": "2024-04-20"}


def names(part: dict[str, Any]) -> list[str]:
    return sorted(each["externalId"] for each in part["customers"]["nodes"])


async def found(face: Face, **where: Any) -> list[str]:
    data = (await face.data(LIST, {"filter": where}))["customers"]
    assert data["totalCount"] == len(data["nodes"])
    return [node["externalId"] for node in data["nodes"]]


@pytest.mark.parametrize("place", [None, "Kandy"])
@pytest.mark.parametrize(
    ("method", "scheme"),
    [("RFM", "EIGHT_SEGMENT"), ("RFM", "ELEVEN_SEGMENT"), ("VALUE", "EIGHT_SEGMENT"), ("BEHAVIOR", "EIGHT_SEGMENT")],
)
async def test_a_group_of_a_report_is_a_list_of_its_customers(
    reported: Face, method: str, scheme: str, place: str | None
) -> None:
    storefronts = (await reported.data("{ storefronts { id key } }"))["storefronts"]
    of = {
        "method": method,
        "scheme": scheme,
        "storefrontId": next((each["id"] for each in storefronts if each["key"] == place), None),
    }
    report = (await reported.data(REPORT, of))["segmentationReport"]
    groups = [*report["segments"], *filter(None, [report["unclassified"]])]
    assert sum(bool(names(group)) for group in groups) > 1

    for group in groups:
        assert await found(reported, report={**of, **DAY, "segmentCode": group["segmentCode"]}) == names(group)
    assert len(await found(reported, report={**of, **DAY})) == report["customerCount"]


async def test_a_cell_of_two_scores_is_a_list_of_its_customers(reported: Face) -> None:
    of = {"method": "RFM", "scheme": "EIGHT_SEGMENT"}
    cells = (await reported.data(REPORT, of))["segmentationReport"]["cells"]
    by_place: dict[tuple[int, int], list[str]] = {}
    for cell in cells:
        by_place.setdefault((cell["recency"], cell["frequency"]), []).extend(names(cell))

    for recency in range(1, 6):
        for frequency in range(1, 6):
            listed = await found(reported, report={**DAY, "recency": recency, "frequency": frequency})
            assert listed == sorted(by_place.get((recency, frequency), []))
    assert await found(reported, report={**DAY, "monetary": 5}) == ["Ada", "Gus"]
    assert await found(reported, report={**DAY, "monetary": 5, "segmentCode": "R5F5M5"}) == ["Ada"]


@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_a_flow_is_a_list_of_its_customers(reported: Face, method: str) -> None:
    cells = (await reported.data(MOVES, {"method": method}))["segmentTransitions"]["cells"]
    assert {None} < {cell["fromCode"] for cell in cells}
    assert {None} < {cell["toCode"] for cell in cells}

    for cell in cells:
        moved = {"from": "2024-03-06", "to": "2024-04-20", "days": 45, "method": method}
        codes = {"fromCode": cell["fromCode"], "toCode": cell["toCode"]}
        assert await found(reported, transition={**moved, **codes}) == names(cell)


async def test_such_a_list_is_sorted_searched_and_walked_as_any_other(reported: Face) -> None:
    where = {"report": {**DAY, "recency": 5}, "rules": {"<": [{"var": "order_count"}, 5]}}
    whole = await found(reported, **where)
    assert whole == ["Dee", "Fay", "Hal"]

    by_revenue = {"filter": where, "sort": "TOTAL_REVENUE", "reverse": True, "first": 1}
    seen = reported.statements()
    walked = await pages(reported, LIST, "customers", by_revenue)

    assert over_purchases(seen) <= 3 * len(walked)
    order = [node["externalId"] for page in walked for node in page["nodes"]]
    assert order == sorted(whole, key=lambda name: -CUSTOMERS[name][2])
    assert await found(reported, search=whole[0], **where) == [whole[0]]


async def test_what_no_report_has_is_refused_with_its_place(reported: Face) -> None:
    moved = {"from": "2024-03-06", "to": "2024-04-20"}
    codes = "R5F5M5, R4F4M4, R4F2M3, R3F2M2, R2F2M3, R2F3M3, R5F1M1, R1F1M2, OTHER"
    cases: list[tuple[dict[str, Any], list[str], str]] = [
        ({"report": {"days": 0}}, ["report", "days"], "days must be between 1 and 9999"),
        ({"report": {"recency": 6}}, ["report", "recency"], "recency must be between 1 and 5"),
        ({"report": {"monetary": 0}}, ["report", "monetary"], "monetary must be between 1 and 5"),
        (
            {"report": {"segmentCode": "555"}},
            ["report", "segmentCode"],
            f"segmentCode must be one of: {codes}",
        ),
        (
            {"report": {"method": "BEHAVIOR", "segmentCode": "Womens"}},
            ["report", "segmentCode"],
            "segmentCode must be that of a group by behaviour, such as CHANNEL:web",
        ),
        (
            {"report": {"method": "BEHAVIOR", "segmentCode": "CHANNEL:web", "recency": 1}},
            ["report", "segmentCode"],
            "segmentCode of BEHAVIOR must be given without scores",
        ),
        (
            {"transition": moved},
            ["transition", "fromCode"],
            "fromCode and toCode must be groups of one dimension, or one of them null",
        ),
        (
            {"transition": {**moved, "method": "BEHAVIOR", "fromCode": "CHANNEL:web", "toCode": "SEASON:Festive"}},
            ["transition", "fromCode"],
            "fromCode and toCode must be groups of one dimension, or one of them null",
        ),
        (
            {"transition": {**moved, "toCode": "R5F5M5", "to": "2024-03-05"}},
            ["transition", "to"],
            "to must not be before from",
        ),
        (
            {"transition": {**moved, "toCode": "x"}},
            ["transition", "toCode"],
            f"toCode must be one of: {codes}",
        ),
    ]

    for where, field, message in cases:
        error = (await reported.post(LIST, {"filter": where})).json()["errors"][0]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert (error["extensions"]["field"], error["message"]) == (["filter", *field], message)
    foreign = (await reported.post(LIST, {"filter": {"report": {"storefrontId": "nonsense"}}})).json()["errors"][0]
    assert foreign["extensions"]["field"] == ["filter", "report", "storefrontId"]
