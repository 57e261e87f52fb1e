"""Amounts and instants of a source, each read in the plain form or exactly in the one that was told; no float takes
part. Most instants share their hour with thousands of others, so an hour is looked at once and the rest of the text is
added to it; a zone that a cell or the form names is honoured, and a time without one is local."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from domain.calendar import format_day, load_zone, read_instant, to_micros, to_utc
from domain.errors import InvalidInput, Names, Sentence
from domain.money import parse_minor

DECIMALS = (".", ",")
SPACES = " \u00a0\u202f\u2009"
THOUSANDS = (",", ".", "'", " ")
LONGEST_SIGN = 10
LIKELY = re.compile(r"[-+]?[^\d\s.,'-]{0,5}\s?[-+]?\d[\d.,' \u00a0\u202f\u2009]*\s?[^\d\s.,'-]{0,5}")
"""What may be an amount of another form: a currency's sign or digits in groups."""
IN_GROUPS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
"""Three digits after the point, where the currency has not three decimals: as likely thousands as a fraction."""


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How amounts are written; `thousands` and `sign` are empty where there are none."""

    decimal: str = "."
    thousands: str = ""
    sign: str = ""

    @classmethod
    def of(cls, decimal: str | None, thousands: str | None, sign: str | None) -> "AmountForm":
        """What was said; InvalidInput where it contradicts itself."""
        point, groups = decimal or ".", thousands or ""
        if point not in DECIMALS:
            raise InvalidInput(Sentence("{decimal} must be . or , and not {!r}", point[:10]), ("decimal",))
        if groups in {"space", *SPACES}:
            groups = " "
        if groups and groups not in THOUSANDS:
            message = Sentence("{thousands} must be , . ' or space, not {!r}", groups[:10])
            raise InvalidInput(message, ("thousands",))
        if groups == point:
            other = "," if point == "." else "."
            message = Sentence("{thousands} {} needs another sign for the decimals: give {decimal} {}", groups, other)
            raise InvalidInput(message, ("thousands",))
        mark = (sign or "").strip()
        if len(mark) > LONGEST_SIGN or re.search(r"\d|^[-+.,']$", mark):
            message = Sentence("{currency_sign} must be a sign or code such as € or Rs., not {!r}", mark[:20])
            raise InvalidInput(message, ("currency_sign",))
        return cls(point, groups, mark)

    @property
    def plain(self) -> bool:
        """Whether it is the form that needs no telling."""
        return (self.decimal, self.thousands, self.sign) == (".", "", "")


def make_amount_reader(
    decimals: int, form: AmountForm, typed: bool = False, names: Names = str
) -> Callable[[str], int]:
    """Reads the text of an amount into minor units; ValueError with a sentence otherwise. `typed`: the source knows
    numbers, so that a point is a point."""
    if form.plain:
        return _accept_brackets(lambda text: _read_plain(text, decimals, typed, names), form.sign)
    pattern = _build_pattern(form)
    example = _format_example(form)

    def read(text: str) -> int:
        bare = _strip_sign(text, form.sign)
        if pattern.fullmatch(bare) is None:
            raise ValueError(f"must be a number such as {example}")
        digits = "".join(letter for letter in bare if letter not in form.thousands and letter not in SPACES)
        if form.thousands == " ":
            digits = digits.replace(" ", "")
        return parse_minor(digits.replace(form.decimal, ".") if form.decimal != "." else digits, decimals)

    return _accept_brackets(read, form.sign)


def _accept_brackets(read: Callable[[str], int], sign: str) -> Callable[[str], int]:
    """The same reader, for which an amount in brackets is below zero, as bookkeepers write it."""
    within = re.compile(rf"(?:{re.escape(sign)})?\s*\(([^()+-]+)\)\s*(?:{re.escape(sign)})?")

    def read_bracketed(text: str) -> int:
        if "(" not in text:
            return read(text)
        match = within.fullmatch(text.strip())
        return read(text) if match is None else -read(match[1].strip())

    return read_bracketed


def _read_plain(text: str, decimals: int, typed: bool, names: Names) -> int:
    if not typed and text[-4:-3] == "." and decimals != 3 and IN_GROUPS.fullmatch(text):
        right = f"{decimals} decimals" if decimals else "no decimals"
        signs = f"{names('thousands')} . {names('decimal')} ,"
        raise ValueError(f"may be {text.replace('.', '')} (say {signs} or write {right})")
    try:
        return parse_minor(text, decimals)
    except ValueError as error:
        if str(error).startswith("must be a number") and text.strip() and LIKELY.fullmatch(text) and len(text) < 60:
            options = ", ".join(map(names, ("thousands", "decimal", "currency_sign")))
            raise ValueError(f"{error} (or say with {options} how)") from error
        raise


def _build_pattern(form: AmountForm) -> re.Pattern[str]:
    point = re.escape(form.decimal)
    whole = r"[0-9]+"
    if form.thousands:
        group = f"[{re.escape(SPACES)}]" if form.thousands == " " else re.escape(form.thousands)
        # Groups of three, or as in India groups of two before the last three.
        whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]{{1,2}}(?:{group}[0-9]{{2}})*{group}[0-9]{{3}})"
    return re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)")


def _format_example(form: AmountForm) -> str:
    return f"{form.sign}{' ' if form.sign[-1:].isalnum() else ''}1{form.thousands}234{form.decimal}50"


def _strip_sign(text: str, sign: str) -> str:
    """The number alone; its minus may stand before the currency's sign or after."""
    bare = text.strip()
    if not sign or not bare:
        return bare
    minus = bare[0] if bare[0] in "+-" else ""
    rest = bare[len(minus) :].strip()
    if rest.startswith(sign):
        rest = rest[len(sign) :].strip()
    elif rest.endswith(sign):
        rest = rest[: -len(sign)].strip()
    return minus + rest if not (minus and rest[:1] in ("+", "-")) else text


HOUR = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}")
TAIL = re.compile(r":([0-5]\d)(?::([0-5]\d)(?:\.(\d{3}|\d{6}))?)?")
NUMBERS = re.compile(r"(\d{1,4})([/.-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T](\d{1,2}:\d{2}(:\d{2})?)( ?[AaPp][Mm])?)?")
NAMED = ("%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%d-%B-%Y", "%d/%b/%Y", "%B %d, %Y", "%b %d, %Y", "%d-%b-%y", "%Y%m%d")
"""Forms without doubt that are not ISO 8601 as it is read here; they are proposed, and read when they are told."""
ZONED = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*"
    r"(?:([A-Za-z][\w/+-]*?)?\s*([+-]\d{2}(?::?\d{2})?)?)(?:\[[\w/+-]+\])?"
)
"""An ISO 8601 time with the name of a zone after it, or an offset where ISO 8601 has none."""
TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}.*")
ZONE_NAME = re.compile(r"[A-Za-z]\w*(?:[/+-]\w+)*")
DIRECTIVE = re.compile(r"%.|[^%]+", re.DOTALL)
UNIVERSAL = ("Z", "UTC", "GMT")
SAMPLE = datetime(2024, 3, 31, tzinfo=UTC)
"""A date whose day, month and year cannot be taken for one another."""
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


class DateForm:
    """A form of dates as `strptime` has them. Where it holds the name of a zone the times are of that zone; where it
    says %Z, of the zone that stands in the cell. ValueError where it does not name a day."""

    def __init__(self, form: str) -> None:
        self.form = form
        parts = DIRECTIVE.findall(form)
        names = [name for part in parts if part[0] != "%" for name in ZONE_NAME.findall(part)]
        self.zone = next((zone for name in names if (zone := find_zone(name)) is not None), None)
        self.named = "%Z" in parts
        self.bare = "".join(part for part in parts if part != "%Z").strip()
        try:
            good = self(SAMPLE.strftime(form)).date() == SAMPLE.date()
        except (ValueError, re.error):
            good = False
        if not good:
            raise ValueError("must name year, month and day, such as %d/%m/%Y")

    def __call__(self, text: str) -> datetime:
        """The time, with its zone where one is named; ValueError where the text is not of the form."""
        if not self.named:
            return self._set_zone(self.zone, datetime.strptime(text, self.form))
        names = [(match, named) for match in ZONE_NAME.finditer(text) if (named := find_zone(match[0])) is not None]
        if not names:
            raise ValueError(f"no zone is named in {text[:40]!r}")
        match, named = names[-1]
        without = f"{text[: match.start()]}{text[match.end() :]}".strip()
        return self._set_zone(named, datetime.strptime(without, self.bare))

    def _set_zone(self, named: tzinfo | None, read: datetime) -> datetime:
        return read if named is None or read.tzinfo is not None else read.replace(tzinfo=named)


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
    """Reads instants into (microseconds since 1970, local day of the zone). Of a typed source a form is that of texts;
    its dates are ISO 8601 timestamps. Those of a `mixed` one may be so, where they are not of the form."""

    def __init__(
        self,
        time_zone: str,
        date_format: str | None,
        *,
        typed: bool = False,
        mixed: bool = False,
        names: Names = str,
    ) -> None:
        self.typed = typed
        self.mixed = mixed
        self.names = names
        self.tz = load_zone(time_zone)
        self.form = None if date_format is None else DateForm(date_format)
        self.known: dict[str, tuple[int, int]] = {}
        self.utc_hours = Hours("UTC", time_zone)
        self.local_hours = Hours(time_zone, time_zone)
        self.tails = Tails()

    def __call__(self, text: str) -> tuple[int, int]:
        """DateFault where the text is no date."""
        if self.form is None:
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
        if not text:
            raise DateFault("the date is absent")
        try:
            if self.form is None or (self.typed and text[10:11] == "T"):
                instant = read_zoned(text, self.tz)
            else:
                instant = self._read_formed(text)
        except ValueError as error:
            raise DateFault(f"the date {text[:40]!r} {self._describe_fault(text)}") from error
        return to_micros(instant), instant.astimezone(self.tz).toordinal()

    def _read_formed(self, text: str) -> datetime:
        """A time of the form; or what a source that knows dates has written, for others to read."""
        assert self.form is not None
        try:
            return to_utc(self.form(text), self.tz)
        except ValueError:
            if not (self.mixed and TIMESTAMP.fullmatch(text)):
                raise
            return read_zoned(text, self.tz)

    def _describe_fault(self, text: str) -> str:
        if self.form is not None:
            return f"is not {self.form.form}" + (" with a zone such as UTC or Europe/Berlin" if self.form.named else "")
        readings, option = find_readings(text), self.names("date_format")
        if len(set(readings.values())) > 1:
            return f"may be {' or '.join(f'{format_day(day)} ({option} {form!r})' for form, day in readings.items())}"
        return f"is not ISO 8601 (or give {option}{' or'.join(f' {form!r}' for form in readings)})"


def find_readings(text: str) -> dict[str, date]:
    """The forms in which a date can be read that is not ISO 8601, and the day that each says; none where it is no
    date of numbers and has no month by name."""
    match = NUMBERS.fullmatch(text.strip())
    if match is None:
        return _find_named_readings(text.strip())
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
    for form in NAMED:
        with suppress(ValueError):
            return {form: datetime.strptime(text, form).date()}
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
