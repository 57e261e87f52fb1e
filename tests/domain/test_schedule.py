"""When schedules are due: five cron fields in the business's zone, on nights of change too."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.calendar import check, find_next_run
from domain.errors import InvalidInput

DUE = {
    "at the business's own time": ("0 9 * * 1", "Asia/Colombo", "2024-03-31T00:00", ["04-01 03:30", "04-08 03:30"]),
    "every twenty minutes": ("*/20 * * * *", "UTC", "2024-03-31T23:50", ["04-01 00:00", "04-01 00:20", "04-01 00:40"]),
    "on a leap day": ("0 0 29 2 *", "UTC", "2024-03-01T00:00", ["02-29 00:00"]),
    "twice a month": ("0 8 1,15 * *", "Pacific/Kiritimati", "2024-03-31T00:00", ["03-31 18:00", "04-14 18:00"]),
    "when nothing is said": (None, "Europe/London", "2024-07-01T12:00", ["07-02 01:15", "07-03 01:15"]),
    # On the 31st the clock goes from 01:00 to 02:00 local time, which is 01:00 UTC.
    "at the end of the gap where a time is skipped": (
        "30 1 * * *", "Europe/London", "2024-03-30T00:00", ["03-30 01:30", "03-31 01:00", "04-01 00:30"]
    ),
    "once where a time happens twice": (
        "30 1 * * *", "Europe/London", "2024-10-26T12:00", ["10-27 00:30", "10-28 01:30"]
    ),
    "hourly through the night of change": (
        "0 * * * *", "Europe/London", "2024-10-26T23:30", ["10-27 00:00", "10-27 01:00", "10-27 02:00", "10-27 03:00"]
    ),
    # Minutes and hours that begin with a star follow the clock: from 02:00 to 03:00 is missing in March, which is
    # 01:00 UTC, and comes twice in October, from 00:00 UTC.
    "by the clock where an hour is missing": (
        "*/30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", ["03-30 00:00", "03-30 00:30"]
    ),
    "by the clock where an hour comes twice": (
        "*/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00",
        ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-26 01:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("when", DUE)
def test_a_schedule_is_due(when: str) -> None:
    text, zone, after, due = DUE[when]
    found, at = [], datetime.fromisoformat(after).replace(tzinfo=UTC)

    for _ in due:
        then = find_next_run(text, at, zone)
        assert then is not None
        assert then > at
        found.append(then.strftime("%m-%d %H:%M"))
        at = then

    assert found == due


def test_missed_times_are_behind_and_the_next_one_lies_ahead() -> None:
    now = datetime(2024, 6, 15, 12, 34, tzinfo=UTC)

    then = find_next_run("0 * * * *", now, "UTC")

    assert then == now.replace(minute=0) + timedelta(hours=1)


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
