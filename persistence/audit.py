"""The audit log in the store. Events are appended and never changed, but that erasure takes names out of them. Their
ids are a sequence of the business's own, whose row is locked from an event to its commit: so the order of ids is the
order of commits, and an event that belongs to no write waits for none, but one that has come to its own event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, false, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import from_micros
from domain.model import Actor, AuditOutcome, AuditRecord, AuditTarget
from domain.pages import Page, PageRequest, build_page
from domain.store import AuditFilter
from persistence.tables.columns import is_storable
from persistence.tables.requests import AuditEventRow, audit_event

EVERY_EVENT = AuditFilter()
TAKE_ID = text(
    """INSERT INTO audit_sequence (business_id, last_id) VALUES (:business, 1)
    ON CONFLICT (business_id) DO UPDATE SET last_id = audit_sequence.last_id + 1 RETURNING last_id"""
)


def append_event(
    connection: Connection,
    business_id: int,
    at: int,
    actor: Actor,
    action: str,
    subject: AuditTarget | None,
    detail: Mapping[str, object],
    outcome: AuditOutcome = AuditOutcome.DONE,
    change_number: int | None = None,
) -> None:
    """Keep who did what to whom, `at` being microseconds since 1970, in the write of that change number or in none."""
    kind, key = subject or (None, None)
    row = {
        "business_id": business_id,
        "id": connection.execute(TAKE_ID, {"business": business_id}).scalar_one(),
        "change_number": change_number,
        "at": at,
        "actor": actor.name,
        "action": action,
        "outcome": outcome.value,
        "request_id": actor.request_id,
        "detail": dict(detail),
        "subject_kind": kind,
        "subject_id": key,
    }
    connection.execute(insert(AuditEventRow), row)


def to_event(row: AuditEventRow | Row[Any]) -> AuditRecord:
    subject = None if row.subject_kind is None or row.subject_id is None else (row.subject_kind, row.subject_id)
    return AuditRecord(
        row.id,
        from_micros(row.at),
        row.actor,
        row.action,
        AuditOutcome(row.outcome),
        row.request_id,
        subject,
        row.detail,
    )


@dataclass(slots=True)
class AuditStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    session: AsyncSession
    business_id: int

    async def load_page(self, request: PageRequest, where: AuditFilter = EVERY_EVENT) -> Page[AuditRecord]:
        """Events, newest first."""
        conditions = self._build_conditions(where)
        if request.after is not None:
            conditions.append(audit_event.c.id < request.after[1])
        statement = select(audit_event).where(*conditions).order_by(audit_event.c.id.desc()).limit(request.size + 1)
        rows = (await self.connection.execute(statement)).all()
        return build_page(rows, request, lambda row: (row.id, row.id)).map(to_event)

    async def count(self, where: AuditFilter = EVERY_EVENT) -> int:
        statement = select(func.count()).select_from(audit_event).where(*self._build_conditions(where))
        return int((await self.connection.execute(statement)).scalar_one())

    async def find_by_ids(self, ids: Sequence[int]) -> Mapping[int, AuditRecord]:
        """Those that exist."""
        statement = select(AuditEventRow).where(*self._build_conditions(EVERY_EVENT), audit_event.c.id.in_(ids))
        return {row.id: to_event(row) for row in await self.session.scalars(statement)}

    def _build_conditions(self, where: AuditFilter) -> list[ColumnElement[bool]]:
        column = audit_event.c
        conditions: list[ColumnElement[bool]] = [column.business_id == self.business_id]
        if where.subject is not None:
            conditions += [column.subject_kind == where.subject[0], column.subject_id == where.subject[1]]
        for name in ("actor", "action", "outcome"):
            text = getattr(where, name)
            if text is not None:
                conditions.append(column[name] == text if is_storable(text) else false())
        return conditions
