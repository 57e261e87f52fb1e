"""What follows from one customer's kept totals: the metrics of a day, the customer's own scores in a window, and what
others must have for such scores. The GraphQL face, the rules' view of a customer and the service read them from here;
`persistence/rules/variables.py` makes columns of the same formulas, where a missing day is NULL and not None."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.calendar import Span
from domain.classification.rfm import (
    Metric,
    Quintiles,
    Score,
    find_rank_bounds,
    find_recency_bounds,
    score_rank,
    score_recency,
)
from domain.model import CustomerTotals
from domain.money import divide_half_even, find_exponent, to_decimal
from domain.store import WindowTotals

FREQUENCY_DAYS = 30


@dataclass(frozen=True, slots=True)
class CustomerMetrics:
    """The average in minor units, rounded half-even; ages in local dates; orders per 30 days from the first one to
    today, over at least 30 days. None where there is nothing to measure by."""

    average_order_value: int | None
    days_since_last_purchase: int | None
    tenure_days: int | None
    purchase_frequency: float


def measure_customer(totals: CustomerTotals, today: int) -> CustomerMetrics:
    """The metrics as of a day number; tenure runs from the registration, or else the first purchase."""
    count, first_day, last_day = totals.order_count, totals.first_day, totals.last_day
    since = first_day if totals.registered_day is None else totals.registered_day
    orders, days = build_purchase_frequency(count, 0 if first_day is None else today - first_day, max)
    return CustomerMetrics(
        divide_half_even(totals.revenue, count) if count else None,
        None if last_day is None else today - last_day,
        None if since is None else today - since,
        orders / days,
    )


def build_purchase_frequency(orders: Any, age: Any, larger: Callable[[Any, Any], Any]) -> tuple[Any, Any]:
    """Orders per 30 days since the first one, `age` days ago, over at least 30 days, as a fraction of whole numbers or
    of columns; `larger` is of two of them."""
    return orders * FREQUENCY_DAYS, larger(age, FREQUENCY_DAYS)


def score_customer(
    totals: CustomerTotals, window: WindowTotals | None, span: Span, quintiles: Quintiles | None
) -> Score | None:
    """The scores in the window: 1-1-1 for one who bought only before it, None for one who never did."""
    if window is None or quintiles is None:
        return Score(1, 1, 1) if totals.order_count else None
    return Score(
        score_recency(span.last_day - window.last_day, span.days),
        score_rank(window.orders, quintiles.orders),
        score_rank(window.spend, quintiles.spend),
    )


@dataclass(frozen=True, slots=True)
class ScoreThreshold:
    """What has one of the three scores: from `low` to `high`, both included, in days since the last purchase, orders or
    major units; None where there is no such bound. The sentence is such as "M5 from 12,400 LKR"."""

    metric: Metric
    score: int
    low: Decimal | None
    high: Decimal | None
    sentence: str

    @property
    def exists(self) -> bool:
        """Whether any value lies within the bounds; equal customers may leave a score to nobody."""
        return self.low is None or self.high is None or self.low <= self.high


def find_thresholds(score: Score, quintiles: Quintiles, days: int, currency: str) -> tuple[ScoreThreshold, ...]:
    """Those of a customer's own scores in a window of `days` with these cut values."""
    recency, orders = find_recency_bounds(score.recency, days), find_rank_bounds(score.frequency, quintiles.orders)
    spend = [
        None if bound is None else to_decimal(bound, find_exponent(currency))
        for bound in find_rank_bounds(score.monetary, quintiles.spend)
    ]
    return (
        _make_threshold(
            Metric.RECENCY, score.recency, recency, ("day since the last purchase", "days since the last purchase")
        ),
        _make_threshold(Metric.FREQUENCY, score.frequency, orders, ("order", "orders")),
        _make_threshold(Metric.MONETARY, score.monetary, spend, (currency, currency)),
    )


def _make_threshold(
    metric: Metric, score: int, bounds: Sequence[int | Decimal | None], units: tuple[str, str]
) -> ScoreThreshold:
    low, high = (None if bound is None else Decimal(bound) for bound in bounds)
    unit = units[(low if high is None else high) != 1]
    match low or None, high:
        case None, None:
            values = "without bounds, as nobody bought in the window"
        case None, Decimal() as most:
            values = f"up to {_format_exactly(most)} {unit}"
        case Decimal() as least, None:
            values = f"from {_format_exactly(least)} {unit}"
        case Decimal() as least, Decimal() as most if least == most:
            values = f"with {_format_exactly(most)} {unit}"
        case Decimal() as least, Decimal() as most:
            values = f"from {_format_exactly(least)} to {_format_exactly(most)} {unit}"
    return ScoreThreshold(metric, score, low, high, f"{metric[0]}{score} {values}")


def _format_exactly(value: Decimal) -> str:
    """Every digit but decimals that are zero."""
    return f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,f}"
