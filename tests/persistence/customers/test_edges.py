"""Shops that are unusual but real: empty ones, one customer, all equal, nothing but zeros, other money, ten thousand
storefronts, windows of 27 years. Each has a sensible answer, the same on both databases."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calendar import Span
from domain.classification.rfm import RfmScheme, Score, find_group, score_recency
from domain.errors import InvalidInput
from domain.model import Actor, Business, NewCustomer, PurchaseStatus, WriteCounts
from domain.pages import PageRequest
from domain.reports.insights import Insights, find_insights
from domain.reports.report import Report
from domain.store import CustomerFilter, CustomerSort
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from tests.conftest import NOW, SetClock, examples
from tests.drivers.store_image import assert_sound, image
from tests.persistence.conftest import buy, everybody, new_shop, record_of
from tests.shops.factories import line, purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")


def named(report: Report) -> dict[str, tuple[int, int, int]]:
    """Customers, orders and revenue of every group that has any."""
    found = [group for group in report.everyone if group.customers]
    return {group.kind.name: (group.customers, group.orders, group.revenue) for group in found}


async def test_a_business_without_data_has_empty_answers(services: Services, shop: Business, clock: SetClock) -> None:
    report = await services.reporting.make_report(shop, days=9999)
    eleven = await services.reporting.make_report(shop, scheme=RfmScheme.ELEVEN_SEGMENT)

    assert (report.customers, report.revenue, report.total_revenue) == (0, 0, Decimal("0.00"))
    assert [group.kind.name for group in report.groups][:2] == ["Champions", "Loyal Customers"]
    assert (len(report.groups), len(eleven.groups), eleven.other) == (8, 10, None)
    assert report.other is not None
    for group in report.groups:
        assert group.compute_average_order(2) is group.average_age is group.average_frequency is None
    assert await services.reporting.measure_previous(shop, report) is None
    assert find_insights(report, None) == Insights()
    page = await services.read(
        shop, lambda unit: unit.customers.load_page(PageRequest(), CustomerFilter(), CustomerSort.NAME, True)
    )
    assert (list(page.items), page.has_next, page.has_previous) == ([], False, False)
    assert await services.read(shop, lambda unit: unit.purchases.load_storefronts()) == []
    assert await services.read(shop, lambda unit: unit.customers.find_by_external_id("anyone")) is None


async def test_customers_without_purchases_have_zeros_no_score_and_no_labels(
    services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer("C1", "Nobody", registered_at=NOW)], ACTOR)
    record = await record_of(services, shop, "C1")

    totals = {record.customer.id: record.totals}
    labels = (await services.customers.load_classifications(shop, totals))[record.customer.id]

    assert (record.totals.order_count, record.totals.revenue, record.totals.last_at) == (0, 0, None)
    assert (await services.customers.compute_scores(shop, totals))[record.customer.id] is None
    assert (labels.frequency, labels.spending, labels.category) == (None, None, None)
    assert (await services.reporting.make_report(shop)).customers == 0


async def test_the_only_customer_is_new(services: Services, shop: Business) -> None:
    business = await buy(services, shop, [purchase("C1", "O1", "2024-06-15", 100)])

    assert named(await services.reporting.make_report(business)) == {"New Customers": (1, 1, 100)}
    record = await record_of(services, business, "C1")
    scores = await services.customers.compute_scores(business, {record.customer.id: record.totals})
    assert scores == {record.customer.id: Score(5, 1, 1)}


@pytest.mark.parametrize("amount", [0, 500])
async def test_equal_customers_score_equally(amount: int, services: Services, shop: Business) -> None:
    items = [purchase(f"C{n}", f"O{n}", "2024-06-15", amount) for n in range(997)]
    business = await buy(services, shop, items)

    report = await services.reporting.make_report(business)

    assert named(report) == {"New Customers": (997, 997, 997 * amount)}
    assert report.total_revenue == Decimal(997 * amount).scaleb(-2)


async def test_one_who_bought_only_before_the_window_scores_one_everywhere(services: Services, shop: Business) -> None:
    items = [purchase("old", "O1", "2020-01-01", 10**9), purchase("new", "O2", "2024-06-01", 1)]
    business = await buy(services, shop, items)
    records = await everybody(services, business)

    scores = await services.customers.compute_scores(
        business, {record.customer.id: record.totals for record in records}
    )

    assert {record.customer.external_id: scores[record.customer.id] for record in records} == {
        "old": Score(1, 1, 1),
        "new": Score(5, 1, 1),
    }


async def test_a_window_of_9999_days_reaches_to_its_first_day_and_not_beyond(
    services: Services, shop: Business
) -> None:
    first = NOW.date() - timedelta(days=9998)
    items = [
        purchase("in", "O1", f"{first}T00:00:00", 1),
        purchase("out", "O2", f"{first - timedelta(days=1)}T23:59:59", 10),
        purchase("now", "O3", NOW.isoformat(), 100),
        purchase("leap", "O4", "2000-02-29T12:00:00", 1000),
    ]
    business = await buy(services, shop, items)

    report = await services.reporting.make_report(business, days=9999)

    assert (report.customers, report.revenue) == (3, 1101)
    assert await services.reporting.measure_previous(business, report) is not None
    early = await services.reporting.make_report(business, days=9999, as_of=date(1, 1, 3))
    late = await services.reporting.make_report(business, days=9999, as_of=date.max)
    assert (early.customers, late.customers) == (0, 0)


async def test_leap_days_are_days_of_their_own(services: Services, shop: Business) -> None:
    items = [purchase(f"C{n}", f"O{n}", f"2024-{day}", 1) for n, day in enumerate(("02-28", "02-29", "03-01"))]
    business = await buy(services, shop, items)

    async def counted(days: int, as_of: date) -> int:
        return (await services.reporting.make_report(business, days=days, as_of=as_of)).customers

    counts = [await counted(days, date(2024, 3, 1)) for days in (1, 2, 3)]

    assert counts == [1, 2, 3]
    assert await counted(1, date(2024, 2, 29)) == 1


@pytest.mark.slow
async def test_ten_thousand_storefronts(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    items = [purchase(f"C{n % 100}", f"O{n}", "2024-06-01", n, storefront_key=f"Store {n} 🏬") for n in range(10_000)]
    business = await buy(services, shop, items)

    storefronts = await services.read(business, lambda unit: unit.purchases.load_storefronts())
    one = await services.purchases.find_storefront(business, "Store 9999 🏬")

    assert [storefront.key for storefront in storefronts] == sorted(f"Store {n} 🏬" for n in range(10_000))
    assert len({storefront.id for storefront in storefronts}) == 10_000
    report = await services.reporting.make_report(business, storefront_id=one.id)
    assert (report.customers, report.revenue) == (1, 9999)
    assert await services.purchases.record(business, items, ACTOR, limit=10_000) == WriteCounts(0, 0, 10_000)
    for key in ("Store", "n\0ne", "\ud800"):
        with pytest.raises(InvalidInput, match=r"^There is no storefront with the key"):
            await services.purchases.find_storefront(business, key)
    await assert_sound(database, business, clock)


@pytest.mark.parametrize(("currency", "average"), [("JPY", "2"), ("EUR", "0.02"), ("KWD", "0.002"), ("CLF", "0.0002")])
async def test_averages_have_the_decimals_of_the_currency(currency: str, average: str, services: Services) -> None:
    items = [purchase("C", f"O{n}", "2024-06-01", amount) for n, amount in enumerate((2, 3))]

    report = await services.reporting.make_report(await new_shop(services, items, currency))

    (group,) = (group for group in report.everyone if group.customers)
    assert str(group.compute_average_order(report.decimals)) == average
    assert report.total_revenue == Decimal(5).scaleb(-report.decimals)


async def test_only_completed_and_partial_purchases_count(services: Services, shop: Business) -> None:
    items = [purchase(status.value, status.value, "2024-06-01", 10, status=status) for status in PurchaseStatus]
    business = await buy(services, shop, items)

    assert (await services.reporting.make_report(business)).customers == 2
    records = await everybody(services, business, CustomerSort.ORDER_COUNT, True)
    counts = [(record.customer.external_id, record.totals.order_count) for record in records]
    assert counts[:2] == [("PARTIAL", 1), ("COMPLETED", 1)]


async def test_a_future_purchase_counts_from_its_instant_on(
    services: Services, shop: Business, clock: SetClock, database: Database
) -> None:
    instant = NOW + timedelta(hours=5)
    await buy(services, shop, [purchase("C1", "O1", instant.isoformat(), 7, lines=(line("Tea", 7),))])

    seen = []
    for moment in (NOW, instant - timedelta(microseconds=1), instant, instant + timedelta(days=1)):
        clock.now = moment
        business = await services.businesses.open("shop")
        seen.append(
            ((await services.reporting.make_report(business)).revenue, image(database, business).totals["C1"][:2])
        )
        await assert_sound(database, business, clock)

    assert seen == [(0, (0, 0)), (0, (0, 0)), (7, (1, 7)), (7, (1, 7))]


async def test_a_read_unit_sees_one_state_while_others_write(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    await services.purchases.record(shop, [purchase("C1", "O1", "2024-06-01", 1)], ACTOR)
    span = Span(1, date.max.toordinal())

    async with SqlStore(database, clock).read(shop) as unit:
        before = await unit.reports.load_cells(span)
        await services.purchases.record(shop, [purchase("C2", "O2", "2024-06-01", 5)], ACTOR)
        after, count = await unit.reports.load_cells(span), await unit.customers.count(CustomerFilter())

    assert (after, count) == (before, 1)
    assert await services.read(shop, lambda unit: unit.customers.count(CustomerFilter())) == 2


ORDERS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 40), st.integers(0, 6)), max_size=40)


@settings(max_examples=examples(5, 15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, st.integers(1, 35), st.sampled_from(list(RfmScheme)))
async def test_reports_equal_the_plain_definition_and_add_up(
    services: Services, orders: list[tuple[int, int, int]], days: int, scheme: RfmScheme
) -> None:
    items = [
        purchase(f"C{who}", f"O{n}", (NOW - timedelta(days=age)).isoformat(), amount)
        for n, (who, age, amount) in enumerate(orders)
    ]
    business = await new_shop(services, items)

    report = await services.reporting.make_report(business, days=days, scheme=scheme)

    inside: dict[int, list[tuple[int, int]]] = {}
    for who, age, amount in orders:
        if age < days:
            inside.setdefault(who, []).append((age, amount))
    expected: dict[str, tuple[int, int, int]] = {}
    totals = {who: (len(found), sum(amount for _, amount in found)) for who, found in inside.items()}
    for who, found in inside.items():
        below = [sum(other[place] < totals[who][place] for other in totals.values()) for place in (0, 1)]
        f, m = (1 + 5 * count // len(totals) for count in below)
        name = find_group(Score(score_recency(min(age for age, _ in found), days), f, m), scheme).name
        before = expected.get(name, (0, 0, 0))
        expected[name] = (before[0] + 1, before[1] + totals[who][0], before[2] + totals[who][1])
    assert named(report) == expected
    assert report.customers == len(inside)
    assert report.revenue == sum(spend for _, spend in totals.values())
    assert report.window.last_day == NOW.date().toordinal()
