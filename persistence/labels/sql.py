"""The labels of every customer as of a day, as one statement over the set; the conditions are those of
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
    select,
    union_all,
)

from domain.classification.labels import (
    MEDIUM,
    MIXED,
    REGULAR,
    ClassificationSettings,
    ClassificationSpan,
    build_category_conditions,
    build_frequency_conditions,
    build_spending_conditions,
    has_share,
)
from persistence.database.dialects import Quotient
from persistence.database.lists import is_among
from persistence.tables.purchases import WITH_BOUGHT, purchase, purchase_line

FACTS = ("orders", "spend", "recent", "festive", "first_day", "last_day")
"""What is counted of a customer's purchases; days are day numbers, the spend is in minor units."""


def select_labels(
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
    each = _measure(counted, span, settings)
    frequencies = build_frequency_conditions(
        settings,
        span.today,
        orders=each.c.orders,
        recent=each.c.recent,
        festive=each.c.festive,
        last_day=each.c.last_day,
    )
    mean = Quotient(cast(each.c.spend, BigInteger), each.c.orders)
    spendings = build_spending_conditions(settings, decimals, mean=mean, lifetime=each.c.spend)
    categories = build_category_conditions(
        dominant=each.c.dominant.is_not(None), largest=each.c.dominant, strong=each.c.strong
    )
    return select(
        each.c.customer_id,
        case(*frequencies, else_=REGULAR).label("frequency"),
        case(*spendings, else_=MEDIUM).label("spending"),
        case(*categories, else_=MIXED).label("category"),
        *(each.c[name] for name in facts),
    )


def select_label_counts(
    business_id: int, span: ClassificationSpan, settings: ClassificationSettings, decimals: int
) -> CompoundSelect[Any]:
    """Dimension, label, number of customers."""
    labelled = select_labels(business_id, span, settings, decimals).cte("labelled")
    return union_all(
        *(
            select(literal_column(f"'{name}'").label("dimension"), labelled.c[name], func.count()).group_by(
                labelled.c[name]
            )
            for name in ("frequency", "spending", "category")
        )
    )


def _measure(
    counted: list[ColumnElement[bool]], span: ClassificationSpan, settings: ClassificationSettings
) -> Subquery:
    """Customer, FACTS, the dominant category, and how many categories are strong. Purchases and lines stand one under
    the other and are grouped, not joined: a database that guesses few rows would compare each with each."""
    both = union_all(_select_purchases(counted, span), _select_categories(counted)).subquery("both")
    dominant = has_category_share(both, settings.dominant_percent)
    return (
        select(
            both.c.customer_id,
            *(func.max(both.c[name]).label(name) for name in FACTS),
            # The largest category is dominant where any is; of two that are, the name decides.
            func.min(case((and_(both.c.lines == both.c.top, dominant), both.c.category))).label("dominant"),
            func.sum(case((has_category_share(both, settings.family_percent), 1), else_=0)).label("strong"),
        )
        .group_by(both.c.customer_id)
        .subquery("each")
    )


def _select_purchases(counted: list[ColumnElement[bool]], span: ClassificationSpan) -> Select[Any]:
    day, owner = purchase.c.local_day, purchase.c.customer_id
    festive: ColumnElement[int] = literal_column("0")
    if span.festive:
        festive = func.sum(case((is_among(day, span.festive), 1), else_=0))
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


def _select_categories(counted: list[ColumnElement[bool]]) -> Select[Any]:
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


def has_category_share(lines: Subquery, percent: int) -> ColumnElement[bool]:
    """Whether the category has a name and so many per cent of a customer's lines."""
    return and_(lines.c.category.is_not(None), has_share(percent, lines.c.lines, lines.c.every))
