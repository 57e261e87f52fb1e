"""Documents of a report from the store: the window before and the trend, by few statements."""

from dataclasses import replace
from datetime import date

import pytest

from domain.classification.groups import Method
from domain.model import Business
from domain.reports.document import ReportRequest
from domain.reports.transitions import list_months_back
from gql.composition import Services
from persistence.database.engines import Database
from tests.persistence.conftest import change_settings, statements
from tests.shops.reported_shop import AS_OF

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]


@pytest.mark.parametrize("method", list(Method))
async def test_every_point_of_the_trend_is_the_report_of_its_window(
    services: Services, reported: Business, method: Method
) -> None:
    place = await services.purchases.find_storefront(reported, "Kandy")
    asked = ReportRequest(method, 45, AS_OF, place)

    made = await services.report_files.make_document(reported, asked)

    assert made.trend is not None
    assert made.trend.dates == tuple(list_months_back(AS_OF))
    for number in (8, 9, 10, 11):
        earlier = replace(asked, as_of=made.trend.dates[number])
        report = await services.report_files.make_document(reported, earlier, trend=False)
        assert report.trend is None
        expected = {group.code: (group.customers, group.revenue) for group in report.rows if group.customers}
        found = {one.code: (one.customers[number], one.revenue[number]) for one in made.trend.series}
        assert {code: figures for code, figures in found.items() if figures[0]} == expected
    assert {one.code: one.meaning for one in made.trend.series}.items() >= {
        (group.code, group.meaning) for group in made.rows
    }


async def test_the_trend_of_groups_that_were_asked_for_is_theirs(services: Services, reported: Business) -> None:
    made = await services.report_files.make_document(reported, ReportRequest(days=45, as_of=AS_OF, name="Champions"))

    assert made.trend is not None
    assert [one.name for one in made.trend.series] == ["Champions"]


async def test_where_no_window_holds_a_purchase_there_is_no_trend(services: Services, reported: Business) -> None:
    made = await services.report_files.make_document(reported, ReportRequest(as_of=date(2020, 1, 1)))

    assert (made.trend, made.previous, made.unfinished) == (None, None, False)


@pytest.mark.parametrize("method", list(Method))
async def test_a_document_takes_three_statements_over_purchases(
    database: Database, services: Services, reported: Business, method: Method
) -> None:
    with statements(database) as seen:
        await services.report_files.make_document(reported, ReportRequest(method, 30, AS_OF))

    assert len([one for one in seen if "FROM purchase" in one or "JOIN purchase" in one]) == 3


async def test_a_trend_that_takes_too_long_is_left_out_and_there_later(services: Services, reported: Business) -> None:
    asked = ReportRequest(Method.BEHAVIOR, 45, AS_OF)

    hurried = await services.report_files.make_document(reported, asked, patience=0)
    later = await services.report_files.make_document(reported, asked)

    assert (hurried.trend, hurried.unfinished) == (None, True)
    assert later.trend is not None and not later.unfinished


async def test_a_trend_of_too_many_groups_is_left_out(
    services: Services, reported: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.reports.transitions.MAXIMUM_ROWS", 5)

    made = await services.report_files.make_document(reported, ReportRequest(Method.BEHAVIOR, 45, AS_OF))

    assert (made.trend, made.unfinished) == (None, False)
    assert made.totals.customers


async def test_a_document_looks_as_the_business_says(
    database: Database, services: Services, reported: Business
) -> None:
    dressed = await change_settings(services, database, reported.key, brand={"colour": "#7b1fa2", "currency": "Rs"})

    made = await services.report_files.make_document(dressed, ReportRequest(days=45, as_of=AS_OF), trend=False)

    assert (made.brand.accent, made.currency_label, made.currency) == ("#7b1fa2", "Rs", "EUR")
