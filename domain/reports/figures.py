"""Figures and names as people read them in a sentence: commas between thousands, and no more decimals than say
something. An amount of ten thousand or more has none; shares have one."""

import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal

NONE = "–"
"""Stands for what there is not."""
LARGE = 10_000
"""Major units from which decimals say nothing."""
MARK = "\u200e"
"""Stands around a name that runs leftwards, so that the sentence beside it is not drawn into its direction."""


def format_amount(amount: Decimal | None, decimals: int | None = None) -> str:
    """An amount with so many decimals, by itself with as many as its size asks for."""
    if amount is None:
        return NONE
    if decimals is None:
        decimals = 0 if abs(amount) >= LARGE else -min(int(amount.as_tuple().exponent), 0)
    return f"{amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN):,f}"


def format_customers(value: int) -> str:
    return "1 customer" if value == 1 else f"{value:,} customers"


def format_share(value: float) -> str:
    """Per cent of a part from 0 to 1."""
    return f"{100 * value:.1f} %"


def isolate_name(name: str) -> str:
    """A name inside a sentence."""
    leftwards = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{MARK}{name}{MARK}" if leftwards else name
