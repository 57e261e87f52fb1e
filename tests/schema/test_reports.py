"""The report and its movements as a client meets them: every method, filters, pages of customers, and what it costs."""

import pytest

from domain.model import Actor
from tests.drivers.face import Face, code_of
from tests.schema.pages import pages
from tests.shops.factories import line, purchase
from tests.shops.reported_shop import over_purchases

pytestmark = pytest.mark.anyio
REPORT = """query R($method: SegmentationMethod! = RFM, $name: String, $code: String, $days: Int! = 90, $place: ID) {
  segmentationReport(method: $method, days: $days, asOf: "2024-04-20", segmentName: $name, segmentCode: $code,
    storefrontId: $place) {
    method customerCount totalRevenue startDate endDate storefront { key }
    insights { highestRevenueSegment largestSegment fastestGrowingSegment needsAttention }
    segments { dimension segmentName segmentCode description profile meaning customerCount orderCount customerShare
      revenueShare totalRevenue averageOrderValue recencyScore previousCustomerCount recommendedActions
      characteristics { avgDaysSinceLastPurchase avgPurchaseFrequency avgTotalSpend } }
    unclassified { segmentCode customerCount } } }"""
PAGES = """query P($method: SegmentationMethod! = RFM, $first: Int! = 250, $code: String, $after: String) {
  segmentationReport(method: $method, asOf: "2024-04-20", segmentCode: $code) {
    segments { segmentCode customerCount customers(first: $first, after: $after) {
      totalCount nodes { externalId } pageInfo { hasNextPage endCursor } } } } }"""


@pytest.mark.read_only
async def test_value_and_behaviour_have_the_same_shape_as_rfm(reported: Face) -> None:
    value = (await reported.data(REPORT, {"method": "VALUE"}))["segmentationReport"]
    behavior = (await reported.data(REPORT, {"method": "BEHAVIOR"}))["segmentationReport"]

    assert (value["customerCount"], value["totalRevenue"], value["unclassified"]) == (10, "2600.00", None)
    names = {"dimension": "value", "segmentName": "High Value", "segmentCode": "HIGH", "recencyScore": None}
    words = {"description": "Spend more than four fifths of the customers"}
    words |= {"profile": "Carry the revenue, worth personal care", "meaning": "GOOD"}
    actions = ["Offer VIP service and perks", "Give early access to new collections", "Ask for referrals and reviews"]
    counts = {"customerCount": 2, "orderCount": 11, "customerShare": 0.2, "previousCustomerCount": None}
    revenue = {"totalRevenue": "1400.00", "revenueShare": 1400 / 2600, "averageOrderValue": "127.27"}
    assert value["segments"][0] == {
        **(names | words | counts | revenue),
        "recommendedActions": actions,
        "characteristics": {"avgDaysSinceLastPurchase": 43.5, "avgPurchaseFrequency": 5.5, "avgTotalSpend": "700.00"},
    }
    assert tuple(value["insights"].values()) == ("High Value", "Medium Value", None, None)
    assert (behavior["customerCount"], behavior["totalRevenue"], behavior["unclassified"]) == (10, "2600.00", None)
    assert ", ".join(each["segmentCode"] for each in behavior["segments"]) == (
        "CHANNEL:web, SEASON:Year-round, CATEGORY:Womens, SEASON:Festive, CATEGORY:Mixed, CHANNEL:Omnichannel, "
        "CATEGORY:Mens, CHANNEL:Unknown, CATEGORY:Kids, CHANNEL:app"
    )
    assert behavior["insights"]["highestRevenueSegment"] == "Womens"
    assert behavior["segments"][-1]["averageOrderValue"] == "50.00"


@pytest.mark.read_only
async def test_filters_choose_rows_and_leave_the_whole(reported: Face) -> None:
    place = (await reported.data("{ storefronts { id key } }"))["storefronts"][0]
    by_name = (await reported.data(REPORT, {"method": "BEHAVIOR", "name": "festive"}))["segmentationReport"]
    by_code = (await reported.data(REPORT, {"method": "VALUE", "code": "low"}))["segmentationReport"]
    there = (await reported.data(REPORT, {"method": "VALUE", "place": place["id"]}))["segmentationReport"]
    recent = (await reported.data(REPORT, {"method": "VALUE", "days": 10}))["segmentationReport"]

    assert [each["segmentCode"] for each in by_name["segments"]] == ["SEASON:Festive"]
    assert [each["segmentName"] for each in by_code["segments"]] == ["Low Value"]
    assert by_name["customerCount"] == by_code["customerCount"] == 10
    assert (place["key"], there["storefront"]) == ("Colombo", {"key": "Colombo"})
    assert (there["customerCount"], there["totalRevenue"]) == (3, "1420.00")
    assert (recent["startDate"], recent["endDate"], recent["customerCount"]) == ("2024-04-11", "2024-04-20", 3)
    before = {each["segmentCode"]: each["previousCustomerCount"] for each in recent["segments"]}
    assert before == {"HIGH": 0, "MEDIUM": 0, "LOW": 1}


@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_customers_of_every_group_cost_what_one_page_costs(reported: Face, method: str) -> None:
    seen = reported.statements()
    small = (await reported.data(PAGES, {"method": method, "first": 1}))["segmentationReport"]["segments"]
    once = over_purchases(seen)
    seen.clear()
    large = (await reported.data(PAGES, {"method": method}))["segmentationReport"]["segments"]

    # The report and the pages of all its groups; the second report is kept.
    assert (once, over_purchases(seen)) == (2, 1)
    for few, all_of_it in zip(small, large, strict=True):
        names = [each["externalId"] for each in all_of_it["customers"]["nodes"]]
        assert len(names) == all_of_it["customers"]["totalCount"] == all_of_it["customerCount"]
        assert [each["externalId"] for each in few["customers"]["nodes"]] == names[:1]
        assert few["customers"]["pageInfo"]["hasNextPage"] == (len(names) > 1)
        asked = {"method": method, "first": 1, "code": few["segmentCode"]}
        alone = await pages(reported, PAGES, "segmentationReport.segments.0.customers", asked)
        assert [each["externalId"] for page in alone for each in page["nodes"]] == names


@pytest.mark.read_only
async def test_a_cursor_of_another_group_is_refused(reported: Face) -> None:
    first = await reported.data(PAGES, {"method": "VALUE", "first": 1, "code": "MEDIUM"})
    cursor = first["segmentationReport"]["segments"][0]["customers"]["pageInfo"]["endCursor"]

    answer = await reported.post(PAGES, {"method": "VALUE", "first": 1, "code": "LOW", "after": cursor})

    assert code_of(answer) == "BAD_USER_INPUT"
    assert answer.json()["errors"][0]["message"] == "after must be a cursor of this list in this order"


async def test_the_pages_of_all_groups_together_have_a_limit(face: Face) -> None:
    items = [purchase(f"C{n}", f"O{n}", "2024-04-02", n, lines=(line(f"Category {n}", n),)) for n in range(80)]
    await face.services.purchases.record(await face.services.businesses.open("shop"), items, Actor("test"))

    # 80 categories and the five groups that are always there.
    refused = await face.post(PAGES, {"method": "BEHAVIOR", "first": 236})
    allowed = await face.data(PAGES, {"method": "BEHAVIOR", "first": 235})

    assert code_of(refused) == "LIMIT_EXCEEDED"
    assert "20000 customers" in refused.json()["errors"][0]["message"]
    assert sum(len(each["customers"]["nodes"]) for each in allowed["segmentationReport"]["segments"]) == 240


@pytest.mark.read_only
async def test_a_trend_is_every_group_at_every_date(reported: Face) -> None:
    query = """{ segmentationTrend(method: VALUE, days: 30, from: "2024-02-20", to: "2024-04-30") {
        date dimension segmentName segmentCode customerCount totalRevenue } }"""
    seen = reported.statements()
    points = (await reported.data(query))["segmentationTrend"]

    assert over_purchases(seen) == 1
    expected = {
        "2024-02-20": [("High", 0, "0.00"), ("Medium", 2, "650.00"), ("Low", 1, "20.00")],
        "2024-03-20": [("High", 0, "0.00"), ("Medium", 2, "450.00"), ("Low", 1, "50.00")],
        "2024-04-20": [("High", 1, "900.00"), ("Medium", 3, "630.00"), ("Low", 1, "50.00")],
    }
    assert [tuple(point.values()) for point in points] == [
        (day, "value", f"{name} Value", name.upper(), *figures)
        for day, rows in expected.items()
        for name, *figures in rows
    ]


async def test_label_counts_are_of_the_day_asked_for(reported: Face) -> None:
    query = """query L($day: Date) { classificationStatistics(asOf: $day) { dimension label customerCount share } }"""
    reported.clock.now = reported.clock.now.replace(month=4, day=20, hour=23)

    now = (await reported.data(query))["classificationStatistics"]
    then = (await reported.data(query, {"day": "2024-02-20"}))["classificationStatistics"]
    never = (await reported.data(query, {"day": "2020-01-01"}))["classificationStatistics"]

    frequency = (("New", 3, 0.3), ("Loyal", 3, 0.3), ("Seasonal", 2, 0.2), ("Regular", 2, 0.2), ("Lapsed", 0, 0.0))
    assert [tuple(row.values()) for row in now[:5]] == [("frequency", *row) for row in frequency]
    assert "frequency" not in {row["dimension"] for row in now[5:]}
    counts = {row["label"]: row["customerCount"] for row in then if row["customerCount"]}
    assert counts == {"New": 1, "Regular": 2, "Low Value": 3, "Mixed": 2, "Mens": 1}
    assert {row["customerCount"] for row in never} == {0} == {row["share"] for row in never}


@pytest.mark.read_only
@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-05", "9999-12-31"])
@pytest.mark.parametrize("method", ["RFM", "VALUE", "BEHAVIOR"])
async def test_windows_at_the_ends_of_the_calendar_are_empty(reported: Face, method: str, day: str) -> None:
    query = """query E($method: SegmentationMethod!, $day: Date!) {
        segmentationReport(method: $method, asOf: $day, days: 9) { customerCount segments { previousCustomerCount } }
        segmentTransitions(method: $method, from: $day, to: $day, days: 9) { cells { customerCount } }
        segmentationTrend(method: $method, from: $day, to: $day, days: 9) { customerCount } }"""

    data = await reported.data(query, {"method": method, "day": day})

    assert data["segmentationReport"]["customerCount"] == 0
    assert data["segmentTransitions"]["cells"] == []
    assert {point["customerCount"] for point in data["segmentationTrend"]} == {0}
