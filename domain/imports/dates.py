"""Instants of a source, each read as ISO 8601 or exactly in a form that was told. Most share their hour with thousands
of others, so an hour is looked at once and the rest of the text is added to it; a zone that a cell or the form names is
honoured, and a time without one is of the file's zone, or else of the business's."""

import re
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from zoneinfo import ZoneInfo, available_timezones

from domain.calendar import format_day, load_zone, read_instant, to_micros, to_utc
from domain.errors import Names

HOUR = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}", re.ASCII)
TAIL = re.compile(r":([0-5]\d)(?::([0-5]\d)(?:\.(\d{3}|\d{6}))?)?", re.ASCII)
NUMBERS = re.compile(
    r"(\d{1,4})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T](\d{1,2}:\d{2}(:\d{2})?)( ?[AaPp][Mm])?)?", re.ASCII
)
NAMED_DAYS = ("%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d-%B-%Y", "%d/%b/%Y", "%B %d, %Y", "%b %d, %Y", "%b %d %Y")
MORE_DAYS = ("%d-%b-%y", "%b-%d-%y", "%b-%d-%Y", "%a, %d %b %Y", "%Y%m%d")
NAMED_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %I:%M %p", ", %I:%M:%S %p", " %H:%M:%S %z")
NAMED = tuple(f"{day}{time}" for day in NAMED_DAYS + MORE_DAYS for time in NAMED_TIMES)
"""Forms without doubt that are not ISO 8601 as it is read here; they are proposed, and read when they are told."""
NAMED_SIGN = re.compile("jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|[0-9]{6}", re.IGNORECASE)
"""What every date of these forms has in it: to try them all takes a millisecond, and every row may be wrong."""
ZONED = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*"
    r"(?:([A-Za-z][\w/+-]*?)?\s*([+-]\d{2}(?::?\d{2})?)?)(?:\[[\w/+-]+\])?",
    re.ASCII,
)
"""An ISO 8601 time with the name of a zone after it, or an offset where ISO 8601 has none."""
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.*", re.ASCII)
FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
"""A digit of another script, which `strptime` would take."""
ZONE_NAME = re.compile(r"[A-Za-z]\w*(?:[/+-]\w+)*")
DIRECTIVE = re.compile(r"%.|[^%]+", re.DOTALL)
UNIVERSAL = ("Z", "UTC", "GMT")
SAMPLE = datetime(2024, 3, 31, tzinfo=UTC)
"""A date whose day, month and year cannot be taken for one another."""
DIRECTIVES = tuple(re.findall("%.", "%a%A%w%d%b%B%m%y%Y%H%I%p%M%S%f%z%Z%j%U%W%c%x%X%G%u%V"))
TIMES = frozenset({"%H", "%I", "%M", "%S", "%f", "%c", "%X", "%z", "%Z"})
WHOLE = frozenset({"%c", "%x"})
PARTS = {
    "year": WHOLE | {"%Y", "%y", "%G"},
    "month": WHOLE | {"%m", "%b", "%B", "%j", "%V", "%U", "%W"},
    "day": WHOLE | {"%d", "%j", "%u", "%a", "%A", "%w"},
}
"""What names each part of a day."""
USUAL = (1985, 2060)
"""Years that a number which looks like a date is likely to mean."""
ABSENT = frozenset({"", "null", "nan", "nat", "none", "\\n", "n/a", "#n/a", "-"})
REMEMBERED = 50_000
LONGEST_REMEMBERED = 100
HOUR_MICROS = 3_600_000_000


class DateFault(ValueError):
    """Why a date is refused."""


@lru_cache(maxsize=1_000)
def find_zone(name: str) -> tzinfo | None:
    """The zone of a name such as UTC, Z or Europe/Berlin; None where it is no name of one, or only the abbreviation of
    some, such as EST."""
    if name.upper() in UNIVERSAL:
        return UTC
    return ZoneInfo(name) if "/" in name and name in available_timezones() else None


Zones = Mapping[str, str]
"""Words for zones in a source, and the IANA names that they mean."""


class DateForm:
    """A form of dates as `strptime` has them, or `excel`, `excel1904`, `epoch`, `epoch_ms` for numbers. Where it holds
    the name of a zone the times are of that zone; where it says %Z, of the zone that stands in the cell, by its name or
    by a word of `zones`. `has_time`: whether it says more than a day. ValueError where it does not name a day."""

    def __init__(self, form: str, zones: Zones = MappingProxyType({})) -> None:
        self.form = form
        self.zones = zones
        self.serial = SERIALS.get(form)
        if self.serial is not None:
            self.has_time = self.serial.unit is not DAY
            return
        parts = DIRECTIVE.findall(form)
        said = {part for part in parts if part[0] == "%"}
        _check_directives(parts, said)
        names = [name for part in parts if part[0] != "%" for name in ZONE_NAME.findall(part)]
        self.zone = next((zone for name in names if (zone := find_zone(name)) is not None), None)
        self.named = "%Z" in said
        self.has_time = bool(said & TIMES)
        self.bare = "".join(part for part in parts if part != "%Z").strip()
        try:
            good = self(SAMPLE.strftime(form)).date() == SAMPLE.date()
        except (ValueError, re.error):
            good = False
        if not good:
            raise ValueError("must name year, month and day, such as %d/%m/%Y")

    def __call__(self, text: str) -> datetime:
        """The time, with its zone where one is named; ValueError where the text is not of the form."""
        if not text.isascii() and FOREIGN_DIGIT.search(text):
            raise ValueError("must be written in the digits 0 to 9")
        if self.serial is not None:
            return self.serial.read(text)
        if not self.named:
            return self._set_zone(self.zone, datetime.strptime(text, self.form))
        for word in self.zones:
            if word in text:
                bare = " ".join(text.replace(word, " ").split())
                return self._set_zone(ZoneInfo(self.zones[word]), datetime.strptime(bare, self.bare))
        names = [(match, named) for match in ZONE_NAME.finditer(text) if (named := find_zone(match[0])) is not None]
        if not names:
            raise ValueError(f"no zone is named in {text[:40]!r}")
        match, named = names[-1]
        without = f"{text[: match.start()]}{text[match.end() :]}".strip()
        return self._set_zone(named, datetime.strptime(without, self.bare))

    def _set_zone(self, named: tzinfo | None, read: datetime) -> datetime:
        return read if named is None or read.tzinfo is not None else read.replace(tzinfo=named)


DAY, SECOND, MILLISECOND = timedelta(days=1), timedelta(seconds=1), timedelta(milliseconds=1)
SERIAL = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")


@dataclass(frozen=True, slots=True)
class Serial:
    """Dates that are numbers: units since a beginning."""

    begins: datetime
    unit: timedelta

    def read(self, text: str) -> datetime:
        """The time, to the second where units are days; ValueError where the text is no such number."""
        if SERIAL.fullmatch(text) is None:
            raise ValueError("must be a number")
        try:
            whole, _, part = text.partition(".")
            seconds = int(self.unit.total_seconds() * 1000)
            millis = int(whole) * seconds + round(Decimal(f"0.{part or 0}") * seconds)
            if self.unit is DAY:
                millis = round(Decimal(millis) / 1000) * 1000
            return self.begins + timedelta(milliseconds=millis)
        except OverflowError as error:
            raise ValueError("must lie between the years 1 and 9999") from error


SERIALS: Mapping[str, Serial] = {
    # The day numbers of Excel count a 29 February 1900 that never was.
    "excel": Serial(datetime(1899, 12, 30), DAY),
    "excel1904": Serial(datetime(1904, 1, 1), DAY),
    "epoch": Serial(datetime(1970, 1, 1, tzinfo=UTC), SECOND),
    "epoch_ms": Serial(datetime(1970, 1, 1, tzinfo=UTC), MILLISECOND),
}


def _check_directives(parts: Sequence[str], said: Set[str]) -> None:
    """ValueError with the true reason why the form cannot be read, where it is one that can be told."""
    unknown = sorted(said - {*DIRECTIVES, "%%"})
    if unknown:
        raise ValueError(f"has no directive {unknown[0]}: there are {' '.join(DIRECTIVES)}")
    twice = next((part for part in parts if part in said and part != "%%" and parts.count(part) > 1), None)
    if twice is not None:
        raise ValueError(f"must hold {twice} once")
    if "%H" in said and "%p" in said:
        raise ValueError("must have %I with %p: %H is the hour of 24")
    if "%I" in said and "%p" not in said:
        raise ValueError("must have %p with %I, or %H for the hour of 24")
    lacking = [what for what, some in PARTS.items() if not said & some]
    if lacking:
        raise ValueError(f"must name year, month and day, such as %d/%m/%Y: it lacks the {' and the '.join(lacking)}")


def read_date_forms(forms: Sequence[str], zones: Zones = MappingProxyType({})) -> tuple[DateForm, ...]:
    """The forms; ValueError where one cannot name a day."""
    return tuple(DateForm(form, zones) for form in forms)


def read_zoned(text: str, tz: ZoneInfo) -> datetime:
    """ISO 8601, also with a zone's name, or an offset after a space; ValueError otherwise."""
    try:
        return read_instant(text, tz)
    except ValueError:
        match = ZONED.fullmatch(text)
        if match is None:
            raise
        time, name, offset = match.groups()
        named = UTC if name is None else find_zone(name)
        # An offset says all there is to say; beside a name it can only be one from UTC.
        if named is None or (offset is None and name is None) or (offset and name and named is not UTC):
            raise
        moment = datetime.fromisoformat(time + (offset or ""))
        return to_utc(moment if offset else moment.replace(tzinfo=named), tz)


class DateReader:
    """Reads instants into (microseconds since 1970, local day of the business's zone). Times that name no zone are of
    the file's zone, days without a time those of the business. Of a typed source a form is that of texts; its dates are
    ISO 8601 timestamps. Those of a `mixed` one may be so, where they are not of the form."""

    def __init__(
        self,
        time_zone: str,
        date_format: str | Sequence[str] | None,
        *,
        typed: bool = False,
        mixed: bool = False,
        names: Names = str,
        file_zone: str | None = None,
        zones: Zones = MappingProxyType({}),
    ) -> None:
        self.typed = typed
        self.mixed = mixed
        self.names = names
        self.tz = load_zone(time_zone)
        self.file_tz = load_zone(file_zone or time_zone)
        forms = (date_format,) if isinstance(date_format, str) else date_format or ()
        self.forms = read_date_forms(forms, zones)
        self.known: dict[str, tuple[int, int]] = {}
        self.utc_hours = Hours("UTC", time_zone)
        self.local_hours = Hours(file_zone or time_zone, time_zone)
        self.tails = Tails()

    def __call__(self, text: str) -> tuple[int, int]:
        """DateFault where the text is no date."""
        if not self.forms:
            try:
                if text[-1] == "Z":
                    base, day = self.utc_hours[text[:13]]
                    return base + self.tails[text[13:-1]], day
                base, day = self.local_hours[text[:13]]
                return base + self.tails[text[13:]], day
            except LookupError:
                pass
        pair = self.known.get(text)
        if pair is None:
            pair = self._read(text.strip())
            if len(self.known) >= REMEMBERED:
                self.known.clear()
            if len(text) <= LONGEST_REMEMBERED:
                self.known[text] = pair
        return pair

    def _read(self, text: str) -> tuple[int, int]:
        if text.lower() in ABSENT:
            raise DateFault("the date is absent")
        try:
            if not self.forms or (self.typed and text[10:11] == "T"):
                instant = self._read_iso(text, self.typed)
            else:
                instant = self._read_formed(text)
        except ValueError as error:
            raise DateFault(f"the date {text[:40]!r} {self._describe_fault(text)}") from error
        return to_micros(instant), instant.astimezone(self.tz).toordinal()

    def _read_formed(self, text: str) -> datetime:
        for form in self.forms:
            with suppress(ValueError):
                return to_utc(form(text), self.file_tz if form.has_time else self.tz)
        if self.mixed and TIMESTAMP.fullmatch(text):
            return self._read_iso(text, True)
        raise ValueError

    def _read_iso(self, text: str, typed: bool) -> datetime:
        is_day = len(text) <= 10 or (typed and text.endswith("T00:00:00"))
        return read_zoned(text, self.tz if is_day else self.file_tz)

    def _describe_fault(self, text: str) -> str:
        if self.forms:
            shown = " or ".join(form.form for form in self.forms)
            named = any(form.serial is None and form.named for form in self.forms)
            return f"is not {shown}" + (" with a zone such as UTC or Europe/Berlin" if named else "")
        readings, option = find_readings(text), self.names("date_format")
        if len(set(readings.values())) > 1:
            return f"may be {' or '.join(f'{format_day(day)} ({option} {form!r})' for form, day in readings.items())}"
        for form, what in NUMBERED.items():
            if form in readings:
                return f"looks like {what}, {format_day(readings[form])} (give {option} {form})"
        return f"is not ISO 8601 (or give {option}{' or'.join(f' {form!r}' for form in readings)})"


NUMBERED = {
    "excel": "a day number of Excel",
    "epoch": "seconds since 1970",
    "epoch_ms": "milliseconds since 1970",
}
"""Forms of numbers that are proposed, and what they are."""


@lru_cache(maxsize=1024)
def find_readings(text: str) -> Mapping[str, date]:
    """The forms in which a date can be read that is not ISO 8601, and the day that each says; none where it is no
    date of numbers and has no month by name."""
    if FOREIGN_DIGIT.search(text):
        return {}
    match = NUMBERS.fullmatch(text.strip())
    if match is None:
        return _find_named_readings(text.strip()) or _find_numbered_readings(text.strip())
    first, mark, _, last, clock, seconds, half = match.groups()
    tail = ""
    if clock:
        tail = match.string[match.end(4)] + ("%I:%M" if half else "%H:%M") + (":%S" if seconds else "")
        tail += {None: "", " ": " %p"}.get(half and half[0], "%p")
    year = "%Y" if 4 in (len(first), len(last)) else "%y"
    orders = [(year, "%m", "%d")] if len(first) == 4 else [("%d", "%m", year), ("%m", "%d", year)]
    if year == "%y":
        orders.append((year, "%m", "%d"))
    days: dict[str, date] = {}
    for order in orders:
        with suppress(ValueError):
            form = mark.join(order) + tail
            days[form] = datetime.strptime(match.string, form).date()
    return days


def _find_named_readings(text: str) -> dict[str, date]:
    for form in NAMED if NAMED_SIGN.search(text) else ():
        with suppress(ValueError):
            return {form: datetime.strptime(text, form).date()}
    return {}


def _find_numbered_readings(text: str) -> dict[str, date]:
    """A number that is a day near ours in one of the forms of numbers."""
    for form in NUMBERED:
        with suppress(ValueError):
            day = SERIALS[form].read(text).date()
            if USUAL[0] <= day.year <= USUAL[1]:
                return {form: day}
    return {}


class Hours(dict[str, tuple[int, int]]):
    """Hours such as `2024-03-01T09` of one zone as (microseconds, day in the business's zone); LookupError where an
    hour is not uniform: its clock or its day changes within, or it happens twice or not at all."""

    def __init__(self, written_in: str, time_zone: str) -> None:
        super().__init__()
        self.written_in = load_zone(written_in)
        self.tz = load_zone(time_zone)

    def __missing__(self, text: str) -> tuple[int, int]:
        """Look at the hour once."""
        if HOUR.fullmatch(text) is None:
            raise LookupError(text)
        try:
            first = datetime.fromisoformat(f"{text}:00")
            starts = to_utc(first, self.written_in)
            ends = to_utc(first + timedelta(hours=1, microseconds=-1), self.written_in)
        except (ValueError, OverflowError) as error:
            raise LookupError(text) from error
        base, day = to_micros(starts), starts.astimezone(self.tz).toordinal()
        back = starts.astimezone(self.written_in).replace(tzinfo=None)
        if back != first or to_micros(ends) - base != HOUR_MICROS - 1 or ends.astimezone(self.tz).toordinal() != day:
            raise LookupError(text)
        # A day that leaps or goes back within the hour shows at neither end, so the offsets must agree as well.
        if starts.astimezone(self.tz).utcoffset() != ends.astimezone(self.tz).utcoffset():
            raise LookupError(text)
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = base, day
        return base, day


class Tails(dict[str, int]):
    """What stands after the hour, such as `:30` or `:30:05.250`, as microseconds; LookupError where it is not plain."""

    def __missing__(self, text: str) -> int:
        """Look at the text once."""
        match = TAIL.fullmatch(text)
        if match is None:
            raise LookupError(text)
        minutes, seconds, fraction = match.groups()
        micros = (int(minutes) * 60 + int(seconds or 0)) * 1_000_000 + int((fraction or "").ljust(6, "0"))
        if len(self) >= REMEMBERED:
            self.clear()
        self[text] = micros
        return micros
