"""Customers as classifiers of one's own see them: the documented columns and the built-in labels as one statement, with
the SQL expressions of classifiers beside them. An expression comes from an installed package, never from a user.

Classifiers that are installed beside the server: found once, at start, as entry points of `segments.classifiers`,
and shown to the database. One that cannot be used is told in one sentence and left out; the server starts all the
same.

What classifiers of one's own say of all customers at once, laid over the built-in labels: a SQL expression as part
of one statement over a range of customers, a function as a step over the same ranges in batches.
"""

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    Engine,
    FromClause,
    Label,
    Row,
    Select,
    Text,
    and_,
    cast,
    column,
    false,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from domain.classification.labels import ClassificationSettings, ClassificationSpan, Labelling
from domain.classifiers import (
    BUILT_IN,
    COLUMNS,
    LONGEST_LABEL,
    ClassifiedBatch,
    Classifier,
    ClassifierFailed,
    Classifiers,
)
from domain.money import compute_mean, to_decimal
from persistence.database.dialects import Divide, analyze, bind_double, create, divide_half_even, load, to_double
from persistence.database.failures import is_wrong_statement
from persistence.labels.sql import FACTS, select_labels
from persistence.tables.customers import customer

BATCH = 2_000
NUMBERS = ("order_count", "first_purchase_day", "last_purchase_day", "recent_orders", "festive_orders", "today")
MONEY = ("total_revenue", "average_order_value")


@dataclass(frozen=True, slots=True)
class ClassifiedStore:
    """The customers of one business."""

    connection: AsyncConnection
    business_id: int

    async def load_batches(
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
        statement = select_classified(self.business_id, span, settings, decimals, classifiers, mine)
        try:
            async with self.connection.stream(statement.execution_options(yield_per=BATCH)) as result:
                async for rows in result.partitions():
                    yield build_batch(rows, span.today, decimals, classifiers)
        except DBAPIError as error:
            raise translate_sql_error(error, classifiers) from error

    async def count_labels(
        self, span: ClassificationSpan, settings: ClassificationSettings, decimals: int, classifiers: Classifiers
    ) -> list[tuple[str, str, int]]:
        """Customers by dimension and label, where no classifier is a function; in one statement."""
        seen = select_classified(self.business_id, span, settings, decimals, classifiers).cte("classified")
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
            raise translate_sql_error(error, classifiers) from error


def translate_sql_error(error: DBAPIError, classifiers: Classifiers) -> Exception:
    """A failing expression, apart from a store in trouble."""
    trouble = isinstance(error, OperationalError) and not is_wrong_statement(error)
    return error if trouble or not classifiers.sql else ClassifierFailed()


def select_classified(
    business_id: int,
    span: ClassificationSpan,
    settings: ClassificationSettings,
    decimals: int,
    classifiers: Classifiers,
    customers: Select[Any] | None = None,
    ids: tuple[int, int] | None = None,
) -> Select[Any]:
    """One row a customer: id, facts, built-in labels, and the answer of each SQL classifier, for `build_batch`."""
    each = select_labels(business_id, span, settings, decimals, customers, ids, FACTS).subquery("each")
    scale = 10**decimals
    spend, orders = cast(each.c.spend, BigInteger), cast(each.c.orders, BigInteger)
    seen = (
        select(
            each.c.customer_id.label("own_id"),
            each.c.spend.label("own_spend"),
            customer.c.external_id.label("customer_id"),
            cast(each.c.orders, BigInteger).label("order_count"),
            Divide(to_double(each.c.spend), bind_double(float(scale))).label("total_revenue"),
            Divide(to_double(divide_half_even(spend, orders)), bind_double(float(scale))).label("average_order_value"),
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
    expression: ColumnElement[str] = cast(literal_column(f"(\n{classifier.sql}\n)"), Text)
    return func.nullif(func.substr(func.trim(expression), 1, LONGEST_LABEL), "").label(f"answer_{classifier.dimension}")


def select_nobody(classifier: Classifier) -> Select[Any]:
    """What it says of no customers at all: whether the database understands it."""
    columns: list[ColumnElement[Any]] = []
    for name in COLUMNS:
        kind: TypeEngine[Any] = BigInteger() if name in NUMBERS else Double() if name in MONEY else Text()
        columns.append(cast(null(), kind).label(name))
    empty: FromClause = select(*columns).where(false()).subquery("customers")
    return select(answer(classifier)).select_from(empty)


def build_batch(rows: Sequence[Row[Any]], today: int, decimals: int, classifiers: Classifiers) -> ClassifiedBatch:
    """Rows of `select_classified` as columns."""
    columns: dict[str, Sequence[Any]] = {}
    for name in COLUMNS:
        if name == "today":
            columns[name] = [today] * len(rows)
        elif name == "total_revenue":
            columns[name] = [to_decimal(int(row.own_spend), decimals) for row in rows]
        elif name == "average_order_value":
            columns[name] = [compute_mean(int(row.own_spend), int(row.order_count), decimals) for row in rows]
        elif name in NUMBERS:
            columns[name] = [int(getattr(row, name)) for row in rows]
        else:
            columns[name] = [getattr(row, name) for row in rows]
    answers = {one.dimension: [getattr(row, f"answer_{one.dimension}") for row in rows] for one in classifiers.sql}
    return ClassifiedBatch([row.own_id for row in rows], columns, answers)


GROUP = "segments.classifiers"
log = logging.getLogger("segments")


def load_installed(engine: Engine, entries: Iterable[EntryPoint] | None = None) -> Classifiers:
    """Those that can be used with this database; the others are named in the log."""
    points = entry_points(group=GROUP) if entries is None else entries
    usable: dict[str, Classifier] = {}
    for point in sorted(points, key=lambda one: (one.name, one.value)):
        fault, classifier = _load_classifier(point)
        if classifier is not None:
            other = usable.get(classifier.dimension)
            taken = other and f"the classifier {other.name} has the dimension {other.dimension} already"
            fault = classifier.find_fault() or taken or _find_sql_fault(engine, classifier)
        if fault is not None or classifier is None:
            log.warning("classifier %s is left out: %s", point.name, fault)
        else:
            usable[classifier.dimension] = classifier
    return Classifiers(tuple(sorted(usable.values(), key=lambda one: one.name)))


def _load_classifier(point: EntryPoint) -> tuple[str | None, Classifier | None]:
    try:
        loaded = point.load()
        if not isinstance(loaded, Classifier) and callable(loaded):
            loaded = loaded()
    except Exception as error:
        return f"{point.value} cannot be loaded ({type(error).__name__})", None
    if not isinstance(loaded, Classifier):
        return f"{point.value} is no Classifier of domain.classifiers, nor makes one", None
    return None, loaded


def _find_sql_fault(engine: Engine, classifier: Classifier) -> str | None:
    """Why the database does not take its expression, asked of no customers at all."""
    if classifier.sql is None:
        return None
    try:
        with engine.connect() as connection:
            rows = connection.execute(select_nobody(classifier)).all()
    except DBAPIError as error:
        # A store that is out of reach says nothing of the expression.
        if isinstance(error, OperationalError) and not is_wrong_statement(error):
            return None
        return f"the database refuses its sql: {str(error.orig).splitlines()[0]}"
    return "its sql must say something of each customer, not of all together" if rows else None


RANGE = 10_000
NAME = "classifier_answer"


@dataclass(slots=True)
class Overlay:
    """The answers in one state of the store, in a table of the connection."""

    connection: Connection
    business_id: int
    how: Labelling
    classifiers: Classifiers
    usable: Classifiers = field(init=False)

    def __post_init__(self) -> None:
        """All of them, until one fails."""
        self.usable = self.classifiers

    @property
    def _answers(self) -> tuple[str, ...]:
        return tuple(one.dimension for one in self.classifiers.every)

    @property
    def _table(self) -> Any:
        return table(NAME, column("customer_id", BigInteger), *(column(f"own_{name}", Text) for name in self._answers))

    def fill(self, highest: int) -> None:
        """Ask of all customers up to that id. Where an expression fails its built-in labels stand."""
        columns = "".join(f", own_{name} {{text}}" for name in self._answers)
        self.connection.exec_driver_sql(f"DROP TABLE IF EXISTS {NAME}")
        try:
            self._ask(columns, highest)
        except ClassifierFailed:
            names = ", ".join(one.name for one in self.classifiers.sql)
            log.warning("the sql of a classifier failed (%s); built-in labels stand", names)
            self.usable = self.classifiers.without_sql()
            self._ask(columns, highest)
        analyze(self.connection, NAME)

    def over(
        self, source: FromClause, shown: Sequence[ColumnElement[Any]]
    ) -> tuple[FromClause, list[ColumnElement[Any]]]:
        """The rows and the built-in labels, with the answers in front of them, and the added dimensions after them."""
        table = self._table
        labels = [
            func.coalesce(table.c[f"own_{name}"], label).label(name) if name in self._answers else label
            for name, label in zip(BUILT_IN, shown, strict=True)
        ]
        further = [table.c[f"own_{name}"] for name in self.classifiers.added]
        return source.outerjoin(table, table.c.customer_id == customer.c.id), [*labels, *further]

    def _ask(self, columns: str, highest: int) -> None:
        create(self.connection, NAME, f"customer_id BIGINT PRIMARY KEY{columns}")
        if not self.usable.every:
            return
        for low in range(1, highest + 1, RANGE):
            try:
                # So that a failing expression does not end the reading.
                with self.connection.begin_nested():
                    self._ask_some(low, low + RANGE - 1)
            except DBAPIError as error:
                raise translate_sql_error(error, self.usable) from error

    def _ask_some(self, low: int, high: int) -> None:
        how = self.how
        statement = select_classified(
            self.business_id, how.span, how.settings, how.decimals, self.usable, ids=(low, high)
        )
        names = tuple(one.dimension for one in self.usable.every)
        if not self.usable.functions:
            seen = statement.subquery("seen")
            answers = [seen.c[f"answer_{name}"] for name in names]
            answered = select(seen.c.own_id, *answers).where(or_(*(each.is_not(None) for each in answers)))
            into = ["customer_id", *(f"own_{name}" for name in names)]
            self.connection.execute(insert(self._table).from_select(into, answered))
            return
        rows = self.connection.execute(statement).all()
        batch = build_batch(rows, how.span.today, how.decimals, self.usable)
        labels = self.usable.decide_labels(batch)
        labelled_rows = list(zip(batch.ids, *(labels[name] for name in names), strict=True))
        load(self.connection, NAME, ("customer_id", *(f"own_{name}" for name in names)), labelled_rows)
