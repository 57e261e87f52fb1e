"""The labels of all customers, decided and kept. Deciding reads one state of the store and locks nothing; what was
kept under the same settings on the same day is decided anew only for customers whose purchases changed since. Keeping,
in short transactions, is for speed alone: labels count only when all of them are there, and whoever finds it half done,
or others begun meanwhile, decides all anew. Runs outside the event loop."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Text,
    and_,
    case,
    column,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    table,
    text,
)

from domain.calendar import Clock, load_zone, to_local_date
from domain.classification.labels import DIMENSIONS, Labelling, build_labelling
from domain.classifiers import Classifiers
from persistence.database.dialects import analyze, create, empty, load
from persistence.database.engines import Database
from persistence.database.transactions import (
    choose_reading,
    choose_writing,
    open_blocking_session,
    to_business,
    translate_errors,
)
from persistence.jobs import ADD_LABEL_STATE
from persistence.labels.classifiers import Overlay
from persistence.labels.sql import select_labels
from persistence.lake.analysis import wait_for_copy
from persistence.tables.businesses import BusinessRow
from persistence.tables.customers import PRESENT, customer, customer_metrics
from persistence.tables.jobs import LabelStateRow, customer_label

if TYPE_CHECKING:
    from persistence.lake.reading import Lake

RANGE = 10_000
"""Customer ids decided at a time: few enough that what is sorted stays in the cache."""
COPIED_RANGE = 100_000
"""The same of a columnar copy, whose files are read anew each time."""
FETCHED = 2_000
LABELS = "customer_id BIGINT PRIMARY KEY, frequency {text}, spending {text}, category {text}"
COLUMNS = ("customer_id", *DIMENSIONS)
labelled = table("labelled", column("customer_id", BigInteger), *(column(name, Text) for name in DIMENSIONS))
changed = table("changed_customer", column("customer_id", BigInteger))


@dataclass(slots=True)
class DecidedLabels:
    """The labels in one state of the store: those that were kept and are still true, and in `labelled` the others.
    `some` says that there are kept ones among them, `present` that they are those of today."""

    connection: Connection
    business_id: int
    today: date
    data_version: int
    seen_at: int
    how: Labelling
    kept: LabelStateRow | None
    some: bool
    present: bool
    overlay: Overlay
    lake: "Lake | None" = None
    fresh: int = 0
    highest: int = 0

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Of what the labels are, in their order."""
        return self.overlay.classifiers.dimensions

    def load_rows(self) -> Iterator[Sequence[str | None]]:
        """The rows of `load_parts`, one by one."""
        return chain.from_iterable(self.load_parts())

    def load_parts(self) -> Generator[Sequence[Sequence[str | None]], None, None]:
        """External id, frequency, spending, category and what classifiers of one's own add, of every customer who was
        neither erased nor merged, by external id."""
        source: FromClause = customer.outerjoin(labelled, labelled.c.customer_id == customer.c.id)
        shown: list[ColumnElement[Any]] = [labelled.c[name] for name in DIMENSIONS]
        if self.some:
            own = and_(customer_label.c.business_id == self.business_id, customer_label.c.customer_id == customer.c.id)
            source = source.outerjoin(customer_label, own)
            known = labelled.c.customer_id.is_not(None)
            shown = [case((known, labelled.c[name]), else_=customer_label.c[name]).label(name) for name in DIMENSIONS]
        if self.overlay.classifiers.every:
            source, shown = self.overlay.over(source, shown)
        statement = (
            select(customer.c.external_id, *shown)
            .select_from(source)
            .where(customer.c.business_id == self.business_id, PRESENT)
            .order_by(customer.c.external_id)
            .execution_options(yield_per=FETCHED)
        )
        with closing(self.connection.execute(statement)) as result:
            yield from result.partitions()

    def decide(self) -> None:
        """Fill `labelled`."""
        connection, metrics = self.connection, customer_metrics.c
        highest = select(func.coalesce(func.max(customer.c.id), 0)).where(customer.c.business_id == self.business_id)
        self.highest = int(connection.execute(highest).scalar_one())
        create(connection, "labelled", LABELS)
        create(connection, "changed_customer", "customer_id BIGINT PRIMARY KEY")
        if self.some:
            since = 0 if self.kept is None else self.kept.seen_at
            changed_customers = select(metrics.customer_id).where(
                metrics.business_id == self.business_id, metrics.changed_at > since
            )
            self._fill(changed, ("customer_id",), changed_customers)
            analyze(connection, "changed_customer")
            self._fill(labelled, COLUMNS, self._select_labels(customers=select(changed.c.customer_id)))
            without = select(changed.c.customer_id, *(literal(None, Text) for _ in DIMENSIONS)).where(
                changed.c.customer_id.not_in(select(labelled.c.customer_id))
            )
            self._fill(labelled, COLUMNS, without)
        elif not self._decide_by_copy():
            for low in range(1, self.highest + 1, RANGE):
                self._fill(labelled, COLUMNS, self._select_labels(ids=(low, low + RANGE - 1)))
        analyze(connection, "labelled")
        self.fresh = int(connection.execute(select(func.count()).select_from(labelled)).scalar_one())
        if self.overlay.classifiers.every:
            self.overlay.fill(self.highest)

    def _decide_by_copy(self) -> bool:
        """Fill `labelled` by the columnar copy; False where none may answer."""
        for low in range(1, self.highest + 1, COPIED_RANGE):
            statement = self._select_labels(ids=(low, low + COPIED_RANGE - 1))
            rows = wait_for_copy(self.connection, self.business_id, self.lake, statement)
            if rows is None:
                empty(self.connection, "labelled")
                return False
            load(self.connection, "labelled", COLUMNS, rows)
        return True

    def _select_labels(self, **which: Any) -> Any:
        return select_labels(self.business_id, self.how.span, self.how.settings, self.how.decimals, **which)

    def _fill(self, into: Any, columns: Sequence[str], statement: Any) -> None:
        self.connection.execute(insert(into).from_select(list(columns), statement))


@dataclass(frozen=True, slots=True)
class LabelStore:
    """The labels of one business. Only the built-in ones are kept; what classifiers of one's own say is asked anew."""

    database: Database
    business_id: int
    clock: Clock
    classifiers: Classifiers = field(default_factory=Classifiers)
    lake: "Lake | None" = None

    @contextmanager
    def decide_labels(self, as_of: date | None = None) -> Iterator[DecidedLabels]:
        """All labels as of the day, today where there is none, in one state of the store."""
        with translate_errors(), self.database.bulk.connect() as connection:
            connection.execution_options(**choose_reading(self.database.dialect))
            labels = self._begin(connection, as_of)
            labels.decide()
            yield labels

    def _begin(self, connection: Connection, as_of: date | None) -> DecidedLabels:
        with open_blocking_session(connection) as session:
            row = session.get_one(BusinessRow, self.business_id)
            state = session.get(LabelStateRow, self.business_id)
        business = to_business(row)
        present = to_local_date(self.clock(), load_zone(business.time_zone))
        today = as_of or present
        first = select(func.min(customer_metrics.c.first_day)).where(customer_metrics.c.business_id == self.business_id)
        how = build_labelling(business, today, connection.execute(first).scalar_one())
        some = state is not None and state.basis == how.basis
        return DecidedLabels(
            connection,
            self.business_id,
            today,
            business.data_version,
            row.last_instant,
            how,
            state,
            some,
            today == present,
            Overlay(connection, self.business_id, how, self.classifiers),
            self.lake,
        )


FOLLOW_RANGE = 50_000
"""Labels kept in one transaction."""


def keep(decided: DecidedLabels) -> None:
    """End the reading and keep what was decided. Labels of another day than today are not kept."""
    connection = decided.connection
    if not decided.present or (decided.some and not decided.fresh):
        return
    connection.commit()
    connection.execution_options(**choose_writing(connection.dialect.name))
    mine = uuid4().hex
    before = "" if decided.kept is None else decided.kept.owner
    size = decided.highest + 1 if decided.some and decided.fresh <= FOLLOW_RANGE else FOLLOW_RANGE
    for low in range(0, decided.highest + 1, size):
        with open_blocking_session(connection) as session, session.begin():
            session.execute(text(ADD_LABEL_STATE), {"business": decided.business_id})
            # Nobody else can change it until this transaction ends.
            state = session.get_one(LabelStateRow, decided.business_id, with_for_update=True)
            if state.owner != (before if low == 0 else mine):
                return
            last = low + size > decided.highest
            _replace(decided, low, decided.highest if last else low + size - 1)
            state.basis, state.seen_at, state.owner = decided.how.basis if last else None, decided.seen_at, mine


def _replace(decided: DecidedLabels, low: int, high: int) -> None:
    new = select(*(labelled.c[name] for name in COLUMNS)).where(labelled.c.customer_id.between(low, high))
    own: list[ColumnElement[bool]] = [
        customer_label.c.business_id == decided.business_id,
        customer_label.c.customer_id.between(low, high),
    ]
    if decided.some:
        own.append(customer_label.c.customer_id.in_(new.with_only_columns(labelled.c.customer_id)))
    decided.connection.execute(delete(customer_label).where(*own))
    rows: Any = new.with_only_columns(
        literal(decided.business_id, BigInteger), *(labelled.c[name] for name in COLUMNS)
    ).where(
        labelled.c.frequency.is_not(None),
        # An import that was taken back meanwhile may have taken its customers with it.
        exists().where(customer.c.business_id == decided.business_id, customer.c.id == labelled.c.customer_id),
    )
    decided.connection.execute(insert(customer_label).from_select(["business_id", *COLUMNS], rows))
