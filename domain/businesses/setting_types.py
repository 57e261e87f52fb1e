"""The kinds of settings: what each kind may be, in words, and how a stated value becomes the one that is kept. A reader
raises ValueError with the rest of a sentence that begins with the setting's name, and says what would be right."""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from domain.calendar import check
from domain.classification.festive import read_periods
from domain.classification.labels import LABELS
from domain.classification.pipeline import RESERVED
from domain.errors import InvalidInput
from domain.imports.formats import Key, check_format_name
from domain.imports.presets import find_preset
from domain.money import to_decimal, to_minor
from domain.reports.brand import COLOUR, LARGEST, LONGEST_LABEL, decode_picture
from domain.reports.scheduled import read_scheduled_reports

LONGEST = 1_000
NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class ValueType(StrEnum):
    """What kind of control a value is set by."""

    WHOLE_NUMBER = "WHOLE_NUMBER"
    AMOUNT = "AMOUNT"
    SWITCH = "SWITCH"
    TEXT = "TEXT"
    SCHEDULE = "SCHEDULE"
    COLOUR = "COLOUR"
    PICTURE = "PICTURE"
    ORDER = "ORDER"
    PERIODS = "PERIODS"
    REPORTS = "REPORTS"
    LIST = "LIST"
    TABLE = "TABLE"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a setting may be: its type, in words, how it is read, given the decimals of the currency, and how a value is
    told where it changes, which is more than a line only for pictures. A whole number has bounds, both included; some
    texts are one of the choices, and an order is of all of them."""

    type: ValueType
    words: str
    read: Callable[[object, int], object]
    tell: Callable[[object], object] = lambda value: value
    bounds: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()


TYPE_OF_KEY = {
    "text": ValueType.TEXT,
    "flag": ValueType.SWITCH,
    "number": ValueType.WHOLE_NUMBER,
    "list": ValueType.LIST,
    "table": ValueType.TABLE,
}
"""The types of what a format says, by the kind of its key."""


def whole(low: int, high: int) -> Kind:
    """A whole number between two bounds."""

    def read(value: object, decimals: int) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"must be a whole number between {low} and {high}")
        if not low <= value <= high:
            raise ValueError(f"must be between {low} and {high}")
        return value

    return Kind(ValueType.WHOLE_NUMBER, f"whole number, {low} to {high}", read, bounds=(low, high))


def amount() -> Kind:
    """Money in major units, not negative, kept as a number that JSON holds exactly, else as text."""

    def read(value: object, decimals: int) -> object:
        number = _read_number(value, "an amount such as 15000")
        minor = to_minor(number, decimals)
        if minor < 0:
            raise ValueError("must not be negative")
        exact = to_decimal(minor, decimals)
        if exact == exact.to_integral_value():
            return int(exact)
        return float(exact) if Decimal(repr(float(exact))) == exact else format(exact, "f")

    return Kind(ValueType.AMOUNT, "amount in the currency, 0 or more", read)


def switch() -> Kind:
    """True or false."""

    def read(value: object, decimals: int) -> object:
        if not isinstance(value, bool):
            raise ValueError("must be true or false")
        return value

    return Kind(ValueType.SWITCH, "true or false", read)


def folder() -> Kind:
    """A folder of this machine."""

    def read(value: object, decimals: int) -> object:
        path = _read_text(value, "the path of a folder")
        if ".." in path.replace("\\", "/").split("/"):
            raise ValueError("must be the path of a folder, without any .. in it")
        return path

    return Kind(ValueType.TEXT, "path of a folder", read)


def file_name(ending: str) -> Kind:
    """The name of a file, without a folder."""
    words = f"file name that ends in {ending}"

    def read(value: object, decimals: int) -> object:
        name = _read_text(value, f"a {words}")
        if not name.endswith(ending) or name.startswith(".") or "/" in name or "\\" in name or len(name) > 200:
            raise ValueError(f"must be a {words}, without a folder")
        if name in RESERVED:
            raise ValueError(f"must not be {name}, which is another file of the run")
        return name

    return Kind(ValueType.TEXT, words, read)


def cron() -> Kind:
    """Five cron fields."""

    def read(value: object, decimals: int) -> object:
        try:
            return check(_read_text(value, "a cron expression"))
        except InvalidInput as error:
            raise ValueError(error.message.removeprefix("schedule ")) from error

    return Kind(ValueType.SCHEDULE, "five cron fields, in the business's time zone", read)


def format_key(name: str, key: Key) -> Kind:
    """What a format of sources says under one of its keys."""

    def read(value: object, decimals: int) -> object:
        try:
            kept = key.read(value)
            if name == "preset":
                find_preset(str(kept))
        except InvalidInput as error:
            raise ValueError(error.message.partition(" ")[2]) from error
        return dict(kept) if isinstance(kept, Mapping) else value

    return Kind(TYPE_OF_KEY[key.kind], key.kind, read, bounds=key.bounds, choices=key.choices)


def saved_format() -> Kind:
    """The name of a saved format."""

    def read(value: object, decimals: int) -> object:
        name = _read_text(value, "the name of a saved format")
        try:
            return check_format_name(name)
        except InvalidInput as error:
            raise ValueError(error.message.partition(" ")[2]) from error

    return Kind(ValueType.TEXT, "name of a saved format", read)


def picture() -> Kind:
    """A picture, kept as base64."""
    words = f"PNG or JPEG picture of at most {LARGEST:,} bytes, in base64; in a file of settings the path of one"

    def read(value: object, decimals: int) -> object:
        if not isinstance(value, str):
            raise ValueError("must be the bytes of a PNG or JPEG picture in base64")
        return base64.b64encode(decode_picture(value).data).decode()

    return Kind(ValueType.PICTURE, words, read, lambda value: str(decode_picture(str(value))))


def colour() -> Kind:
    """A colour as web pages write it."""

    def read(value: object, decimals: int) -> object:
        text = value.lower() if isinstance(value, str) else ""
        if COLOUR.fullmatch(text) is None:
            raise ValueError("must be a colour such as #1a5fb4")
        return text

    return Kind(ValueType.COLOUR, "colour such as #1a5fb4", read)


def label() -> Kind:
    """A few letters or signs."""

    def read(value: object, decimals: int) -> object:
        text = _read_text(value, f"text of at most {LONGEST_LABEL} characters, such as Rs").strip()
        if len(text) > LONGEST_LABEL:
            raise ValueError(f"must have at most {LONGEST_LABEL} characters")
        return text

    return Kind(ValueType.TEXT, f"text of at most {LONGEST_LABEL} characters", read)


def order() -> Kind:
    """The names of the frequency labels, each once."""
    names = ", ".join(LABELS)

    def read(value: object, decimals: int) -> object:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise ValueError(f"must be a list of {names}")
        labels = [one.upper() for one in value]
        if sorted(labels) != sorted(LABELS):
            raise ValueError(f"must hold each of {names} once")
        return labels

    return Kind(ValueType.ORDER, f"list of {names}, each once", read, choices=tuple(LABELS))


def periods() -> Kind:
    """Festive periods."""

    def read(value: object, decimals: int) -> object:
        return read_periods(value).as_json()

    return Kind(ValueType.PERIODS, "list of {from, to}, both MM-DD (may wrap the new year) or both YYYY-MM-DD", read)


def reports() -> Kind:
    """Scheduled reports."""

    def read(value: object, decimals: int) -> object:
        return [report.as_json() for report in read_scheduled_reports(value)]

    words = "list of {name, format, every, method, days, scheme, storefront}, the last four optional"
    return Kind(ValueType.REPORTS, words, read)


def read_percentage(value: object, decimals: int) -> int:
    """A share such as 0.7, or a whole number of percents above 1, as percents."""
    wrong = "must be a share such as 0.7, in whole percents, or a whole number of percents up to 100"
    number = _read_number(value, wrong.removeprefix("must be "))
    percents = number * 100 if 0 < number <= 1 else number
    if not 1 <= percents <= 100 or percents != percents.to_integral_value():
        raise ValueError(wrong)
    return int(percents)


def _read_number(value: object, meant: str) -> Decimal:
    text = value if isinstance(value, str) else str(value)
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise ValueError
        if isinstance(value, str) and NUMBER.fullmatch(text) is None:
            raise ValueError
        number = Decimal(text)
    except (ValueError, InvalidOperation) as error:
        raise ValueError(f"must be {meant}") from error
    if not number.is_finite():
        raise ValueError(f"must be {meant}")
    return number


def _read_text(value: object, meant: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or CONTROL.search(value):
        raise ValueError(f"must be {meant}")
    return value
