"""The readings that dates of a file can have: each is one or more forms that never read the same text as different
days. The likeliest comes first, and all that may be meant are kept."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from domain.imports.dates import DateFault, DateForm, DateReader
from domain.imports.formats import check_forms_agree

Days = Mapping[str, Mapping[str, datetime]]
"""What each form reads of which texts."""
ISO_FORMS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z")
"""Forms of ISO 8601, which have to be said where another is."""


def is_read(reader: DateReader, text: str) -> bool:
    try:
        reader(text)
    except DateFault:
        return False
    return True


def read_days(form: str, texts: Sequence[str]) -> dict[str, datetime]:
    """The texts that the form can read, with their times."""
    read, days = DateForm(form), {}
    for text in texts:
        try:
            at = read(text)
            days[text] = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        except ValueError:
            continue
    return days


def join_forms(days: Days) -> dict[tuple[str, ...], dict[str, datetime]]:
    """Each form with the others that read more and never read the same text as another day."""
    joined: dict[tuple[str, ...], dict[str, datetime]] = {}
    for form in days:
        some, read = [form], dict(days[form])
        for other in sorted(days, key=lambda one: -len(days[one])):
            if other in some or days[other].keys() <= read.keys() or not _agree(some, other):
                continue
            if all(read[text].date() == day.date() for text, day in days[other].items() if text in read):
                some.append(other)
                read = {**days[other], **read}
        key = tuple(sorted(some, key=lambda one: -len(days[one])))
        joined.setdefault(key, {text: read[text] for text in read})
    return joined


def _agree(forms: Sequence[str], other: str) -> bool:
    try:
        for form in forms:
            check_forms_agree(DateForm(form), DateForm(other))
    except ValueError:
        return False
    return True


def cover(reading: Sequence[str], days: Days) -> set[str]:
    return {text for form in reading for text in days[form]}


def find_day(reading: Sequence[str], days: Days, text: str) -> datetime | None:
    return next((days[form][text] for form in reading if text in days[form]), None)


def get_first(reading: Sequence[str], days: Days) -> list[datetime]:
    return list(days[reading[0]].values())[:1]


def order_readings(readings: Mapping[tuple[str, ...], Mapping[str, datetime]], currency: str) -> list[tuple[str, ...]]:
    """Those that may be meant, the likeliest first: most dates are read, and the rows follow each other in time. Where
    all that is the same, dollars of the United States stand beside months that come first."""
    most = max(map(len, readings.values()), default=0)
    month_first = currency == "USD"

    def rate(reading: tuple[str, ...]) -> tuple[int, int, float, bool]:
        days = list(readings[reading].values())
        steps = [one < other for one, other in pairwise(days) if one != other]
        turns = min(sum(steps), len(steps) - sum(steps))
        span = (max(days) - min(days)).total_seconds()
        return -len(days), turns, span, (reading[0].find("%m") < reading[0].find("%d")) != month_first

    ordered = sorted(readings, key=rate)
    best = readings[ordered[0]] if ordered else {}
    kept: list[tuple[str, ...]] = []
    for reading in ordered:
        days = readings[reading]
        same = all(days.get(text, day).date() == day.date() for text, day in best.items())
        adds = len(days) == most or any(text not in best for text in days)
        if reading == ordered[0] or (not same and adds and 10 * len(days) >= most):
            kept.append(reading)
    return kept
