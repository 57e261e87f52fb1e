"""What workers share without Redis: a row a report in the store itself. Its value is there for ten minutes, and until
it is there one worker has the lease of computing it."""

import asyncio
import json
import time
from typing import Any

from sqlalchemy import Executable, and_, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.cache import SECONDS
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.report_cache import ANSWER_SECONDS, LEASE_SECONDS
from persistence.tables import kept_report

column = kept_report.c


class StoreShelf:
    """One database. While its write lock is held by others, everybody computes for himself."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def get(self, key: str) -> Any | None:
        """What is kept."""
        fresh = column.made_at > int(time.time()) - SECONDS
        statement = select(column.value).where(*_of(key), column.value.is_not(None), fresh)
        async with self.database.reader.connect() as connection:
            value = (await connection.execute(statement)).scalar_one_or_none()
        return None if value is None else json.loads(value)

    async def put(self, key: str, value: Any) -> None:
        """Keep it for all; what is too old goes."""
        now = int(time.time())
        unborn = and_(column.made_at.is_(None), column.leased_until < now - SECONDS)
        await self._quickly(
            update(kept_report).where(*_of(key)).values(value=json.dumps(value), made_at=now),
            delete(kept_report).where(
                column.business_id == _business(key), or_(column.made_at < now - SECONDS, unborn)
            ),
        )

    async def begin(self, key: str, owner: str) -> bool:
        """Whoever makes the row computes, and whoever finds a lease that ran out."""
        now = int(time.time())
        insert = insert_postgresql if self.database.dialect == "postgresql" else insert_sqlite
        row = {"owner": owner, "leased_until": now + LEASE_SECONDS, "made_at": None, "value": None}
        statement = (
            insert(kept_report)
            .values(business_id=_business(key), key=key, **row)
            .on_conflict_do_update(
                index_elements=["business_id", "key"],
                set_=row,
                where=or_(column.made_at <= now - SECONDS, and_(column.value.is_(None), column.leased_until < now)),
            )
        )
        changed = await self._quickly(statement)
        return changed is None or changed > 0

    async def end(self, key: str, owner: str) -> None:
        """A lease that came to nothing is free."""
        await self._quickly(delete(kept_report).where(*_of(key), column.owner == owner, column.value.is_(None)))

    async def close(self) -> None:
        """The store is closed by whoever opened it."""

    async def _quickly(self, *statements: Executable) -> int | None:
        """Rows that the first one changed, in a short transaction; None where that cannot be had at once."""
        sqlite = self.database.dialect == "sqlite"
        try:
            async with self.database.reader.connect() as connection:
                if sqlite:
                    # Its wait for the write lock cannot be broken off, so it must be a short one.
                    await connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(ANSWER_SECONDS * 1000)}")
                try:
                    async with asyncio.timeout(None if sqlite else ANSWER_SECONDS):
                        counted = {"preserve_rowcount": True}
                        changed = [
                            (await connection.execute(statement, execution_options=counted)).rowcount
                            for statement in statements
                        ]
                        await connection.commit()
                finally:
                    await asyncio.shield(self._leave(connection))
                return changed[0]
        except (SQLAlchemyError, TimeoutError):
            return None

    async def _leave(self, connection: AsyncConnection) -> None:
        await connection.rollback()
        if self.database.dialect == "sqlite":
            await connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            await connection.rollback()


def _business(key: str) -> int:
    return int(key.split(":")[1])


def _of(key: str) -> tuple[Any, ...]:
    return column.business_id == _business(key), column.key == key
