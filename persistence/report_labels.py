"""How many customers have each label of classification as of a day, as one statement over the set; the same arithmetic
as `domain.classification`, where one customer's labels are decided."""

from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    union_all,
)

from domain.classification import LABELS, ClassificationSettings
from domain.money import to_minor
from domain.ports import ClassificationSpan
from persistence.report_behavior import WITH_LINES
from persistence.rule_sql_constructs import Over
from persistence.tables import purchase, purchase_line


def label_counts(
    business_id: int, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
) -> CompoundSelect[Any]:
    """Dimension, label, number of customers."""
    each = _totals(business_id, span).cte("each")
    favourite = _favourites(business_id, span, settings)
    # Side by side and not joined: SQLite would look through all favourites for each customer.
    labelled = (
        ("frequency", _frequency(each, span, settings)),
        ("spending", _spending(each, settings, decimals)),
        ("category", favourite.c.label),
    )
    rows = [(dimension, select(label.label("label")).subquery(dimension)) for dimension, label in labelled]
    return union_all(
        *(
            select(literal_column(f"'{dimension}'").label("dimension"), row.c.label, func.count()).group_by(row.c.label)
            for dimension, row in rows
        )
    )


def _until(business_id: int, span: ClassificationSpan) -> list[ColumnElement[bool]]:
    return [
        purchase.c.business_id == business_id,
        purchase.c.counted == 1,
        purchase.c.local_day <= span.today,
    ]


def _totals(business_id: int, span: ClassificationSpan) -> Select[Any]:
    day = purchase.c.local_day
    festive: ColumnElement[int] = literal_column("0")
    if span.festive:
        festive = func.sum(case((or_(*(day.between(low, high) for low, high in span.festive)), 1), else_=0))
    return (
        select(
            purchase.c.customer_id,
            func.count().label("orders"),
            func.sum(purchase.c.amount).label("spend"),
            func.sum(case((day >= span.recent_from, 1), else_=0)).label("recent"),
            func.max(day).label("last_day"),
            festive.label("festive"),
        )
        .where(*_until(business_id, span))
        .group_by(purchase.c.customer_id)
    )


def _frequency(each: CTE, span: ClassificationSpan, settings: ClassificationSettings) -> ColumnElement[str]:
    holds = {
        "NEW": each.c.orders == 1,
        "LOYAL": each.c.recent >= settings.loyal_orders,
        "LAPSED": each.c.last_day <= span.today - settings.lapsed_days,
        "SEASONAL": 100 * each.c.festive >= settings.festive_percent * each.c.orders,
    }
    return case(*((holds[name], LABELS[name]) for name in settings.frequency_order), else_="Regular")


def _spending(each: CTE, settings: ClassificationSettings, decimals: int) -> ColumnElement[str]:
    average, high, low = (
        to_minor(value, decimals)
        for value in (settings.high_average_order, settings.high_lifetime, settings.low_lifetime)
    )
    # The whole quotient reaches a whole bound exactly where the mean does, and cannot overflow.
    quotient = Over(cast(each.c.spend, BigInteger), each.c.orders)
    return case(
        (or_(quotient >= average, each.c.spend >= high), "High Value"),
        (each.c.spend <= low, "Low Value"),
        else_="Medium Value",
    )


def _favourites(business_id: int, span: ClassificationSpan, settings: ClassificationSettings) -> Subquery:
    # A purchase without lines counts as one line without a category.
    category, owner = purchase_line.c.category, purchase.c.customer_id
    lines = (
        select(
            owner,
            category.label("category"),
            func.count().label("lines"),
            func.sum(func.count()).over(partition_by=owner).label("every"),
        )
        .select_from(WITH_LINES)
        .where(*_until(business_id, span))
        .group_by(owner, category)
        .subquery("lines")
    )

    def has(percent: int) -> ColumnElement[bool]:
        return and_(lines.c.category.is_not(None), 100 * lines.c.lines >= percent * lines.c.every)

    first = (case((lines.c.category.is_(None), 1), else_=0), lines.c.lines.desc(), lines.c.category)
    ranked = select(
        lines.c.customer_id,
        lines.c.category,
        case((has(settings.dominant_percent), 1), else_=0).label("dominant"),
        func.sum(case((has(settings.family_percent), 1), else_=0))
        .over(partition_by=lines.c.customer_id)
        .label("strong"),
        func.row_number().over(partition_by=lines.c.customer_id, order_by=first).label("place"),
    ).subquery("ranked")
    label = case((ranked.c.dominant == 1, ranked.c.category), (ranked.c.strong >= 2, "Family"), else_="Mixed")
    return select(ranked.c.customer_id, label.label("label")).where(ranked.c.place == 1).subquery("favourites")
