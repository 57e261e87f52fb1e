"""The connections that keep what is found aside, in temporary tables of their own, while no lock is held: one on which
a run evaluates rules, and one on which a list of members is read. A run reads for long in one state of the store; then
the same connection takes the write lock for one short transaction, while heartbeats go over another connection in
transactions that change no data."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    SelectBase,
    SmallInteger,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    union,
    update,
)
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Clock, from_micros, to_micros
from domain.model import Business
from domain.rules.context import RuleContext, collect_references
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context
from domain.segments.model import Segment
from persistence.database.dialects import create, empty
from persistence.database.engines import Database
from persistence.database.transactions import choose_reading, open_session, to_business, translate_errors
from persistence.rules.compiler import RuleCompiler, select_members
from persistence.segments.analysis import is_member
from persistence.segments.named import TABLES as OF_LISTS
from persistence.segments.named import NamedCustomerStore
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as business_table
from persistence.tables.customers import PRESENT, customer, customer_metrics
from persistence.tables.segments import membership
from persistence.unit import Unit, go_on_writing

EVALUATED = "customer_id BIGINT PRIMARY KEY, holds SMALLINT NOT NULL"
evaluated = sqlalchemy_table("evaluated", column("customer_id", BigInteger), column("holds", SmallInteger))


@dataclass(slots=True)
class SqlEvaluation:
    """One run's connection. `unit` reads the state that the run began with."""

    connection: AsyncConnection
    unit: Unit
    clock: Clock
    seen_at: datetime
    context: RuleContext = field(init=False)

    async def prepare(self, trees: Sequence[Condition]) -> None:
        """Look up what the rules are measured by."""
        self.context = await build_rule_context(self.unit, self.clock(), trees)

    async def measure_population(self) -> tuple[int, int]:
        """How many customers there are who were neither erased nor merged, and their highest id."""
        statement = select(func.count(), func.coalesce(func.max(customer.c.id), 0)).where(
            customer.c.business_id == self.unit.business.id, PRESENT
        )
        count, highest = (await self.connection.execute(statement)).one()
        return int(count), int(highest)

    async def forget(self) -> None:
        """Keep nothing of what was evaluated so far."""
        await self.connection.run_sync(empty, "evaluated")

    async def evaluate_range(self, tree: Condition, references: Mapping[str, Segment], low: int, high: int) -> int:
        """Evaluate the customers of a range of ids; how many of them the rule holds for."""
        return await self._evaluate(tree, references, [customer.c.id.between(low, high)])

    async def reevaluate_changed(self, tree: Condition, references: Mapping[str, Segment]) -> None:
        """Evaluate those customers anew that changed since the run began to read, or that entered or left a segment
        which the rule uses."""
        changed = self._select_changed([references[key].id for key in collect_references(tree) if key in references])
        await self.connection.execute(delete(evaluated).where(evaluated.c.customer_id.in_(changed)))
        await self._evaluate(tree, references, [customer.c.id.in_(changed)])

    def _select_changed(self, used: Sequence[int]) -> SelectBase:
        own, since = self.unit.business.id, to_micros(self.seen_at)
        changed = select(customer_metrics.c.customer_id).where(
            customer_metrics.c.business_id == own, customer_metrics.c.changed_at > since
        )
        if not used:
            return changed
        member = membership.c
        moved = select(member.customer_id).where(member.business_id == own, member.segment_id.in_(used))
        return union(changed, moved.where(member.entered_at > since), moved.where(member.left_at > since))

    async def evaluate_customers(
        self, tree: Condition, references: Mapping[str, Segment], customers: Sequence[int]
    ) -> None:
        """Evaluate these customers only, and keep also for whom the rule does not hold."""
        await self.forget()
        await self._evaluate(tree, references, [customer.c.id.in_(customers)])
        others = select(customer.c.id, literal(0)).where(
            customer.c.business_id == self.unit.business.id,
            customer.c.id.in_(customers),
            customer.c.id.not_in(select(evaluated.c.customer_id)),
        )
        await self.connection.execute(insert(evaluated).from_select(["customer_id", "holds"], others))

    async def _evaluate(
        self, tree: Condition, references: Mapping[str, Segment], which: Sequence[ColumnElement[bool]]
    ) -> int:
        sql = RuleCompiler(self.context, lambda key: is_member(self.unit.business, references[key].id))
        members = select_members(self.context, sql.compile_condition(tree)).where(PRESENT, *which)
        statement = insert(evaluated).from_select(["customer_id", "holds"], members.add_columns(literal(1)))
        return int((await self.connection.execute(statement)).rowcount)

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

    def write(self) -> AbstractAsyncContextManager[Unit]:
        """A write unit on the same connection."""
        return go_on_writing(self.connection, self.unit.business, self.clock)


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
