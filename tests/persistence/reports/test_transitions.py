"""Groups over time against the plain definition: transitions whose rows and columns add up, trends that are reports,
label counts that are the customers' own labels, and pages that hold everybody once."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calendar import SeriesInterval, to_local_date
from domain.classification.groups import Method
from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput
from domain.model import Business, NewPurchase
from domain.pages import PageRequest
from domain.reports.transitions import TransitionMatrix, list_trend_dates
from domain.store import Transition
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import NOW, SetClock, examples
from tests.persistence.conftest import everybody, new_shop, statements
from tests.shops.factories import line, purchase
from tests.shops.reported_shop import AS_OF

pytestmark = [pytest.mark.anyio, pytest.mark.shared_store]
EIGHT = RfmScheme.EIGHT_SEGMENT
ORDERS = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.integers(0, 80),
        st.integers(0, 6),
        st.sampled_from((None, "web", "app")),
        st.lists(st.sampled_from((None, "Kids", "Mens")), max_size=3),
    ),
    max_size=40,
)


def made(found: list[tuple[int, int, int, str | None, list[str | None]]]) -> list[NewPurchase]:
    """Purchases of customers by their age in days."""
    return [
        purchase(
            f"C{who}",
            f"O{n}",
            (NOW - timedelta(days=age)).isoformat(),
            amount,
            channel=channel,
            lines=tuple(line(category, 1) for category in categories),
        )
        for n, (who, age, amount, channel, categories) in enumerate(found)
    ]


def figures(found: Iterable[Any]) -> dict[str, tuple[int, int]]:
    """Customers and revenue of every group that has any."""
    return {each.kind.code: (each.customers, each.revenue) for each in found if each.customers}


@settings(max_examples=examples(5, 15), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, st.integers(1, 60), st.integers(0, 40), st.sampled_from(list(Method)), st.sampled_from(list(RfmScheme)))
async def test_rows_add_up_to_the_first_report_and_columns_to_the_second(
    services: Services, found: list[Any], days: int, apart: int, method: Method, scheme: RfmScheme
) -> None:
    business = await new_shop(services, made(found))
    last = NOW.date()
    first = last - timedelta(days=apart)

    moved = await services.transitions.load_transitions(business, method, days, first, last, None, scheme)

    for day, before in ((first, True), (last, False)):
        report = await services.reporting.make_report(business, method=method, days=days, as_of=day, scheme=scheme)
        sums: dict[str, list[int]] = {}
        for each in moved.transitions:
            kind = each.before if before else each.after
            if kind is not None:
                row = sums.setdefault(kind.code, [0, 0])
                row[0] += each.customers
                row[1] += each.spend_before if before else each.spend_after
        assert {code: tuple(row) for code, row in sums.items()} == figures(report.everyone)
    assert all(each.customers for each in moved.transitions)
    for each in moved.transitions:
        assert each.before is not None or each.after is not None
        assert each.spend_before == 0 or each.before is not None
        assert each.spend_after == 0 or each.after is not None


@settings(max_examples=examples(4, 10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, st.integers(1, 60), st.sampled_from(list(Method)), st.sampled_from(list(RfmScheme)))
async def test_the_pages_of_all_groups_hold_everybody_once(
    services: Services, found: list[Any], days: int, method: Method, scheme: RfmScheme
) -> None:
    business = await new_shop(services, made(found))
    report = await services.reporting.make_report(business, method=method, days=days, scheme=scheme)
    kinds = [group.kind for group in report.everyone]

    together = await services.transitions.load_customers(business, report, kinds, PageRequest(250))

    where: dict[str, Counter[str]] = {}
    for group in report.everyone:
        page = together[group.kind]
        assert (len(page.items), page.has_next, page.has_previous) == (group.customers, False, False)
        assert list(page.positions) == sorted(page.positions)
        where.setdefault(group.kind.dimension, Counter()).update(record.customer.external_id for record in page.items)
        alone, request = [], PageRequest(2)
        while True:
            part = (await services.transitions.load_customers(business, report, [group.kind], request))[group.kind]
            alone += part.items
            if not part.has_next:
                break
            request = PageRequest(2, after=part.positions[-1])
        assert alone == list(page.items)
    bought = {f"C{who}" for who, age, *_ in found if age < days}
    assert all(names == Counter(bought) for names in where.values())


@settings(max_examples=examples(4, 10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, st.integers(0, 80))
async def test_label_counts_are_the_labels_of_the_customers(
    database: Database, services: Services, clock: SetClock, found: list[Any], back: int
) -> None:
    business = await new_shop(services, made(found))
    clock.now = NOW - timedelta(days=back)
    as_of = to_local_date(clock(), NOW.tzinfo)  # type: ignore[arg-type]
    # What is later than that day does not exist yet.
    earlier = await new_shop(services, [item for item in made(found) if item.purchased_at.date() <= as_of])
    records = await everybody(services, earlier)
    labels = await services.customers.load_classifications(earlier, {each.customer.id: each.totals for each in records})
    clock.now = NOW

    counted = await services.transitions.count_labels(business, as_of)

    expected = Counter(
        (dimension, getattr(label, dimension))
        for label in labels.values()
        for dimension in ("frequency", "spending", "category")
    )
    assert {(each.dimension, each.label): each.customers for each in counted if each.customers} == expected
    assert all(each.share == (each.customers / len(records) if records else 0) for each in counted)


async def transitions(services: Services, business: Business, method: Method = Method.RFM) -> TransitionMatrix:
    return await services.transitions.load_transitions(business, method, 45, date(2024, 3, 6), AS_OF, None, EIGHT)


async def test_newcomers_and_leavers_have_a_side_without_a_group(services: Services, reported: Business) -> None:
    moved = await transitions(services, reported, Method.VALUE)

    shown = [
        (
            each.before and each.before.name,
            each.after and each.after.name,
            each.customers,
            each.spend_before,
            each.spend_after,
        )
        for each in moved.transitions
    ]
    # Then: Gus 500, Eli 150, Ida 50, Jo 20. Now: Ada 900, Ben 400, Cy 300, Dee 150, Fay 80, Hal 50.
    assert shown == [
        ("Medium Value", None, 3, 70_000, 0),
        ("Low Value", None, 1, 2_000, 0),
        (None, "High Value", 1, 0, 90_000),
        (None, "Medium Value", 3, 0, 85_000),
        (None, "Low Value", 2, 0, 13_000),
    ]


@pytest.mark.parametrize("method", list(Method))
async def test_the_pages_of_all_moves_hold_everybody_once_in_each_dimension(
    services: Services, reported: Business, method: Method
) -> None:
    moved = await transitions(services, reported, method)

    pages = partial(services.transitions.load_transition_customers, reported, moved)
    together = await pages([each.transition for each in moved.transitions], PageRequest(250))

    where: dict[str, Counter[str]] = {}
    for each in moved.transitions:
        names = [record.customer.external_id for record in together[each.transition].items]
        assert len(names) == each.customers
        where.setdefault(each.transition.dimension, Counter()).update(names)
        first = (await pages([each.transition], PageRequest(1)))[each.transition]
        assert ([record.customer.external_id for record in first.items], first.has_next) == (names[:1], len(names) > 1)
        rest = (await pages([each.transition], PageRequest(250, after=first.positions[-1])))[each.transition]
        assert [record.customer.external_id for record in rest.items] == names[1:]
    assert len(where) == (3 if method is Method.BEHAVIOR else 1)
    assert all(set(names.values()) == {1} and len(names) == 10 for names in where.values())
    nobody = Transition("rfm", "R5F5M5", "R1F1M2")
    assert list((await pages([nobody], PageRequest(5)))[nobody].items) == []


@pytest.mark.parametrize("method", list(Method))
async def test_a_point_of_the_trend_is_the_report_of_its_date(
    services: Services, reported: Business, method: Method
) -> None:
    place = await services.purchases.find_storefront(reported, "Kandy")

    for storefront in (None, place.id):
        points = await services.transitions.load_trend(
            reported, method, 30, date(2024, 2, 29), AS_OF, SeriesInterval.MONTH, storefront, EIGHT
        )

        assert sorted({point.date for point in points}) == [date(2024, 2, 29), date(2024, 3, 29)]
        for day in (date(2024, 2, 29), date(2024, 3, 29)):
            report = await services.reporting.make_report(
                reported, method=method, days=30, as_of=day, storefront_id=storefront
            )
            there = [point for point in points if point.date == day]
            assert figures(there) == figures(report.everyone)
            assert {point.kind for point in there} >= {group.kind for group in report.everyone}


@pytest.mark.parametrize(
    ("first", "last", "interval", "expected"),
    [
        ("2024-01-31", "2024-05-01", "MONTH", ["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"]),
        ("2024-01-03", "2024-01-17", "WEEK", ["2024-01-03", "2024-01-10", "2024-01-17"]),
        ("2024-02-28", "2024-03-01", "DAY", ["2024-02-28", "2024-02-29", "2024-03-01"]),
        ("2024-02-28", "2024-02-28", "MONTH", ["2024-02-28"]),
        ("9999-11-30", "9999-12-31", "MONTH", ["9999-11-30", "9999-12-30"]),
        ("9999-12-30", "9999-12-31", "WEEK", ["9999-12-30"]),
    ],
)
async def test_the_dates_of_a_trend(first: str, last: str, interval: str, expected: list[str]) -> None:
    found = list_trend_dates(date.fromisoformat(first), date.fromisoformat(last), SeriesInterval(interval))

    assert [day.isoformat() for day in found] == expected


async def test_a_trend_has_sixty_points_at_most(services: Services, shop: Business) -> None:
    points = await services.transitions.load_trend(
        shop, Method.VALUE, 1, date(2024, 1, 1), date(2024, 2, 29), SeriesInterval.DAY, None, EIGHT
    )

    assert len({point.date for point in points}) == 60
    message = "from and to must span at most 60 points of the interval DAY"
    with pytest.raises(InvalidInput, match=message):
        list_trend_dates(date(2024, 1, 1), date(2024, 3, 1), SeriesInterval.DAY)
    for first, last in ((AS_OF, AS_OF - timedelta(days=1)), (date.max, date.min)):
        with pytest.raises(InvalidInput, match="to must not be before from"):
            await services.transitions.load_transitions(shop, Method.RFM, 90, first, last, None, EIGHT)
        with pytest.raises(InvalidInput, match="to must not be before from"):
            await services.transitions.load_trend(shop, Method.RFM, 90, first, last, SeriesInterval.DAY, None, EIGHT)


async def test_a_trend_is_one_statement_that_does_not_grow_with_its_points(
    database: Database, services: Services, reported: Business
) -> None:
    found = []
    # Festive days are asked for where the windows have any, so both lists have some.
    for method, last in product(Method, (date(2024, 4, 16), date(2024, 6, 12))):
        with statements(database) as seen:
            await services.transitions.load_trend(
                reported, method, 30, date(2024, 4, 15), last, SeriesInterval.DAY, None, EIGHT
            )
        found.append([each for each in seen if "purchase" in each])

    assert [len(each) for each in found] == [1] * 6
    assert found[0::2] == found[1::2]
    assert max(len(statement) for each in found for statement in each) < 10_000


async def test_a_trend_of_too_many_groups_is_refused(
    services: Services, reported: Business, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.reports.transitions.MAXIMUM_ROWS", 5)

    with pytest.raises(InvalidInput, match="method must make fewer groups"):
        await services.transitions.load_trend(
            reported, Method.BEHAVIOR, 30, date(2024, 3, 1), AS_OF, SeriesInterval.MONTH, None, EIGHT
        )
