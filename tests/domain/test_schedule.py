"""When schedules are due: five cron fields in the business's zone, on nights of change too."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.calendar import check, find_next_run
from domain.errors import InvalidInput


def instants(text: str | None, after: str, zone: str, count: int) -> list[str]:
    """The next so many, as UTC."""
    found, at = [], datetime.fromisoformat(after)
    for _ in range(count):
        then = find_next_run(text, at, zone)
        assert then is not None
        assert then > at
        found.append(then.strftime("%m-%d %H:%M"))
        at = then
    return found


@pytest.mark.parametrize(
    ("text", "zone", "after", "due"),
    [
        ("0 9 * * 1", "Asia/Colombo", "2024-03-31T00:00:00+00:00", ["04-01 03:30", "04-08 03:30"]),
        ("*/20 * * * *", "UTC", "2024-03-31T23:50:00+00:00", ["04-01 00:00", "04-01 00:20", "04-01 00:40"]),
        ("0 0 29 2 *", "UTC", "2024-03-01T00:00:00+00:00", ["02-29 00:00"]),
        ("0 8 1,15 * *", "Pacific/Kiritimati", "2024-03-31T00:00:00+00:00", ["03-31 18:00", "04-14 18:00"]),
        (None, "Europe/London", "2024-07-01T12:00:00+00:00", ["07-02 01:15", "07-03 01:15"]),
    ],
)
def test_a_schedule_is_due_at_the_businesss_own_time(text: str | None, zone: str, after: str, due: list[str]) -> None:
    assert instants(text, after, zone, len(due)) == due


def test_a_time_that_is_skipped_comes_at_the_end_of_the_gap() -> None:
    # On the 31st the clock goes from 01:00 to 02:00 local time, which is 01:00 UTC.
    assert instants("30 1 * * *", "2024-03-30T00:00:00+00:00", "Europe/London", 3) == [
        "03-30 01:30",
        "03-31 01:00",
        "04-01 00:30",
    ]


def test_a_time_that_happens_twice_comes_once() -> None:
    assert instants("30 1 * * *", "2024-10-26T12:00:00+00:00", "Europe/London", 2) == ["10-27 00:30", "10-28 01:30"]


def test_an_hourly_schedule_goes_on_through_the_night_of_change() -> None:
    found = instants("0 * * * *", "2024-10-26T23:30:00+00:00", "Europe/London", 4)

    assert found == ["10-27 00:00", "10-27 01:00", "10-27 02:00", "10-27 03:00"]


def test_missed_times_are_behind_and_the_next_one_lies_ahead() -> None:
    now = datetime(2024, 6, 15, 12, 34, tzinfo=UTC)

    then = find_next_run("0 * * * *", now, "UTC")

    assert then == now.replace(minute=0) + timedelta(hours=1)


def test_minutes_and_hours_that_begin_with_a_star_follow_the_clock_through_nights_of_change() -> None:
    # From 02:00 to 03:00 is missing in March, which is 01:00 UTC, and comes twice in October, from 00:00 UTC.
    missing = instants("*/30 2 * * *", "2026-03-28T12:00:00+00:00", "Europe/Berlin", 2)
    twice = instants("*/30 2 * * *", "2026-10-24T12:00:00+00:00", "Europe/Berlin", 5)

    assert missing == ["03-30 00:00", "03-30 00:30"]
    assert twice == ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"]


@pytest.mark.parametrize("text", ["", "* * * *", "* * * * * *", "@daily"])
def test_what_has_not_five_fields_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(text)

    assert caught.value.message == (
        "schedule must be five cron fields such as `15 2 * * *`: minute, hour, day, month, weekday"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("61 * * * *", "schedule must have as its minute 0 to 59 (or a list, range or step of them), not `61`"),
        ("0 25 * * *", "schedule must have as its hour 0 to 23 (or a list, range or step of them), not `25`"),
        ("*/0 * * * *", "schedule must have as its minute 0 to 59 (or a list, range or step of them), not `*/0`"),
        (
            "0 0 0 * MOO",
            "schedule must have as its day 1 to 31 (or a list, range or step of them), not `0`; as its weekday 0 to 7 "
            "or SUN to SAT (or a list, range or step of them), not `MOO`",
        ),
        (
            "0 0 * 1-13 *",
            "schedule must have as its month 1 to 12 or JAN to DEC (or a list, range or step of them), not `1-13`",
        ),
        ("🕐 * * * *", "schedule must have as its minute 0 to 59 (or a list, range or step of them), not `🕐`"),
        ("0 0 30 2 *", "schedule must come at some time: no month `2` has a day `30`"),
        ("0 0 31 4,6 *", "schedule must come at some time: no month `4,6` has a day `31`"),
    ],
)
def test_the_field_that_is_wrong_is_named_with_what_would_be_right(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check(text)

    assert caught.value.message == message
    assert caught.value.problems[0].field == ("input", "schedule")


def test_spaces_do_not_matter() -> None:
    assert check("  0   9 *  * MON-FRI ") == "0 9 * * MON-FRI"
