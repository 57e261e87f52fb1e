"""Money: integer minor units inside, Decimal outside, one currency a business. Its ISO 4217 exponent decides the
minor unit; no float ever takes part."""

import re
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from domain.errors import InvalidInput, Sentence

# Active ISO 4217 codes by exponent; the rest have two decimals.
NO_DECIMALS = frozenset(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ]
)
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
FOUR_DECIMALS = frozenset({"CLF", "UYW"})
TWO_DECIMALS = frozenset(
    [
        "AED",
        "AFN",
        "ALL",
        "AMD",
        "ANG",
        "AOA",
        "ARS",
        "AUD",
        "AWG",
        "AZN",
        "BAM",
        "BBD",
        "BDT",
        "BGN",
        "BMD",
        "BND",
        "BOB",
        "BOV",
        "BRL",
        "BSD",
        "BTN",
        "BWP",
        "BYN",
        "BZD",
        "CAD",
        "CDF",
        "CHE",
        "CHF",
        "CHW",
        "CNY",
        "COP",
        "COU",
        "CRC",
        "CUP",
        "CVE",
        "CZK",
        "DKK",
        "DOP",
        "DZD",
        "EGP",
        "ERN",
        "ETB",
        "EUR",
        "FJD",
        "FKP",
        "GBP",
        "GEL",
        "GHS",
        "GIP",
        "GMD",
        "GTQ",
        "GYD",
        "HKD",
        "HNL",
        "HTG",
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "IRR",
        "JMD",
        "KES",
        "KGS",
        "KHR",
        "KPW",
        "KYD",
        "KZT",
        "LAK",
        "LBP",
        "LKR",
        "LRD",
        "LSL",
        "MAD",
        "MDL",
        "MGA",
        "MKD",
        "MMK",
        "MNT",
        "MOP",
        "MRU",
        "MUR",
        "MVR",
        "MWK",
        "MXN",
        "MXV",
        "MYR",
        "MZN",
        "NAD",
        "NGN",
        "NIO",
        "NOK",
        "NPR",
        "NZD",
        "PAB",
        "PEN",
        "PGK",
        "PHP",
        "PKR",
        "PLN",
        "QAR",
        "RON",
        "RSD",
        "RUB",
        "SAR",
        "SBD",
        "SCR",
        "SDG",
        "SEK",
        "SGD",
        "SHP",
        "SLE",
        "SOS",
        "SRD",
        "SSP",
        "STN",
        "SVC",
        "SYP",
        "SZL",
        "THB",
        "TJS",
        "TMT",
        "TOP",
        "TRY",
        "TTD",
        "TWD",
        "TZS",
        "UAH",
        "USD",
        "USN",
        "UYU",
        "UZS",
        "VED",
        "VES",
        "WST",
        "XCD",
        "XCG",
        "YER",
        "ZAR",
        "ZMW",
        "ZWG",
    ]
)
MAXIMUM_DIGITS = 15
LARGEST = 2**63 - 1
"""What both databases keep exactly, in minor units."""
DECIMAL = re.compile(r"[+-]?(\d+)(?:\.(\d*))?|[+-]?\.(\d+)")


def find_exponent(currency: str) -> int:
    """Decimals of the currency's minor unit; InvalidInput when the code is not an active ISO 4217 code."""
    if currency in TWO_DECIMALS:
        return 2
    if currency in NO_DECIMALS:
        return 0
    if currency in THREE_DECIMALS:
        return 3
    if currency in FOUR_DECIMALS:
        return 4
    message = Sentence("{currency} must be an ISO 4217 code such as EUR, not {!r}", currency[:20])
    raise InvalidInput(message, ("currency",))


def is_currency(code: str) -> bool:
    """Whether it is an active ISO 4217 code."""
    return any(code in codes for codes in (TWO_DECIMALS, NO_DECIMALS, THREE_DECIMALS, FOUR_DECIMALS))


def to_minor(value: Decimal, decimals: int) -> int:
    """Minor units of a finite amount; ValueError with a sentence when it has too many digits or decimals."""
    if not value.is_finite():
        raise ValueError("must be a finite number")
    if value and value.adjusted() >= MAXIMUM_DIGITS:
        raise ValueError(f"must have at most {MAXIMUM_DIGITS} digits before the point")
    if value and value.adjusted() < -40:
        raise ValueError(f"must have at most {decimals} decimals")
    sign, digits, power = value.as_tuple()
    # By hand: Decimal's own arithmetic would round an amount of more than 28 digits instead of refusing it.
    shift = int(power) + decimals
    coefficient = int("".join(map(str, digits))) if value else 0
    whole, rest = coefficient, 0
    if value:
        power_of_ten = int(10 ** abs(shift))
        whole, rest = (coefficient * power_of_ten, 0) if shift >= 0 else divmod(coefficient, power_of_ten)
    if rest:
        raise ValueError(f"must have at most {decimals} decimals")
    if whole > LARGEST:
        raise ValueError(f"must be at most {to_decimal(LARGEST, decimals)} in this currency")
    return -whole if sign else whole


MILLIONTHS = 6
QUANTITY_DIGITS = 9


def to_millionths(value: Decimal, digits: int = QUANTITY_DIGITS) -> int:
    """A finite number, such as a quantity, in millionths; ValueError with a sentence when it has more than so many
    digits before the point or more than six decimals."""
    if value.is_finite() and value and value.adjusted() >= digits:
        raise ValueError(f"must have at most {digits} digits before the point")
    return to_minor(value, MILLIONTHS)


def from_millionths(value: int) -> Decimal:
    """The number, with as many decimals as it needs."""
    return Decimal(value).scaleb(-MILLIONTHS).normalize()


def parse_minor(text: str, decimals: int) -> int:
    """Minor units of plain decimal text such as "-12.30"; ValueError with a sentence otherwise.

    The common form, digits with a point and exactly the currency's decimals, is read without Decimal: it is the
    inner step of an import.
    """
    whole, _point, part = text.partition(".")
    if len(part) == decimals <= 3 and len(whole) <= MAXIMUM_DIGITS and (whole + part).isdigit() and text.isascii():
        return int(whole + part)
    if not text.isascii() or DECIMAL.fullmatch(text) is None or len(text) > 60:
        raise ValueError("must be a number such as 12.50")
    try:
        return to_minor(Decimal(text), decimals)
    except InvalidOperation as error:
        raise ValueError("must be a number such as 12.50") from error


def to_decimal(minor: int, decimals: int) -> Decimal:
    """The amount in major units, with the currency's decimals."""
    return Decimal(minor).scaleb(-decimals)


def format_minor(amounts: Iterable[int], decimals: int) -> list[str]:
    """The same as plain texts, such as 12.50, for files of millions."""
    unit, parts = 10**decimals, _list_parts(decimals)
    return [
        str(minor // unit) + parts[minor % unit] if minor >= 0 else f"-{-minor // unit}{parts[-minor % unit]}"
        for minor in amounts
    ]


@cache
def _list_parts(decimals: int) -> list[str]:
    """What stands behind whole major units."""
    return [f".{part:0{decimals}}" for part in range(10**decimals)] if decimals else [""]


def compute_mean(total: int, count: int, decimals: int) -> Decimal | None:
    """Average of minor units in major units, rounded half-even to the minor unit; None without anything to average."""
    if not count:
        return None
    return (Decimal(divide_half_even(total, count))).scaleb(-decimals)


def divide_half_even(total: int, count: int) -> int:
    """total / count rounded half-even, in integers; count is positive."""
    quotient = total // count
    return quotient + bool(is_rounded_up(total, count, quotient))


def is_rounded_up(total: Any, count: Any, quotient: Any) -> Any:
    """Whether half-even rounding makes the quotient, rounded down, one more; of integers and of columns alike. It does
    where twice the rest is more than the count, or as much and the quotient odd."""
    return 2 * (total - quotient * count) + quotient % 2 > count
