"""Formats of sources that a business keeps by name. They are few and small, so all of them are read where one is asked
for: who names one that is not there is told those that are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.calendar import from_micros, to_micros
from domain.imports.model import SavedFormat
from domain.model import Business
from persistence.database.engines import Database
from persistence.database.transactions import open_blocking_session
from persistence.tables.imports import SourceFormatRow, source_format


@dataclass(slots=True)
class FormatStore:
    """In one session, of one business."""

    session: AsyncSession
    business_id: int

    async def load_all(self) -> list[SavedFormat]:
        """All, by name."""
        mine = source_format.c.business_id == self.business_id
        rows = await self.session.scalars(select(SourceFormatRow).where(mine).order_by(source_format.c.name))
        return [SavedFormat(row.name, row.settings, from_micros(row.updated_at)) for row in rows]

    async def save(self, name: str, document: Mapping[str, Any], at: datetime) -> None:
        """Keep what the format states in place of what it stated before."""
        row = SourceFormatRow(
            business_id=self.business_id, name=name, settings=dict(document), updated_at=to_micros(at)
        )
        await self.session.merge(row)
        await self.session.flush()

    async def delete(self, name: str) -> None:
        """Take it away."""
        columns = source_format.c
        statement = delete(SourceFormatRow).where(columns.business_id == self.business_id, columns.name == name)
        await self.session.execute(statement)


def load_documents(database: Database, business: Business) -> dict[str, Mapping[str, Any]]:
    """What the business's formats state, by name, outside the event loop."""
    with open_blocking_session(database.bulk) as session:
        rows = session.scalars(
            select(SourceFormatRow).where(source_format.c.business_id == business.id).order_by(source_format.c.name)
        )
        return {row.name: row.settings for row in rows}
