"""What follows from one customer's kept totals: the metrics of a day, and the customer's own scores in a window. The
GraphQL face, the rules' view of a customer and the service read them from here; statements over all customers compute
the same in `persistence/rules/variables.py`."""

from dataclasses import dataclass

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
    days = FREQUENCY_DAYS if first_day is None else max(today - first_day, FREQUENCY_DAYS)
    return CustomerMetrics(
        divide_half_even(totals.revenue, count) if count else None,
        None if last_day is None else today - last_day,
        None if since is None else today - since,
        count * FREQUENCY_DAYS / days,
    )


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
