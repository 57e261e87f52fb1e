"""Days belong to the business's zone: windows, the reading of instants, and days that the zone's clock skips, repeats
or interrupts."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calendar import (
    check_days,
    find_day_boundaries,
    find_start_of_day,
    format_instant,
    format_micros,
    from_micros,
    load_zone,
    read_instant,
    to_local_date,
    to_local_day,
    to_micros,
)
from domain.errors import InvalidInput
from domain.model import Window

ZONES = [
    "Asia/Colombo", "Pacific/Kiritimati", "Pacific/Apia", "Pacific/Pago_Pago", "Europe/London", "America/New_York",
    "America/Sao_Paulo", "America/St_Johns", "America/Havana", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Africa/Casablanca",
]  # fmt: skip
NO_DATES = [
    "", "2024", "2024-3-1", "01/03/2024", "2023-02-29", "2024-13-01", "now", "-2024-01-01", "2024-03-01T25:00",
    "10000-01-01",
]  # fmt: skip


def test_a_window_is_exactly_its_number_of_dates_and_ends_with_the_day_asked_for() -> None:
    window = Window(date(2024, 3, 1), 2)

    assert date.fromordinal(window.first_day) == date(2024, 2, 29)
    assert date.fromordinal(window.last_day) == date(2024, 3, 1)
    assert window.previous == Window(date(2024, 2, 28), 2)


def test_a_window_of_9999_days_may_begin_before_the_calendar_does() -> None:
    window = Window(date(1, 1, 3), 9999)

    assert (window.first_day, window.last_day) == (-9995, 3)
    assert window.last_day - window.first_day + 1 == 9999


@pytest.mark.parametrize("days", [1, 90, 9999])
def test_windows_of_1_to_9999_days_are_taken(days: int) -> None:
    assert check_days(days) == days


@pytest.mark.parametrize("days", [0, -1, 10_000, 10**30])
def test_other_windows_are_refused_with_the_field(days: int) -> None:
    with pytest.raises(InvalidInput, match="days must be between 1 and 9999") as refused:
        check_days(days)

    assert refused.value.problems[0].field == ("days",)


@pytest.mark.parametrize("name", ["Mars/Base", "", "../etc/passwd", "/etc/localtime", "EST5EDT,M3", "utc\0", "a" * 500])
def test_a_zone_that_does_not_exist_is_refused_with_the_field(name: str) -> None:
    with pytest.raises(InvalidInput, match="time_zone must be an IANA name such as Asia/Colombo") as refused:
        load_zone(name)

    assert refused.value.problems[0].field == ("time_zone",)


@pytest.mark.parametrize(
    ("text", "name", "instant"),
    [
        ("2024-03-01", "UTC", "2024-03-01T00:00:00Z"),
        ("2024-03-01", "Asia/Colombo", "2024-02-29T18:30:00Z"),
        ("2024-03-01", "America/New_York", "2024-03-01T05:00:00Z"),
        ("2024-03-01T09:30:00", "Asia/Colombo", "2024-03-01T04:00:00Z"),
        ("2024-03-01 09:30", "Asia/Colombo", "2024-03-01T04:00:00Z"),
        ("2024-03-01T09:30:00Z", "Asia/Colombo", "2024-03-01T09:30:00Z"),
        ("2024-03-01T09:30:00+05:30", "America/New_York", "2024-03-01T04:00:00Z"),
        ("2024-03-01T09:30:00.123456Z", "UTC", "2024-03-01T09:30:00.123456Z"),
        # New York's clock goes from 02:00 to 03:00 on this day, so 02:30 is read with the offset from before.
        ("2024-03-10T02:30:00", "America/New_York", "2024-03-10T07:30:00Z"),
        # 01:30 happens twice on this day; it is the first of the two.
        ("2024-11-03T01:30:00", "America/New_York", "2024-11-03T05:30:00Z"),
        # São Paulo's midnight was skipped on this day, which began at 01:00.
        ("2018-11-04", "America/Sao_Paulo", "2018-11-04T03:00:00Z"),
        # Samoa had no 30 December 2011: it is where the 31st begins.
        ("2011-12-30", "Pacific/Apia", "2011-12-30T10:00:00Z"),
        ("2024-02-29", "Pacific/Kiritimati", "2024-02-28T10:00:00Z"),
    ],
)
def test_iso_dates_and_timestamps_are_instants_of_the_business(text: str, name: str, instant: str) -> None:
    assert read_instant(text, load_zone(name)) == datetime.fromisoformat(instant)


@pytest.mark.parametrize("text", NO_DATES)
def test_what_is_no_iso_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an ISO 8601 date or timestamp such as 2024-03-01"):
        read_instant(text, load_zone("UTC"))


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59:59", "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize("name", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_the_ends_of_the_calendar_that_some_zone_cannot_show_are_refused(text: str, name: str) -> None:
    with pytest.raises(ValueError, match="must lie between the years 1 and 9999"):
        read_instant(text, load_zone(name))


@given(st.datetimes(datetime(1, 1, 4), datetime(9999, 12, 28), timezones=st.just(UTC)))
def test_microseconds_keep_an_instant_exactly(instant: datetime) -> None:
    assert format_micros([to_micros(instant)]) == [format_instant(instant)]
    assert from_micros(to_micros(instant)) == instant


@pytest.mark.parametrize("name", ZONES)
@given(instant=st.datetimes(datetime(1980, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))
def test_an_instant_never_precedes_the_start_of_its_day(name: str, instant: datetime) -> None:
    tz = ZoneInfo(name)

    day = to_local_date(instant, tz)

    assert find_start_of_day(day, tz) <= instant
    assert day.toordinal() == to_local_day(instant, tz)


def day_of(instant: datetime, tz: ZoneInfo) -> int:
    """What the boundaries around an instant say of it."""
    utc_day = instant.toordinal()
    boundaries = [pair for day in (utc_day - 1, utc_day) for pair in find_day_boundaries(day, tz)]
    return [day for at, day in boundaries if at <= to_micros(instant)][-1]


@pytest.mark.parametrize("name", ZONES)
@given(instant=st.datetimes(datetime(1950, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))
def test_boundaries_give_every_instant_its_local_day(name: str, instant: datetime) -> None:
    assert day_of(instant, ZoneInfo(name)) == to_local_day(instant, ZoneInfo(name))


@pytest.mark.parametrize(
    ("name", "around"),
    [
        ("Pacific/Apia", "2011-12-30T10:00Z"),
        ("Pacific/Kwajalein", "1993-08-21T12:00Z"),
        ("America/St_Johns", "2010-11-07T02:31Z"),
        ("America/St_Johns", "2010-03-14T03:31Z"),
        ("America/Havana", "2023-11-05T05:00Z"),
        ("America/Sao_Paulo", "2018-02-18T02:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00Z"),
        ("Australia/Lord_Howe", "2024-04-06T15:00Z"),
        ("Asia/Colombo", "1996-05-24T18:30Z"),
    ],
)
def test_boundaries_hold_where_the_clock_leaps(name: str, around: str) -> None:
    tz, centre = ZoneInfo(name), datetime.fromisoformat(around)

    for minutes in range(-3 * 24 * 60, 3 * 24 * 60, 7):
        instant = centre + timedelta(minutes=minutes)
        assert day_of(instant, tz) == to_local_day(instant, tz), instant
    for seconds in range(-120, 120):
        instant = centre + timedelta(seconds=seconds)
        assert day_of(instant, tz) == to_local_day(instant, tz), instant


def test_days_outside_the_calendar_have_no_boundaries() -> None:
    assert find_day_boundaries(0, ZoneInfo("UTC")) == []
    assert find_day_boundaries(date.max.toordinal() + 1, ZoneInfo("UTC")) == []
