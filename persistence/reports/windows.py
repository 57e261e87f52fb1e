"""Windows of purchases: each customer's totals, scores, and labels of behaviour, each as one statement over the set.
Every engine reads them alike, on one machine or on many: scores come from cut values and bound day numbers, and cut
values from how many customers have each value, added up, so that nobody is ranked; shares are compared by
cross-multiplication. There is no division, no date arithmetic, no NTILE, and no row that another subquery refers to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
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
from domain.classification.rfm import CUTS, build_rank_conditions, build_recency_conditions, reaches_cut
from persistence.database.dialects import compute_once
from persistence.database.lists import is_among
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


def _sum_up() -> tuple[ColumnElement[int], ...]:
    spend, last_day = func.sum(purchase.c.amount), func.max(purchase.c.local_day)
    return func.count().label("orders"), spend.label("spend"), last_day.label("last_day")


def select_purchase_totals(business_id: int, span: AnySpan) -> Select[Any]:
    """One row a customer of the window: orders, spend, last day."""
    customer_id = purchase.c.customer_id
    return select(customer_id, *_sum_up()).where(*build_window_conditions(business_id, span)).group_by(customer_id)


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
        select(metrics.customer_id, *_sum_up())
        .select_from(joined)
        .where(mine, metrics.last_day >= span.first_day, metrics.first_day <= span.last_day, outer)
        .where(*build_window_conditions(business_id, span))
        .group_by(metrics.customer_id)
    )
    every = known.where(mine, inner).union_all(added).subquery("every")
    return select(every.c.customer_id, every.c.orders, every.c.spend, every.c.last_day)


def build_score(conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[int]:
    """One more than how many of the conditions hold, of which each implies those before it."""
    one: ColumnElement[int] = literal_column("1")
    named: list[tuple[ColumnElement[bool], ColumnElement[int]]] = [
        (condition, literal_column(str(score))) for score, condition in enumerate(conditions, start=2)
    ]
    return case(*reversed(named), else_=one) if named else one


def score_recency(last_day: ColumnElement[int], span: AnySpan) -> ColumnElement[int]:
    """From the four bound days, as there is no portable division."""
    return build_score(build_recency_conditions(last_day, span.last_day, span.days))


def select_cuts(values: FromClause, value: str, times: str | None = None) -> CTE:
    """One row: the four cut values of a column, cut1 to cut4, and how many customers there are, n; all null where there
    are none. A row of `values` is a customer, or as many as its column `times` says. What one task of an engine adds up
    are the values that occur, however many customers have them."""
    customers = func.count() if times is None else func.sum(values.c[times])
    pairs = select(values.c[value].label("value"), customers.label("times")).group_by(values.c[value]).subquery("pairs")
    steps = select(pairs.c.value, func.sum(pairs.c.times).over(order_by=pairs.c.value).label("up_to")).cte()
    size = compute_once(select(func.max(steps.c.up_to).label("n")).cte())
    cuts = (func.min(case((reaches_cut(k, steps.c.up_to, size.c.n), steps.c.value))).label(f"cut{k}") for k in CUTS)
    return compute_once(select(*cuts, func.max(size.c.n).label("n")).select_from(steps.join(size, true())).cte())


def rank(value: ColumnElement[int], cuts: CTE) -> ColumnElement[int]:
    """The score of a value: one more than how many cut values are smaller."""
    return build_score(build_rank_conditions(value, (cuts.c[f"cut{k}"] for k in CUTS)))


def select_scores(business_id: int, span: AnySpan) -> Subquery:
    """One row a customer of the window: orders, spend, last day, and the score as a number of three digits."""
    if isinstance(span, RowSpan):
        return _select_ranked(business_id, span)
    totals = select_window_totals(business_id, span).cte()
    often, much = select_cuts(totals, "orders"), select_cuts(totals, "spend")
    recency = score_recency(totals.c.last_day, span)
    digits = 100 * recency + 10 * rank(totals.c.orders, often) + rank(totals.c.spend, much)
    source = totals.join(often, true()).join(much, true())
    return select(*totals.c, digits.label("digits")).select_from(source).subquery("scored")


def _select_ranked(business_id: int, span: RowSpan) -> Subquery:
    """The same scores by ranks. Within the row of an outer statement SQLite would read what is read twice, as cut
    values are, anew each time."""
    each = select_window_totals(business_id, span).subquery("each")
    ranked = select(
        each,
        (func.rank().over(order_by=each.c.orders) - 1).label("fewer"),
        (func.rank().over(order_by=each.c.spend) - 1).label("less"),
        func.count().over().label("n"),
    ).subquery("ranked")
    often, much = (
        build_score([reaches_cut(k, smaller, ranked.c.n) for k in CUTS]) for smaller in (ranked.c.fewer, ranked.c.less)
    )
    digits = 100 * score_recency(ranked.c.last_day, span) + 10 * often + much
    totals = (ranked.c.customer_id, ranked.c.orders, ranked.c.spend, ranked.c.last_day)
    return select(*totals, digits.label("digits")).subquery("scored")


def select_score_counts(business_id: int, span: AnySpan) -> Select[int, Any, Any, Any, Any]:
    """The window's customers by score: score as a number of three digits, customers, orders, spend, last days. The
    scores are those of `select_scores`. Customers are added up by recency, spend and number of orders first, which
    leaves few rows, and the cut values of orders are those of these rows: one sort of all customers less."""
    each = select_window_totals(business_id, span).subquery("each_customer")
    totals = select(each.c.orders, each.c.spend, each.c.last_day).cte()
    much = select_cuts(totals, "spend")
    place = 1000 * totals.c.orders + 100 * score_recency(totals.c.last_day, span) + rank(totals.c.spend, much)
    placed = select(place.label("place"), *totals.c).select_from(totals.join(much, true())).subquery("placed")
    cells = (
        select(
            placed.c.place,
            func.min(placed.c.orders).label("orders"),
            func.count().label("customers"),
            func.sum(placed.c.spend).label("spend"),
            func.sum(placed.c.last_day).label("days"),
        )
        .group_by(placed.c.place)
        .cte()
    )
    often = select_cuts(cells, "orders", "customers")
    digits = cells.c.place - 1000 * cells.c.orders + 10 * rank(cells.c.orders, often)
    orders = (cells.c.customers * cells.c.orders).label("orders")
    scored = (
        select(digits.label("digits"), cells.c.customers, orders, cells.c.spend, cells.c.days)
        .select_from(cells.join(often, true()))
        .subquery("scored")
    )
    sums = (func.sum(scored.c[name]).label(name) for name in ("customers", "orders", "spend", "days"))
    return select(scored.c.digits, *sums).group_by(scored.c.digits)


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
    category, lines_of_all = purchase_line.c.category, func.sum(func.count())
    lines = (
        select(
            purchase.c.customer_id,
            category.label("category"),
            func.count().label("lines"),
            lines_of_all.over(partition_by=purchase.c.customer_id).label("every"),
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
