"""Amounts of a source: plain decimal text unless it is told how thousands, decimals and the currency are written. Then
exactly that form is read, digit by digit, and nothing else; no float takes part."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import InvalidInput
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
            raise InvalidInput(f"--decimal must be . or , and not {point[:10]!r}", ("decimal",))
        if groups in {"space", *SPACES}:
            groups = " "
        if groups and groups not in THOUSANDS:
            raise InvalidInput(f"--thousands must be , . ' or space, not {groups[:10]!r}", ("thousands",))
        if groups == point:
            other = "," if point == "." else "."
            raise InvalidInput(
                f"--thousands {groups} needs another sign for the decimals: give --decimal {other}", ("thousands",)
            )
        mark = (sign or "").strip()
        if len(mark) > LONGEST_SIGN or re.search(r"\d|^[-+.,']$", mark):
            raise InvalidInput(
                f"--currency-sign must be a sign or code such as € or Rs., not {mark[:20]!r}", ("currencySign",)
            )
        return cls(point, groups, mark)

    @property
    def plain(self) -> bool:
        """Whether it is the form that needs no telling."""
        return (self.decimal, self.thousands, self.sign) == (".", "", "")


def amount_reader(decimals: int, form: AmountForm, typed: bool = False) -> Callable[[str], int]:
    """Reads the text of an amount into minor units; ValueError with a sentence otherwise. `typed`: the source knows
    numbers, so that a point is a point."""
    if form.plain:
        return _bracketed(lambda text: _read_plain(text, decimals, typed), form.sign)
    pattern = _pattern(form)
    example = _example(form)

    def read(text: str) -> int:
        bare = _without_sign(text, form.sign)
        if pattern.fullmatch(bare) is None:
            raise ValueError(f"must be a number such as {example}")
        digits = "".join(letter for letter in bare if letter not in form.thousands and letter not in SPACES)
        if form.thousands == " ":
            digits = digits.replace(" ", "")
        return parse_minor(digits.replace(form.decimal, ".") if form.decimal != "." else digits, decimals)

    return _bracketed(read, form.sign)


def _bracketed(read: Callable[[str], int], sign: str) -> Callable[[str], int]:
    """The same reader, for which an amount in brackets is below zero, as bookkeepers write it."""
    within = re.compile(rf"(?:{re.escape(sign)})?\s*\(([^()+-]+)\)\s*(?:{re.escape(sign)})?")

    def read_bracketed(text: str) -> int:
        if "(" not in text:
            return read(text)
        found = within.fullmatch(text.strip())
        return read(text) if found is None else -read(found[1].strip())

    return read_bracketed


def _read_plain(text: str, decimals: int, typed: bool) -> int:
    if not typed and text[-4:-3] == "." and decimals != 3 and IN_GROUPS.fullmatch(text):
        right = f"{decimals} decimals" if decimals else "no decimals"
        raise ValueError(f"may be {text.replace('.', '')} (say --thousands . --decimal , or write {right})")
    try:
        return parse_minor(text, decimals)
    except ValueError as error:
        if str(error).startswith("must be a number") and text.strip() and LIKELY.fullmatch(text) and len(text) < 60:
            raise ValueError(f"{error} (or say with --thousands, --decimal, --currency-sign how)") from error
        raise


def _pattern(form: AmountForm) -> re.Pattern[str]:
    point = re.escape(form.decimal)
    whole = r"[0-9]+"
    if form.thousands:
        group = f"[{re.escape(SPACES)}]" if form.thousands == " " else re.escape(form.thousands)
        # Groups of three, or as in India groups of two before the last three.
        whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]{{1,2}}(?:{group}[0-9]{{2}})*{group}[0-9]{{3}})"
    return re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)")


def _example(form: AmountForm) -> str:
    return f"{form.sign}{' ' if form.sign[-1:].isalnum() else ''}1{form.thousands}234{form.decimal}50"


def _without_sign(text: str, sign: str) -> str:
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
