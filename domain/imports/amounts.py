"""Amounts and quantities of a source, each read in the plain form or exactly in the one that was told; no float takes
part. Decimals beyond the currency's are taken off only where they are noise of a binary fraction, or where it is
told."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal

from domain.errors import InvalidInput, Names, Sentence
from domain.money import MAXIMUM_DIGITS, parse_minor, to_decimal, to_minor

DECIMALS = (".", ",")
SPACES = " \u00a0\u202f\u2009"
THOUSANDS = (",", ".", "'", " ")
LONGEST_SIGN = 10
OWN = "own"
"""Said in place of a sign: any usual one of the business's own currency."""
SIGNS: Mapping[str, tuple[str, ...]] = {
    "ARS": ("AR$", "$"),
    "AUD": ("A$", "AU$", "AU $", "$"),
    "BDT": ("৳", "Tk"),
    "BRL": ("R$",),
    "CAD": ("C$", "CA$", "C $", "CA $", "$"),
    "CHF": ("Fr.", "SFr."),
    "CLP": ("CL$", "$"),
    "CNY": ("¥", "CN¥", "￥", "元"),
    "COP": ("CO$", "$"),
    "CZK": ("Kč",),
    "DKK": ("kr", "kr."),
    "EUR": ("€",),
    "GBP": ("£",),
    "HKD": ("HK$", "HK $", "$"),
    "HUF": ("Ft",),
    "IDR": ("Rp",),
    "ILS": ("₪",),
    "INR": ("₹", "Rs.", "Rs"),
    "JPY": ("¥", "JP¥", "￥", "円"),
    "KES": ("KSh", "Ksh"),
    "KRW": ("₩",),
    "LKR": ("Rs.", "Rs", "රු"),
    "MXN": ("MX$", "MX $", "$"),
    "MYR": ("RM",),
    "NGN": ("₦",),
    "NOK": ("kr", "kr."),
    "NZD": ("NZ$", "NZ $", "$"),
    "PEN": ("S/",),
    "PHP": ("₱",),
    "PKR": ("Rs", "Rs."),
    "PLN": ("zł",),
    "RON": ("lei",),
    "RUB": ("₽", "руб."),
    "SEK": ("kr", "kr."),
    "SGD": ("S$", "SG$", "$"),
    "THB": ("฿",),
    "TRY": ("₺", "TL"),
    "TWD": ("NT$", "NT $", "$"),
    "UAH": ("₴",),
    "USD": ("$", "US$", "US $"),
    "VND": ("₫", "đ"),
    "ZAR": ("R",),
}
LIKELY = re.compile(r"[-+]?[^\d\s.,'-]{0,5}\s?[-+]?\d[\d.,' \u00a0\u202f\u2009]*\s?[^\d\s.,'-]{0,5}")
"""What may be an amount of another form: a currency's sign or digits in groups."""
IN_GROUPS = re.compile(r"[-+]?[1-9]\d{0,2}\.\d{3}")
"""Three digits after the point, where the currency has not three decimals: as likely thousands as a fraction."""
EXPONENT = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,15})?e[+-]?[0-9]{1,2}", re.IGNORECASE)
NOISE = Decimal("0.0000005")
"""Major units; what differs by less from a rounded amount is a trace of a binary fraction."""
LONGEST_NUMBER = 60
MINUSES = str.maketrans("\u2212\u2013", "--")


@dataclass(frozen=True, slots=True)
class AmountForm:
    """How amounts are written; `thousands` and `sign` are empty where there are none, and `signs` are all that may
    stand beside an amount. `told`: the decimal sign was said, so that a point is no sign of thousands; `rounded`:
    decimals beyond the currency's are rounded half-even; `trailing`: the minus may stand at the end."""

    decimal: str = "."
    thousands: str = ""
    sign: str = ""
    signs: tuple[str, ...] = ()
    told: bool = False
    rounded: bool = False
    trailing: bool = False

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
        return cls(point, groups, mark, (mark,) if mark else (), decimal is not None)

    def allow_own_signs(self, currency: str) -> "AmountForm":
        """The form with every usual sign of the currency, where its sign is said to be the currency's own."""
        if self.sign != OWN:
            return self
        signs = sorted({currency, *SIGNS.get(currency, ())}, key=len, reverse=True)
        return replace(self, sign=signs[-1], signs=tuple(signs))

    @property
    def plain(self) -> bool:
        """Whether it is the form that needs no telling."""
        return (self.decimal, self.thousands, self.sign) == (".", "", "")


def make_amount_reader(
    decimals: int, form: AmountForm, typed: bool = False, names: Names = str
) -> Callable[[str], int]:
    """Reads the text of an amount into minor units; ValueError with a sentence otherwise. `typed`: the source knows
    numbers, so that a point is a point."""
    simplify = _make_simplifier(form, names)
    doubtful = form.plain and not typed and not form.told and decimals != 3

    def read(text: str) -> int:
        if doubtful and text[-4:-3] == "." and IN_GROUPS.fullmatch(text):
            _refuse_doubt(text, decimals, names)
        try:
            # Nearly every amount is written so, and this is the inner step of an import.
            return parse_minor(text, decimals)
        except ValueError:
            return _round_amount(simplify(text), decimals, form.rounded, names)

    def read_formed(text: str) -> int:
        return _round_amount(simplify(text), decimals, form.rounded, names)

    return read if form.plain and not form.trailing else read_formed


def make_number_reader(form: AmountForm, names: Names = str) -> Callable[[str], Decimal]:
    """Reads a quantity or a price of one piece exactly, with any decimals; ValueError with a sentence otherwise."""
    simplify = _make_simplifier(form, names)

    def read(text: str) -> Decimal:
        # Statistics programs write 100000 as 1e+05, which loses nothing.
        number = Decimal(text if form.plain and EXPONENT.fullmatch(text) else simplify(text))
        if number and number.adjusted() >= MAXIMUM_DIGITS:
            raise ValueError(f"must have at most {MAXIMUM_DIGITS} digits before the point")
        return number

    return read


def round_minor(number: Decimal, decimals: int) -> int:
    """Minor units of an exact amount, rounded half-even; ValueError where it is too large."""
    scaled = number.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN)
    return to_minor(scaled, decimals)


def _refuse_doubt(text: str, decimals: int, names: Names) -> None:
    if not text.endswith("0"):
        return
    right = f"{decimals} decimals" if decimals else "no decimals"
    signs = f"{names('thousands')} . {names('decimal')} ,"
    raise ValueError(
        f"may be {text.replace('.', '')} (say {signs}) or {text.rstrip('0').rstrip('.')} "
        f"(say {names('decimal')} . or write {right})"
    )


def _round_amount(plain: str, decimals: int, rounded: bool, names: Names) -> int:
    try:
        return parse_minor(plain, decimals)
    except ValueError as error:
        if not str(error).endswith("decimals"):
            raise
        number = Decimal(plain)
        minor = round_minor(number, decimals)
        if rounded or abs(number - to_decimal(minor, decimals)) < NOISE:
            return minor
        shown = to_decimal(minor, decimals)
        raise ValueError(f"{error} (give {names('round')} if it means {shown})") from error


def _make_simplifier(form: AmountForm, names: Names) -> Callable[[str], str]:
    """What makes text of the form digits with a point, and a minus where it is below zero."""
    pattern, example = _build_pattern(form), _format_example(form)
    signs = "|".join(map(re.escape, form.signs))
    within = re.compile(rf"(?:{signs})?\s*\(([^()+-]+)\)\s*(?:{signs})?")

    def simplify(text: str) -> str:
        bare = text.strip()
        if not bare.isascii():
            bare = bare.translate(MINUSES)
        if "(" in bare and (match := within.fullmatch(bare)) is not None:
            return f"-{simplify(match[1].strip())}"
        if form.trailing and bare[-1:] == "-" and bare[:1] not in ("-", "+"):
            bare = f"-{bare[:-1].strip()}"
        bare = _strip_sign(bare, form.signs)
        if len(bare) > LONGEST_NUMBER or pattern.fullmatch(bare) is None:
            hint = ""
            if form.plain and bare and LIKELY.fullmatch(bare) and len(bare) < LONGEST_NUMBER:
                options = ", ".join(map(names, ("thousands", "decimal", "currency_sign")))
                hint = f" (or say with {options} how)"
            elif bare[-1:] == "-" and bare[:1] not in "+-" and pattern.fullmatch(bare[:-1].strip()):
                hint = f" (give {names('negative')} trailing if it is below zero)"
            raise ValueError(f"must be a number such as {example}{hint}")
        digits = "".join(letter for letter in bare if letter not in form.thousands and letter not in SPACES)
        return digits.replace(form.decimal, ".") if form.decimal != "." else digits

    return simplify


def _build_pattern(form: AmountForm) -> re.Pattern[str]:
    point = re.escape(form.decimal)
    whole = r"[0-9]+"
    if form.thousands:
        group = f"[{re.escape(SPACES)}]" if form.thousands == " " else re.escape(form.thousands)
        # Groups of three, or as in India groups of two before the last three.
        whole = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]{{1,2}}(?:{group}[0-9]{{2}})*{group}[0-9]{{3}})"
    return re.compile(rf"[+-]?(?:{whole}(?:{point}[0-9]*)?|{point}[0-9]+)")


def _format_example(form: AmountForm) -> str:
    if form.plain:
        return "12.50"
    return f"{form.sign}{' ' if form.sign[-1:].isalnum() else ''}1{form.thousands}234{form.decimal}50"


def _strip_sign(text: str, signs: Sequence[str]) -> str:
    """The number alone; its minus may stand before the currency's sign or after."""
    bare = text.strip()
    if not signs or not bare:
        return bare
    minus = bare[0] if bare[0] in "+-" else ""
    rest = bare[len(minus) :].strip()
    for sign in signs:
        if rest.startswith(sign):
            rest = rest[len(sign) :].strip()
            break
        if rest.endswith(sign):
            rest = rest[: -len(sign)].strip()
            break
    return minus + rest if not (minus and rest[:1] in ("+", "-")) else text
