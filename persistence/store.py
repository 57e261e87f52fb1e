"""Units of work: a read unit is one read transaction, a write unit is the one write transaction of its business and
begins by raising its change number, so that change order is commit order.

The audit log: one row a write, numbered by its change number, so that the order of rows is the order of commits.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Clock, from_micros, to_micros
from domain.errors import Taken
from domain.model import Business, KeptEvent, Subject
from domain.pages import Page, PageRequest, cut
from domain.store import AuditEvent
from persistence.customers import CustomerStore
from persistence.database.engines import Database
from persistence.database.transactions import raise_change, to_business, translated
from persistence.erasure import ErasureStore
from persistence.imports.imports import ImportStore
from persistence.jobs import JobStore
from persistence.labels.classifiers import ClassifiedStore
from persistence.migrations.migrate import current, head
from persistence.purchases import PurchaseStore
from persistence.reports.reports import GroupReportStore, ReportStore
from persistence.segments.analysis import RuleStore
from persistence.segments.history import HistoryStore, SnapshotStore
from persistence.segments.memberships import MembershipStore
from persistence.segments.segments import SegmentStore
from persistence.tables import audit_event
from persistence.tables import business as table


def to_event(row: Row[Any]) -> KeptEvent:
    """The entity of a row."""
    subject = None if row.subject_kind is None else (row.subject_kind, row.subject_id)
    return KeptEvent(
        row.id, from_micros(row.at), row.actor, row.action, row.outcome, row.request_id, subject, row.detail
    )


@dataclass(slots=True)
class AuditStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    business_id: int

    async def page(self, request: PageRequest, subject: Subject | None) -> Page[KeptEvent]:
        """Events, newest first."""
        conditions = self._listed(subject)
        if request.after is not None:
            conditions.append(audit_event.c.id < request.after[1])
        statement = select(audit_event).where(*conditions).order_by(audit_event.c.id.desc()).limit(request.size + 1)
        rows = (await self.connection.execute(statement)).all()
        return cut(rows, request, lambda row: (row.id, row.id)).map(to_event)

    async def count(self, subject: Subject | None) -> int:
        """How many there are."""
        statement = select(func.count()).select_from(audit_event).where(*self._listed(subject))
        return int((await self.connection.execute(statement)).scalar_one())

    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, KeptEvent]:
        """Those that exist."""
        statement = select(audit_event).where(*self._listed(None), audit_event.c.id.in_(ids))
        return {row.id: to_event(row) for row in await self.connection.execute(statement)}

    def _listed(self, subject: Subject | None) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = [audit_event.c.business_id == self.business_id]
        if subject is not None:
            conditions += [audit_event.c.subject_kind == subject[0], audit_event.c.subject_id == subject[1]]
        return conditions


@dataclass(slots=True)
class Unit:
    """One transaction on one business; `instant` and the audit are for write units."""

    connection: AsyncConnection
    business: Business
    instant: datetime
    customers: CustomerStore = field(init=False)
    purchases: PurchaseStore = field(init=False)
    reports: ReportStore = field(init=False)
    groups: GroupReportStore = field(init=False)
    classified: ClassifiedStore = field(init=False)
    segments: SegmentStore = field(init=False)
    memberships: MembershipStore = field(init=False)
    history: HistoryStore = field(init=False)
    snapshots: SnapshotStore = field(init=False)
    erasure: ErasureStore = field(init=False)
    jobs: JobStore = field(init=False)
    imports: ImportStore = field(init=False)
    audits: AuditStore = field(init=False)
    rules: RuleStore = field(init=False)

    def __post_init__(self) -> None:
        """One repository a noun, all on this connection."""
        self.rules = RuleStore(self.connection, self, self.instant)
        self.customers = CustomerStore(self.connection, self.business.id, self.rules.condition)
        self.purchases = PurchaseStore(self.connection, self.business.id)
        self.reports = ReportStore(self.connection, self.business.id)
        self.groups = GroupReportStore(self.connection, self.business.id)
        self.classified = ClassifiedStore(self.connection, self.business.id)
        self.segments = SegmentStore(self.connection, self.business)
        self.memberships = MembershipStore(self.connection, self.business.id, self.business.as_of)
        self.history = HistoryStore(self.connection, self.business.id)
        self.snapshots = SnapshotStore(self.connection, self.business.id, self.business.as_of)
        self.erasure = ErasureStore(self.connection, self.business.id)
        self.jobs = JobStore(self.connection, self.business.id)
        self.imports = ImportStore(self.connection, self.business.id)
        self.audits = AuditStore(self.connection, self.business.id)

    async def data_changed(self) -> None:
        """The change number becomes the data version."""
        await self.save_settings({"data_version": self.business.change_number})

    async def save_settings(self, changes: Mapping[str, object]) -> None:
        """Change columns of the business itself."""
        await self.connection.execute(update(table).where(table.c.id == self.business.id).values(**changes))

    async def audit(self, event: AuditEvent) -> None:
        """One row, in this transaction."""
        await self.connection.execute(
            insert(audit_event).values(
                business_id=self.business.id,
                id=self.business.change_number,
                at=to_micros(self.instant),
                actor=event.actor,
                action=event.action,
                outcome=event.outcome,
                request_id=event.request_id,
                detail=dict(event.detail),
                subject_kind=None if event.subject is None else event.subject[0],
                subject_id=None if event.subject is None else event.subject[1],
            )
        )


@dataclass(frozen=True, slots=True)
class SqlStore:
    """Every business's data in one database."""

    database: Database
    clock: Clock

    @asynccontextmanager
    async def read(self, business: Business) -> AsyncIterator[Unit]:
        """One state of the business, its members those of `business.as_of` where that is set; nothing is written."""
        with translated():
            async with self.database.reader.connect() as connection:
                if self.database.dialect == "postgresql":
                    # Its default would let every statement of the unit see another state.
                    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                try:
                    yield Unit(connection, business, self.clock())
                finally:
                    await connection.rollback()

    @asynccontextmanager
    async def write(self, business: Business) -> AsyncIterator[Unit]:
        """All of it is committed, or nothing."""
        with translated():
            async with self.database.writer.begin() as connection:
                row = (await connection.execute(raise_change(business.id, self.clock()))).one()
                yield Unit(connection, to_business(row), from_micros(row.last_instant))

    async def businesses(self) -> list[Business]:
        """All, by key."""
        with translated():
            async with self.database.reader.connect() as connection:
                return [to_business(row) for row in await connection.execute(select(table).order_by(table.c.key))]

    async def business(self, key: str) -> tuple[Business, bool] | None:
        """The business of that key, and whether purchases wait to be counted."""
        with translated():
            async with self.database.reader.connect() as connection:
                row = (await connection.execute(select(table).where(table.c.key == key))).one_or_none()
        if row is None:
            return None
        return to_business(row), row.matures_at is not None and row.matures_at <= to_micros(self.clock())

    async def create_business(self, business: Business, now: datetime) -> Business:
        """Add a tenant; Taken where the key is in use."""
        values = {
            "key": business.key,
            "name": business.name,
            "currency": business.currency,
            "time_zone": business.time_zone,
            "settings": business.settings,
            "created_at": to_micros(now),
        }
        with translated():
            try:
                async with self.database.writer.begin() as connection:
                    row = (await connection.execute(insert(table).values(**values).returning(table))).one()
            except IntegrityError as error:
                raise Taken(f"A business with the key {business.key} exists already.") from error
        return to_business(row)

    async def ready(self) -> bool:
        """Whether the store answers and has the tables that this program needs."""
        try:
            async with self.database.reader.connect() as connection:
                return await connection.run_sync(current) == head()
        except (DBAPIError, PoolTimeout, OSError):
            return False
