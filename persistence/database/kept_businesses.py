"""The rows of businesses that a process holds, so that a request need not read its own. Nothing held is believed before
the database was asked whether something was committed since: SQLite by a counter of commits, in some microseconds and
of a connection that never writes, as it does not count its own; PostgreSQL by one prepared read, which says which
version of the row there is, for all who ask at the same time."""

import asyncio
import sqlite3
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from domain.model import Business
from persistence.database.condition import refuse_empty
from persistence.database.engines import Database
from persistence.database.silence import expect_answer
from persistence.database.transactions import open_session, to_business
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as table

COMMITS = "PRAGMA data_version"
VERSIONS = "SELECT key, id::text || '/' || xmin::text FROM business WHERE key = ANY(string_to_array(%s, ' '))"
"""What wrote a row last, which every write to it changes. No key holds a blank, and a text takes the driver a third
less of the processor than a list."""


@dataclass(frozen=True, slots=True)
class StoredBusiness:
    """A business, and from when on purchases wait to be counted, in microseconds; None where none will."""

    business: Business
    matures_at: int | None


async def load_business(database: Database, key: str) -> StoredBusiness | None:
    """The business of that key."""
    async with open_session(database.reader) as session:
        row = (await session.scalars(select(BusinessRow).where(table.c.key == key))).one_or_none()
    return None if row is None else StoredBusiness(to_business(row), row.matures_at)


class KeptBusinesses:
    """Those of one store and one event loop, closed with the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held: dict[str, tuple[object, StoredBusiness]] = {}
        """Each with the mark that was read before it."""
        self._counter: sqlite3.Connection | None = None
        self._counting: sqlite3.Cursor | None = None
        self._generation = 0
        """Of the counter: another connection counts from elsewhere, and may come to the same numbers."""
        self._versions: Any = None
        """PostgreSQL's own connection, with the driver and without a pool: what is asked of it takes no transaction."""
        self._version: Any = None
        """Its one cursor: to make one costs as much as to ask."""
        self._asked: set[str] = set()
        self._asking: asyncio.Task[dict[str, object]] | None = None
        self._reading: set[asyncio.Task[dict[str, object]]] = set()
        self._turn = asyncio.Lock()
        self._troubles = 0
        database.closing.append(self._close)

    def find_held(self, key: str) -> StoredBusiness | None:
        """The business as it was committed last; None where that has to be waited for."""
        held = self._held.get(key) if self._database.dialect == "sqlite" else None
        return held[1] if held is not None and held[0] == self._count_commits() else None

    async def find(self, key: str) -> StoredBusiness | None:
        """The business as it was committed last; what is held is read anew where that cannot be known."""
        mark = self._count_commits() if self._database.dialect == "sqlite" else await self._find_version(key)
        held = self._held.get(key)
        if held is not None and mark is not None and held[0] == mark:
            return held[1]
        loaded = await load_business(self._database, key)
        if loaded is not None and mark is not None:
            self._held[key] = (mark, loaded)
        return loaded

    async def _close(self) -> None:
        self._drop_counter()
        # Those who asked may be gone, and what reads for them would open the connection again.
        for task in self._reading:
            task.cancel()
        if self._reading:
            await asyncio.wait(self._reading)
        await self._drop_versions()

    def _count_commits(self) -> tuple[int, int] | None:
        """A mark that is another one after every commit of others."""
        try:
            if self._counting is None:
                # It is opened and asked within the event loop, which waits neither for a connection that an import has
                # nor for a lock.
                bulk = self._database.bulk
                (name,), named = bulk.dialect.create_connect_args(bulk.url)
                self._counter = sqlite3.connect(name, **{**named, "timeout": 0})
                self._counting = self._counter.cursor()
                refuse_empty(self._counting.execute("PRAGMA page_count").fetchone()[0])
            count: int = self._counting.execute(COMMITS).fetchone()[0]
        except sqlite3.Error:
            self._drop_counter()
            return None
        return self._generation, count

    def _drop_counter(self) -> None:
        if self._counter is not None:
            self._counter.close()
            self._counter = self._counting = None
            self._generation += 1

    async def _find_version(self, key: str) -> object:
        """Of whoever asks while others are answered, all together get the next answer: what was committed before they
        asked is in it."""
        self._asked.add(key)
        if self._asking is None:
            self._asking = asyncio.create_task(self._load_versions())
            self._reading.add(self._asking)
            self._asking.add_done_callback(self._reading.discard)
        return (await asyncio.shield(self._asking)).get(key)

    async def _load_versions(self) -> dict[str, object]:
        before = self._troubles
        async with self._turn:
            keys, self._asked, self._asking = list(self._asked), set(), None
            if self._troubles != before:
                # They have waited long enough behind those who were not answered.
                return {}
            try:
                async with expect_answer():
                    if self._versions is None:
                        pooled = await self._database.reader.raw_connection()
                        self._versions = pooled.driver_connection
                        pooled.detach()
                        await self._versions.set_autocommit(True)
                        self._version = self._versions.cursor()
                    await self._version.execute(VERSIONS, [" ".join(keys)], prepare=True)
                    return dict(await self._version.fetchall())
            except Exception:
                # Whoever asked reads the row itself, and is told what is the matter if that fails, too.
                self._troubles += 1
                await self._drop_versions()
                return {}

    async def _drop_versions(self) -> None:
        if self._versions is not None:
            connection, self._versions = self._versions, None
            await connection.close()
