"""The definition of a festive day, date by date, against which the ranges of days are held."""

from datetime import date

from domain.classification.festive import FestivePeriods


def is_festive(periods: FestivePeriods, day: date) -> bool:
    """Whether the day lies in a dated range, or between two month-days that may wrap the new year."""
    here = (day.month, day.day)
    if any(low <= day <= high for low, high in periods.dated):
        return True
    return any(low <= here <= high if low <= high else here >= low or here <= high for low, high in periods.yearly)
