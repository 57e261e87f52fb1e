"""How a transaction begins, what its failures mean, and the session through which it reads and writes single rows. A
session lives on the connection of one transaction and is never shared between tasks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Executable, Row, case, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from domain.calendar import from_micros, to_micros
from domain.errors import InvalidInput, Unavailable
from domain.model import AttributeKinds, Business, BusinessSettings
from domain.money import LARGEST
from persistence.database.condition import find_condition
from persistence.database.engines import BUSY_SECONDS, Database, is_busy, is_wrong_statement
from persistence.tables import BusinessRow, to_optional_instant
from persistence.tables import business as table

TOO_LARGE = "22003"
"""PostgreSQL's state for a number beyond its type."""


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


def choose_reading(dialect: str) -> dict[str, str]:
    """The execution options of a transaction all of whose statements see one state of the store."""
    return {"isolation_level": "REPEATABLE READ"} if dialect == "postgresql" else {"begin": "BEGIN"}


def choose_writing(dialect: str) -> dict[str, str]:
    """Those of a transaction that waits for the write lock first of all; on PostgreSQL, where rows are locked, of one
    whose statements see what was committed while they waited."""
    return {"isolation_level": "READ COMMITTED"} if dialect == "postgresql" else {"begin": "BEGIN IMMEDIATE"}


@asynccontextmanager
async def connect_briefly(database: Database, seconds: float) -> AsyncIterator[AsyncConnection]:
    """A connection that writes or gives up after so long: TimeoutError on PostgreSQL, OperationalError on SQLite, whose
    wait for the write lock cannot be broken off, so that it must be a short one."""
    if database.dialect == "postgresql":
        async with database.reader.connect() as connection, asyncio.timeout(seconds):
            yield connection
        return
    async with database.reader.connect() as connection:
        await connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(seconds * 1000)}")
        try:
            yield connection
        finally:
            await asyncio.shield(_wait_as_usual(connection))


async def _wait_as_usual(connection: AsyncConnection) -> None:
    await connection.rollback()
    await connection.exec_driver_sql(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
    await connection.rollback()


SESSION: dict[str, Any] = {
    "autoflush": False,
    "expire_on_commit": False,
    "execution_options": {"populate_existing": True, "synchronize_session": False},
}


def open_session(bind: AsyncConnection | AsyncEngine) -> AsyncSession:
    """A session for single rows. Statements over sets go past it, so it reads anew whatever it reads again, and keeps
    nothing in step with a statement that changes rows."""
    return AsyncSession(bind, **SESSION)


def open_blocking_session(bind: Connection | Engine) -> Session:
    """The same outside the event loop."""
    return Session(bind, **SESSION)


def to_business(row: BusinessRow | Row[Any]) -> Business:
    return Business(
        row.id,
        row.key,
        row.name,
        row.currency,
        row.time_zone,
        BusinessSettings.of(row.settings),
        row.settings_version,
        row.data_version,
        row.change_number,
        to_optional_instant(row.history_from),
        from_micros(row.last_instant),
        secret=row.digest_key,
        attributes=AttributeKinds.of(row.attributes or {}),
    )


class translate_errors:
    """Turns a store that cannot answer now, is damaged or can only be read into Unavailable, and a sum that it cannot
    hold into InvalidInput; everything else passes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Busy, gone or out of connections: the same call may succeed later."""
        if error is None:
            return
        condition = find_condition(error)
        if condition is not None:
            raise condition from None
        original = getattr(error, "orig", None)
        if getattr(original, "sqlstate", None) == TOO_LARGE or str(original) == "integer overflow":
            raise InvalidInput(f"The amounts add up to more than {LARGEST} minor units, which is the most.") from error
        gone = isinstance(error, DBAPIError) and error.connection_invalidated
        lost = isinstance(error, OperationalError | InterfaceError) and not is_wrong_statement(error)
        if gone or is_busy(error) or isinstance(error, PoolTimeout) or lost:
            raise Unavailable("The store is busy or out of reach. Try again in a moment.") from error
