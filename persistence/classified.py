"""Customers as classifiers of one's own see them: the documented columns and the built-in labels as one statement, with
the SQL expressions of classifiers beside them. An expression comes from an installed package, never from a user."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    FromClause,
    Label,
    Row,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.classification.labels import ClassificationSettings, ClassificationSpan
from domain.classifiers import (
    BUILT_IN,
    COLUMNS,
    LONGEST_LABEL,
    ClassifiedBatch,
    Classifier,
    ClassifierFailed,
    Classifiers,
)
from domain.money import mean, to_decimal
from persistence.database.dialects import Minus, Over, Times, constant, number
from persistence.label_sql import FACTS, labels
from persistence.tables import customer

BATCH = 2_000
NUMBERS = ("order_count", "first_purchase_day", "last_purchase_day", "recent_orders", "festive_orders", "today")
MONEY = ("total_revenue", "average_order_value")


@dataclass(frozen=True, slots=True)
class ClassifiedStore:
    """The customers of one business."""

    connection: AsyncConnection
    business_id: int

    async def batches(
        self,
        span: ClassificationSpan,
        settings: ClassificationSettings,
        decimals: int,
        classifiers: Classifiers,
        customers: Sequence[int] | None = None,
    ) -> AsyncIterator[ClassifiedBatch]:
        """All customers with a counted purchase up to the day, or those of them whose ids are given. ClassifierFailed
        where an expression cannot be computed for one of them."""
        own = customer.c.business_id == self.business_id
        mine = None if customers is None else select(customer.c.id).where(own, customer.c.id.in_(customers))
        statement = classified(self.business_id, span, settings, decimals, classifiers, mine)
        try:
            async with self.connection.stream(statement.execution_options(yield_per=BATCH)) as result:
                async for rows in result.partitions():
                    yield batch_of(rows, span.today, decimals, classifiers)
        except DBAPIError as error:
            raise told(error, classifiers) from error

    async def counts(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int, classifiers: Classifiers
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label, where no classifier is a function; in one statement."""
        seen = classified(self.business_id, span, settings, decimals, classifiers).cte("classified")
        statements = []
        for dimension in classifiers.dimensions:
            own = [seen.c[name] for name in (f"answer_{dimension}", dimension) if name in seen.c]
            label = func.coalesce(*own) if len(own) > 1 else own[0]
            counted = select(literal(dimension, Text), label, func.count())
            statements.append(counted.where(label.is_not(None)).group_by(label))
        try:
            return [
                (name, label, count) for name, label, count in await self.connection.execute(union_all(*statements))
            ]
        except DBAPIError as error:
            raise told(error, classifiers) from error


def told(error: DBAPIError, classifiers: Classifiers) -> Exception:
    """A failing expression, apart from a store in trouble; on SQLite its code alone tells which it is."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    trouble = isinstance(error, OperationalError) and code != sqlite3.SQLITE_ERROR
    return error if trouble or not classifiers.sql else ClassifierFailed()


def classified(
    business_id: int,
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
    classifiers: Classifiers,
    customers: Select[Any] | None = None,
    ids: tuple[int, int] | None = None,
) -> Select[Any]:
    """One row a customer: id, facts, built-in labels, and the answer of each SQL classifier, for `batch_of`."""
    each = labels(business_id, span, settings, decimals, customers, ids, FACTS).subquery("each")
    scale = 10**decimals
    seen = (
        select(
            each.c.customer_id.label("own_id"),
            each.c.spend.label("own_spend"),
            customer.c.external_id.label("customer_id"),
            cast(each.c.orders, BigInteger).label("order_count"),
            Over(number(each.c.spend), constant(float(scale))).label("total_revenue"),
            Over(number(_mean(each)), constant(float(scale))).label("average_order_value"),
            each.c.first_day.label("first_purchase_day"),
            each.c.last_day.label("last_purchase_day"),
            cast(each.c.recent, BigInteger).label("recent_orders"),
            cast(each.c.festive, BigInteger).label("festive_orders"),
            literal(span.today, BigInteger).label("today"),
            *(each.c[name] for name in BUILT_IN),
        )
        .select_from(
            each.join(customer, and_(customer.c.business_id == business_id, customer.c.id == each.c.customer_id))
        )
        .subquery("customers")
    )
    shown = [name for name in COLUMNS if name not in (*MONEY, "today")]
    return select(
        seen.c.own_id, seen.c.own_spend, *(seen.c[name] for name in shown), *map(answer, classifiers.sql)
    ).select_from(seen)


def answer(classifier: Classifier) -> Label[str | None]:
    """What its expression says of each row of `customers`; empty text is no answer."""
    said: ColumnElement[str] = cast(literal_column(f"(\n{classifier.sql}\n)"), Text)
    return func.nullif(func.substr(func.trim(said), 1, LONGEST_LABEL), "").label(f"answer_{classifier.dimension}")


def nobody(classifier: Classifier) -> Select[Any]:
    """What it says of no customers at all: whether the database understands it."""
    columns: list[ColumnElement[Any]] = []
    for name in COLUMNS:
        kind: TypeEngine[Any] = BigInteger() if name in NUMBERS else Double() if name in MONEY else Text()
        columns.append(cast(null(), kind).label(name))
    empty: FromClause = select(*columns).where(false()).subquery("customers")
    return select(answer(classifier)).select_from(empty)


def batch_of(rows: Sequence[Row[Any]], today: int, decimals: int, classifiers: Classifiers) -> ClassifiedBatch:
    """Rows of `classified` as columns."""
    columns: dict[str, Sequence[Any]] = {}
    for name in COLUMNS:
        if name == "today":
            columns[name] = [today] * len(rows)
        elif name == "total_revenue":
            columns[name] = [to_decimal(int(row.own_spend), decimals) for row in rows]
        elif name == "average_order_value":
            columns[name] = [mean(int(row.own_spend), int(row.order_count), decimals) for row in rows]
        elif name in NUMBERS:
            columns[name] = [int(getattr(row, name)) for row in rows]
        else:
            columns[name] = [getattr(row, name) for row in rows]
    answers = {one.dimension: [getattr(row, f"answer_{one.dimension}") for row in rows] for one in classifiers.sql}
    return ClassifiedBatch([row.own_id for row in rows], columns, answers)


def _mean(each: FromClause) -> ColumnElement[int]:
    """Rounded half-even to the minor unit, in whole numbers; sums are not negative."""
    spend, count = cast(each.c.spend, BigInteger), cast(each.c.orders, BigInteger)
    quotient = Over(spend, count)
    twice = Times(literal(2), Minus(spend, Times(quotient, count)))
    odd = Minus(quotient, Times(literal(2), Over(quotient, literal(2))))
    return quotient + case((twice > count, 1), (and_(twice == count, odd == 1), 1), else_=0)
