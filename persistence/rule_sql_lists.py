"""Purchases and their lines as rules look at them: through EXISTS and scalar subqueries of the one customer, so that an
expression can stand in any statement, restricted to any customers."""

from typing import Any

from sqlalchemy import FromClause, Select, func, literal, select

from domain.calendar import to_micros
from domain.rules.evaluator import HALF
from domain.rules.tree import Collection, Condition, Quantity, Variable
from domain.rules.variables import LINES, OF_EVERY_STATUS
from persistence.database import dialects as sql
from persistence.database.dialects import Expression, constant, number
from persistence.rule_sql_layers import Layers
from persistence.tables import OF_PURCHASE, bought, customer, customer_metrics, purchase, purchase_line


def quantified(layers: Layers, quantity: Quantity, collection: Collection, test: Condition) -> Expression:
    """Whether some, all or none of the elements satisfy the condition."""
    held = layers.inside(collection.name, test)
    found = _elements(layers, collection, literal(1))
    if quantity is Quantity.ALL:
        # Over nothing it does not hold.
        return sql.And(found.exists(), sql.Negation(found.where(sql.Negation(held)).exists()))
    some = found.where(held).exists()
    return sql.Negation(some) if quantity is Quantity.NONE else some


def reduced(layers: Layers, collection: Collection, addend: Variable | None) -> Expression:
    """How many elements there are, or the sum of a number of theirs, taken of high and low halves."""
    if addend is None:
        return number(_elements(layers, collection, func.count()).scalar_subquery())
    whole = layers.variables.whole(addend.name, collection.name)
    if whole is None:
        raise TypeError(f"{addend.name} cannot be summed")
    each: Expression = whole.column
    if whole.origin is not None:
        each = sql.Minus(literal(whole.origin), each)
    high = sql.Over(each, literal(HALF))
    low = sql.Minus(each, sql.Times(literal(HALF), high))
    sums = [number(func.coalesce(func.sum(part), 0)) for part in (high, low)]
    summed = sql.Plus(sql.Times(sums[0], constant(float(HALF))), sums[1])
    return _elements(layers, collection, sql.Over(summed, constant(whole.scale))).scalar_subquery()


def _elements(layers: Layers, collection: Collection, what: Expression) -> Select[Any]:
    source: FromClause = purchase
    if collection.name in LINES:
        source = purchase.join(purchase_line, OF_PURCHASE)
    mine = [purchase.c.business_id == layers.context.business.id, purchase.c.customer_id == customer.c.id]
    if collection.name in OF_EVERY_STATUS:
        mine.append(purchase.c.purchased_at <= to_micros(layers.context.now))
    else:
        mine.append(purchase.c.counted == 1)
        if collection.name in LINES:
            mine.append(bought())
    found = select(what).select_from(source).where(*mine).correlate(customer, customer_metrics)
    for test in collection.filters:
        found = found.where(layers.inside(collection.name, test))
    return found
