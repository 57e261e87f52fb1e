"""Time: instants are aware and UTC, days belong to the business's IANA zone and are ordinal numbers. Nothing else in
the project turns one into the other."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from domain.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = datetime(1, 1, 3, tzinfo=UTC)
LATEST = datetime(9999, 12, 29, tzinfo=UTC)
MAXIMUM_DAYS = 9999


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The IANA zone; InvalidInput when there is none of that name."""
    if name != "UTC" and name not in available_timezones():
        raise InvalidInput(f"timeZone must be an IANA name such as Asia/Colombo, not {name[:40]!r}", ("timeZone",))
    return ZoneInfo(name)


def local_date(instant: datetime, tz: ZoneInfo) -> date:
    """The calendar date of the instant in the zone."""
    return instant.astimezone(tz).date()


def local_day(instant: datetime, tz: ZoneInfo) -> int:
    """The ordinal number of the instant's date in the zone."""
    return instant.astimezone(tz).toordinal()


def start_of_day(day: date, tz: ZoneInfo) -> datetime:
    """The instant at which the local date begins; where midnight is skipped, the first instant after the gap."""
    return datetime.combine(day, time(), tz).astimezone(UTC)
    # A midnight inside a gap is read with the offset from before it, which lands after the gap or exactly on its end.


def day_boundaries(utc_day: int, tz: ZoneInfo) -> list[tuple[int, int]]:
    """Instants in the UTC day of that ordinal number, each with the local day that holds from there to the next.

    Besides local midnights these are the changes of the zone's offset: some leap over a whole date, and some go back
    over midnight, so that a date is interrupted by the one before it.
    """
    if not EARLIEST.toordinal() <= utc_day <= LATEST.toordinal():
        return []
    start = EPOCH + timedelta(days=utc_day - EPOCH.toordinal())
    end = start + timedelta(days=1)
    instants = {start}
    change = next_change(start, end, tz)
    if change is not None:
        instants.add(change)
    instants.update(start + (-offset_at(instant, tz)) % timedelta(days=1) for instant in (start, end))
    return [(to_micros(instant), local_day(instant, tz)) for instant in sorted(instants)]


def offset_at(instant: datetime, tz: ZoneInfo) -> timedelta:
    """How far local time is ahead of UTC at the instant."""
    return instant.astimezone(tz).utcoffset() or timedelta()


def next_change(after: datetime, until: datetime, tz: ZoneInfo) -> datetime | None:
    """The first instant after the one and not after the other from which local time is another distance ahead of UTC;
    None where there is none. Changes are in whole seconds; no zone changes twice within a day."""
    low, end = after.replace(microsecond=0), until.replace(microsecond=0)
    before = offset_at(low, tz)
    while low < end:
        high = min(low + timedelta(days=1), end)
        if offset_at(high, tz) != before:
            while high - low > timedelta(seconds=1):
                middle = (low + (high - low) // 2).replace(microsecond=0)
                low, high = (middle, high) if offset_at(middle, tz) == before else (low, middle)
            return high
        low = high
    return None


def read_instant(text: str, tz: ZoneInfo) -> datetime:
    """ISO 8601: a date (its local midnight), a naive timestamp (local time) or an aware one; ValueError otherwise.

    A naive time that happens twice is the first of the two; one in a gap is read with the offset from before it.
    """
    if len(text) < 10 or not text[:1].isdigit():
        raise ValueError("must be an ISO 8601 date or timestamp such as 2024-03-01 or 2024-03-01T09:30:00Z")
    try:
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


def checked_days(days: int) -> int:
    """The length of a window; InvalidInput when out of bounds."""
    if not 1 <= days <= MAXIMUM_DAYS:
        raise InvalidInput(f"days must be between 1 and {MAXIMUM_DAYS}", ("days",))
    return days
