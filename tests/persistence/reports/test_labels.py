"""Where the labels of BEHAVIOR begin and end: shares at their bounds, and categories whose names are like others."""

import pytest

from domain.classification.groups import Method
from domain.model import Actor, Business
from gql.composition import Services
from tests.shops.factories import line, purchase
from tests.shops.reported_shop import AS_OF

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")


async def test_the_shares_that_decide_behaviour_include_their_bounds(services: Services, shop: Business) -> None:
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
    await services.purchases.record(shop, items, ACTOR)
    business = await services.businesses.open("shop")

    report = await services.reporting.make_report(business, as_of=AS_OF, method=Method.BEHAVIOR)

    assert {group.kind.code: group.customers for group in report.groups if group.customers} == {
        "CATEGORY:Kids": 1,
        "CATEGORY:Mixed": 4,
        "CHANNEL:Unknown": 3,
        "CHANNEL:web": 2,
        "SEASON:Festive": 2,
        "SEASON:Year-round": 3,
    }


async def test_names_that_differ_by_case_are_two_categories(services: Services, shop: Business) -> None:
    categories = ("Kids", "kids", "Festive", "Mixed")
    items = [
        purchase(f"C{n}", f"O{n}", "2024-04-02", 100 + n, lines=(line(name, 1),)) for n, name in enumerate(categories)
    ]
    await services.purchases.record(shop, items, ACTOR)
    business = await services.businesses.open("shop")

    async def shown(**asked: str) -> list[str]:
        report = await services.reporting.make_report(business, as_of=AS_OF, method=Method.BEHAVIOR, **asked)  # type: ignore[arg-type]
        return [group.kind.code for group in report.shown]

    assert await shown(name="kids") == ["CATEGORY:kids"]
    assert await shown(name="KIDS") == ["CATEGORY:kids", "CATEGORY:Kids"]
    assert await shown(name="Festive") == ["SEASON:Festive", "CATEGORY:Festive"]
    assert await shown(name="Festive", code="CATEGORY:Festive") == ["CATEGORY:Festive"]
    # A category that is called so is in the group of that name.
    assert await shown(name="mixed") == ["CATEGORY:Mixed"]
