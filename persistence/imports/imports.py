"""Imports as they are asked for, and as they wait: pages by key of runs and of the rows that they refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import from_micros, to_micros
from domain.imports.model import NewImport, PurchaseImport, Reject
from domain.imports.quality import Quality
from domain.jobs.model import JobStatus
from domain.pages import Page, PageRequest, page_of
from persistence.tables import business, import_reject, optional_instant
from persistence.tables import purchase_import as table

ACTIVE = (JobStatus.QUEUED.value, JobStatus.RUNNING.value)


def to_import(row: Row[Any]) -> PurchaseImport:
    """The entity of a row."""
    return PurchaseImport(
        row.id,
        row.source,
        JobStatus(row.status),
        row.phase,
        row.done,
        row.total,
        from_micros(row.created_at),
        optional_instant(row.started_at),
        optional_instant(row.finished_at),
        row.error_code,
        row.error,
        row.requested_by,
        row.cancel_requested,
        row.rows_read,
        row.created,
        row.updated,
        row.unchanged,
        row.rejected,
        row.future,
        None if row.quality is None else Quality.read(row.quality),
        row.options,
        optional_instant(row.heartbeat_at),
        optional_instant(row.undo_begun_at),
        optional_instant(row.undone_at),
    )


@dataclass(slots=True)
class ImportStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    business_id: int

    async def by_ids(self, ids: Sequence[int]) -> Mapping[int, PurchaseImport]:
        """Those that exist."""
        return {found.id: found for found in await self._imports(table.c.id.in_(ids))}

    async def page(self, request: PageRequest) -> Page[PurchaseImport]:
        """Imports, newest first."""
        conditions = [table.c.business_id == self.business_id]
        if request.after is not None:
            conditions.append(table.c.id < request.after[1])
        statement = select(table).where(*conditions).order_by(table.c.id.desc()).limit(request.size + 1)
        rows = (await self.connection.execute(statement)).all()
        return page_of(rows, request, lambda row: (row.id, row.id)).map(to_import)

    async def count(self) -> int:
        """How many there are."""
        statement = select(func.count()).select_from(table).where(table.c.business_id == self.business_id)
        return int((await self.connection.execute(statement)).scalar_one())

    async def rejects(self, ids: Sequence[int], request: PageRequest) -> Mapping[int, Page[Reject]]:
        """The rows that each import refused, by their lines, in one statement that reads no more than the pages."""
        column = import_reject.c
        pages = []
        for import_id in ids:
            conditions = [column.business_id == self.business_id, column.import_id == import_id]
            if request.after is not None:
                conditions.append(column.line > request.after[1])
            page = (
                select(column.import_id, column.line, column.text, column.reason)
                .where(*conditions)
                .order_by(column.line)
                .limit(request.size + 1)
                .subquery()
            )
            pages.append(select(page))
        found: dict[int, list[Reject]] = {import_id: [] for import_id in ids}
        for row in await self.connection.execute(union_all(*pages)):
            found[row.import_id].append(Reject(row.line, row.text, row.reason))
        return {
            import_id: page_of(sorted(rows, key=lambda row: row.line), request, lambda row: (row.line, row.line))
            for import_id, rows in found.items()
        }

    async def waiting(self) -> int:
        """How many wait for a worker."""
        statement = select(func.count()).where(
            table.c.business_id == self.business_id, table.c.status == JobStatus.QUEUED.value
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def by_key(self, key: str) -> tuple[PurchaseImport, str | None] | None:
        """The import of a request that carried the key, and the digest of that request."""
        statement = select(table).where(table.c.business_id == self.business_id, table.c.request_key == key)
        row = (await self.connection.execute(statement)).one_or_none()
        return None if row is None else (to_import(row), row.request_digest)

    async def active(self) -> list[PurchaseImport]:
        """Those that wait or are worked on, oldest first."""
        return await self._imports(table.c.status.in_(ACTIVE))

    async def busy(self, since: datetime) -> int:
        """How many uploads are worked on by somebody who gave a sign of life since."""
        statement = select(func.count()).where(
            table.c.business_id == self.business_id,
            table.c.status == JobStatus.RUNNING.value,
            table.c.options.is_not(None),
            table.c.heartbeat_at >= to_micros(since),
        )
        return int((await self.connection.execute(statement)).scalar_one())

    async def take(
        self, import_id: int, owner: str, options: Mapping[str, object], silent_before: datetime, at: datetime
    ) -> bool:
        """Hold one that waits or whose holder fell silent; whether it was free."""
        silent = and_(table.c.status == JobStatus.RUNNING.value, table.c.heartbeat_at < to_micros(silent_before))
        zone = select(business.c.time_zone).where(business.c.id == self.business_id).scalar_subquery()
        row = await self.connection.execute(
            update(table)
            .where(
                table.c.business_id == self.business_id,
                table.c.id == import_id,
                or_(table.c.status == JobStatus.QUEUED.value, silent),
            )
            .values(
                status=JobStatus.RUNNING.value,
                phase="starting",
                owner=owner,
                options=dict(options),
                time_zone=zone,
                started_at=func.coalesce(table.c.started_at, to_micros(at)),
                heartbeat_at=to_micros(at),
            )
        )
        return row.rowcount == 1

    async def wait(self, ids: Sequence[int], at: datetime) -> None:
        """Say that somebody has the files of these, which wait."""
        mine = (table.c.business_id == self.business_id, table.c.id.in_(ids), table.c.status == JobStatus.QUEUED.value)
        await self.connection.execute(update(table).where(*mine).values(heartbeat_at=to_micros(at)))

    async def silent(self, before: datetime) -> list[PurchaseImport]:
        """Active ones whose last sign of life is older."""
        heard = func.coalesce(table.c.heartbeat_at, table.c.created_at)
        return await self._imports(table.c.status.in_(ACTIVE), heard < to_micros(before))

    async def add(self, import_id: int, new: NewImport, at: datetime) -> PurchaseImport:
        """Let it wait."""
        row = await self.connection.execute(
            insert(table)
            .values(
                business_id=self.business_id,
                id=import_id,
                source=new.source,
                status=JobStatus.QUEUED.value,
                phase="queued",
                created_at=to_micros(at),
                heartbeat_at=to_micros(at),
                requested_by=new.requested_by,
                options=dict(new.options),
                request_key=new.key,
                request_digest=new.digest,
            )
            .returning(table)
        )
        return to_import(row.one())

    async def end(self, import_id: int, status: JobStatus, code: str, sentence: str, at: datetime) -> None:
        """End one that is active."""
        values = {"error_code": code, "error": sentence, "finished_at": to_micros(at)}
        await self._set(import_id, status=status.value, phase="finished", **values)

    async def ask_to_cancel(self, import_id: int) -> None:
        """Whoever works on it stops before its next write."""
        await self._set(import_id, cancel_requested=True)

    async def _set(self, import_id: int, **values: object) -> None:
        mine = (table.c.business_id == self.business_id, table.c.id == import_id, table.c.status.in_(ACTIVE))
        await self.connection.execute(update(table).where(*mine).values(**values))

    async def _imports(self, *conditions: ColumnElement[bool]) -> list[PurchaseImport]:
        statement = select(table).where(table.c.business_id == self.business_id, *conditions).order_by(table.c.id)
        return [to_import(row) for row in await self.connection.execute(statement)]
