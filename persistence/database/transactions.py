"""How a transaction begins, what its failures mean, and the session through which it reads and writes single rows. A
session lives on the connection of one transaction and is never shared between tasks."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Row, case, func, literal, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from domain.calendar import from_micros, to_micros
from domain.errors import DomainError, InvalidInput, StoreUpgraded, Unavailable
from domain.model import AttributeKinds, Business, BusinessSettings
from domain.money import LARGEST
from persistence.database.condition import find_condition
from persistence.database.engines import BUSY_SECONDS, Database
from persistence.database.failures import LOCKED, describe_trouble, get_sqlite_code
from persistence.database.steps import find_head
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as table
from persistence.tables.columns import to_optional_instant

TOO_LARGE = "22003"
"""PostgreSQL's state for a number beyond its type."""


CHANNEL = "segments_commits"
"""What every write of a business notifies on PostgreSQL."""
AT_STEP = text("(SELECT version_num FROM alembic_version)")
SPARE_SECONDS = 0.5
"""Beyond the wait for a lock, so that the database comes first."""
WAITED_LONG = 0.5
"""Seconds of waiting for a connection from which on they are taken off the wait for the lock."""
STEP_SECONDS = 0.1
"""How long a thread waits for SQLite's lock before it asks whether to go on."""
T = TypeVar("T")


def raise_change(connection: Connection, business: int, now: datetime) -> Row[Any]:
    """What every write begins with, in one statement: it takes the business's lock and gives number and instant, or
    raises StoreUpgraded where the store is not at this program's step any more."""
    micros = to_micros(now)
    later = table.c.last_instant + 1
    # Told with the commit, and to nobody where there is none.
    notify = [func.pg_notify(CHANNEL, "")] if connection.dialect.name == "postgresql" else []
    statement = (
        update(table)
        .where(table.c.id == business, literal(find_head()) == AT_STEP)
        .values(
            change_number=table.c.change_number + 1,
            last_instant=case((later > micros, later), else_=micros),
        )
        .returning(table, *notify)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        require_step(connection)
        raise LookupError("there is no such business")
    return row


def require_step(connection: Connection) -> None:
    """StoreUpgraded where the store is not at this program's step any more: for writes that raise no change."""
    at = connection.execute(select(AT_STEP)).scalar_one()
    if at != find_head():
        raise StoreUpgraded(f"The store was brought to {at} by another version of this program. Restart this one.")


def wait_for_lock(
    connection: Connection,
    execute: Callable[[], T],
    check: Callable[[], None] = lambda: None,
    seconds: float | None = None,
) -> T:
    """The statement that a transaction outside the event loop writes first of all, before it has read anything. SQLite
    cannot break off its wait for the lock, so it waits in short steps, between which Ctrl-C is heard and `check` may
    raise; PostgreSQL can, and waits for as long as it takes where no `seconds` are given."""
    if connection.dialect.name == "postgresql":
        if seconds is not None:
            connection.execute(text(f"SET LOCAL lock_timeout = {int(seconds * 1000)}"))
        return execute()
    until = time.monotonic() + (BUSY_SECONDS if seconds is None else seconds)
    _set_steps(connection, STEP_SECONDS)
    try:
        while True:
            check()
            try:
                return execute()
            except OperationalError as error:
                if get_sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                    raise
    finally:
        # An interruption while it executes has closed it.
        if not connection.invalidated:
            _set_steps(connection, BUSY_SECONDS)


def _set_steps(connection: Connection, seconds: float) -> None:
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(seconds * 1000)}").close()


async def raise_change_in_time(connection: AsyncConnection, business: int, now: datetime) -> Row[Any]:
    """The same for whoever waits no longer than for a lock: PostgreSQL measures the wait for the row anew where another
    who waited for it before has given up."""
    try:
        async with asyncio.timeout(BUSY_SECONDS + SPARE_SECONDS):
            return await connection.run_sync(raise_change, business, now)
    except TimeoutError as error:
        raise Unavailable(LOCKED) from error


@asynccontextmanager
async def begin_writing(database: Database) -> AsyncIterator[AsyncConnection]:
    """A transaction that writes. On SQLite writers wait for one connection and then for the lock, in all no longer than
    for the lock alone."""
    began = time.monotonic()
    async with database.writer.connect() as connection:
        left = BUSY_SECONDS - (time.monotonic() - began)
        late = database.dialect == "sqlite" and left < BUSY_SECONDS - WAITED_LONG
        if late:
            await _set_patience(connection, max(0.0, left))
        try:
            async with connection.begin():
                yield connection
        finally:
            if late and not connection.invalidated:
                await asyncio.shield(_set_patience(connection, BUSY_SECONDS))


async def _set_patience(connection: AsyncConnection, seconds: float) -> None:
    """How long SQLite waits for a lock; outside of transactions, which would wait for it themselves."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    await raw.execute_fetchall(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def choose_reading(dialect: str) -> dict[str, str]:
    """The execution options of a transaction all of whose statements see one state of the store."""
    return {"isolation_level": "REPEATABLE READ"} if dialect == "postgresql" else {"begin": "BEGIN"}


def choose_writing(dialect: str) -> dict[str, str]:
    """Those of a transaction that waits for the write lock first of all; on PostgreSQL, where rows are locked, of one
    whose statements see what was committed while they waited."""
    return {"isolation_level": "READ COMMITTED"} if dialect == "postgresql" else {"begin": "BEGIN IMMEDIATE"}


@asynccontextmanager
async def letting_go(connection: AsyncConnection) -> AsyncIterator[None]:
    """Ends a transaction that only read. PostgreSQL's is committed: the driver forgets with every rollback what it has
    prepared, so that each page would be planned anew."""
    try:
        yield
    except BaseException:
        if not connection.invalidated:
            await connection.rollback()
        raise
    await (connection.commit() if connection.dialect.name == "postgresql" else connection.rollback())


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


@asynccontextmanager
async def begin_briefly(database: Database, seconds: float) -> AsyncIterator[AsyncConnection]:
    """A transaction on such a connection, which waits for the write lock first of all."""
    async with connect_briefly(database, seconds) as connection:
        await connection.rollback()
        await connection.execution_options(**choose_writing(database.dialect))
        async with connection.begin():
            yield connection


async def _wait_as_usual(connection: AsyncConnection) -> None:
    await connection.rollback()
    await _set_patience(connection, BUSY_SECONDS)


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


def translate_error(error: BaseException) -> DomainError | None:
    """What the failure is to whoever asked: Unavailable where the store cannot answer now, is damaged or can only be
    read, InvalidInput of a sum that it cannot hold; None where it is another."""
    condition = find_condition(error)
    if condition is not None:
        return condition
    original = getattr(error, "orig", None)
    if getattr(original, "sqlstate", None) == TOO_LARGE or str(original) == "integer overflow":
        return InvalidInput(f"The amounts add up to more than {LARGEST} minor units, which is the most.")
    trouble = describe_trouble(error)
    return None if trouble is None else Unavailable(trouble)


class translate_errors:
    """Raises what a failure is to whoever asked in its place; everything else passes."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """What the database said of damage is left out: it may hold texts of customers."""
        translated = None if error is None else translate_error(error)
        if translated is not None:
            raise translated from (None if error is None or find_condition(error) else error)
