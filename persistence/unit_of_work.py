"""Units of work: a read unit is one read transaction, a write unit is the one write transaction of its business and
begins by raising its change number, so that change order is commit order."""

import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Row, case, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Clock, from_micros, to_micros
from domain.errors import InvalidInput, Taken, Unavailable
from domain.model import Business
from domain.money import LARGEST
from domain.store import AuditEvent
from persistence.analysis_sql import RuleStore
from persistence.audits import AuditStore
from persistence.classified import ClassifiedStore
from persistence.columns import optional_instant
from persistence.customers import CustomerStore
from persistence.database import Database, is_busy
from persistence.erasure import ErasureStore
from persistence.imports import ImportStore
from persistence.jobs import JobStore
from persistence.memberships import MembershipStore
from persistence.purchases import PurchaseStore
from persistence.report_groups import GroupReportStore
from persistence.report_sql import ReportStore
from persistence.schema import current, head
from persistence.segments import SegmentStore
from persistence.snapshots import SnapshotStore
from persistence.tables import audit_event
from persistence.tables import business as table

TOO_LARGE = "22003"
"""PostgreSQL's state for a number beyond its type."""


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


def raise_change(business: int, now: datetime) -> Executable:
    """The statement that every write begins with: it takes the business's lock and gives number and instant."""
    micros = to_micros(now)
    later = table.c.last_instant + 1
    return (
        update(table)
        .where(table.c.id == business)
        .values(
            change_number=table.c.change_number + 1,
            last_instant=case((later > micros, later), else_=micros),
        )
        .returning(table)
    )


def to_business(row: Row[Any]) -> Business:
    """The entity of a row."""
    return Business(
        row.id,
        row.key,
        row.name,
        row.currency,
        row.time_zone,
        dict(row.settings),
        row.settings_version,
        row.data_version,
        row.change_number,
        optional_instant(row.history_from),
        from_micros(row.last_instant),
    )


class translated:
    """Turns a store that cannot answer now into Unavailable and a sum that it cannot hold into InvalidInput; everything
    else passes."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Busy, gone or out of connections: the same call may succeed later."""
        if error is None:
            return
        original = getattr(error, "orig", None)
        if getattr(original, "sqlstate", None) == TOO_LARGE or str(original) == "integer overflow":
            raise InvalidInput(f"The amounts add up to more than {LARGEST} minor units, which is the most.") from error
        gone = isinstance(error, DBAPIError) and error.connection_invalidated
        # SQLite's plain error is a wrong statement, which no second try would mend.
        wrong = getattr(original, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
        lost = isinstance(error, OperationalError | InterfaceError) and not wrong
        if gone or is_busy(error) or isinstance(error, PoolTimeout) or lost:
            raise Unavailable("The store is busy or out of reach. Try again in a moment.") from error
