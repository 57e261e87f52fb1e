"""Connections to SQLite that are closed while somebody else ends them: nothing is raised, and no lock stays."""

import asyncio
import sqlite3
import time
from functools import partial
from pathlib import Path

import pytest

from persistence.database.sqlite_driver import InterruptibleConnection

pytestmark = pytest.mark.anyio

LONG = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture
async def connection(tmp_path: Path) -> InterruptibleConnection:
    connection = await InterruptibleConnection(partial(sqlite3.connect, tmp_path / "store.sqlite"), 64)
    await connection.execute("PRAGMA journal_mode = WAL")
    await connection.execute("CREATE TABLE note (word TEXT)")
    await connection.execute("INSERT INTO note VALUES ('not committed')")
    return connection


def assert_writable(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "store.sqlite", timeout=0) as other:
        assert other.execute("SELECT word FROM note").fetchall() == []
        other.execute("INSERT INTO note VALUES ('committed')")


@pytest.mark.parametrize("turns", range(6))
async def test_it_may_be_told_to_stop_at_any_moment_of_its_closing(
    turns: int, connection: InterruptibleConnection, tmp_path: Path
) -> None:
    closing = asyncio.create_task(connection.close())
    for _ in range(turns):
        await asyncio.sleep(0)

    # What runs in the connection's thread is slower than the event loop.
    connection._tx.put_nowait((None, partial(time.sleep, 0.1)))
    connection.stop()
    await asyncio.wait_for(closing, 5)

    await asyncio.to_thread(connection._thread.join, 5)
    assert_writable(tmp_path)


@pytest.mark.parametrize("by_force", [False, True], ids=["in order", "by force"])
async def test_a_statement_that_was_cancelled_keeps_no_lock_though_its_cursor_is_still_held(
    by_force: bool, connection: InterruptibleConnection, tmp_path: Path
) -> None:
    cursor = await connection.cursor()
    writing = asyncio.create_task(cursor.execute("UPDATE note SET word = 'changed' RETURNING word"))
    # Begun, and none of its rows taken.
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing

    if by_force:
        connection.stop()
    else:
        await asyncio.wait_for(connection.close(), 5)

    await asyncio.to_thread(connection._thread.join, 5)
    assert_writable(tmp_path)
    del cursor


async def test_a_statement_that_takes_long_ends_when_it_is_cancelled(connection: InterruptibleConnection) -> None:
    counting = asyncio.create_task(connection.execute_fetchall(LONG))
    await asyncio.sleep(0.1)

    counting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(counting, 5)

    await asyncio.wait_for(connection.close(), 5)
