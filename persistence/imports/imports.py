"""Imports as they are asked for, and as they wait: an import is a job and, under the same id, what it says beside that.
Both are read together, by pages by key, and so are the rows that it refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendar import from_micros, to_micros
from domain.imports.model import (
    NewImport,
    PurchaseImport,
    Reject,
    RejectKey,
    RejectReason,
    UndoConflict,
    UndoSummary,
)
from domain.imports.quality import Quality
from domain.imports.rejects import describe_kind
from domain.jobs.model import Job, JobKind, JobReason, JobStatus, NewJob
from domain.pages import Page, PageRequest, build_page
from persistence.imports.changed_since import find_undo_conflicts
from persistence.jobs import ACTIVE, JobStore
from persistence.tables.businesses import business
from persistence.tables.columns import is_storable, to_optional_instant
from persistence.tables.imports import IS_HALF_UNDONE, PurchaseImportRow, import_reject, purchase_import
from persistence.tables.jobs import JobRow, job

OF_IMPORT = and_(
    job.c.business_id == purchase_import.c.business_id,
    job.c.kind == JobKind.IMPORT.value,
    job.c.id == purchase_import.c.id,
)
IMPORTS = select(PurchaseImportRow, JobRow).join_from(PurchaseImportRow, JobRow, OF_IMPORT)


def to_import(row: PurchaseImportRow, work: JobRow) -> PurchaseImport:
    return PurchaseImport(
        row.id,
        row.source,
        JobStatus(work.status),
        work.phase,
        work.done,
        work.total,
        from_micros(work.created_at),
        to_optional_instant(work.started_at),
        to_optional_instant(work.finished_at),
        work.error_code,
        work.error_message,
        work.requested_by,
        work.cancel_requested,
        row.rows_read,
        row.created,
        row.updated,
        row.unchanged,
        row.rejected,
        row.future,
        None if row.quality is None else Quality.read(row.quality),
        row.options,
        to_optional_instant(work.heartbeat_at),
        to_optional_instant(row.undo_begun_at),
        to_optional_instant(row.undone_at),
        row.time_zone,
        UndoSummary(**(row.undo or {})),
    )


@dataclass(slots=True)
class ImportStore:
    """In one session, of one business."""

    session: AsyncSession
    business_id: int
    jobs: JobStore = field(init=False)

    def __post_init__(self) -> None:
        """Their jobs, in the same session."""
        self.jobs = JobStore(self.session, self.business_id)

    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, PurchaseImport]:
        """Those that exist."""
        return {one.id: one for one in await self._load_imports(purchase_import.c.id.in_(ids))}

    async def load_page(self, request: PageRequest) -> Page[PurchaseImport]:
        """Imports, newest first."""
        conditions = [purchase_import.c.business_id == self.business_id]
        if request.after is not None:
            conditions.append(purchase_import.c.id < request.after[1])
        statement = IMPORTS.where(*conditions).order_by(purchase_import.c.id.desc()).limit(request.size + 1)
        imports = [to_import(*rows) for rows in await self.session.execute(statement)]
        return build_page(imports, request, lambda one: (one.id, one.id))

    async def count(self) -> int:
        """How many there are."""
        own = purchase_import.c.business_id == self.business_id
        statement = select(func.count()).select_from(purchase_import).where(own)
        return await self.session.scalar(statement) or 0

    async def load_rejects(self, keys: Sequence[RejectKey], request: PageRequest) -> Mapping[RejectKey, Page[Reject]]:
        """The rows that each import refused, for one reason where one is asked for, by their lines, in one statement
        that reads no more than the pages."""
        column = import_reject.c
        pages = []
        for place, key in enumerate(keys):
            conditions = self._select_rejects(key)
            if request.after is not None:
                conditions.append(column.line > request.after[1])
            page = (
                select(literal(place).label("place"), column.line, column.text, column.reason)
                .where(*conditions)
                .order_by(column.line)
                .limit(request.size + 1)
                .subquery()
            )
            pages.append(select(page))
        rejects: dict[RejectKey, list[Reject]] = {key: [] for key in keys}
        for row in await self.session.execute(union_all(*pages)):
            rejects[keys[row.place]].append(Reject(row.line, row.text, row.reason))
        return {
            key: build_page(sorted(rows, key=lambda row: row.line), request, lambda row: (row.line, row.line))
            for key, rows in rejects.items()
        }

    async def count_rejects(self, keys: Sequence[RejectKey]) -> Mapping[RejectKey, int]:
        """How many rows each import refused, for one reason where one is asked for."""
        counts = [
            select(literal(place).label("place"), func.count().label("size")).where(*self._select_rejects(key))
            for place, key in enumerate(keys)
        ]
        return {keys[row.place]: row.size for row in await self.session.execute(union_all(*counts))}

    def _select_rejects(self, key: RejectKey) -> list[ColumnElement[bool]]:
        column = import_reject.c
        import_id, reason = key
        conditions = [column.business_id == self.business_id, column.import_id == import_id]
        if reason is not None:
            if not is_storable(reason):
                return [false()]
            conditions += [column.kind == describe_kind(reason), or_(column.kind == reason, column.reason == reason)]
        return conditions

    async def load_reject_reasons(self, ids: Sequence[int]) -> Mapping[int, list[RejectReason]]:
        """The kinds of reasons of each import's rejects, most first, then by their text."""
        column = import_reject.c
        statement = (
            select(column.import_id, column.kind, func.count().label("size"), func.min(column.line).label("line"))
            .where(column.business_id == self.business_id, column.import_id.in_(ids))
            .group_by(column.import_id, column.kind)
            .order_by(func.count().desc(), column.kind)
        )
        reasons: dict[int, list[RejectReason]] = {import_id: [] for import_id in ids}
        for row in await self.session.execute(statement):
            reasons[row.import_id].append(RejectReason(row.kind, row.size, row.line))
        return reasons

    async def find_by_key(self, key: str) -> tuple[PurchaseImport, str | None] | None:
        """The import of a request that carried the key, and the digest of that request."""
        column = purchase_import.c
        statement = IMPORTS.where(column.business_id == self.business_id, column.request_key == key)
        rows = (await self.session.execute(statement)).one_or_none()
        return None if rows is None else (to_import(*rows), rows[0].request_digest)

    async def load_active(self) -> list[PurchaseImport]:
        """Those that wait or are worked on, oldest first."""
        return await self._load_imports(job.c.status.in_(ACTIVE))

    async def load_half_undone(self) -> list[PurchaseImport]:
        """Those that are being taken back, or whose undo died, oldest first."""
        return await self._load_imports(IS_HALF_UNDONE)

    async def find_undo_conflicts(self, one: PurchaseImport) -> list[UndoConflict]:
        """What has changed since the import, for which it cannot be taken back."""
        connection = await self.session.connection()
        return await connection.run_sync(find_undo_conflicts, self.business_id, one.id, one.time_zone)

    async def begin_undo(self, import_id: int, by: str, at: datetime) -> None:
        """It is to be taken back by whoever works for the store; `by` has asked for that."""
        column = purchase_import.c
        own = (column.business_id == self.business_id, column.id == import_id)
        known = await self.session.scalar(select(column.undo).where(*own))
        begun = func.coalesce(column.undo_begun_at, to_micros(at))
        statement = update(PurchaseImportRow).where(*own).values(undo_begun_at=begun, undo={**(known or {}), "by": by})
        await self.session.execute(statement)

    async def acquire(self, import_id: int, owner: str, now: datetime) -> Job | None:
        """Hold one that waits or whose lease has expired, None where it is not free. Its days are those of the time
        zone that the business has now."""
        acquired = await self.jobs.acquire(JobKind.IMPORT, owner, now, import_id)
        if acquired is not None:
            zone = select(business.c.time_zone).where(business.c.id == self.business_id).scalar_subquery()
            own = (purchase_import.c.business_id == self.business_id, purchase_import.c.id == import_id)
            await self.session.execute(update(PurchaseImportRow).where(*own).values(time_zone=zone))
        return acquired

    async def add(self, import_id: int, new: NewImport, at: datetime) -> PurchaseImport:
        """Let it wait."""
        await self.jobs.add(NewJob(JobKind.IMPORT, JobReason.REQUEST, requested_by=new.requested_by), at, import_id)
        row = PurchaseImportRow(
            business_id=self.business_id,
            id=import_id,
            source=new.source,
            options=dict(new.options),
            request_key=new.key,
            request_digest=new.digest,
        )
        self.session.add(row)
        await self.session.flush()
        return (await self.find_by_ids([import_id]))[import_id]

    async def _load_imports(self, *conditions: ColumnElement[bool]) -> list[PurchaseImport]:
        own = purchase_import.c.business_id == self.business_id
        statement = IMPORTS.where(own, *conditions).order_by(purchase_import.c.id)
        return [to_import(*rows) for rows in await self.session.execute(statement)]
