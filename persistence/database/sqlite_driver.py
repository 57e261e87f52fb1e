"""The driver of SQLite for the event loop: a thread a connection, which is asked as seldom as can be, because each trip
to it and back costs more than a short statement does. A statement goes there once and comes back with all its rows,
unless they are streamed; a reading transaction begins with its first statement and ends without being waited for."""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiosqlite
from sqlalchemy.dialects.sqlite.aiosqlite import (
    AsyncAdapt_aiosqlite_connection,
    AsyncAdapt_aiosqlite_cursor,
    AsyncAdapt_aiosqlite_dbapi,
    AsyncAdapt_aiosqlite_ss_cursor,
)
from sqlalchemy.util import await_only

INTERRUPT_SECONDS = 1


class InterruptibleConnection(aiosqlite.Connection):
    """Stops its statement when whoever waits for it is cancelled; the driver alone would let it run to its end."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        done = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((done, partial(fn, *args, **kwargs)))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            # Waited for, so that the connection is idle when it goes back; a wait for a lock cannot be interrupted.
            done.add_done_callback(_forget)
            self._connection.interrupt()
            await asyncio.wait({done}, timeout=INTERRUPT_SECONDS)
            cursor = getattr(fn, "__self__", None)
            if isinstance(cursor, sqlite3.Cursor):
                # While it has rows to come SQLite interrupts whatever follows, a rollback, too, and even the closed
                # connection would keep its lock until the cursor is collected.
                self._tx.put_nowait((None, cursor.close))
            raise

    def stop(self) -> asyncio.Future[Any] | None:
        """The thread answers the first time only: whoever asks again, as SQLAlchemy does where the wait for an orderly
        end was cancelled, too, would wait for ever."""
        return super().stop() if self._running else None

    async def close(self) -> None:
        """Nothing is left to do where the thread was told to stop."""
        if self._running:
            await super().close()


def _forget(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


@dataclass(frozen=True, slots=True)
class Answered:
    """What is left of a cursor whose rows were all taken from it."""

    description: Any
    rowcount: int
    lastrowid: int | None

    def close(self) -> None:
        """It is closed."""


def _answer(connection: sqlite3.Connection, begin: str | None, ask: Callable[[sqlite3.Cursor], Any]) -> Any:
    """The transaction begun where it is not yet, the statement executed and its rows, in the thread."""
    cursor = connection.cursor()
    try:
        if begin is not None:
            cursor.execute(begin)
        ask(cursor)
        rows = deque(cursor.fetchall()) if cursor.description else deque[Any]()
        return Answered(cursor.description, cursor.rowcount, cursor.lastrowid), rows
    finally:
        # Or one that is interrupted would keep its lock.
        cursor.close()


class OneTripCursor(AsyncAdapt_aiosqlite_cursor):
    """A statement and its rows in one trip to the thread."""

    __slots__ = ()
    _awaitable_cursor_close = False
    _adapt_connection: "OneTripConnection"

    def _make_new_cursor(self, connection: Any) -> Any:
        return Answered(None, -1, None)

    def _aenter_cursor(self, cursor: Any) -> Any:
        return cursor

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        await self._ask(lambda cursor: cursor.execute(operation, () if parameters is None else parameters))

    async def _executemany_async(self, operation: Any, seq_of_parameters: Any) -> Any:
        await self._ask(lambda cursor: cursor.executemany(operation, seq_of_parameters))

    async def _ask(self, ask: Callable[[sqlite3.Cursor], Any]) -> None:
        adapted = self._adapt_connection
        async with adapted._execute_mutex:
            raw = adapted._connection
            self._cursor, self._rows = await raw._execute(_answer, raw._conn, adapted.take_beginning(), ask)


class StreamingCursor(AsyncAdapt_aiosqlite_ss_cursor):
    """A statement whose rows are fetched as they are asked for."""

    __slots__ = ()
    _adapt_connection: "OneTripConnection"

    async def _execute_async(self, operation: Any, parameters: Any) -> Any:
        begin = self._adapt_connection.take_beginning()
        if begin is not None:
            await self._cursor.execute(begin)
        return await super()._execute_async(operation, parameters)


class OneTripConnection(AsyncAdapt_aiosqlite_connection):
    """The connection as SQLAlchemy sees it."""

    __slots__ = ("_asked", "_beginning", "_reading")
    _cursor_cls = OneTripCursor
    _ss_cursor_cls = StreamingCursor

    def __init__(self, dbapi: Any, connection: Any) -> None:
        super().__init__(dbapi, connection)
        self._beginning: str | None = None
        self._reading = False
        """Whether it is in a transaction that began for reading."""
        self._asked = False
        """Whether it was asked anything since the last transaction ended."""

    def begin_reading(self, statement: str) -> None:
        """Begin a transaction with the first statement of it."""
        self._beginning = statement

    def take_beginning(self) -> str | None:
        """What the statement that comes now has to begin with."""
        begin, self._beginning = self._beginning, None
        self._reading, self._asked = self._reading or begin is not None, True
        return begin

    def commit(self) -> None:
        """Where it fails it can still be rolled back."""
        if self._asked:
            super().commit()
        self._forget()

    def rollback(self) -> None:
        """What was only read is let go without waiting for it: whatever the thread is asked next comes after it."""
        reading, asked, raw = self._reading, self._asked, self._connection
        self._forget()
        if not asked or not raw._connection or not raw._running:
            return
        if reading:
            raw._tx.put_nowait((None, raw._connection.rollback))
        else:
            super().rollback()

    def _forget(self) -> None:
        self._beginning, self._reading, self._asked = None, False, False


class OneTripDriver(AsyncAdapt_aiosqlite_dbapi):
    """The module of the driver as SQLAlchemy sees it."""

    def __init__(self) -> None:
        super().__init__(aiosqlite, sqlite3)

    def connect(self, *given: Any, **named: Any) -> OneTripConnection:
        connection = InterruptibleConnection(partial(sqlite3.connect, *given, **named), 64)
        # Or a process that ends without closing its store would wait for the thread.
        connection._thread.daemon = True
        return OneTripConnection(self, await_only(connection))
