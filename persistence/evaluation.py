"""The connections that keep what is found aside, in temporary tables of their own, while no lock is held: one on which
a run evaluates rules, and one on which a list of members is read. A run reads for long in one state of the store; then
the same connection takes the write lock for one short transaction, while heartbeats go over another connection in
transactions that change no data."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import perf_counter
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Select,
    SelectBase,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    union,
    update,
)
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Clock, from_micros, to_micros
from domain.model import Business
from domain.rules.context import collect_references
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context
from domain.segments.model import Segment
from domain.store import Unit as UnitPort
from persistence.database.dialects import (
    Plus,
    analyze,
    create,
    empty,
    run_together,
    write_emptying,
    write_index_joins,
)
from persistence.database.engines import Database
from persistence.database.lists import select_numbers
from persistence.database.transactions import choose_reading, open_session, to_business, translate_errors
from persistence.rules.compiler import RuleCompiler, select_matching
from persistence.segments.analysis import is_member
from persistence.segments.named import TABLES as OF_LISTS
from persistence.segments.named import NamedCustomerStore
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as business_table
from persistence.tables.customers import PRESENT, customer, customer_metrics
from persistence.tables.segments import membership
from persistence.unit import Unit, go_on_writing

EVALUATED = "customer_id BIGINT PRIMARY KEY, flags BIGINT NOT NULL"
evaluated = sqlalchemy_table("evaluated", column("customer_id", BigInteger), column("flags", BigInteger))
RANGE = 10_000
"""Customer ids that are evaluated first by one rule, and a share of them by several; then more or fewer, as it takes
time."""
QUICK_SECONDS, SLOW_SECONDS = 0.25, 1.0
LOW, HIGH = bindparam("low", 0, type_=BigInteger), bindparam("high", 1 << 62, type_=BigInteger)
"""Bounds of the ids of customers: of all, where a statement does not give them."""
SAMPLE = 16
"""Of so many customers one is counted where it is not to be exact."""
RANGES = 20
"""However quick they are, a range is no larger than such a part of all ids, so that progress is seen."""


@dataclass(slots=True)
class SqlEvaluation:
    """One run's connection. `unit` reads the state that the run began with, `number` is the last change that what is
    evaluated has seen, and `seen_at` its instant."""

    connection: AsyncConnection
    unit: Unit
    clock: Clock
    seen_at: datetime
    flags: dict[int, int] = field(init=False, default_factory=dict)
    number: int = field(init=False)
    _now: datetime = field(init=False)
    _everybody: Select[Any] = field(init=False)
    _used: Sequence[int] = field(init=False, default=())
    _seen: UnitPort | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.number, self._now = self.unit.business.change_number, self.clock()

    async def prepare(self, trees: Mapping[int, Condition], references: Mapping[str, Segment]) -> None:
        """Look up what the rules are measured by, and write them as the bits of one number: of a customer those are set
        whose rules hold."""
        context = await build_rule_context(self.unit, self._now, trees.values())
        # Said of purchases and memberships, too: for each range PostgreSQL would read those of everybody.
        bounds = (LOW, HIGH) if self.connection.dialect.name == "postgresql" else None
        compiler = RuleCompiler(context, lambda key: is_member(self.unit.business, references[key].id, bounds), bounds)
        self.flags = {key: 1 << place for place, key in enumerate(trees)}
        bits = [
            case((compiler.compile_condition(tree), literal_column(str(self.flags[key]))), else_=literal_column("0"))
            for key, tree in trees.items()
        ]
        used = {key for tree in trees.values() for key in collect_references(tree)}
        self._used = sorted(references[key].id for key in used)
        self._everybody = select_matching(context, {"flags": Plus(*bits)}).where(PRESENT)

    async def evaluate_everybody(self) -> AsyncIterator[tuple[int, int]]:
        """Evaluate all by ranges of ids; how many customers are done of how many, from none of them on. Only those for
        whom any of the rules holds have a row: of most rules those are few."""
        statement = select(func.count(), func.coalesce(func.max(customer.c.id), 0)).where(
            customer.c.business_id == self.unit.business.id, PRESENT
        )
        population, highest = (await self.connection.execute(statement)).one()
        await self.connection.run_sync(empty, "evaluated")
        yield 0, population
        # Written once, as all but the bounds is the same for each range.
        insertion = self._write_insertion(customer.c.id.between(LOW, HIGH), of_all=True).compile(
            dialect=self.connection.dialect, compile_kwargs={"render_postcompile": True}
        )
        low, size = 1, max(1, RANGE // len(self.flags))
        while low <= highest:
            began = perf_counter()
            values = {**insertion.params, "low": low, "high": low + size - 1}
            given = values if insertion.positiontup is None else tuple(values[name] for name in insertion.positiontup)
            await self.connection.exec_driver_sql(str(insertion), given)
            low, took = low + size, perf_counter() - began
            if took < QUICK_SECONDS:
                size = max(size, min(2 * size, highest // RANGES))
            elif took > SLOW_SECONDS:
                size = max(1, size // 2)
            yield population * min(low - 1, highest) // highest, population
        await self.connection.run_sync(analyze, "evaluated")

    async def estimate_matches(self) -> Mapping[int, int]:
        """By the bits of one of SAMPLE customers."""
        held = [case((evaluated.c.flags.bitwise_and(flag) != 0, 1), else_=0) for flag in self.flags.values()]
        some = select(*(func.coalesce(func.sum(one), 0) for one in held)).where(evaluated.c.customer_id % SAMPLE == 0)
        counts = (await self.connection.execute(some)).one()
        return {key: SAMPLE * int(count) for key, count in zip(self.flags, counts, strict=True)}

    async def reevaluate_changed(self, unit: UnitPort) -> None:
        """Evaluate those customers anew that changed since the last look, or that entered or left a segment which a
        rule uses, where anybody wrote but this connection."""
        if unit.business.change_number > self.number + 1:
            changed = self._select_changed()
            await self.connection.execute(delete(evaluated).where(evaluated.c.customer_id.in_(changed)))
            await self.connection.execute(self._write_insertion(customer.c.id.in_(changed), of_all=True))
        self._seen = unit

    def _select_changed(self) -> SelectBase:
        own, since = self.unit.business.id, to_micros(self.seen_at)
        changed = select(customer_metrics.c.customer_id).where(
            customer_metrics.c.business_id == own, customer_metrics.c.changed_at > since
        )
        if not self._used:
            return changed
        member = membership.c
        moved = select(member.customer_id).where(member.business_id == own, member.segment_id.in_(self._used))
        return union(changed, moved.where(member.entered_at > since), moved.where(member.left_at > since))

    async def evaluate_customers(self, customers: Sequence[int]) -> None:
        """Evaluate these customers only; as they are few, the rest of the transaction goes to them by indexes."""
        dialect = self.connection.dialect.name
        statements = [*write_emptying(dialect, "evaluated"), *write_index_joins(dialect)]
        await self.connection.run_sync(run_together, statements)
        which = customer.c.id.in_(select_numbers(customers))
        await self.connection.execute(self._write_insertion(which, of_all=False))

    def _write_insertion(self, which: ColumnElement[bool], *, of_all: bool) -> Insert:
        found = self._everybody.where(which)
        if of_all:
            # As a list of its own, or the rules would be evaluated once more for whoever holds any.
            listed = found.offset(literal_column("0")).subquery("found")
            found = select(*listed.c).where(listed.c.flags != 0)
        return insert(evaluated).from_select(["customer_id", "flags"], found)

    async def load_changed_customers(self, size: int) -> list[list[int]]:
        """The customers who changed and whose memberships have not followed, in portions."""
        own = self.unit.business.id
        since = select(business_table.c.followed_at).where(business_table.c.id == own).scalar_subquery()
        metrics = customer_metrics.c
        statement = (
            select(metrics.customer_id)
            .where(
                metrics.business_id == own, metrics.changed_at > since, metrics.changed_at <= to_micros(self.seen_at)
            )
            .order_by(metrics.customer_id)
        )
        customers = list((await self.connection.execute(statement)).scalars())
        return [customers[start : start + size] for start in range(0, len(customers), size)]

    async def mark_followed(self) -> None:
        """They have followed now; within the write unit."""
        statement = update(BusinessRow).where(business_table.c.id == self.unit.business.id)
        await self.connection.execute(statement.values(followed_at=to_micros(self.seen_at)))

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Unit]:
        """A write unit on the same connection; where it fails, what is evaluated is as it was before."""
        self._seen = None
        try:
            with translate_errors():
                async with go_on_writing(self.connection, self.unit.business, self.clock) as unit:
                    yield unit
        except Exception:
            if not self.connection.invalidated:
                with suppress(DBAPIError):
                    await self.connection.rollback()
            raise
        if self._seen is not None:
            self.number, self.seen_at = self._seen.business.change_number, self._seen.instant


@dataclass(slots=True)
class SqlMemberStaging:
    """A list of customers on a connection of its own, looked up in one state of the store."""

    connection: AsyncConnection
    business: Business
    clock: Clock

    @property
    def named(self) -> NamedCustomerStore:
        """The list."""
        return NamedCustomerStore(self.connection, self.business.id)

    def write(self) -> AbstractAsyncContextManager[Unit]:
        """A write unit on the same connection."""
        return go_on_writing(self.connection, self.business, self.clock)


@asynccontextmanager
async def open_evaluation(database: Database, business: Business, clock: Clock) -> AsyncIterator[SqlEvaluation]:
    """A run's connection; what it did not commit is gone with it."""
    async with _hold_tables(database, {"evaluated": EVALUATED}) as connection:
        row = await open_session(connection).get_one(BusinessRow, business.id)
        unit = Unit(connection, to_business(row), clock())
        yield SqlEvaluation(connection, unit, clock, from_micros(row.last_instant))


@asynccontextmanager
async def open_staging(database: Database, business: Business, clock: Clock) -> AsyncIterator[SqlMemberStaging]:
    """A connection that has an empty list; what it did not commit is gone with it."""
    async with _hold_tables(database, OF_LISTS) as connection:
        row = await open_session(connection).get_one(BusinessRow, business.id)
        yield SqlMemberStaging(connection, to_business(row), clock)


@asynccontextmanager
async def _hold_tables(database: Database, tables: Mapping[str, str]) -> AsyncIterator[AsyncConnection]:
    """A connection that reads one state of the store and has these temporary tables, empty."""
    with translate_errors():
        async with database.worker.connect() as connection:
            await connection.execution_options(**choose_reading(database.dialect))
            try:
                for name, columns in tables.items():
                    await connection.run_sync(create, name, columns)
                # Or a transaction that fails would take the tables away with it.
                await connection.commit()
                yield connection
            finally:
                # Where a statement was cancelled the driver's connection is gone, and the tables with it.
                if not connection.invalidated:
                    await _clear(connection, tables)


async def _clear(connection: AsyncConnection, tables: Collection[str]) -> None:
    """Free what the tables take. Where that fails the next user does it, so no error hides the one before."""
    with suppress(DBAPIError):
        await connection.rollback()
        await connection.run_sync(empty, *tables)
        await connection.commit()
