"""The audit log: one row a write, numbered by its change number, so that the order of rows is the order of commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import from_micros
from domain.model import KeptEvent, Subject
from domain.pages import Page, PageRequest, cut
from persistence.tables import audit_event


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
