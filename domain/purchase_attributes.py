"""What a shop says of a purchase under names of its own: texts, numbers, booleans, and instants, which are ISO 8601
texts. An object of them is kept as JSON text that is the same for the same values, so that the store compares it as
text."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal

from domain.errors import MAXIMUM_TEXT, FieldProblem, Sentence, find_text_problems
from domain.money import to_millionths

NAME = re.compile(r"[\w-]{1,64}")
MAXIMUM_ATTRIBUTES = 50
Attribute = str | bool | int | float | Decimal
Attributes = Mapping[str, Attribute]
NO_ATTRIBUTES: Attributes = {}


def find_attribute_problems(where: tuple[str, ...], attributes: object) -> list[FieldProblem]:
    """Why the object cannot be kept: its shape, how many names it has, a name or a value. A null says nothing. `where`
    is the field that holds it, which each sentence names."""
    field = f"{{{where[-1]}}}"
    if not isinstance(attributes, Mapping):
        return [FieldProblem(where, Sentence(f"{field} must be an object such as {{}}", '{"color": "red"}'))]
    if len(attributes) > MAXIMUM_ATTRIBUTES:
        message = Sentence(f"{field} must hold at most {{}} names", MAXIMUM_ATTRIBUTES)
        return [FieldProblem(where, message, "LIMIT_REACHED")]
    problems = []
    for name, value in attributes.items():
        if NAME.fullmatch(name) is None:
            template = f"{field}: the name {{!r}} must be 1 to 64 letters, digits, _ and -"
            problems.append(FieldProblem(where, Sentence(template, name[:64])))
        elif problem := _find_value_problem(value):
            problems.append(FieldProblem(where, Sentence(f"{field}: the value of {{}} {{}}", name, problem)))
    return problems


def _find_value_problem(value: object) -> str | None:
    match value:
        case None | bool():
            return None
        case str(text):
            if len(text) > MAXIMUM_TEXT:
                return f"must be at most {MAXIMUM_TEXT} characters"
            return "must be text without NUL and half characters" if find_text_problems(("it",), text) else None
        case int() | float() | Decimal():
            try:
                to_millionths(Decimal(str(value)), 15)
            except ValueError as error:
                return str(error)
            return None
        case _:
            return "must be a text, a number, true or false"


def write_attributes(attributes: Mapping[str, Attribute | None]) -> str | None:
    """The values as JSON text, by name, without those that are null; None where there are none."""
    stated = {name: value for name, value in attributes.items() if value is not None}
    if not stated:
        return None
    parts = (f"{json.dumps(name, ensure_ascii=False)}:{_write_value(stated[name])}" for name in sorted(stated))
    return f"{{{','.join(parts)}}}"


def _write_value(value: Attribute) -> str:
    if isinstance(value, str | bool):
        return json.dumps(value, ensure_ascii=False)
    # 2, 2.0 and 2.00 are one number.
    number = format(Decimal(str(value)), "f")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    return "0" if number == "-0" else number


def read_attributes(text: str | None) -> Attributes:
    """The values of such a text; a number that no double holds exactly stays a text."""
    return json.loads(text, parse_float=_read_number) if text else NO_ATTRIBUTES


def _read_number(text: str) -> float | str:
    return number if Decimal(repr(number := float(text))) == Decimal(text) else text
