"""When scheduled work is due: five cron fields in the business's time zone. A time that does not exist on a night of
change comes at the first instant after the gap, one that happens twice comes once."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError

from domain.calendar import zone
from domain.errors import InvalidInput

NIGHTLY = "15 2 * * *"
"""When dynamic segments without a schedule of their own are calculated."""
FARTHEST = timedelta(days=366 * 9)


def check(text: str, field: tuple[str, ...] = ("input", "schedule")) -> str:
    """The expression with single spaces; InvalidInput where it is not one of five fields that comes again."""
    fields = text.split()
    wrong = "schedule must be five cron fields such as `15 2 * * *`: minute, hour, day, month, weekday"
    if len(fields) != 5:
        raise InvalidInput(wrong, field)
    expression = " ".join(fields)
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration) as error:
        raise InvalidInput(wrong, field) from error
    return expression


def next_run(text: str | None, after: datetime, time_zone: str) -> datetime | None:
    """The first instant after the given one at which the schedule is due; the nightly one's where there is none."""
    tz = zone(time_zone)
    try:
        found = next(CronSim(text or NIGHTLY, after.astimezone(tz)))
    except (CronSimError, StopIteration, OverflowError):
        return None
    instant = found.astimezone(UTC)
    return instant if instant - after < FARTHEST else None
