"""Figures and names as people read them: commas between thousands, and no more decimals than say something. A sum of
ten thousand or more has none, and neither have the figures of one column with it, so that a column reads alike; shares
and growth have one. Files for programs say every digit instead."""

import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

NONE = "–"
"""Stands for what there is not."""
LARGE = 10_000
"""Major units from which decimals say nothing."""
MARK = "\u200e"
"""Stands around a name that runs leftwards, so that the sentence beside it is not drawn into its direction."""


def choose_decimals(amounts: Iterable[Decimal | None], decimals: int) -> int:
    """How many decimals amounts have that stand in one column, in a currency of so many."""
    return 0 if any(amount is not None and abs(amount) >= LARGE for amount in amounts) else decimals


def format_amount(amount: Decimal | None, decimals: int | None = None) -> str:
    """An amount with so many decimals, by itself with as many as its size asks for."""
    if amount is None:
        return NONE
    if decimals is None:
        decimals = choose_decimals([amount], -min(int(amount.as_tuple().exponent), 0))
    return f"{amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):,f}"


def format_count(value: int | None) -> str:
    return NONE if value is None else f"{value:,}"


def format_customers(value: int) -> str:
    return "1 customer" if value == 1 else f"{value:,} customers"


def format_share(value: float) -> str:
    """Per cent of a part from 0 to 1."""
    return f"{100 * value:.1f} %"


def format_average(value: float | None, decimals: int) -> str:
    return NONE if value is None else f"{value:,.{decimals}f}"


def format_change(change: int | None) -> str:
    """With its sign."""
    return NONE if change is None else sign(change, format_count(abs(change)))


def format_growth(now: Decimal | int, before: Decimal | int) -> str:
    """Per cent of what was before, with its sign; empty where that was nothing."""
    if not before:
        return ""
    growth = 100 * (now - before) / Decimal(before)
    return sign(growth, f"{abs(growth):,.1f} %")


def sign(change: Decimal | int, text: str) -> str:
    """The text of a change without its sign, with it."""
    return f"+{text}" if change > 0 else f"−{text}" if change < 0 else text


def isolate_name(name: str) -> str:
    """A name inside a sentence."""
    leftwards = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{MARK}{name}{MARK}" if leftwards else name
