"""Calendar intervals of a series: days, weeks from Monday, or months, in the business's zone."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from domain.calendar import EARLIEST, LATEST, start_of_day, zone
from domain.errors import InvalidInput

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


def series(first: date, last: date, interval: SeriesInterval, time_zone: str) -> Series:
    """Every whole interval that holds a date from `first` to `last`, both included; InvalidInput where there are too
    many."""
    if first > last:
        raise InvalidInput("to must not be before from", ("to",))
    # Months have at least 28 days; what is far too long is refused before it is counted.
    shortest = {SeriesInterval.DAY: 1, SeriesInterval.WEEK: 7, SeriesInterval.MONTH: 28}[interval]
    dates: list[date] = []
    if (last - first).days // shortest <= 2 * MAXIMUM_POINTS:
        try:
            start = _start(first, interval)
            while start <= last:
                dates.append(start)
                start = _next(start, interval)
        except OverflowError as error:
            raise _out_of_calendar() from error
    if not 1 <= len(dates) <= MAXIMUM_POINTS:
        message = f"from and to must span at most {MAXIMUM_POINTS} points of the interval {interval.value}"
        raise InvalidInput(message, ("to",))
    if not EARLIEST.date() <= dates[0] <= start <= LATEST.date():
        raise _out_of_calendar()
    tz = zone(time_zone)
    return Series(tuple(dates), tuple(start_of_day(day, tz) for day in (*dates, start)))


def _out_of_calendar() -> InvalidInput:
    return InvalidInput("from and to must lie between the years 1 and 9999", ("from",))


def _start(day: date, interval: SeriesInterval) -> date:
    if interval is SeriesInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if interval is SeriesInterval.MONTH else day


def _next(day: date, interval: SeriesInterval) -> date:
    if interval is SeriesInterval.MONTH:
        return (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return day + timedelta(days=7 if interval is SeriesInterval.WEEK else 1)
