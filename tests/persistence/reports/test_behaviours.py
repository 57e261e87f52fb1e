"""What the segmentation report promises, behaviour by behaviour, over customers whose groups can be told by hand; and
where the labels of BEHAVIOR begin and end: shares at their bounds, and categories whose names are like others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from domain.classification.groups import Method
from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput
from domain.model import Business
from domain.reports.insights import find_insights
from domain.reports.report import Group, Report
from gql.composition import Services
from gql.parameters import read_method
from tests.persistence.conftest import new_shop
from tests.shops.factories import line, purchase
from tests.shops.reported_shop import AS_OF, orders

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]


def rows(groups: Sequence[Group]) -> dict[str, tuple[int, int, int]]:
    """Customers, orders and whole euros of every group that has any, in the report's order."""
    return {
        group.kind.code: (group.customers, group.orders, group.revenue // 100) for group in groups if group.customers
    }


async def every_report(services: Services, business: Business) -> list[Report]:
    return [await services.reporting.make_report(business, as_of=AS_OF, method=method) for method in Method]


async def test_rfm_scoring_accuracy(services: Services, reported: Business) -> None:
    report = await services.reporting.make_report(reported, as_of=AS_OF)

    assert rows(report.everyone) == {
        "R5F5M5": (2, 16, 1300),
        "R2F2M3": (2, 5, 650),
        "R4F4M4": (2, 8, 450),
        "R4F2M3": (1, 2, 80),
        "R5F1M1": (1, 1, 50),
        "R1F1M2": (1, 1, 20),
        "OTHER": (1, 1, 50),
    }
    cells = {f"{cell.recency}{cell.frequency}{cell.monetary}": cell.customers for cell in report.cells}
    assert cells == dict.fromkeys(["555", "454", "344", "533", "233", "522", "125", "511", "311", "111"], 1)


async def test_classification_logic(services: Services, reported: Business) -> None:
    _, value, behavior = await every_report(services, reported)

    assert rows(value.groups) == {"HIGH": (2, 11, 1400), "MEDIUM": (5, 20, 1080), "LOW": (3, 3, 120)}
    assert rows(behavior.groups) == {
        "CHANNEL:web": (4, 14, 1500),
        "SEASON:Year-round": (6, 19, 1420),
        "CATEGORY:Womens": (2, 16, 1300),
        "SEASON:Festive": (4, 15, 1180),
        "CATEGORY:Mixed": (5, 12, 600),
        "CHANNEL:Omnichannel": (2, 10, 550),
        "CATEGORY:Mens": (1, 2, 500),
        "CHANNEL:Unknown": (2, 6, 350),
        "CATEGORY:Kids": (2, 4, 200),
        "CHANNEL:app": (2, 4, 200),
    }


def without(report: Report, code: str) -> Report:
    """The same, in which nobody is in the group of the code."""
    return replace(report, groups=tuple(group for group in report.groups if group.kind.code != code))


async def test_insights(services: Services, reported: Business) -> None:
    rfm, value, behavior = await every_report(services, reported)
    eleven = await services.reporting.make_report(reported, as_of=AS_OF, scheme=RfmScheme.ELEVEN_SEGMENT)

    assert await services.reporting.measure_previous(reported, rfm) is None
    found = find_insights(rfm, None)
    assert (found.highest_revenue, found.largest) == ("Champions", "Champions")
    assert (found.fastest_growing, found.needs_attention) == ("Potential Loyalists", "At Risk")
    assert found.fastest_growing_change is None
    grown = find_insights(rfm, without(rfm, "R5F1M1"))
    assert (grown.fastest_growing, grown.fastest_growing_change) == ("New Customers", 1)
    still = find_insights(rfm, rfm)
    assert (still.fastest_growing, still.fastest_growing_change) == ("Potential Loyalists", 0)
    assert find_insights(eleven, None).needs_attention == "At Risk"
    found = find_insights(value, value)
    assert (found.highest_revenue, found.largest) == ("High Value", "Medium Value")
    assert found.fastest_growing is found.needs_attention is None
    found = find_insights(behavior, None)
    assert (found.highest_revenue, found.largest) == ("Womens", "Mixed")
    assert found.fastest_growing is found.needs_attention is None


async def test_date_range_filter(services: Services, reported: Business) -> None:
    short = await services.reporting.make_report(reported, days=10, as_of=AS_OF)
    earlier = await services.reporting.make_report(reported, days=10, as_of=date(2024, 4, 10))
    before = await services.reporting.make_report(reported, days=10, as_of=date(2023, 4, 10))

    # Ages 0 to 9, and 10 to 19: the day before the window is not in it.
    assert (short.customers, short.revenue) == (3, 110_000)
    assert (earlier.customers, earlier.revenue) == (1, 8_000)
    assert (before.customers, before.revenue) == (0, 0)
    previous = await services.reporting.measure_previous(reported, short)
    assert previous is not None
    assert (previous.customers, rows(previous.everyone)) == (1, {"R5F1M1": (1, 2, 80)})
    for method in (Method.VALUE, Method.BEHAVIOR):
        report = await services.reporting.make_report(reported, days=10, as_of=AS_OF, method=method)
        previous = await services.reporting.measure_previous(reported, report)
        assert previous is not None and previous.customers == 1
        assert rows(previous.everyone).keys() in (
            {"LOW"},
            {"CATEGORY:Mixed", "CHANNEL:web", "SEASON:Festive"},
        )


async def test_storefront_filter(services: Services, reported: Business) -> None:
    place = await services.purchases.find_storefront(reported, "Colombo")

    reports = [
        await services.reporting.make_report(reported, as_of=AS_OF, method=method, storefront_id=place.id)
        for method in Method
    ]

    # Ranked among themselves: Ada, Gus and Jo.
    assert [(report.customers, report.revenue) for report in reports] == [(3, 142_000)] * 3
    assert rows(reports[0].everyone) == {"R5F5M5": (1, 9, 900), "R1F1M2": (2, 3, 520)}
    assert rows(reports[1].everyone) == {"MEDIUM": (2, 11, 1400), "LOW": (1, 1, 20)}
    assert rows(reports[2].everyone) == {
        "CHANNEL:web": (3, 12, 1420),
        "CATEGORY:Womens": (1, 9, 900),
        "SEASON:Festive": (1, 9, 900),
        "SEASON:Year-round": (2, 3, 520),
        "CATEGORY:Mens": (1, 2, 500),
        "CATEGORY:Mixed": (1, 1, 20),
    }


@pytest.mark.parametrize(
    ("method", "asked", "shown"),
    [
        (Method.RFM, {"name": "AT RISK"}, ("R2F2M3", "At Risk")),
        (Method.RFM, {"name": "unclassified"}, ("OTHER", "Unclassified")),
        (Method.VALUE, {"name": "high value"}, ("HIGH", "High Value")),
        (Method.BEHAVIOR, {"name": "womens"}, ("CATEGORY:Womens", "Womens")),
        (Method.BEHAVIOR, {"name": "YEAR-ROUND"}, ("SEASON:Year-round", "Year-round")),
        (Method.RFM, {"code": "r5f5m5"}, ("R5F5M5", "Champions")),
        (Method.VALUE, {"code": "low"}, ("LOW", "Low Value")),
        (Method.BEHAVIOR, {"code": "channel:OMNICHANNEL"}, ("CHANNEL:Omnichannel", "Omnichannel")),
        (Method.BEHAVIOR, {"code": "SEASON:Festive"}, ("SEASON:Festive", "Festive")),
    ],
)
async def test_segment_filter_by_name_and_by_code(
    services: Services, reported: Business, method: Method, asked: dict[str, Any], shown: tuple[str, str]
) -> None:
    report = await services.reporting.make_report(reported, as_of=AS_OF, method=method, **asked)
    both = await services.reporting.make_report(reported, as_of=AS_OF, method=method, **{"name": shown[1]} | asked)

    for each in (report, both):
        assert [(group.kind.code, group.kind.name) for group in each.shown] == [shown]
        assert (each.customers, each.orders, each.revenue, each.filtered) == (10, 34, 260_000, True)


@pytest.mark.parametrize(
    ("method", "name", "code"),
    [
        (Method.RFM, "Unclassified", "OTHER"),
        (Method.VALUE, "Low Value", "HIGH"),
        (Method.BEHAVIOR, "Womens", "CATEGORY:Womens"),
    ],
)
async def test_names_and_codes_that_no_segment_has(
    services: Services, reported: Business, method: Method, name: str, code: str
) -> None:
    with pytest.raises(InvalidInput, match=f"segment_name must be one of: .*{name}"):
        await services.reporting.make_report(reported, as_of=AS_OF, method=method, name="Nobody")
    with pytest.raises(InvalidInput, match=f"segment_code must be one of: .*{code}"):
        await services.reporting.make_report(reported, as_of=AS_OF, method=method, code="R9")


async def test_revenue_sums(services: Services, reported: Business) -> None:
    spent = sum(order.amount for order in orders())

    for report in await every_report(services, reported):
        assert (report.customers, report.orders, report.revenue) == (10, 34, spent)
        sums: dict[str, list[int]] = {}
        for group in report.everyone:
            row = sums.setdefault(group.kind.dimension, [0, 0, 0])
            for place, figure in enumerate((group.customers, group.orders, group.revenue)):
                row[place] += figure
        assert list(sums.values()) == [[10, 34, spent]] * (3 if report.method is Method.BEHAVIOR else 1)
        for dimension in sums:
            parts = [group for group in report.everyone if group.kind.dimension == dimension]
            assert sum(report.compute_customer_share(group) for group in parts) == pytest.approx(1)
            assert sum(report.compute_revenue_share(group) for group in parts) == pytest.approx(1)


async def test_empty_data(services: Services, shop: Business) -> None:
    rfm, value, behavior = await every_report(services, shop)

    assert (len(rfm.groups), rfm.other is not None) == (8, True)
    assert [group.kind.code for group in value.groups] == ["HIGH", "MEDIUM", "LOW"]
    names = [group.kind.name for group in behavior.groups]
    assert names == ["Mixed", "Omnichannel", "Unknown", "Festive", "Year-round"]
    for report in (rfm, value, behavior):
        assert (report.customers, report.orders, report.revenue) == (0, 0, 0)
        assert {report.compute_customer_share(group) for group in report.everyone} == {0.0}
        assert await services.reporting.measure_previous(shop, report) is None
        assert find_insights(report, None).largest is find_insights(report, None).highest_revenue is None


async def test_a_window_before_the_calendar_is_empty(services: Services, reported: Business) -> None:
    for method in Method:
        report = await services.reporting.make_report(reported, days=90, as_of=date(1, 1, 5), method=method)

        assert report.customers == 0
        assert await services.reporting.measure_previous(reported, report) is None


async def test_invalid_method() -> None:
    with pytest.raises(InvalidInput, match=r"^Invalid segmentation_method\. Must be one of: rfm, value, behavior$"):
        read_method("rfv")
    assert [read_method(word) for word in ("rfm", "Value", "BEHAVIOR")] == list(Method)


async def test_order_by_revenue(services: Services, reported: Business) -> None:
    reports = await every_report(services, reported)

    for report in reports:
        revenues = [group.revenue for group in report.groups]
        assert revenues == sorted(revenues, reverse=True)
    # Ties stand in table order.
    assert [group.kind.name for group in reports[0].groups][-2:] == ["Promising", "Need Attention"]


async def test_every_group_says_what_it_is_and_what_to_do(services: Services, reported: Business) -> None:
    for report in await every_report(services, reported):
        for group in report.everyone:
            assert group.kind.description
            assert len(set(group.kind.actions)) >= 3
        codes = [group.kind.code for group in report.everyone]
        assert len(set(codes)) == len(codes)
    assert {group.kind.dimension for group in report.groups} == {"category", "channel", "season"}


async def test_the_shares_that_decide_behaviour_include_their_bounds(services: Services) -> None:
    festive, plain = "2024-04-02", "2024-03-02"
    items = [
        # Seven of ten lines in one category, four of five purchases festive.
        purchase("at", "A1", festive, 100, lines=tuple(line("Kids" if n < 7 else "Mens", 10) for n in range(10))),
        *(purchase("season", f"S{n}", festive if n else plain, 1, channel="web") for n in range(5)),
        *(purchase("below", f"B{n}", festive if n else plain, 1, channel="web") for n in range(4)),
        purchase("lines", "L1", plain, 5, lines=tuple(line("Kids" if n < 69 else None, 1) for n in range(100))),
        # Lines count, not amounts.
        purchase("dear", "D1", plain, 1000, lines=(line("Mens", 999), line("Kids", 1), line("Kids", 0))),
    ]
    business = await new_shop(services, items)

    report = await services.reporting.make_report(business, as_of=AS_OF, method=Method.BEHAVIOR)

    assert {group.kind.code: group.customers for group in report.groups if group.customers} == {
        "CATEGORY:Kids": 1,
        "CATEGORY:Mixed": 4,
        "CHANNEL:Unknown": 3,
        "CHANNEL:web": 2,
        "SEASON:Festive": 2,
        "SEASON:Year-round": 3,
    }


async def test_names_that_differ_by_case_are_two_categories(services: Services) -> None:
    categories = ("Kids", "kids", "Festive", "Mixed")
    items = [
        purchase(f"C{n}", f"O{n}", "2024-04-02", 100 + n, lines=(line(name, 1),)) for n, name in enumerate(categories)
    ]
    business = await new_shop(services, items)

    async def shown(**asked: str) -> list[str]:
        report = await services.reporting.make_report(business, as_of=AS_OF, method=Method.BEHAVIOR, **asked)  # type: ignore[arg-type]
        return [group.kind.code for group in report.shown]

    assert await shown(name="kids") == ["CATEGORY:kids"]
    assert await shown(name="KIDS") == ["CATEGORY:kids", "CATEGORY:Kids"]
    assert await shown(name="Festive") == ["SEASON:Festive", "CATEGORY:Festive"]
    assert await shown(name="Festive", code="CATEGORY:Festive") == ["CATEGORY:Festive"]
    # A category that is called so is in the group of that name.
    assert await shown(name="mixed") == ["CATEGORY:Mixed"]
