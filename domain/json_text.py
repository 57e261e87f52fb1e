"""JSON text as values: strict and bounded, with no NaN, no number of thousands of digits, no bottomless nesting and no
half of a character. No digit of a number is lost: one with a fraction is a double that still knows how it was
written."""

import json
from typing import Any, NoReturn

MAXIMUM_DIGITS = 40
MAXIMUM_NESTING = 100


class BadJson(ValueError):
    """Text that is no JSON that is read here; the message says why, as a sentence."""


class WrittenNumber(float):
    """A number with a fraction or an exponent: a double wherever doubles are computed with, and as text what was
    written, so that `Decimal(str(number))` is exact."""

    __slots__ = ("written",)
    written: str

    def __new__(cls, written: str) -> "WrittenNumber":
        number = super().__new__(cls, written)
        number.written = written
        return number

    def __str__(self) -> str:
        return self.written


def read_whole(text: str) -> int:
    """A number without a fraction; BadJson where it is too long."""
    if len(text) > MAXIMUM_DIGITS:
        raise BadJson(f"Numbers have at most {MAXIMUM_DIGITS} digits.")
    return int(text)


def read_fraction(text: str) -> float:
    """A number with a fraction or an exponent; BadJson where no double is near it. So its exponent is small, too, and
    it can be written out."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise BadJson("A number is too large.")
    if not value:
        if text.lower().partition("e")[0].strip("+-0."):
            raise BadJson("A number is too small.")
        return value
    if len(text) > 2 * MAXIMUM_DIGITS:
        raise BadJson(f"Numbers have at most {2 * MAXIMUM_DIGITS} digits.")
    return WrittenNumber(text)


def read_json(text: str) -> Any:
    """The value; BadJson, or another ValueError where the text is no JSON at all."""
    try:
        value = DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if _is_deep(value):
        raise BadJson(f"Lists and objects are nested at most {MAXIMUM_NESTING} deep.")
    # An escape can spell half of a character, which no encoder and no database takes.
    if "\\u" in text and not _is_encodable(value):
        raise BadJson("Texts must be Unicode: an escape stands for half of a character.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not JSON.")


DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=read_whole, parse_float=read_fraction)
"""Made once, as the library makes one a call."""


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAXIMUM_NESTING + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
