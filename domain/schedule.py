"""When scheduled work is due: five cron fields in the business's time zone. A time that does not exist on a night of
change comes at the first instant after the gap, one that happens twice comes once; but where minute or hour begin with
`*`, the clock is followed as it goes, so that what the gap skips is left out and what happens twice comes twice."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from domain.calendar import next_change, offset_at, zone
from domain.errors import InvalidInput

NIGHTLY = "15 2 * * *"
"""When dynamic segments without a schedule of their own are calculated."""
FARTHEST = timedelta(days=366 * 9)
FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day", "1 to 31"),
    ("month", "1 to 12 or JAN to DEC"),
    ("weekday", "0 to 7 or SUN to SAT"),
)


def check(text: str, field: tuple[str, ...] = ("input", "schedule")) -> str:
    """The expression with single spaces; InvalidInput names the fields that are wrong, or says that it never comes."""
    fields = text.split()
    if len(fields) != len(FIELDS):
        names = ", ".join(name for name, _ in FIELDS)
        raise InvalidInput(f"schedule must be five cron fields such as `{NIGHTLY}`: {names}", field)
    expression = " ".join(fields)
    if _comes(expression):
        return expression
    wrong = [
        f"as its {name} {right} (or a list, range or step of them), not `{given[:20]}`"
        for place, (given, (name, right)) in enumerate(zip(fields, FIELDS, strict=True))
        if not _comes(" ".join(given if other == place else "*" for other in range(len(FIELDS))))
    ]
    if not wrong:
        raise InvalidInput(f"schedule must come at some time: no month `{fields[3]}` has a day `{fields[2]}`", field)
    raise InvalidInput(f"schedule must have {'; '.join(wrong)}", field)


def _comes(expression: str) -> bool:
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return False
    return True


def next_run(text: str | None, after: datetime, time_zone: str) -> datetime | None:
    """The first instant after the given one at which the schedule is due; the nightly one's where there is none."""
    expression, tz = text or NIGHTLY, zone(time_zone)
    minute, hour, *_ = expression.split()
    try:
        if minute.startswith("*") or hour.startswith("*"):
            found = _by_the_clock(expression, after, tz)
        else:
            # Of a time that happens twice this yields the first, which is past where the clock shows the second.
            times = (local.astimezone(UTC) for local in CronSim(expression, after.astimezone(tz)))
            found = next(instant for instant in times if instant > after)
    except (CronSimError, StopIteration, OverflowError):
        return None
    return found if found - after < FARTHEST else None


def _by_the_clock(expression: str, after: datetime, tz: ZoneInfo) -> datetime:
    """The first instant at which the local time is one of the schedule's. From one change of the zone's offset to the
    next local time goes evenly, so each of these stretches is searched without a zone."""
    start, offset = after.astimezone(UTC), offset_at(after, tz)
    local = start + offset
    while True:
        found = next(CronSim(expression, local.replace(tzinfo=None))).replace(tzinfo=UTC) - offset
        change = next_change(start, min(found, after + FARTHEST), tz)
        if change is None:
            return found
        start, offset = change, offset_at(change, tz)
        # So that the instant of the change itself is looked at.
        local = start + offset - timedelta(microseconds=1)
