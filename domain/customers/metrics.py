"""What follows from one customer's kept totals: the metrics of a day, and the customer's own scores in a window. The
GraphQL face, the rules' view of a customer and the service read them from here; `persistence/rules/variables.py` makes
columns of the same formulas, where a missing day is NULL and not None."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.calendar import Span
from domain.classification.rfm import Quintiles, Score, score_rank, score_recency
from domain.model import CustomerTotals
from domain.money import divide_half_even
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
