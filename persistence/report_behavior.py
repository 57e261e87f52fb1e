"""What customers buy, where and when in a window: each customer's label in each dimension, as one statement over the
set. Shares are compared by cross-multiplication, in whole numbers."""

from sqlalchemy import (
    ColumnElement,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    select,
    true,
    union_all,
)

from domain.calendar import DayRanges, Span
from domain.classification.groups import (
    DIMENSIONS,
    DOMINANT_PERCENT,
    FESTIVE,
    FESTIVE_PERCENT,
    MIXED,
    OMNICHANNEL,
    UNKNOWN,
    YEAR_ROUND,
)
from persistence.database.dialects import among
from persistence.report_window import inside, per_customer
from persistence.tables import WITH_BOUGHT, purchase, purchase_line


def behaving(business_id: int, span: Span, festive: DayRanges) -> Subquery:
    """One row a customer of the window and dimension: label, orders, spend, last day."""
    each = per_customer(business_id, span).add_columns(
        channel_label().label("channel"), season_label(festive).label("season"), cast(null(), Text).label("category")
    )
    zero: ColumnElement[int] = literal_column("0")
    preferred = _preferred(business_id, span)
    more = select(
        preferred.c.customer_id, zero, zero, zero, cast(null(), Text), cast(null(), Text), preferred.c.category
    )
    # One under the other and grouped, not joined: a database that guesses few rows would compare each with each.
    both = union_all(each, more).subquery("both")
    known = (
        select(
            both.c.customer_id,
            func.sum(both.c.orders).label("orders"),
            func.sum(both.c.spend).label("spend"),
            func.max(both.c.last_day).label("last_day"),
            *(func.max(both.c[name]).label(name) for name in DIMENSIONS),
        )
        .group_by(both.c.customer_id)
        .subquery("known")
    )
    dimensions = union_all(*(select(literal_column(f"'{name}'").label("dimension")) for name in DIMENSIONS)).subquery(
        "dimensions"
    )
    label = case(*((dimensions.c.dimension == name, known.c[name]) for name in DIMENSIONS))
    return (
        select(known.c.customer_id, known.c.orders, known.c.spend, known.c.last_day, dimensions.c.dimension)
        .add_columns(label.label("label"))
        .select_from(known.join(dimensions, true()))
        .subquery("behaving")
    )


def channel_label() -> ColumnElement[str]:
    """Of a customer's purchases, grouped: the only channel, and all of them have it."""
    channel = purchase.c.channel
    return case(
        (func.count(channel) == 0, UNKNOWN),
        (and_(func.count(channel) == func.count(), func.min(channel) == func.max(channel)), func.min(channel)),
        else_=OMNICHANNEL,
    )


def season_label(festive: DayRanges) -> ColumnElement[str]:
    """Of a customer's purchases, grouped."""
    if not festive:
        return literal(YEAR_ROUND)
    often = 100 * func.sum(case((among(purchase.c.local_day, festive), 1), else_=0)) >= FESTIVE_PERCENT * func.count()
    return case((often, FESTIVE), else_=YEAR_ROUND)


def _preferred(business_id: int, span: Span) -> Subquery:
    category = purchase_line.c.category
    lines = (
        select(
            purchase.c.customer_id,
            category.label("category"),
            func.count().label("lines"),
            func.sum(func.count()).over(partition_by=purchase.c.customer_id).label("every"),
        )
        .select_from(WITH_BOUGHT)
        .where(*inside(business_id, span))
        .group_by(purchase.c.customer_id, category)
        .subquery("lines")
    )
    dominant = case((100 * lines.c.lines >= DOMINANT_PERCENT * lines.c.every, lines.c.category))
    return (
        select(lines.c.customer_id, func.coalesce(func.max(dominant), MIXED).label("category"))
        .group_by(lines.c.customer_id)
        .subquery("preferred")
    )
