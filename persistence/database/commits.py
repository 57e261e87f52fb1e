"""Who is told that something was committed to the store, by this process or another one. It only wakes: nobody is told
what was written, several commits may be told as one, and what is told twice does no harm. The row is the truth."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from persistence.database.engines import Database
from persistence.database.transactions import CHANNEL

LOOK_SECONDS = 0.03
"""Between two looks at SQLite's number of commits, of two microseconds each."""
AWAY_SECONDS = 1.0
"""Until a store is asked again that could not be."""
Tell = Callable[[], None]
log = logging.getLogger("segments.runs")


async def watch_commits(database: Database, tell: Tell) -> None:
    """Call `tell` after commits, until it is cancelled."""
    database.listeners.append(tell)
    try:
        while True:
            try:
                await (_listen if database.dialect == "postgresql" else _look)(database, tell)
            except Exception as error:
                # Where the store is away, whatever its driver calls that, its commits are told when it is back.
                log.debug("commits cannot be heard of now: %s", type(error).__name__)
            await asyncio.sleep(AWAY_SECONDS)
            tell()
    finally:
        database.listeners.remove(tell)


async def _look(database: Database, tell: Tell) -> None:
    """The number stands still within a transaction and for what its own connection writes: so this one does neither."""
    connection: Any = await asyncio.to_thread(database.bulk.raw_connection)
    try:
        last = None
        while True:
            (number,) = connection.driver_connection.execute("PRAGMA data_version").fetchone()
            if last not in (None, number):
                tell()
            last = number
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        connection.close()


async def _listen(database: Database, tell: Tell) -> None:
    pooled = await database.reader.raw_connection()
    # No longer one of those that requests share, and closed at the end: whoever had it next would be told, too.
    driver: Any = pooled.driver_connection
    pooled.detach()
    try:
        await driver.set_autocommit(True)
        await driver.execute(f"LISTEN {CHANNEL}")
        async for _ in driver.notifies():
            tell()
    finally:
        await driver.close()
