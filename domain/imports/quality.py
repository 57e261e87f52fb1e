"""What is doubtful about the rows of an import: counted and named, never changed. An order is an outlier where its
amount lies far beyond the rest: the logarithm is more than three spreads above the upper quartile, a spread being the
distance of the quartiles of the logarithms, and at least a doubling. Few orders have no outliers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from domain.classification.labels import subtract_months
from domain.errors import Sentence
from domain.money import LARGEST

FEWEST = 20
"""Orders with an amount below which none is called an outlier."""
SPREADS = 3
LEAST_SPREAD = math.log(2)
YEARS_AHEAD = 10
NAMED = 10
"""Outliers that are named at most."""
CHECKS = {
    "missing_dates": "rows without a date (rejected)",
    "future_dates": "rows of orders that lie in the future",
    "doubtful_dates": "rows of orders before 1970 or more than ten years ahead",
    "duplicates": "rows equal to another row of their order",
    "negative_amounts": "rows with a negative amount",
    "zero_amounts": "rows with an amount of zero",
    "unknown_categories": "rows without a category",
    "outliers": "orders with an amount far beyond the rest",
    "refunds_not_attributed": "refunds not attributed to an order (rejected)",
    "replaced_orders": "orders of which this file replaces lines of another import",
}


@dataclass(frozen=True, slots=True)
class Outlier:
    """An order that stands out; its amount in minor units."""

    order_id: str
    amount: int


@dataclass(frozen=True, slots=True)
class Quality:
    """Doubtful rows by kind. `outliers` counts orders above `fence` (minor units; None where there are too few orders
    to tell), of which the largest are named; `refunds_not_attributed` counts orders below zero that name no other,
    which were rejected, and `refunded` is what they come to, in minor units."""

    missing_dates: int = 0
    future_dates: int = 0
    doubtful_dates: int = 0
    duplicates: int = 0
    negative_amounts: int = 0
    zero_amounts: int = 0
    unknown_categories: int = 0
    outliers: int = 0
    fence: int | None = None
    named: tuple[Outlier, ...] = ()
    refunds_not_attributed: int = 0
    refunded: int = 0
    replaced_orders: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Every count by its name, in the order of the checks."""
        return {name: getattr(self, name) for name in CHECKS}

    def to_document(self) -> dict[str, Any]:
        """As plain values, for keeping."""
        named = [{"order_id": one.order_id, "amount": one.amount} for one in self.named]
        return {**self.counts, "fence": self.fence, "named": named, "refunded": self.refunded}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Quality":
        """What `to_document` made."""
        named = tuple(Outlier(one["order_id"], one["amount"]) for one in document["named"])
        # What an earlier version did not look for is not known to be there.
        counts = {name: document.get(name, 0) for name in (*CHECKS, "refunded")}
        return cls(**counts, fence=document["fence"], named=named)


def describe_replaced(quality: Quality) -> str | None:
    """The warning where orders lost lines that another import had written; None where none did."""
    if not quality.replaced_orders:
        return None
    template = (
        "{} of this file replaced lines that another import had written. If an order is spread over several "
        "files, undo this import and give {append_lines}, which adds its rows."
    )
    orders = "1 order" if quality.replaced_orders == 1 else f"{quality.replaced_orders:,} orders"
    return Sentence(template, orders)


def find_usual_days(today: date) -> tuple[int, int]:
    """The first and the last day, as day numbers, that an order of a shop may have without doubt."""
    return date(1970, 1, 1).toordinal(), subtract_months(today, -12 * YEARS_AHEAD).toordinal()


def compute_outlier_fence(amounts: Sequence[int]) -> int | None:
    """The largest amount that is no outlier among positive ones, in minor units; None where they are too few."""
    if len(amounts) < FEWEST:
        return None
    ranked = sorted(amounts)
    lower, upper = (math.log(ranked[(len(ranked) - 1) * quarter // 4]) for quarter in (1, 3))
    return min(LARGEST, math.floor(math.exp(upper + SPREADS * max(upper - lower, LEAST_SPREAD))))
