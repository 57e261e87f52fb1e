"""When scheduled work is due: five cron fields in the business's time zone. A time that does not exist on a night of
change comes at the first instant after the gap, one that happens twice comes once; but where minute or hour begin with
`*`, the clock is followed as it goes, so that what the gap skips is left out and what happens twice comes twice."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from domain.calendar import zone
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
    tz = zone(time_zone)
    try:
        found = next(CronSim(text or NIGHTLY, after.astimezone(tz)))
    except (CronSimError, StopIteration, OverflowError):
        return None
    instant = found.astimezone(UTC)
    return instant if instant - after < FARTHEST else None
