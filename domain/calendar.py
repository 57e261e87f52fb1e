"""Time. Instants are aware and UTC, days belong to the business's IANA zone and are ordinal numbers; nothing else in
the project turns one into the other. Intervals of a series are days, weeks from Monday, or months in that zone.
Schedules are five cron fields in it: a time that does not exist on a night of change comes at the first instant after
the gap, one that happens twice comes once; but where minute or hour begin with `*`, the clock is followed as it goes,
so that what the gap skips is left out and what happens twice comes twice."""

from calendar import month_name
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache, lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from domain.errors import InvalidInput, Sentence


class Clock(Protocol):
    """Where time comes from."""

    def __call__(self) -> datetime:
        """The present instant, aware, UTC."""
        ...


DayRanges = tuple[tuple[int, int], ...]
"""Inclusive ranges of day numbers."""


@dataclass(frozen=True, slots=True)
class Span:
    """A window as the store reads it: first and last day number, and the storefront or None for all."""

    first_day: int
    last_day: int
    storefront_id: int | None = None

    @property
    def days(self) -> int:
        """Its length in days."""
        return self.last_day - self.first_day + 1


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)
MAXIMUM_DAYS = 9999


@lru_cache(maxsize=256)
def load_zone(name: str) -> ZoneInfo:
    """The IANA zone; InvalidInput when there is none of that name."""
    if name != "UTC" and name not in available_timezones():
        message = Sentence("{time_zone} must be an IANA name such as Asia/Colombo, not {!r}", name[:40])
        raise InvalidInput(message, ("time_zone",))
    return ZoneInfo(name)


def to_local_date(instant: datetime, tz: ZoneInfo) -> date:
    """The calendar date of the instant in the zone."""
    return instant.astimezone(tz).date()


def to_local_day(instant: datetime, tz: ZoneInfo) -> int:
    """The ordinal number of the instant's date in the zone."""
    return instant.astimezone(tz).toordinal()


def find_start_of_day(day: date, tz: ZoneInfo) -> datetime:
    """The instant at which the local date begins; where midnight is skipped, the first instant after the gap."""
    return datetime.combine(day, time(), tz).astimezone(UTC)
    # A midnight inside a gap is read with the offset from before it, which lands after the gap or exactly on its end.


def find_day_boundaries(utc_day: int, tz: ZoneInfo) -> list[tuple[int, int]]:
    """Instants in the UTC day of that ordinal number, each with the local day that holds from there to the next.

    Besides local midnights these are the changes of the zone's offset: some leap over a whole date, and some go back
    over midnight, so that a date is interrupted by the one before it.
    """
    if not EARLIEST.toordinal() <= utc_day <= LATEST.toordinal():
        return []
    start = EPOCH + timedelta(days=utc_day - EPOCH.toordinal())
    end = start + timedelta(days=1)
    instants = {start}
    change = find_next_change(start, end, tz)
    if change is not None:
        instants.add(change)
    instants.update(start + (-compute_offset(instant, tz)) % timedelta(days=1) for instant in (start, end))
    return [(to_micros(instant), to_local_day(instant, tz)) for instant in sorted(instants)]


def compute_offset(instant: datetime, tz: ZoneInfo) -> timedelta:
    """How far local time is ahead of UTC at the instant."""
    return instant.astimezone(tz).utcoffset() or timedelta()


def find_next_change(after: datetime, until: datetime, tz: ZoneInfo) -> datetime | None:
    """The first instant after the one and not after the other from which local time is another distance ahead of UTC;
    None where there is none. Changes are in whole seconds; no zone changes twice within a day."""
    low, end = after.replace(microsecond=0), until.replace(microsecond=0)
    before = compute_offset(low, tz)
    while low < end:
        high = min(low + timedelta(days=1), end)
        if compute_offset(high, tz) != before:
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) // 2).replace(microsecond=0)
                low, high = (middle, high) if compute_offset(middle, tz) == before else (low, middle)
            return high
        low = high
    return None


def read_instant(text: str, tz: ZoneInfo) -> datetime:
    """ISO 8601: a date (its local midnight), a naive timestamp (local time) or an aware one; ValueError otherwise.

    A naive time that happens twice is the first of the two; one in a gap is read with the offset from before it.
    """
    try:
        if len(text) < 10 or not text.isascii() or not text[0].isdigit():
            raise ValueError(text)
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError("must be an ISO 8601 date or timestamp such as 2024-03-01 or 2024-03-01T09:30:00Z") from error
    return to_utc(value, tz)


def to_utc(value: datetime, tz: ZoneInfo) -> datetime:
    """The UTC instant of a naive (local) or aware time; ValueError outside the years that every zone can show."""
    try:
        instant = (value if value.tzinfo else value.replace(tzinfo=tz)).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999") from error
    if not EARLIEST <= instant <= LATEST:
        raise ValueError("must lie between the years 1 and 9999")
    return instant


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware instant, exactly."""
    delta = instant - EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def from_micros(micros: int) -> datetime:
    """The UTC instant of microseconds since 1970."""
    return EPOCH + timedelta(microseconds=micros)


def format_instant(instant: datetime) -> str:
    """ISO 8601 in UTC, such as 2024-03-01T09:30:00Z."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_micros(instants: Iterable[int]) -> list[str]:
    """The same of microseconds since 1970, for files of millions: most days of them come again, and all minutes."""
    minutes, seconds = _list_minutes(), _list_seconds()
    return [
        _format_utc_day(micros // 86_400_000_000)
        + minutes[micros // 60_000_000 % 1_440]
        + seconds[micros // 1_000_000 % 60]
        + (f".{part:06}Z" if (part := micros % 1_000_000) else "Z")
        for micros in instants
    ]


@lru_cache(maxsize=4096)
def _format_utc_day(day: int) -> str:
    return f"{date.fromordinal(EPOCH.toordinal() + day)}T"


@cache
def _list_minutes() -> list[str]:
    return [f"{minute // 60:02}:{minute % 60:02}:" for minute in range(1_440)]


@cache
def _list_seconds() -> list[str]:
    return [f"{second:02}" for second in range(60)]


def format_day(day: date) -> str:
    """Such as 3 April 2024."""
    return f"{day.day} {month_name[day.month]} {day.year}"


def check_days(days: int) -> int:
    """The length of a window; InvalidInput when out of bounds."""
    if not 1 <= days <= MAXIMUM_DAYS:
        raise InvalidInput(Sentence("{days} must be between 1 and {}", MAXIMUM_DAYS), ("days",))
    return days


MAXIMUM_POINTS = 1000


class SeriesInterval(StrEnum):
    """How long one interval of a series is."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class Series:
    """The intervals by their first dates, and the instants that part them: one more than there are intervals."""

    dates: tuple[date, ...]
    bounds: tuple[datetime, ...]


def build_series(first: date, last: date, interval: SeriesInterval, time_zone: str) -> Series:
    """Every whole interval that holds a date from `first` to `last`, both included; InvalidInput where there are too
    many."""
    if first > last:
        raise InvalidInput("to must not be before from", ("to",))
    # Months have at least 28 days; what is far too long is refused before it is counted.
    shortest = {SeriesInterval.DAY: 1, SeriesInterval.WEEK: 7, SeriesInterval.MONTH: 28}[interval]
    dates: list[date] = []
    if (last - first).days // shortest <= 2 * MAXIMUM_POINTS:
        try:
            start = _find_start(first, interval)
            while start <= last:
                dates.append(start)
                start = _add_interval(start, interval)
        except OverflowError as error:
            raise _build_calendar_error() from error
    if not 1 <= len(dates) <= MAXIMUM_POINTS:
        message = f"from and to must span at most {MAXIMUM_POINTS} points of the interval {interval.value}"
        raise InvalidInput(message, ("to",))
    if not EARLIEST.date() <= dates[0] <= start <= LATEST.date():
        raise _build_calendar_error()
    tz = load_zone(time_zone)
    return Series(tuple(dates), tuple(find_start_of_day(day, tz) for day in (*dates, start)))


def _build_calendar_error() -> InvalidInput:
    return InvalidInput("from and to must lie between the years 1 and 9999", ("from",))


def _find_start(day: date, interval: SeriesInterval) -> date:
    if interval is SeriesInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is SeriesInterval.MONTH else day


def _add_interval(day: date, interval: SeriesInterval) -> date:
    if interval is SeriesInterval.MONTH:
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval is SeriesInterval.WEEK else 1)


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
        raise InvalidInput(f"{field[-1]} must be five cron fields such as `{NIGHTLY}`: {names}", field)
    expression = " ".join(fields)
    if _has_occurrence(expression):
        return expression
    wrong = [
        f"as its {name} {right} (or a list, range or step of them), not `{part[:20]}`"
        for place, (part, (name, right)) in enumerate(zip(fields, FIELDS, strict=True))
        if not _has_occurrence(" ".join(part if other == place else "*" for other in range(len(FIELDS))))
    ]
    if not wrong:
        raise InvalidInput(f"{field[-1]} must come at some time: no month `{fields[3]}` has a day `{fields[2]}`", field)
    raise InvalidInput(f"{field[-1]} must have {'; '.join(wrong)}", field)


def _has_occurrence(expression: str) -> bool:
    try:
        next(CronSim(expression, datetime(2024, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        return False
    return True


def find_next_run(text: str | None, after: datetime, time_zone: str) -> datetime | None:
    """The first instant after the given one at which the schedule is due; the nightly one's where there is none."""
    expression, tz = text or NIGHTLY, load_zone(time_zone)
    minute, hour, *_ = expression.split()
    try:
        if minute.startswith("*") or hour.startswith("*"):
            run = _find_local_time(expression, after, tz)
        else:
            # Of a time that happens twice this yields the first, which is past where the clock shows the second.
            times = (local.astimezone(UTC) for local in CronSim(expression, after.astimezone(tz)))
            run = next(instant for instant in times if instant > after)
    except (CronSimError, StopIteration, OverflowError):
        return None
    return run if run - after < FARTHEST else None


def _find_local_time(expression: str, after: datetime, tz: ZoneInfo) -> datetime:
    """The first instant at which the local time is one of the schedule's. From one change of the zone's offset to the
    next local time goes evenly, so each of these stretches is searched without a zone."""
    start, offset = after.astimezone(UTC), compute_offset(after, tz)
    local = start + offset
    while True:
        instant = next(CronSim(expression, local.replace(tzinfo=None))).replace(tzinfo=UTC) - offset
        change = find_next_change(start, min(instant, after + FARTHEST), tz)
        if change is None:
            return instant
        start, offset = change, compute_offset(change, tz)
        # So that the instant of the change itself is looked at.
        local = start + offset - timedelta(microseconds=1)
