"""Windows of purchases: per-customer totals and scores, each as one statement over the set. Scores come from RANK and
bound day numbers; there is no division, no date arithmetic and no NTILE, so every engine reads them alike."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, case, func, literal_column, select

from domain.ports import Span
from domain.rfm import recency_floors
from persistence.tables import purchase


def inside(business_id: int, span: Span) -> list[ColumnElement[bool]]:
    """The qualifying purchases of the window, filtered by storefront before anything is ranked."""
    conditions: list[ColumnElement[bool]] = [
        purchase.c.business_id == business_id,
        purchase.c.local_day.between(span.first_day, span.last_day),
        purchase.c.counted == 1,
    ]
    if span.storefront_id is not None:
        conditions.append(purchase.c.storefront_id == span.storefront_id)
    return conditions


def per_customer(business_id: int, span: Span, *more: ColumnElement[bool]) -> Select[Any]:
    """One row a customer of the window: orders, spend, last day."""
    return (
        select(
            purchase.c.customer_id,
            func.count().label("orders"),
            func.sum(purchase.c.amount).label("spend"),
            func.max(purchase.c.local_day).label("last_day"),
        )
        .where(*inside(business_id, span), *more)
        .group_by(purchase.c.customer_id)
    )


def total(parts: Sequence[ColumnElement[int]]) -> ColumnElement[int]:
    """The sum of the parts, starting from 1."""
    result: ColumnElement[int] = literal_column("1")
    for part in parts:
        result = result + part
    return result


def recency_score(last_day: ColumnElement[int], span: Span) -> ColumnElement[int]:
    """1 + how many of the four bound days the last purchase is not before."""
    return total([case((last_day >= floor, 1), else_=0) for floor in recency_floors(span.last_day, span.days)])


def fifths(less: ColumnElement[int], n: ColumnElement[int]) -> ColumnElement[int]:
    """1 + floor(5*less/n) without a division."""
    return total([case((5 * less >= k * n, 1), else_=0) for k in range(1, 5)])


def scored(business_id: int, span: Span) -> Subquery:
    """One row a customer of the window with the three scores."""
    each = per_customer(business_id, span).subquery("each")
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
        recency_score(ranked.c.last_day, span).label("r"),
        fifths(ranked.c.fewer, ranked.c.n).label("f"),
        fifths(ranked.c.less, ranked.c.n).label("m"),
    ).subquery("scored")
