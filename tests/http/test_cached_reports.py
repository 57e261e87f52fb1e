"""Reports that are kept: what an answer says of it, and that a write is seen at once."""

import asyncio
from typing import Any

import pytest

from domain.model import Actor, NewCustomer
from tests.drivers.face import Face
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
REPORT = "{ segmentationReport(days: 30) { customerCount totalRevenue generatedAt } }"


async def asked(face: Face, query: str = REPORT) -> Any:
    return (await face.post(query)).json()


async def test_caching(both: Face) -> None:
    shop = await both.services.businesses.open("shop")
    await both.services.purchases.record(shop, [purchase("C1", "O1", "2024-06-01", 1000)], Actor("test"))

    first, second = await asked(both), await asked(both)
    await both.services.purchases.record(shop, [purchase("C2", "O2", "2024-06-02", 500)], Actor("test"))
    third = await asked(both)

    told = [(one["extensions"]["cache"]["hit"], one["extensions"]["cache"]["miss"]) for one in (first, second, third)]
    assert told == [(0, 1), (1, 0), (0, 1)]
    revenues = [one["data"]["segmentationReport"]["totalRevenue"] for one in (first, second, third)]
    assert revenues == ["10.00", "10.00", "15.00"]


async def test_a_write_of_customers_is_seen_at_once_too(face: Face) -> None:
    shop = await face.services.businesses.open("shop")
    await asked(face)
    await face.services.customers.upsert(shop, [NewCustomer("C1")], Actor("test"))

    assert (await asked(face))["extensions"]["cache"]["miss"] == 1


async def test_filters_by_name_and_code_choose_from_one_kept_report(face: Face) -> None:
    await asked(face)

    found = await asked(face, '{ segmentationReport(days: 30, segmentName: "champions") { segments { segmentCode } } }')

    assert found["data"]["segmentationReport"]["segments"] == [{"segmentCode": "R5F5M5"}]
    assert found["extensions"]["cache"]["hit"] == 1


async def test_other_windows_methods_and_businesses_are_other_reports(face: Face) -> None:
    await asked(face)

    for other in ("days: 31", "method: VALUE", "scheme: ELEVEN_SEGMENT", 'asOf: "2024-01-01"'):
        arguments = other if "days" in other else f"days: 30, {other}"
        found = await asked(face, f"{{ segmentationReport({arguments}) {{ customerCount }} }}")
        assert found["extensions"]["cache"]["miss"] == 1
    other = await face.post(REPORT, None, face.token(business="other"))
    assert other.json()["extensions"]["cache"]["miss"] == 1


async def test_concurrent_misses_of_one_report_compute_once(face: Face) -> None:
    found = await asyncio.gather(*(asked(face) for _ in range(20)))

    assert sum(each["extensions"]["cache"]["miss"] for each in found) == 1


async def test_answers_without_a_report_say_nothing_of_it(face: Face) -> None:
    assert "cache" not in (await asked(face, "{ viewer { subject } }"))["extensions"]
