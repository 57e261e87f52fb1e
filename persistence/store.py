"""The store: units of work, and the connection on which a run evaluates. A read unit is one read transaction; a write
unit is the one write transaction of its business and begins by raising its change number, so that change order is
commit order. A run reads for long in one state of the store and keeps what it finds in a temporary table of its
connection, which locks nothing; then the same connection takes the write lock for one short transaction, while
heartbeats go over another connection in transactions that change no data."""

import secrets
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
    exists,
    func,
    insert,
    literal,
    select,
    union,
    update,
)
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import Clock, from_micros, to_micros
from domain.errors import AlreadyTaken
from domain.jobs.model import JobKind
from domain.model import Actor, AuditOutcome, AuditTarget, Business, Revocation
from domain.rules.context import RuleContext, collect_references
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context
from domain.segments.model import Segment
from domain.store import Agenda
from persistence.audit import AuditStore, append_event
from persistence.customers import CustomerStore
from persistence.database.dialects import create, empty
from persistence.database.engines import Database
from persistence.database.steps import find_current, find_head
from persistence.database.transactions import (
    begin_writing,
    choose_reading,
    choose_writing,
    open_session,
    raise_change,
    raise_change_in_time,
    require_step,
    to_business,
    translate_errors,
)
from persistence.erasure import ErasureStore
from persistence.idempotency import IdempotentRequestStore
from persistence.imports.formats import FormatStore
from persistence.imports.imports import ImportStore
from persistence.jobs import JobStore, is_waiting, read_report_plan
from persistence.labels.classifiers import ClassifiedStore
from persistence.purchases import PurchaseStore
from persistence.reports.reports import GroupReportStore, ReportStore
from persistence.revocations import RevocationStore, find_newest_revocations, load_revocations
from persistence.rules.compiler import RuleCompiler, select_members
from persistence.segments.analysis import RuleAnalysisStore, is_member
from persistence.segments.history import HistoryStore, SnapshotStore
from persistence.segments.members import MemberStore
from persistence.segments.memberships import MembershipStore
from persistence.segments.named import TABLES as OF_LISTS
from persistence.segments.named import NamedCustomerStore
from persistence.segments.segments import SegmentStore
from persistence.tables import (
    PRESENT,
    BusinessRow,
    customer,
    customer_metrics,
    label_state,
    membership,
    segment,
    to_optional_instant,
)
from persistence.tables import business as business_table


@dataclass(slots=True)
class Unit:
    """One transaction on one business; `instant` and the audit are for write units."""

    connection: AsyncConnection
    business: Business
    instant: datetime
    session: AsyncSession = field(init=False)
    customers: CustomerStore = field(init=False)
    purchases: PurchaseStore = field(init=False)
    reports: ReportStore = field(init=False)
    groups: GroupReportStore = field(init=False)
    classified: ClassifiedStore = field(init=False)
    segments: SegmentStore = field(init=False)
    members: MemberStore = field(init=False)
    named: NamedCustomerStore = field(init=False)
    memberships: MembershipStore = field(init=False)
    history: HistoryStore = field(init=False)
    snapshots: SnapshotStore = field(init=False)
    erasure: ErasureStore = field(init=False)
    revocations: RevocationStore = field(init=False)
    jobs: JobStore = field(init=False)
    imports: ImportStore = field(init=False)
    formats: FormatStore = field(init=False)
    audits: AuditStore = field(init=False)
    rules: RuleAnalysisStore = field(init=False)

    def __post_init__(self) -> None:
        """One repository a noun, all on this connection."""
        self.session = open_session(self.connection)
        self.rules = RuleAnalysisStore(self.connection, self, self.instant)
        self.customers = CustomerStore(self.connection, self.session, self.business.id, self.rules.build_condition)
        self.purchases = PurchaseStore(self.connection, self.session, self.business.id)
        self.reports = ReportStore(self.connection, self.business.id)
        self.groups = GroupReportStore(self.connection, self.business.id)
        self.classified = ClassifiedStore(self.connection, self.business.id)
        self.segments = SegmentStore(self.connection, self.session, self.business)
        self.members = MemberStore(self.connection, self.business.id, self.business.as_of)
        self.named = NamedCustomerStore(self.connection, self.business.id)
        self.memberships = MembershipStore(self.connection, self.business.id, self.business.as_of)
        self.history = HistoryStore(self.connection, self.business.id)
        self.snapshots = SnapshotStore(self.connection, self.session, self.business.id, self.business.as_of)
        self.erasure = ErasureStore(self.connection, self.session, self.business.id)
        self.revocations = RevocationStore(self.session, self.business.id)
        self.jobs = JobStore(self.session, self.business.id)
        self.imports = ImportStore(self.session, self.business.id)
        self.formats = FormatStore(self.session, self.business.id)
        self.audits = AuditStore(self.connection, self.session, self.business.id)

    async def mark_data_changed(self) -> None:
        """The change number becomes the data version."""
        await self.save_settings({"data_version": self.business.change_number})

    async def save_settings(self, changes: Mapping[str, object]) -> None:
        """Change columns of the business itself."""
        statement = update(BusinessRow).where(business_table.c.id == self.business.id).values(**changes)
        await self.session.execute(statement)

    async def mark_done(self, actor: Actor, **effect: object) -> None:
        """Where the actor's request has an Idempotency-Key, keep what it did; KeyInUse where another has taken over."""
        if actor.key is not None:
            await IdempotentRequestStore(self.connection, self.business.id).mark_done(actor, effect)

    async def audit(
        self,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        number, at = self.business.change_number, to_micros(self.instant)
        event = (self.business.id, at, actor, action, subject, detail, outcome, number)
        await self.connection.run_sync(append_event, *event)


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
        return _go_on_writing(self.connection, self.unit.business, self.clock)


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
        return _go_on_writing(self.connection, self.business, self.clock)


@asynccontextmanager
async def _go_on_writing(connection: AsyncConnection, business: Business, clock: Clock) -> AsyncIterator[Unit]:
    """End the reading and hold the business's only write transaction, on the same connection: all or nothing."""
    await connection.commit()
    await connection.execution_options(**choose_writing(connection.dialect.name))
    row = await connection.run_sync(raise_change, business.id, clock())
    yield Unit(connection, to_business(row), from_micros(row.last_instant))
    await connection.commit()


async def _clear(connection: AsyncConnection, tables: Collection[str]) -> None:
    """Free what the tables take. Where that fails the next user does it, so no error hides the one before."""
    with suppress(DBAPIError):
        await connection.rollback()
        await connection.run_sync(empty, *tables)
        await connection.commit()


@dataclass(frozen=True, slots=True)
class SqlStore:
    """Every business's data in one database."""

    database: Database
    clock: Clock

    @asynccontextmanager
    async def read(self, business: Business) -> AsyncIterator[Unit]:
        """One state of the business, its members those of `business.as_of` where that is set; nothing is written."""
        with translate_errors():
            async with self.database.reader.connect() as connection:
                await connection.execution_options(**choose_reading(self.database.dialect), postgresql_readonly=True)
                try:
                    yield Unit(connection, business, self.clock())
                finally:
                    await connection.rollback()

    @asynccontextmanager
    async def write(self, business: Business) -> AsyncIterator[Unit]:
        """All of it is committed, or nothing."""
        with translate_errors():
            async with begin_writing(self.database) as connection:
                row = await raise_change_in_time(connection, business.id, self.clock())
                yield Unit(connection, to_business(row), from_micros(row.last_instant))

    async def audit(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        """Keep what changes no data, in a short transaction of its own."""
        event = (business_id, to_micros(self.clock()), actor, action, subject, detail, outcome)
        with translate_errors():
            async with begin_writing(self.database) as connection:
                await connection.run_sync(append_event, *event)

    async def load_businesses(self) -> list[Business]:
        """All, by key."""
        with translate_errors():
            async with open_session(self.database.reader) as session:
                rows = await session.scalars(select(BusinessRow).order_by(business_table.c.key))
                return [to_business(row) for row in rows]

    async def find_business(self, key: str) -> tuple[Business, bool] | None:
        """The business of that key, and whether purchases wait to be counted."""
        with translate_errors():
            async with open_session(self.database.reader) as session:
                statement = select(BusinessRow).where(business_table.c.key == key)
                row = (await session.scalars(statement)).one_or_none()
        if row is None:
            return None
        waits = row.matures_at is not None and row.matures_at <= to_micros(self.clock())
        return to_business(row), waits and not self.database.condition.read_only

    async def create_business(self, business: Business, now: datetime) -> Business:
        """Add a tenant; AlreadyTaken where the key is in use."""
        row = BusinessRow(
            key=business.key,
            name=business.name,
            currency=business.currency,
            time_zone=business.time_zone,
            settings=dict(business.settings.stored),
            created_at=to_micros(now),
            digest_key=secrets.token_hex(32),
        )
        with translate_errors():
            try:
                async with open_session(self.database.writer) as session:
                    session.add(row)
                    await session.commit()
            except IntegrityError as error:
                raise AlreadyTaken(f"A business with the key {business.key} exists already.") from error
        return to_business(row)

    async def is_ready(self) -> bool:
        """Whether the store answers, has the tables that this program needs, and never answered that it is damaged."""
        try:
            async with self.database.reader.connect() as connection:
                newest = await connection.run_sync(find_current) == find_head()
                return newest and not self.database.condition.damaged
        except (DBAPIError, PoolTimeout, OSError):
            return False

    @asynccontextmanager
    async def evaluate(self, business: Business) -> AsyncIterator[SqlEvaluation]:
        """A run's connection; what it did not commit is gone with it."""
        async with self._hold_tables({"evaluated": EVALUATED}) as connection:
            row = await open_session(connection).get_one(BusinessRow, business.id)
            unit = Unit(connection, to_business(row), self.clock())
            yield SqlEvaluation(connection, unit, self.clock, from_micros(row.last_instant))

    @asynccontextmanager
    async def stage_members(self, business: Business) -> AsyncIterator[SqlMemberStaging]:
        """A connection that has an empty list; what it did not commit is gone with it."""
        async with self._hold_tables(OF_LISTS) as connection:
            row = await open_session(connection).get_one(BusinessRow, business.id)
            yield SqlMemberStaging(connection, to_business(row), self.clock)

    @asynccontextmanager
    async def _hold_tables(self, tables: Mapping[str, str]) -> AsyncIterator[AsyncConnection]:
        """A connection that reads one state of the store and has these temporary tables, empty."""
        with translate_errors():
            async with self.database.worker.connect() as connection:
                await connection.execution_options(**choose_reading(self.database.dialect))
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

    async def load_agenda(self, business: Business, now: datetime) -> Agenda:
        """What there is to do, in one statement."""
        newest = select(func.max(customer_metrics.c.changed_at)).where(customer_metrics.c.business_id == business.id)
        due = exists(
            select(segment.c.id).where(
                segment.c.business_id == business.id,
                segment.c.deleted_at.is_(None),
                segment.c.next_run_at <= to_micros(now),
            )
        )
        classify_at, reports = (
            select(column).where(label_state.c.business_id == business.id).scalar_subquery()
            for column in (label_state.c.due_at, label_state.c.reports)
        )
        waiting = [is_waiting(business.id, kind, now) for kind in JobKind]
        own = business_table.c
        statement = select(
            own.followed_at, own.matures_at, newest.scalar_subquery(), due, classify_at, reports, *waiting
        ).where(own.id == business.id)
        with translate_errors():
            async with self.database.reader.connect() as connection:
                found = (await connection.execute(statement)).one()
        followed, matures, changed, is_due, classify, planned, *kinds = found
        return Agenda(
            matures is not None and matures <= to_micros(now),
            changed is not None and changed > followed,
            bool(is_due),
            to_optional_instant(classify),
            frozenset(kind for kind, waits in zip(JobKind, kinds, strict=True) if waits),
            read_report_plan(planned),
        )

    async def find_newest_revocations(self) -> Mapping[str, datetime]:
        """When tokens were last revoked, by key of business."""
        with translate_errors():
            return await find_newest_revocations(self.database.reader)

    async def load_revocations(self, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
        """What is revoked in the businesses of those keys."""
        with translate_errors():
            return await load_revocations(self.database.reader, keys)

    @asynccontextmanager
    async def open_heartbeats(self, business: Business) -> AsyncIterator[JobStore]:
        """Leases, in a short transaction that changes no data of the business."""
        with translate_errors():
            async with begin_writing(self.database) as connection:
                await connection.run_sync(require_step)
                yield JobStore(open_session(connection), business.id)

    @asynccontextmanager
    async def open_requests(self, business: Business) -> AsyncIterator[IdempotentRequestStore]:
        """Requests with an Idempotency-Key, in a short transaction that changes no data of the business."""
        with translate_errors():
            async with self.database.writer.begin() as connection:
                await connection.run_sync(require_step)
                yield IdempotentRequestStore(connection, business.id)
