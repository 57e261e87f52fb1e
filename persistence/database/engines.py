"""Engines and transactions. SQLite has a writer engine whose transactions begin IMMEDIATE and a reader engine whose
transactions begin when they first read; PostgreSQL has one pool. Outside this room only the start of a program asks
which it is, as it brings the tables of SQLite up to date by itself."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from domain.errors import InvalidInput
from persistence.database.condition import PAGE_BYTES, Condition, prepare_file, refuse_empty
from persistence.database.sqlite_driver import OneTripConnection, OneTripDriver

BUSY_SECONDS = 7
"""How long a write waits for the lock. Less than the deadline of a request with what it may have waited for a
connection, so that a lock is told as one."""
POOL_SECONDS = 2
STATEMENT_SECONDS = 65
"""Beyond the longest deadline of a request: what still runs then has been forgotten."""
READERS = 4
WORKERS = 3
"""Two for runs and one for the list of members that is set."""
CACHE_KIB, BULK_CACHE_KIB, BULK_TEMPORARY_KIB = 65_536, 20_480, 8_192
T = TypeVar("T")
Observe = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Database:
    """The engines of one store. `bulk` serves imports and migrations, outside the event loop; `worker` serves runs
    and lists of members, which read for long and then write on the same connection: the execution option `begin` says
    which it is."""

    reader: AsyncEngine
    writer: AsyncEngine
    bulk: Engine
    worker: AsyncEngine
    dialect: str
    condition: Condition

    async def close(self) -> None:
        for engine in {self.reader, self.writer, self.worker}:
            await engine.dispose()
        self.bulk.dispose()


def parse_url(address: str) -> URL:
    """The store's address; InvalidInput, which never shows it, where it is not one of ours."""
    try:
        url = make_url(address)
    except Exception as error:
        raise InvalidInput("SEGMENTS_DATABASE_URL must be like postgresql://user:password@host/name") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidInput("SEGMENTS_DATABASE_URL must begin with postgresql:// or sqlite:///")
    return url


def open_database(address: str, observe: Observe | None = None) -> Database:
    """Engines for the address; connects to nothing yet, but an SQLite store that is not there is made, and InvalidInput
    says where the file is no store. `observe` is told every statement with its seconds."""
    url = parse_url(address)
    database = _open_sqlite(url) if url.get_backend_name() == "sqlite" else _open_postgresql(url)
    asynchronous = (database.reader, database.writer, database.worker)
    for engine in {database.bulk, *(engine.sync_engine for engine in asynchronous)}:
        database.condition.watch(engine)
        if observe is not None:
            _watch(engine, observe)
    return database


def _open_sqlite(url: URL) -> Database:
    if url.database in (None, "", ":memory:"):
        raise InvalidInput("SEGMENTS_DATABASE_URL must name a file: an SQLite store in memory cannot be shared")
    url, read_only = prepare_file(url)
    asynchronous = url.set(drivername="sqlite+aiosqlite")
    common: dict[str, Any] = {
        "poolclass": AsyncAdaptedQueuePool,
        "pool_timeout": BUSY_SECONDS,
        "module": OneTripDriver(),
    }
    reader = create_async_engine(asynchronous, pool_size=READERS, **common)
    writer = create_async_engine(asynchronous, pool_size=1, max_overflow=0, **common)
    worker = create_async_engine(asynchronous, pool_size=WORKERS, max_overflow=0, **common)
    bulk = create_engine(url.set(drivername="sqlite+pysqlite"), poolclass=QueuePool)
    for engine, begin, cache, temporary in (
        (reader.sync_engine, "BEGIN", CACHE_KIB, CACHE_KIB),
        (writer.sync_engine, "BEGIN IMMEDIATE", CACHE_KIB, CACHE_KIB),
        (worker.sync_engine, "BEGIN", CACHE_KIB, CACHE_KIB),
        (bulk, "BEGIN", BULK_CACHE_KIB, BULK_TEMPORARY_KIB),
    ):
        event.listen(engine, "connect", _make_preparer(cache, temporary))
        event.listen(engine, "begin", _make_beginner(begin))
    return Database(reader, writer, bulk, worker, "sqlite", Condition(read_only))


def _make_preparer(cache: int, temporary: int) -> Callable[[Any, object], None]:
    pragmas = (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        # Of a store that is made now; larger pages than the usual make less of a b-tree to grow.
        f"page_size = {PAGE_BYTES}",
        f"temp.page_size = {PAGE_BYTES}",
        # Readers go on while a writer writes; a commit survives a crash of the process.
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        # Sorts larger than the cache go to a file instead of memory.
        f"cache_size = -{cache}",
        "temp_store = FILE",
        f"temp.cache_size = -{temporary}",
    )

    def prepare(connection: Any, record: object) -> None:
        # The driver must not open transactions by itself: its deferred ones lose updates silently.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_count")
        # Or the first pragma that writes would make an empty store of what was cut or removed beneath the process.
        refuse_empty(cursor.fetchone()[0])
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return prepare


def _make_beginner(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        chosen = connection.get_execution_options().get("begin", statement)
        driver = connection.connection.dbapi_connection
        if chosen == "BEGIN" and isinstance(driver, OneTripConnection):
            driver.begin_reading(chosen)
        else:
            connection.exec_driver_sql(chosen)

    return begin


def _open_postgresql(url: URL) -> Database:
    driver = url.set(drivername="postgresql+psycopg")

    def options(more: str = "") -> dict[str, Any]:
        return {"connect_args": {"options": f"-c timezone=UTC{more}"}, "pool_pre_ping": True}

    limited = options(f" -c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={BUSY_SECONDS}s")
    engine = create_async_engine(driver, pool_size=10, max_overflow=10, pool_timeout=POOL_SECONDS, **limited)
    bulk = create_engine(driver, pool_size=2, **options())
    worker = create_async_engine(driver, pool_size=WORKERS, max_overflow=0, pool_timeout=POOL_SECONDS, **options())
    return Database(engine, engine, bulk, worker, "postgresql", Condition())


def _watch(engine: Engine, observe: Observe) -> None:
    def before(conn: Connection, *rest: Any) -> None:
        conn.info["began"] = time.perf_counter()

    def after(conn: Connection, cursor: object, statement: str, *rest: Any) -> None:
        observe(statement, time.perf_counter() - conn.info.pop("began", time.perf_counter()))

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)


def run_alone(database: Database, work: Coroutine[Any, Any, T]) -> T:
    """Await the work in a loop of its own; no connection outlives it."""

    async def all_of_it() -> T:
        try:
            return await work
        finally:
            for engine in {database.reader, database.writer, database.worker}:
                await engine.dispose()

    return asyncio.run(all_of_it())
