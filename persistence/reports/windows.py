"""Windows of purchases: each customer's totals, scores, and labels of behaviour, each as one statement over the set.
Scores come from RANK and bound day numbers, shares are compared by cross-multiplication in whole numbers; there is no
division, no date arithmetic and no NTILE, so every engine reads them alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
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
from domain.classification.labels import has_share
from domain.classification.rfm import (
    CUTS,
    build_rank_conditions,
    build_recency_conditions,
    compute_cut_place,
    reaches_cut,
)
from persistence.database.dialects import is_among
from persistence.tables.customers import customer_metrics
from persistence.tables.purchases import WITH_BOUGHT, purchase, purchase_line


@dataclass(frozen=True, slots=True)
class RowSpan:
    """A window whose bounds stand in the row of an outer statement; otherwise a Span."""

    first_day: ColumnElement[int]
    last_day: ColumnElement[int]
    days: int
    storefront_id: int | None


AnySpan = Span | RowSpan


def build_window_conditions(business_id: int, span: AnySpan) -> list[ColumnElement[bool]]:
    """The qualifying purchases of the window, filtered by storefront before anything is ranked."""
    conditions: list[ColumnElement[bool]] = [
        purchase.c.business_id == business_id,
        purchase.c.local_day.between(span.first_day, span.last_day),
        purchase.c.counted == 1,
    ]
    if span.storefront_id is not None:
        conditions.append(purchase.c.storefront_id == span.storefront_id)
    return conditions


def select_purchase_totals(business_id: int, span: AnySpan, *more: ColumnElement[bool]) -> Select[Any]:
    """One row a customer of the window: orders, spend, last day."""
    return (
        select(
            purchase.c.customer_id,
            func.count().label("orders"),
            func.sum(purchase.c.amount).label("spend"),
            func.max(purchase.c.local_day).label("last_day"),
        )
        .where(*build_window_conditions(business_id, span), *more)
        .group_by(purchase.c.customer_id)
    )


def select_window_totals(business_id: int, span: AnySpan) -> Select[Any]:
    """The same. Whoever bought in the window and at no other time has the kept totals; only of the others who bought
    within its bounds are purchases read, and of those no others than the window's."""
    if span.storefront_id is not None:
        return select_purchase_totals(business_id, span)
    metrics = customer_metrics.c
    mine = metrics.business_id == business_id
    inner = and_(metrics.first_day >= span.first_day, metrics.last_day <= span.last_day)
    outer = or_(metrics.first_day < span.first_day, metrics.last_day > span.last_day)
    known = select(
        metrics.customer_id, metrics.order_count.label("orders"), metrics.revenue.label("spend"), metrics.last_day
    )
    joined = customer_metrics.join(
        purchase, and_(purchase.c.business_id == metrics.business_id, purchase.c.customer_id == metrics.customer_id)
    )
    added = (
        select(
            metrics.customer_id,
            func.count().label("orders"),
            func.sum(purchase.c.amount).label("spend"),
            func.max(purchase.c.local_day).label("last_day"),
        )
        .select_from(joined)
        .where(mine, metrics.last_day >= span.first_day, metrics.first_day <= span.last_day, outer)
        .where(*build_window_conditions(business_id, span))
        .group_by(metrics.customer_id)
    )
    every = known.where(mine, inner).union_all(added).subquery("every")
    return select(every.c.customer_id, every.c.orders, every.c.spend, every.c.last_day)


def add_up(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[int]:
    """One more than how many of the conditions hold."""
    result: ColumnElement[int] = literal_column("1")
    for condition in conditions:
        result = result + case((condition, 1), else_=0)
    return result


def score_recency(last_day: ColumnElement[int], span: AnySpan) -> ColumnElement[int]:
    """From the four bound days, as there is no portable division."""
    return add_up(build_recency_conditions(last_day, span.last_day, span.days))


def score_fifths(less: ColumnElement[int], n: ColumnElement[int]) -> ColumnElement[int]:
    """1 + floor(5*less/n), the same score as from cut values: a rank tells how many customers have less."""
    return add_up(reaches_cut(k, less, n) for k in CUTS)


def select_scores(business_id: int, span: AnySpan) -> Subquery:
    """One row a customer of the window with the three scores."""
    each = select_window_totals(business_id, span).subquery("each")
    ranked = select(
        each,
        (func.rank().over(order_by=each.c.orders) - 1).label("fewer"),
        (func.rank().over(order_by=each.c.spend) - 1).label("less"),
        func.count().over().label("n"),
    ).subquery("ranked")
    return select(
        ranked.c.customer_id,
        ranked.c.orders,
        ranked.c.spend,
        ranked.c.last_day,
        score_recency(ranked.c.last_day, span).label("r"),
        score_fifths(ranked.c.fewer, ranked.c.n).label("f"),
        score_fifths(ranked.c.less, ranked.c.n).label("m"),
    ).subquery("scored")


def select_score_counts(business_id: int, span: Span) -> Select[int, int, Any, Any, Any]:
    """The window's customers by score: score as a number of three digits, customers, orders, spend, last days. The
    scores are those of `select_scores`, found with the cut values instead of ranks, which takes half the time: q_k is
    the sorted value at position ceil(k*n/5). The offset that leads there is the one place with a division; both
    databases cut it off alike."""
    each = select_window_totals(business_id, span).cte("each").prefix_with("MATERIALIZED")
    size = select(func.count().label("n")).select_from(each).cte("size")
    spends = select(each.c.spend).order_by(each.c.spend).cte("spends").prefix_with("MATERIALIZED")
    by_orders = select(each.c.orders, func.count().label("customers")).group_by(each.c.orders).subquery("by_orders")
    steps = select(
        by_orders.c.orders, func.sum(by_orders.c.customers).over(order_by=by_orders.c.orders).label("up_to")
    ).subquery("steps")
    order_cuts = (
        select(
            *(func.min(case((reaches_cut(k, steps.c.up_to, size.c.n), steps.c.orders))).label(f"cut{k}") for k in CUTS)
        )
        .select_from(steps.join(size, literal_column("true")))
        .cte("order_cuts")
    )
    spend_cuts = select(
        *(
            select(spends.c.spend)
            .limit(1)
            .offset(select(compute_cut_place(k, size.c.n) - 1).scalar_subquery())
            .scalar_subquery()
            .label(f"cut{k}")
            for k in CUTS
        )
    ).cte("spend_cuts")
    score = 100 * score_recency(each.c.last_day, span)
    for weight, value, quintiles in ((10, each.c.orders, order_cuts), (1, each.c.spend, spend_cuts)):
        score = score + weight * add_up(build_rank_conditions(value, quintiles.c))
    digits = score.label("digits")
    source: FromClause = each.join(order_cuts, literal_column("true")).join(spend_cuts, literal_column("true"))
    return (
        select(digits, func.count(), func.sum(each.c.orders), func.sum(each.c.spend), func.sum(each.c.last_day))
        .select_from(source)
        .group_by(digits)
    )


def select_behaviors(business_id: int, span: AnySpan, festive: DayRanges) -> Subquery:
    """One row a customer of the window and dimension: label, orders, spend, last day."""
    each = select_purchase_totals(business_id, span).add_columns(
        build_channel_label().label("channel"),
        build_season_label(festive).label("season"),
        cast(null(), Text).label("category"),
    )
    zero: ColumnElement[int] = literal_column("0")
    preferred = _select_preferred(business_id, span)
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


def build_channel_label() -> ColumnElement[str]:
    """Of a customer's purchases, grouped: the only channel, and all of them have it."""
    channel = purchase.c.channel
    return case(
        (func.count(channel) == 0, UNKNOWN),
        (and_(func.count(channel) == func.count(), func.min(channel) == func.max(channel)), func.min(channel)),
        else_=OMNICHANNEL,
    )


def build_season_label(festive: DayRanges) -> ColumnElement[str]:
    """Of a customer's purchases, grouped."""
    if not festive:
        return literal(YEAR_ROUND)
    during = func.sum(case((is_among(purchase.c.local_day, festive), 1), else_=0))
    return case((has_share(FESTIVE_PERCENT, during, func.count()), FESTIVE), else_=YEAR_ROUND)


def _select_preferred(business_id: int, span: AnySpan) -> Subquery:
    category = purchase_line.c.category
    lines = (
        select(
            purchase.c.customer_id,
            category.label("category"),
            func.count().label("lines"),
            func.sum(func.count()).over(partition_by=purchase.c.customer_id).label("every"),
        )
        .select_from(WITH_BOUGHT)
        .where(*build_window_conditions(business_id, span))
        .group_by(purchase.c.customer_id, category)
        .subquery("lines")
    )
    dominant = case((has_share(DOMINANT_PERCENT, lines.c.lines, lines.c.every), lines.c.category))
    return (
        select(lines.c.customer_id, func.coalesce(func.max(dominant), MIXED).label("category"))
        .group_by(lines.c.customer_id)
        .subquery("preferred")
    )
