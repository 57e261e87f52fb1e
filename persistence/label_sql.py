"""The labels of every customer as of a day, as one statement over the set; the same arithmetic as
`domain.classification`, where one customer's labels are decided. Whoever counts, keeps or writes labels reads them
from here."""

from typing import Any

from sqlalchemy import (
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
from persistence.day_sets import among
from persistence.report_behavior import WITH_LINES
from persistence.rule_sql_constructs import Over
from persistence.tables import purchase, purchase_line


def labels(
    business_id: int,
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
    customers: Select[Any] | None = None,
    ids: tuple[int, int] | None = None,
) -> Select[Any]:
    """Customer, frequency, spending, category: one row for each with a counted purchase up to the day, or for those of
    them that `customers` selects and whose ids lie between the two of `ids`."""
    return _labelled(_lines(business_id, span, customers, ids), (), span, settings, decimals)


FACTS = ("orders", "spend", "recent", "festive", "first_day", "last_day")


def labels_with_facts(
    business_id: int,
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
    customers: Select[Any] | None = None,
    ids: tuple[int, int] | None = None,
) -> Select[Any]:
    """The same, followed by what the labels follow from."""
    lines = _lines(business_id, span, customers, ids).add_columns(func.min(purchase.c.local_day).label("first_day"))
    return _labelled(lines, FACTS, span, settings, decimals)


def _labelled(
    each_line: Select[Any],
    facts: tuple[str, ...],
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
) -> Select[Any]:
    lines = each_line.subquery("lines")
    dominant = _has(lines, settings.dominant_percent)
    each = (
        select(
            lines.c.customer_id,
            *(func.sum(lines.c[name]).label(name) for name in ("orders", "spend", "recent", "festive")),
            func.max(lines.c.last_day).label("last_day"),
            *((func.min(lines.c.first_day).label("first_day"),) if facts else ()),
            # The largest category is dominant where any is; of two that are, the name decides.
            func.min(case((and_(lines.c.lines == lines.c.top, dominant), lines.c.category))).label("dominant"),
            func.sum(case((_has(lines, settings.family_percent), 1), else_=0)).label("strong"),
        )
        .group_by(lines.c.customer_id)
        .subquery("each")
    )
    category = case((each.c.dominant.is_not(None), each.c.dominant), (each.c.strong >= 2, "Family"), else_="Mixed")
    return select(
        each.c.customer_id,
        _frequency(each, span, settings).label("frequency"),
        _spending(each, settings, decimals).label("spending"),
        category.label("category"),
        *(each.c[name] for name in facts),
    )


def label_counts(
    business_id: int, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
) -> CompoundSelect[Any]:
    """Dimension, label, number of customers."""
    labelled = labels(business_id, span, settings, decimals).cte("labelled")
    return union_all(
        *(
            select(literal_column(f"'{name}'").label("dimension"), labelled.c[name], func.count()).group_by(
                labelled.c[name]
            )
            for name in ("frequency", "spending", "category")
        )
    )


def _lines(
    business_id: int, span: ClassificationSpan, customers: Select[Any] | None, ids: tuple[int, int] | None
) -> Select[Any]:
    """Customer by category: lines, and what the orders say, told by the first line of each, so that one pass serves
    all labels. A purchase without lines counts as one line without a category."""
    day, owner, category = purchase.c.local_day, purchase.c.customer_id, purchase_line.c.category
    first = or_(purchase_line.c.position.is_(None), purchase_line.c.position == 1)
    festive: ColumnElement[int] = literal_column("0")
    if span.festive:
        festive = func.sum(case((and_(first, among(day, span.festive)), 1), else_=0))
    named = func.max(case((category.is_not(None), func.count())))
    statement = (
        select(
            owner,
            category.label("category"),
            func.count().label("lines"),
            func.sum(case((first, 1), else_=0)).label("orders"),
            func.sum(case((first, purchase.c.amount), else_=0)).label("spend"),
            func.sum(case((and_(first, day >= span.recent_from), 1), else_=0)).label("recent"),
            func.max(day).label("last_day"),
            festive.label("festive"),
            func.sum(func.count()).over(partition_by=owner).label("every"),
            named.over(partition_by=owner).label("top"),
        )
        .select_from(WITH_LINES)
        .where(purchase.c.business_id == business_id, purchase.c.counted == 1, day <= span.today)
        .group_by(owner, category)
    )
    if ids is not None:
        statement = statement.where(owner.between(*ids))
    return statement if customers is None else statement.where(owner.in_(customers))


def _has(lines: Subquery, percent: int) -> ColumnElement[bool]:
    return and_(lines.c.category.is_not(None), 100 * lines.c.lines >= percent * lines.c.every)


def _frequency(each: Subquery, span: ClassificationSpan, settings: ClassificationSettings) -> ColumnElement[str]:
    holds = {
        "NEW": each.c.orders == 1,
        "LOYAL": each.c.recent >= settings.loyal_orders,
        "LAPSED": each.c.last_day <= span.today - settings.lapsed_days,
        "SEASONAL": 100 * each.c.festive >= settings.festive_percent * each.c.orders,
    }
    return case(*((holds[name], LABELS[name]) for name in settings.frequency_order), else_="Regular")


def _spending(each: Subquery, settings: ClassificationSettings, decimals: int) -> ColumnElement[str]:
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
