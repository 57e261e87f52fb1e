"""What a business names itself of its customers and purchases, each name of one kind. A kind is fixed when its name
first appears, and a business has at most 50 names, those of customers and of purchases together. One reader serves
every way in, so that a value means the same wherever it comes from."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Literal
from zoneinfo import ZoneInfo

from domain.calendar import format_instant, read_instant, to_utc
from domain.errors import FieldProblem, InvalidInput, find_text_problems
from domain.model import AttributeKind, AttributeKinds, AttributeValue
from domain.texts import compose_text

MAXIMUM_ATTRIBUTES = 50
UTC = ZoneInfo("UTC")
NAME = re.compile(r"[\w-]{1,64}")
NUMBER = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d*)?|\.\d+)", re.ASCII)
DECIMALS = 6
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}.*)?", re.ASCII)
WORDS = {"true": True, "yes": True, "false": False, "no": False}
NEEDED = {
    AttributeKind.TEXT: "a text",
    AttributeKind.NUMBER: "a number of at most 15 digits before and 6 after the point",
    AttributeKind.BOOLEAN: "true or false",
    AttributeKind.INSTANT: "an ISO 8601 date or timestamp such as 2024-03-01",
}
Owner = Literal["customer", "purchase"]
Json = str | bool | int | float


def read_number(value: object) -> Decimal:
    """A decimal that is kept exactly, without trailing zeros; ValueError otherwise."""
    try:
        # By its shortest writing a JSON number is what its author wrote.
        text = value.strip() if isinstance(value, str) else format(Decimal(str(value)), "f")
        if NUMBER.fullmatch(text) is None:
            raise ValueError
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError from error
    whole, _, part = format(number, "f").partition(".")
    part = part.rstrip("0")
    if len(part) > DECIMALS:
        raise ValueError
    return Decimal(f"{whole}.{part}" if part else whole) + 0


def read_value(value: object, kind: AttributeKind, zone: ZoneInfo) -> AttributeValue:
    """The value of that kind; ValueError where it is of another one."""
    match kind, value:
        case AttributeKind.TEXT, str():
            return value
        case AttributeKind.NUMBER, str() | int() | float() | Decimal() if not isinstance(value, bool):
            return read_number(value)
        case AttributeKind.BOOLEAN, bool():
            return value
        case AttributeKind.INSTANT, datetime():
            return to_utc(value, zone)
        case AttributeKind.INSTANT, str():
            return read_instant(value.strip(), zone)
        case _:
            raise ValueError


def read_cell(text: str, kind: AttributeKind, zone: ZoneInfo) -> AttributeValue:
    """The value of a cell of a file, which is not empty; ValueError where it is of another kind."""
    if kind is AttributeKind.BOOLEAN:
        try:
            return WORDS[text.casefold()]
        except KeyError as error:
            raise ValueError from error
    return read_value(text, kind, zone)


def find_kind(value: object) -> AttributeKind | None:
    """What a value is that appears for the first time: a text that is an ISO date or timestamp is an instant. None
    where it can be no attribute."""
    match value:
        case bool():
            return AttributeKind.BOOLEAN
        case int() | float() | Decimal():
            return AttributeKind.NUMBER
        case datetime():
            return AttributeKind.INSTANT
        case str():
            return AttributeKind.INSTANT if _fits(value, AttributeKind.INSTANT, _read_plain) else AttributeKind.TEXT
        case _:
            return None


def _read_plain(text: str, kind: AttributeKind) -> AttributeValue:
    return read_cell(text, kind, UTC)


def find_kind_of_cells(
    cells: Iterable[str], read: Callable[[str, AttributeKind], AttributeValue] = _read_plain
) -> AttributeKind:
    """What a column of a file is, by its values, each of which is read as it is written there: numbers, true and false
    or yes and no, ISO dates, and else texts. With a leading zero a number is an id, and so a text."""
    values = [text for cell in cells if (text := cell.strip())]
    kinds = (AttributeKind.NUMBER, AttributeKind.BOOLEAN, AttributeKind.INSTANT)
    of_all = (kind for kind in kinds if values and all(_fits(text, kind, read) for text in values))
    return next(of_all, AttributeKind.TEXT)


def _fits(text: str, kind: AttributeKind, read: Callable[[str, AttributeKind], AttributeValue]) -> bool:
    if kind is AttributeKind.INSTANT and INSTANT.fullmatch(text) is None:
        return False
    if kind is AttributeKind.NUMBER and re.match(r"[+-]?0\d", text):
        return False
    try:
        read(text, kind)
    except ValueError:
        return False
    return True


def normalise_name(name: str) -> str:
    """The name as it is kept; InvalidInput where it can be none."""
    kept = compose_text(name.strip())
    if NAME.fullmatch(kept) is None:
        message = f"the name of an attribute must be 1 to 64 letters, digits, _ or -, not {name[:70]!r}"
        raise InvalidInput(message, ("attributes",))
    return kept


def add_kinds(known: AttributeKinds, owner: Owner, kinds: Mapping[str, AttributeKind]) -> AttributeKinds:
    """What is known with these; InvalidInput where one is known as another kind, or there are too many."""
    own: dict[str, AttributeKind] = dict(getattr(known, owner))
    for name, kind in kinds.items():
        held = own.setdefault(name, kind)
        if held is not kind:
            message = f"the attribute {name} is of the kind {held.value}, not {kind.value}"
            raise InvalidInput(message, ("attributes", name))
    added = replace(known, **{owner: own})
    if len(added.customer) + len(added.purchase) > MAXIMUM_ATTRIBUTES:
        new = next(name for name in kinds if name not in getattr(known, owner))
        message = f"a business may name {MAXIMUM_ATTRIBUTES} attributes, and {new} would be one more"
        raise InvalidInput(message, ("attributes", new), "LIMIT_REACHED")
    return added


def describe_wrong_value(name: str, kind: AttributeKind, value: object) -> str:
    """Why a value is refused."""
    return f"the attribute {name} must be {NEEDED[kind]}, not {str(value)[:40]!r}"


@dataclass(slots=True)
class AttributeReader:
    """Reads what callers state of customers or of purchases; a name that appears for the first time is `known` from
    then on."""

    known: AttributeKinds
    owner: Owner
    zone: ZoneInfo

    def read(
        self, given: object, field: tuple[str, ...], problems: list[FieldProblem]
    ) -> dict[str, AttributeValue | None]:
        """The values by name, None for one that is cleared; what is wrong is added to the problems."""
        if not isinstance(given, Mapping):
            problems.append(FieldProblem(field, "attributes must be an object of values by name"))
            return {}
        values: dict[str, AttributeValue | None] = {}
        for name, value in given.items():
            try:
                kept = normalise_name(str(name))
                values[kept] = None if value is None else self._read_value(kept, value)
            except InvalidInput as error:
                wrong = error.problems[0]
                problems.append(FieldProblem((*field, str(name)), wrong.message, wrong.code))
        return values

    def _read_value(self, name: str, value: object) -> AttributeValue:
        kind = getattr(self.known, self.owner).get(name) or find_kind(value)
        if kind is None:
            raise InvalidInput(f"the attribute {name} must be a text, a number, true or false, or a date")
        if isinstance(value, str) and (wrong := find_text_problems(("attributes",), value, name=False)):
            raise InvalidInput(wrong[0].message, code=wrong[0].code)
        try:
            read = read_value(value, kind, self.zone)
        except ValueError as error:
            raise InvalidInput(describe_wrong_value(name, kind, value)) from error
        self.known = add_kinds(self.known, self.owner, {name: kind})
        return read


def to_json_value(value: AttributeValue) -> Json:
    """The value as JSON has it: an instant as ISO 8601 in UTC, a number as one, or as text where a double would not
    hold it exactly."""
    match value:
        case datetime():
            return format_instant(value)
        case Decimal():
            plain = int(value) if value == value.to_integral_value() else float(value)
            return plain if Decimal(repr(plain)) == value and abs(value) < 2**53 else format(value, "f")
        case _:
            return value


def write_attributes(values: Mapping[str, AttributeValue | None]) -> str | None:
    """The values as JSON text that is the same for the same values, so that the store compares it as text; None where
    there are none."""
    held = {name: value for name, value in values.items() if value is not None}
    parts = (f"{json.dumps(name, ensure_ascii=False)}:{_write_value(held[name])}" for name in sorted(held))
    return f"{{{','.join(parts)}}}" if held else None


def _write_value(value: AttributeValue) -> str:
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(to_json_value(value), ensure_ascii=False)


def read_attributes(text: str | None) -> dict[str, Json]:
    """The values of such a text as JSON has them; a number that no double holds exactly is a text."""
    return json.loads(text, parse_float=_read_number, parse_int=_read_number) if text else {}


def _read_number(text: str) -> Json:
    return to_json_value(Decimal(text))
