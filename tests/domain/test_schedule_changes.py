"""Schedules on the nights of change of every zone from 2020 to 2030, held against a clock that is looked at minute by
minute: the next instant lies ahead, fixed times come once, and where a field begins with `*` the clock is followed."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from domain.calendar import compute_offset, find_next_change, find_next_run

FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
FIXED = ("15 2 * * *", "0 0 * * *", "30 0,1,2,3,23 * * *", "0,45 1-3 * * *")
FOLLOWED = ("0 * * * *", "*/20 * * * *", "*/30 1,2 * * *", "* 0 * * *", "15 */2 * * *")
# All zones are looked through first; other tests of schedules hold a few nights of them.
pytestmark = pytest.mark.slow
Change = tuple[datetime, timedelta, timedelta]


@cache
def changes() -> dict[tuple[Change, ...], str]:
    """Every zone that changes, one of each that change alike: instant, distance from UTC before and after."""
    found = {}
    for name in sorted(available_timezones()):
        tz, at, own = ZoneInfo(name), FIRST, list[Change]()
        while (change := find_next_change(at, LAST, tz)) is not None:
            own.append((change, compute_offset(change - MINUTE, tz), compute_offset(change, tz)))
            at = change
        if own:
            found.setdefault(tuple(own), name)
    return found


def numbers(field: str, highest: int) -> set[int]:
    """What a field of these schedules holds."""
    found = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        found |= set(range(highest)) if span == "*" else set(range(int(low), int(high or low) + 1))
        found = {number for number in found if number % int(step or 1) == 0}
    return found


def due(text: str, change: Change) -> list[datetime]:
    """All instants from a day before the change to two days after it at which the schedule is due."""
    instant, before, after = change
    fields = text.split()
    minutes, hours = numbers(fields[0], 60), numbers(fields[1], 24)
    wanted = {hour * 60 + minute for hour in hours for minute in minutes}
    # Minutes of the clock on the wall, counted from the midnight before the day before.
    midnight = (instant + before).replace(hour=0, minute=0) - DAY
    change_at, shift = (instant + before - midnight) // MINUTE, (after - before) // MINUTE
    shown = [*range(change_at), *range(change_at + shift, change_at + shift + 2 * 24 * 60)]
    seen = set[int]()
    found = []
    for step, local in enumerate(shown):
        if local % (24 * 60) in wanted and (text in FOLLOWED or local not in seen):
            seen.add(local)
            found.append(midnight - before + step * MINUTE)
    if text in FIXED and any(local % (24 * 60) in wanted for local in range(change_at, change_at + shift)):
        found.append(instant)
    return sorted(set(found))


def test_there_are_changes_of_every_kind() -> None:
    zones = {name: ZoneInfo(name) for name in changes().values()}
    steps = {after - before for own in changes() for _, before, after in own}

    assert len(zones) > 40
    assert {timedelta(minutes=30), timedelta(hours=-1), timedelta(hours=2), timedelta(hours=-2)} <= steps


@pytest.mark.parametrize("text", [*FIXED, *FOLLOWED])
def test_the_next_time_lies_ahead_and_is_the_right_one_on_every_night_of_change(text: str) -> None:
    wrong = []

    for own, zone in changes().items():
        for change in own:
            instant, before, after = change
            times, shift = due(text, change), abs(after - before)
            # Both times that the clock shows the same, the change itself, and a day before and after.
            near = [instant + step * shift / 8 for step in range(-9, 10)]
            for at in (instant - DAY, instant - MINUTE, instant + timedelta(seconds=59), instant + DAY / 2, *near):
                right = times[bisect_right(times, at)]
                found = find_next_run(text, at, zone)
                if found != right:
                    wrong.append(f"{zone} after {at}: {found}, not {right}")

    assert wrong == []


@pytest.mark.parametrize("text", [*FIXED, *FOLLOWED])
def test_from_each_time_to_the_next_nothing_is_missed_and_nothing_comes_twice(text: str) -> None:
    wrong = []

    for own, zone in changes().items():
        # The first and the last of its years, in both directions.
        for change in {*own[:2], *own[-2:]}:
            at, found = change[0] - DAY, list[datetime]()
            while (then := find_next_run(text, at, zone)) is not None and then <= change[0] + DAY:
                found.append(then)
                at = then
            if found != [one for one in due(text, change) if change[0] - DAY < one <= change[0] + DAY]:
                wrong.append(f"{zone} around {change[0]}")

    assert wrong == []
