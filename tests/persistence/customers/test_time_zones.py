"""A business's days: reports on both sides of UTC, days that the clock skips, repeats or interrupts, and changing the
zone, which rewrites every local day and can be undone."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.calendar import load_zone, to_local_date
from domain.errors import InvalidInput
from domain.model import Actor, Business, NewCustomer, WriteCounts
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock, examples
from tests.drivers.store_image import assert_sound, image
from tests.persistence.conftest import buy
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
ACTOR = Actor("test")
LEAPS = [
    *("2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", "2011-12-31T09:59:59Z", "2011-12-31T10:00:00Z"),
    *("2010-11-07T02:29:00Z", "2010-11-07T02:30:30Z", "2010-11-07T02:31:00Z", "2010-11-07T03:29:59Z"),
    *("2010-11-07T03:30:00Z", "2010-03-14T03:30:00Z", "2010-03-14T03:31:00Z", "2018-11-04T02:59:59Z"),
    *("2018-11-04T03:00:00Z", "2018-02-18T01:59:59Z", "2018-02-18T02:00:00Z", "2018-02-18T02:59:59Z"),
    *("2018-02-18T03:00:00Z", "2024-02-29T12:00:00Z", "2024-03-10T06:59:59Z", "2024-03-10T07:00:00Z"),
    *("1969-12-31T23:59:59Z", "0001-01-03T00:00:00Z", "9999-12-28T23:59:59Z", "1883-11-18T17:00:00Z"),
]
ZONES = [
    *("Pacific/Apia", "America/St_Johns", "America/Sao_Paulo"),
    *("Asia/Kathmandu", "Pacific/Pago_Pago", "America/New_York"),
]


async def filled(services: Services, business: Business, instants: list[str]) -> None:
    items = [purchase(f"C{n % 5}", f"O{n}", at, 100 + n) for n, at in enumerate(instants)]
    await services.purchases.record(business, items, ACTOR)
    people = [NewCustomer(f"R{n}", registered_at=datetime.fromisoformat(at)) for n, at in enumerate(instants)]
    await services.customers.upsert(business, people, ACTOR)


async def moved(services: Services, zone: str | None, key: str = "shop", **more: str | None) -> Business:
    return await services.business_changes.change(
        key, ACTOR, **{"name": None, "time_zone": zone, "currency": None} | more
    )


@pytest.mark.parametrize("name", ZONES)
async def test_another_zone_rewrites_every_local_day_and_going_back_restores_them(
    name: str, services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    await filled(services, shop, LEAPS)
    before, version = image(database, shop), (await services.businesses.open("shop")).data_version

    business = await moved(services, name)

    assert business.time_zone == name
    assert (await services.businesses.open("shop")).data_version > version
    await assert_sound(database, business, clock)
    days = {row[2] for row in image(database, shop).purchases.values()}
    assert days == {to_local_date(datetime.fromisoformat(at), load_zone(name)).toordinal() for at in LEAPS}

    await moved(services, "UTC")

    assert image(database, shop) == before


@settings(max_examples=examples(3, 8), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)), min_size=1, max_size=20),
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=3),
)
async def test_a_chain_of_zones_ends_where_the_last_one_would_have_begun(
    services: Services, database: Database, clock: SetClock, instants: list[datetime], names: list[str]
) -> None:
    count = len(await services.businesses.load_all())
    chained = await services.businesses.create(f"chained-{count}", None, "UTC", "EUR")
    direct = await services.businesses.create(f"direct-{count}", None, names[-1], "EUR")
    for business in (chained, direct):
        await filled(services, business, [instant.isoformat() for instant in instants])

    for name in names:
        await moved(services, name, chained.key)

    assert image(database, chained) == image(database, direct)
    await assert_sound(database, chained, clock)


async def test_writers_who_saw_the_business_before_its_zone_changed_write_the_new_days(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    await moved(services, "Pacific/Kiritimati")

    await services.purchases.record(shop, [purchase("C1", "O1", "2024-03-01T12:00:00", 5)], ACTOR)
    new = NewCustomer("C2", registered_at=datetime(2024, 3, 1, 12, tzinfo=UTC))
    await services.customers.upsert(shop, [new], ACTOR)

    await assert_sound(database, shop, clock)
    assert date.fromordinal(image(database, shop).purchases["O1"][2]) == date(2024, 3, 2)


async def test_settings_changed_by_two_at_once_are_both_kept(services: Services, shop: Business) -> None:
    await moved(services, "Asia/Colombo")
    await moved(services, None, name="Renamed")
    unchanged = await moved(services, "Asia/Colombo", name="Renamed", currency="EUR")

    assert (unchanged.name, unchanged.time_zone, unchanged.settings_version) == ("Renamed", "Asia/Colombo", 3)


async def test_the_currency_changes_only_before_the_first_purchase(services: Services, shop: Business) -> None:
    changed = await moved(services, None, currency="JPY")
    await services.purchases.record(changed, [purchase("C1", "O1", "2024-03-01", 5)], ACTOR)

    with pytest.raises(InvalidInput, match=r"^currency cannot change once there are purchases$") as refused:
        await moved(services, "Asia/Tokyo", currency="EUR")

    assert refused.value.problems[0].field == ("currency",)
    stored = await services.businesses.open("shop")
    assert (stored.currency, stored.time_zone) == ("JPY", "UTC")


@pytest.mark.parametrize(
    ("name", "now", "today"),
    [
        ("Pacific/Kiritimati", "2024-02-28T10:00:00Z", "2024-02-29"),
        ("Pacific/Pago_Pago", "2024-03-01T10:59:59Z", "2024-02-29"),
        ("Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31"),
        ("America/New_York", "2024-03-10T04:59:59Z", "2024-03-09"),
        ("America/New_York", "2024-11-03T04:00:00Z", "2024-11-03"),
        ("Asia/Colombo", "2024-02-29T18:29:59Z", "2024-02-29"),
        ("UTC", "2023-12-31T23:59:59Z", "2023-12-31"),
    ],
)
async def test_a_report_of_one_day_holds_the_business_s_own_day(
    name: str, now: str, today: str, services: Services, clock: SetClock
) -> None:
    business = await services.businesses.create("place", None, name, "EUR")
    clock.now = datetime.fromisoformat(now)
    start = clock.now
    while to_local_date(start - timedelta(minutes=1), load_zone(name)) == date.fromisoformat(today):
        start -= timedelta(minutes=1)
    start = start.replace(second=0, microsecond=0)
    items = [
        purchase("first", "O1", start.isoformat(), 1),
        purchase("now", "O2", clock.now.isoformat(), 10),
        purchase("before", "O3", (start - timedelta(seconds=1)).isoformat(), 100),
        purchase("later", "O4", (clock.now + timedelta(seconds=1)).isoformat(), 1000),
    ]
    assert await services.purchases.record(business, items, ACTOR) == WriteCounts(4, 0, 0)

    report = await services.reporting.make_report(await services.businesses.open("place"), days=1)

    assert report.window.as_of.isoformat() == today
    assert (report.customers, report.revenue) == (2, 11)


async def test_no_answer_moves_within_a_local_day(services: Services, clock: SetClock) -> None:
    business = await services.businesses.create("place", None, "America/New_York", "EUR")
    business = await buy(services, business, [purchase("C", "O", "2024-03-01T12:00:00", 5)])

    seen = []
    for minute in range(0, 23 * 60, 115):
        clock.now = datetime(2024, 3, 10, 5, 0, tzinfo=UTC) + timedelta(minutes=minute)
        report = await services.reporting.make_report(business, days=10)
        # When it was computed and whether it was kept is all that may differ.
        seen.append(replace(report, generated_at=datetime(1, 1, 1), was_kept=False, age=0.0))
    clock.now = datetime(2024, 3, 11, 4, 0, tzinfo=UTC)
    after = await services.reporting.make_report(business, days=10)

    assert {report.window.as_of for report in seen} == {date(2024, 3, 10)}
    assert all(report == seen[0] for report in seen)
    assert (seen[0].customers, after.customers) == (1, 0)
