"""What classifiers of one's own say of all customers at once, laid over the built-in labels: a SQL expression as part
of one statement over a range of customers, a function as a step over the same ranges in batches."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, FromClause, Text, column, func, insert, or_, select, table
from sqlalchemy.exc import DBAPIError

from domain.classification.labels import Labelling
from domain.classifiers import BUILT_IN, ClassifierFailed, Classifiers
from persistence.classified import batch_of, classified, told
from persistence.database.dialects import analyze, create, load
from persistence.tables import customer

RANGE = 10_000
NAME = "classifier_answer"
log = logging.getLogger("segments")


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
        said = self._table
        labels = [
            func.coalesce(said.c[f"own_{name}"], label).label(name) if name in self._answers else label
            for name, label in zip(BUILT_IN, shown, strict=True)
        ]
        further = [said.c[f"own_{name}"] for name in self.classifiers.added]
        return source.outerjoin(said, said.c.customer_id == customer.c.id), [*labels, *further]

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
                raise told(error, self.usable) from error

    def _ask_some(self, low: int, high: int) -> None:
        how = self.how
        statement = classified(self.business_id, how.span, how.settings, how.decimals, self.usable, ids=(low, high))
        names = tuple(one.dimension for one in self.usable.every)
        if not self.usable.functions:
            seen = statement.subquery("seen")
            said = [seen.c[f"answer_{name}"] for name in names]
            found = select(seen.c.own_id, *said).where(or_(*(each.is_not(None) for each in said)))
            into = ["customer_id", *(f"own_{name}" for name in names)]
            self.connection.execute(insert(self._table).from_select(into, found))
            return
        rows = self.connection.execute(statement).all()
        batch = batch_of(rows, how.span.today, how.decimals, self.usable)
        labels = self.usable.decided(batch)
        kept = list(zip(batch.ids, *(labels[name] for name in names), strict=True))
        load(self.connection, NAME, ("customer_id", *(f"own_{name}" for name in names)), kept)
