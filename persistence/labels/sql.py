"""The labels of every customer as of a day, as one statement over the set; the same arithmetic as
`domain.classification.labels`, where one customer's labels are decided. Whoever counts, keeps or writes labels reads
them from here."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    Text,
    and_,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from domain.classification.labels import LABELS, ClassificationSettings, ClassificationSpan
from domain.money import to_minor
from persistence.database.dialects import Divide, among
from persistence.tables import WITH_BOUGHT, purchase, purchase_line

FACTS = ("orders", "spend", "recent", "festive", "first_day", "last_day")
"""What is counted of a customer's purchases; days are day numbers, the spend is in minor units."""


def labels(
    business_id: int,
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
    customers: Select[Any] | None = None,
    ids: tuple[int, int] | None = None,
    facts: tuple[str, ...] = (),
) -> Select[Any]:
    """Customer, frequency, spending, category, and those of FACTS that the labels follow from: one row for each with a
    counted purchase up to the day, or for those of them that `customers` selects and whose ids lie between the two of
    `ids`."""
    counted = [purchase.c.business_id == business_id, purchase.c.counted == 1, purchase.c.local_day <= span.today]
    if ids is not None:
        counted.append(purchase.c.customer_id.between(*ids))
    if customers is not None:
        counted.append(purchase.c.customer_id.in_(customers))
    each = _known(counted, span, settings)
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


def _known(counted: list[ColumnElement[bool]], span: ClassificationSpan, settings: ClassificationSettings) -> Subquery:
    """Customer, FACTS, the dominant category, and how many categories are strong. Purchases and lines stand one under
    the other and are grouped, not joined: a database that guesses few rows would compare each with each."""
    both = union_all(_purchases(counted, span), _categories(counted)).subquery("both")
    dominant = _has(both, settings.dominant_percent)
    return (
        select(
            both.c.customer_id,
            *(func.max(both.c[name]).label(name) for name in FACTS),
            # The largest category is dominant where any is; of two that are, the name decides.
            func.min(case((and_(both.c.lines == both.c.top, dominant), both.c.category))).label("dominant"),
            func.sum(case((_has(both, settings.family_percent), 1), else_=0)).label("strong"),
        )
        .group_by(both.c.customer_id)
        .subquery("each")
    )


def _purchases(counted: list[ColumnElement[bool]], span: ClassificationSpan) -> Select[Any]:
    day, owner = purchase.c.local_day, purchase.c.customer_id
    festive: ColumnElement[int] = literal_column("0")
    if span.festive:
        festive = func.sum(case((among(day, span.festive), 1), else_=0))
    facts = {
        "orders": func.count(),
        "spend": func.sum(purchase.c.amount),
        "recent": func.sum(case((day >= span.recent_from, 1), else_=0)),
        "festive": festive,
        "first_day": func.min(day),
        "last_day": func.max(day),
    }
    return (
        select(
            owner,
            *(facts[name].label(name) for name in FACTS),
            cast(null(), Text).label("category"),
            *(cast(null(), BigInteger).label(name) for name in ("lines", "every", "top")),
        )
        .where(*counted)
        .group_by(owner)
    )


def _categories(counted: list[ColumnElement[bool]]) -> Select[Any]:
    """Customer by category: bought lines, those of all categories, and those of the largest that has a name."""
    owner, category, lines = purchase.c.customer_id, purchase_line.c.category, func.count()
    named = func.max(case((category.is_not(None), lines)))
    return (
        select(
            owner,
            *(cast(null(), BigInteger).label(name) for name in FACTS),
            category,
            lines.label("lines"),
            func.sum(lines).over(partition_by=owner).label("every"),
            named.over(partition_by=owner).label("top"),
        )
        .select_from(WITH_BOUGHT)
        .where(*counted)
        .group_by(owner, category)
    )


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
    quotient = Divide(cast(each.c.spend, BigInteger), each.c.orders)
    return case(
        (or_(quotient >= average, each.c.spend >= high), "High Value"),
        (each.c.spend <= low, "Low Value"),
        else_="Medium Value",
    )
