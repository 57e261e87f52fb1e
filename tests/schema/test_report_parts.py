"""The parts of a report as a client meets them: its scores with their customers, its dimensions, and the window before,
which is measured only where it is asked for."""

from typing import Any

import pytest

from tests.drivers.face import Face, code_of
from tests.shops.reported_shop import CUSTOMERS, over_purchases

pytestmark = [pytest.mark.anyio, pytest.mark.read_only]
CELLS = """query C($method: SegmentationMethod! = RFM, $scheme: RfmScheme! = EIGHT_SEGMENT, $place: ID, $code: String
    $first: Int = 100, $after: String) {
  segmentationReport(method: $method, scheme: $scheme, asOf: "2024-04-20", storefrontId: $place, segmentCode: $code) {
    customerCount orderCount totalRevenue averageOrderValue
    segments { segmentName customerCount orderCount totalRevenue } unclassified { segmentName customerCount }
    cells { recency frequency monetary segmentName customerCount orderCount totalRevenue
      customers(first: $first, after: $after) {
        totalCount nodes { externalId } pageInfo { hasNextPage endCursor } } } } }"""
SCORES = {
    "Ada": "555", "Ben": "454", "Cy": "344", "Dee": "533", "Eli": "233", "Fay": "522", "Gus": "125", "Hal": "511",
    "Ida": "311", "Jo": "111",
}  # fmt: skip


async def ask(face: Face, query: str, **variables: object) -> Any:
    return (await face.data(query, variables))["segmentationReport"]


def digits(cell: dict[str, Any]) -> str:
    return f"{cell['recency']}{cell['frequency']}{cell['monetary']}"


async def test_the_scores_that_occur_hold_every_customer_once(reported: Face) -> None:
    seen = reported.statements()

    report = await ask(reported, CELLS)

    # The report, and the customers of all its cells.
    assert over_purchases(seen) == 2
    found = {each["externalId"]: digits(cell) for cell in report["cells"] for each in cell["customers"]["nodes"]}
    assert found == SCORES
    assert [digits(cell) for cell in report["cells"]] == sorted(SCORES.values())
    for cell in report["cells"]:
        (name,) = (name for name, score in SCORES.items() if score == digits(cell))
        _, orders, spend, *_ = CUSTOMERS[name]
        assert (cell["customerCount"], cell["orderCount"], cell["totalRevenue"]) == (1, orders, f"{spend / 100:.2f}")
        assert cell["customers"]["totalCount"] == 1
    named = {digits(cell): cell["segmentName"] for cell in report["cells"]}
    assert (named["555"], named["125"], named["311"]) == ("Champions", "At Risk", "Unclassified")


@pytest.mark.parametrize("scheme", ["EIGHT_SEGMENT", "ELEVEN_SEGMENT"])
@pytest.mark.parametrize("place", [None, "Colombo", "Kandy"])
async def test_the_scores_add_up_to_the_report_and_to_its_groups(
    reported: Face, scheme: str, place: str | None
) -> None:
    storefronts = (await reported.data("{ storefronts { id key } }"))["storefronts"]
    id = next((each["id"] for each in storefronts if each["key"] == place), None)

    report = await ask(reported, CELLS, scheme=scheme, place=id, code=None)

    def add_up(parts: list[dict[str, Any]]) -> tuple[int, int, float]:
        return (
            sum(part["customerCount"] for part in parts),
            sum(part["orderCount"] for part in parts),
            sum(float(part["totalRevenue"]) for part in parts),
        )

    whole = (report["customerCount"], report["orderCount"], float(report["totalRevenue"]))
    assert whole[0] == {None: 10, "Colombo": 3, "Kandy": 7}[place]
    assert add_up(report["cells"]) == whole
    for cell in report["cells"]:
        assert len(cell["customers"]["nodes"]) == cell["customers"]["totalCount"] == cell["customerCount"]
    assert float(report["averageOrderValue"]) == pytest.approx(whole[2] / whole[1], abs=0.005)
    for group in report["segments"]:
        inside = [cell for cell in report["cells"] if cell["segmentName"] == group["segmentName"]]
        assert add_up(inside) == add_up([group])


async def test_each_score_of_several_is_walked_to_its_end(reported: Face) -> None:
    # In one year of days everybody is as recent, so that a cell has several customers.
    query = CELLS.replace('asOf: "2024-04-20"', 'asOf: "2024-04-20", days: 365')
    whole = (await ask(reported, query))["cells"]
    begun = (await ask(reported, query, first=1))["cells"]
    assert [cell["customerCount"] for cell in whole].count(1) < len(whole)

    for place, (all_of_it, first) in enumerate(zip(whole, begun, strict=True)):
        assert len(all_of_it["customers"]["nodes"]) == all_of_it["customerCount"]
        walked, page = first["customers"]["nodes"], first["customers"]["pageInfo"]
        while page["hasNextPage"]:
            cells = (await ask(reported, query, first=1, after=page["endCursor"]))["cells"]
            assert not any(cell["customers"]["nodes"] for at, cell in enumerate(cells) if at != place)
            walked, page = walked + cells[place]["customers"]["nodes"], cells[place]["customers"]["pageInfo"]
        assert walked == all_of_it["customers"]["nodes"]


async def test_a_cursor_of_another_list_is_refused_by_every_score(reported: Face) -> None:
    groups = (
        """{ segmentationReport(asOf: "2024-04-20") { segments { customers(first: 1) { pageInfo { endCursor } } } } }"""
    )
    cursor = (await ask(reported, groups))["segments"][0]["customers"]["pageInfo"]["endCursor"]

    for after in (cursor, "nonsense"):
        assert await reported.code(CELLS, {"after": after}) == "BAD_USER_INPUT"


@pytest.mark.parametrize("method", ["VALUE", "BEHAVIOR"])
async def test_only_rfm_has_scores(reported: Face, method: str) -> None:
    assert (await ask(reported, CELLS, method=method))["cells"] is None


async def test_the_pages_of_all_scores_are_counted_before_they_are_read(reported: Face) -> None:
    refused = await reported.post("{ segmentationReport { cells { customers(first: 160) { nodes { id } } } } }")

    assert code_of(refused) == "LIMIT_EXCEEDED"
    assert "cost of the operation" in refused.json()["errors"][0]["message"]


DIMENSION = """query D($method: SegmentationMethod!, $dimension: String, $name: String) {
  segmentationReport(method: $method, asOf: "2024-04-20", segmentName: $name) {
    customerCount orderCount totalRevenue
    segments(dimension: $dimension) { dimension segmentName customerCount orderCount totalRevenue customerShare } } }"""


@pytest.mark.parametrize("dimension", ["category", "channel", "SEASON"])
async def test_each_dimension_is_the_whole(reported: Face, dimension: str) -> None:
    report = await ask(reported, DIMENSION, method="BEHAVIOR", dimension=dimension)

    groups = report["segments"]
    assert {group["dimension"] for group in groups} == {dimension.lower()}
    revenues = [float(group["totalRevenue"]) for group in groups]
    assert revenues == sorted(revenues, reverse=True)
    assert sum(revenues) == float(report["totalRevenue"])
    assert sum(group["customerCount"] for group in groups) == report["customerCount"] == 10
    assert sum(group["customerShare"] for group in groups) == pytest.approx(1)
    none = await ask(reported, DIMENSION, method="BEHAVIOR", dimension="channel", name="festive")
    assert none["segments"] == []


@pytest.mark.parametrize(
    ("method", "known"), [("RFM", "rfm"), ("VALUE", "value"), ("BEHAVIOR", "category, channel, season")]
)
async def test_an_unknown_dimension_is_answered_with_those_there_are(reported: Face, method: str, known: str) -> None:
    refused = await reported.post(DIMENSION, {"method": method, "dimension": "colour"})

    assert code_of(refused) == "BAD_USER_INPUT"
    assert refused.json()["errors"][0]["message"] == f"dimension must be one of: {known}"


BEFORE = """query B($method: SegmentationMethod! = RFM, $days: Int! = 10, $day: Date! = "2024-04-20", $place: ID) {
  segmentationReport(method: $method, days: $days, asOf: $day, storefrontId: $place) {
    startDate
    previous { startDate endDate customerCount orderCount totalRevenue averageOrderValue }
    insights { fastestGrowingSegment fastestGrowingChange }
    segments { segmentCode customerCount previousCustomerCount previousOrderCount previousTotalRevenue }
    unclassified { previousCustomerCount previousOrderCount previousTotalRevenue } } }"""


async def test_the_window_before_is_of_the_same_storefront(reported: Face) -> None:
    storefronts = (await reported.data("{ storefronts { id key } }"))["storefronts"]
    found = {
        each["key"]: (await ask(reported, BEFORE, days=45, place=each["id"]))["previous"]["totalRevenue"]
        for each in storefronts
    }

    # Gus and Jo, Ida and Eli.
    assert found == {"Colombo": "520.00", "Kandy": "200.00"}


@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_the_window_before_is_the_report_of_ten_days_earlier(reported: Face, method: str) -> None:
    earlier = """query E($method: SegmentationMethod!) {
        segmentationReport(method: $method, days: 10, asOf: "2024-04-10") {
          startDate endDate customerCount orderCount totalRevenue averageOrderValue
          segments { segmentCode customerCount orderCount totalRevenue } } }"""
    then = await ask(reported, earlier, method=method)
    groups = {group["segmentCode"]: tuple(group.values())[1:] for group in then.pop("segments")}

    report = await ask(reported, BEFORE, method=method)

    assert report["previous"] == then
    assert (then["startDate"], then["customerCount"], then["totalRevenue"]) == ("2024-04-01", 1, "80.00")
    for group in report["segments"]:
        assert tuple(group.values())[2:] == groups.get(group["segmentCode"], (0, 0, "0.00"))
    assert any(group["previousOrderCount"] == 2 for group in report["segments"]) or method == "BEHAVIOR"
    # Of Ada, Dee and Hal one is Promising; Fay, alone before, was a New Customer.
    grown = ("Promising", 1) if method == "RFM" else (None, None)
    assert tuple(report["insights"].values()) == grown


async def test_without_a_purchase_in_the_window_before_there_is_none(reported: Face) -> None:
    empty = {"previousCustomerCount": None, "previousOrderCount": None, "previousTotalRevenue": None}

    for asked in ({"days": 90}, {"day": "0001-01-05"}, {"day": "2020-01-01"}):
        report = await ask(reported, BEFORE, **asked)

        assert report["previous"] is report["insights"]["fastestGrowingChange"] is None
        assert report["unclassified"] == empty
        assert all(group.items() >= empty.items() for group in report["segments"])


@pytest.mark.parametrize(
    ("days", "selection", "windows"),
    # Another length each time, so that nothing of it is kept.
    [
        (21, "customerCount segments { customerCount } cells { customerCount }", 1),
        (22, "previous { customerCount }", 2),
        (23, "insights { largestSegment }", 2),
        (24, "segments { previousOrderCount previousTotalRevenue previousCustomerCount }", 2),
        (25, "unclassified { previousTotalRevenue } previous { orderCount } insights { fastestGrowingChange }", 2),
    ],
)
async def test_the_window_before_is_measured_once_and_only_when_asked_for(
    reported: Face, days: int, selection: str, windows: int
) -> None:
    seen = reported.statements()

    await ask(reported, f'{{ segmentationReport(days: {days}, asOf: "2024-04-20") {{ {selection} }} }}')

    assert over_purchases(seen) == windows


async def test_the_trend_of_a_report_ends_with_its_own_window(reported: Face) -> None:
    report = await ask(
        reported,
        """{ segmentationReport(asOf: "2024-03-31") { segments { segmentName customerCount totalRevenue }
          unclassified { segmentName customerCount totalRevenue }
          trend { date segmentName customerCount totalRevenue } } }""",
    )

    dates = list(dict.fromkeys(point["date"] for point in report["trend"]))
    assert (len(dates), dates[0], dates[-2:]) == (12, "2023-04-30", ["2024-02-29", "2024-03-31"])
    last = {point.pop("segmentName"): point for point in report["trend"] if point.pop("date") == "2024-03-31"}
    assert last == {each.pop("segmentName"): each for each in [*report["segments"], report["unclassified"]]}
