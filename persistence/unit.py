"""One transaction on one business, for reading or for writing, with a repository a noun. Each is loaded and made with
the first question to it, so that nobody waits for those that are not asked."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import Clock, from_micros, to_micros
from domain.model import Actor, AuditOutcome, AuditTarget, Business
from persistence.database.transactions import choose_writing, open_session, raise_change, to_business
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as business_table

if TYPE_CHECKING:
    from persistence.audit import AuditStore
    from persistence.customers import CustomerStore
    from persistence.erasure import ErasureStore
    from persistence.imports.formats import FormatStore
    from persistence.imports.imports import ImportStore
    from persistence.jobs import JobStore
    from persistence.labels.classifiers import ClassifiedStore
    from persistence.lake.analysis import Analysis
    from persistence.lake.reading import Lake
    from persistence.purchases import PurchaseStore
    from persistence.reports.reports import GroupReportStore, ReportStore
    from persistence.revocations import RevocationStore
    from persistence.segments.analysis import RuleAnalysisStore
    from persistence.segments.history import HistoryStore, SnapshotStore
    from persistence.segments.member_rows import MemberRowStore
    from persistence.segments.members import MemberStore
    from persistence.segments.memberships import MembershipStore
    from persistence.segments.named import NamedCustomerStore
    from persistence.segments.segments import SegmentStore


@dataclass(eq=False)
class Unit:
    """One transaction on one business, its repositories all on this connection; `instant` and the audit are for write
    units. `lake` is where columnar copies are, for units that only read."""

    connection: AsyncConnection
    business: Business
    instant: datetime
    lake: "Lake | None" = None

    @cached_property
    def session(self) -> AsyncSession:
        return open_session(self.connection)

    @cached_property
    def customers(self) -> "CustomerStore":
        from persistence.customers import CustomerStore

        return CustomerStore(self.connection, self.session, self.business.id, self.rules.build_condition)

    @cached_property
    def purchases(self) -> "PurchaseStore":
        from persistence.purchases import PurchaseStore

        return PurchaseStore(self.connection, self.session, self.business.id)

    @cached_property
    def analysis(self) -> "Analysis":
        from persistence.lake.analysis import Analysis

        return Analysis(self.connection, self.business.id, self.lake)

    @cached_property
    def reports(self) -> "ReportStore":
        from persistence.reports.reports import ReportStore

        return ReportStore(self.connection, self.business.id, self.analysis)

    @cached_property
    def groups(self) -> "GroupReportStore":
        from persistence.reports.reports import GroupReportStore

        return GroupReportStore(self.connection, self.business.id, self.analysis)

    @cached_property
    def classified(self) -> "ClassifiedStore":
        from persistence.labels.classifiers import ClassifiedStore

        return ClassifiedStore(self.connection, self.business.id)

    @cached_property
    def segments(self) -> "SegmentStore":
        from persistence.segments.segments import SegmentStore

        return SegmentStore(self.connection, self.session, self.business)

    @cached_property
    def members(self) -> "MemberStore":
        from persistence.segments.members import MemberStore

        return MemberStore(self.connection, self.business.id, self.business.as_of)

    @cached_property
    def member_rows(self) -> "MemberRowStore":
        from persistence.segments.member_rows import MemberRowStore

        return MemberRowStore(self.connection, self.business.id, self.business.attributes.customer)

    @cached_property
    def named(self) -> "NamedCustomerStore":
        from persistence.segments.named import NamedCustomerStore

        return NamedCustomerStore(self.connection, self.business.id)

    @cached_property
    def memberships(self) -> "MembershipStore":
        from persistence.segments.memberships import MembershipStore

        return MembershipStore(self.connection, self.business.id, self.business.as_of)

    @cached_property
    def history(self) -> "HistoryStore":
        from persistence.segments.history import HistoryStore

        return HistoryStore(self.connection, self.business.id)

    @cached_property
    def snapshots(self) -> "SnapshotStore":
        from persistence.segments.history import SnapshotStore

        return SnapshotStore(self.connection, self.session, self.business.id, self.business.as_of)

    @cached_property
    def erasure(self) -> "ErasureStore":
        from persistence.erasure import ErasureStore

        return ErasureStore(self.connection, self.session, self.business.id)

    @cached_property
    def revocations(self) -> "RevocationStore":
        from persistence.revocations import RevocationStore

        return RevocationStore(self.session, self.business.id)

    @cached_property
    def jobs(self) -> "JobStore":
        from persistence.jobs import JobStore

        return JobStore(self.session, self.business.id)

    @cached_property
    def imports(self) -> "ImportStore":
        from persistence.imports.imports import ImportStore

        return ImportStore(self.session, self.business.id)

    @cached_property
    def formats(self) -> "FormatStore":
        from persistence.imports.formats import FormatStore

        return FormatStore(self.session, self.business.id)

    @cached_property
    def audits(self) -> "AuditStore":
        from persistence.audit import AuditStore

        return AuditStore(self.connection, self.session, self.business.id)

    @cached_property
    def rules(self) -> "RuleAnalysisStore":
        from persistence.segments.analysis import RuleAnalysisStore

        return RuleAnalysisStore(self.connection, self, self.instant, self.analysis)

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
            from persistence.idempotency import IdempotentRequestStore

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
        from persistence.audit import append_event

        number, at = self.business.change_number, to_micros(self.instant)
        event = (self.business.id, at, actor, action, subject, detail, outcome, number)
        await self.connection.run_sync(append_event, *event)


@asynccontextmanager
async def go_on_writing(connection: AsyncConnection, business: Business, clock: Clock) -> AsyncIterator[Unit]:
    """End the reading and hold the business's only write transaction, on the same connection: all or nothing."""
    await connection.commit()
    await connection.execution_options(**choose_writing(connection.dialect.name))
    row = await connection.run_sync(raise_change, business.id, clock())
    yield Unit(connection, to_business(row), from_micros(row.last_instant))
    await connection.commit()
