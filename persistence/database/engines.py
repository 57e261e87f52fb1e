"""Engines and transactions. SQLite has a writer engine whose transactions begin IMMEDIATE and a reader engine whose
transactions begin when they first read; PostgreSQL has one pool, and another where it has a replica. Outside this room
only the start of a program asks which it is, as it brings the tables of SQLite up to date by itself."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, QueuePool

from domain.errors import InvalidInput
from persistence.database.condition import PAGE_BYTES, Condition, prepare_file, refuse_empty
from persistence.database.replica import Replica
from persistence.database.sqlite_driver import OneTripConnection, OneTripDriver

BUSY_SECONDS = 7
"""How long a write waits for the lock. Less than the deadline of a request with what it may have waited for a
connection, so that a lock is told as one."""
POOL_SECONDS = 2
STATEMENT_SECONDS = 65
"""Beyond the longest deadline of a request: what still runs then has been forgotten."""
READERS = 8
"""Kept open, of which those are taken first that were used last; under load there are some more."""
MORE_READERS = 6
WORKERS = 3
"""Two for runs and one for the list of members that is set."""
CACHE_KIB, BULK_CACHE_KIB, BULK_TEMPORARY_KIB = 65_536, 20_480, 8_192
RANGES_KIB, LOG_PAGES = 98_304, 8_192
"""What a connection keeps that writes ranges, and after how many pages of its log they go into the file."""
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
    listeners: list[Callable[[], None]] = field(default_factory=list)
    """Who of this process is told at once of what it commits."""
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """What else is closed with it."""
    replica: Replica | None = None

    async def close(self) -> None:
        for close in self.closing:
            await close()
        for engine in {self.reader, self.writer, self.worker}:
            await engine.dispose()
        if self.replica is not None:
            await self.replica.engine.dispose()
        self.bulk.dispose()


def parse_url(address: str, variable: str = "SEGMENTS_DATABASE_URL") -> URL:
    """The store's address; InvalidInput, which never shows it, where it is not one of ours."""
    try:
        url = make_url(address)
    except Exception as error:
        raise InvalidInput(f"{variable} must be like postgresql://user:password@host/name") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InvalidInput("SEGMENTS_DATABASE_URL must begin with postgresql:// or sqlite:///")
    return url


def open_database(address: str, observe: Observe | None = None, read_address: str = "") -> Database:
    """Engines for the address; connects to nothing yet, but an SQLite store that is not there is made, and InvalidInput
    says where the file is no store. `observe` is told every statement with its seconds. The second address is that of a
    replica of a store on PostgreSQL."""
    url = parse_url(address)
    database = _open_sqlite(url) if url.get_backend_name() == "sqlite" else _open_postgresql(url)
    asynchronous = (database.reader, database.writer, database.worker)
    if read_address:
        database = replace(database, replica=_open_replica(url, read_address))
    for engine in {database.bulk, *(engine.sync_engine for engine in asynchronous)}:
        database.condition.watch(engine)
        if observe is not None:
            _watch(engine, observe)
    if observe is not None and database.replica is not None:
        _watch(database.replica.engine.sync_engine, observe)
    return database


def _open_replica(store: URL, address: str) -> Replica:
    """The connections to a replica, which is not looked at yet."""
    url = parse_url(address, "SEGMENTS_READ_URL")
    if {store.get_backend_name(), url.get_backend_name()} != {"postgresql"}:
        raise InvalidInput(
            "SEGMENTS_READ_URL must begin with postgresql://, and SEGMENTS_DATABASE_URL, too: a store of SQLite has no "
            "replicas"
        )
    options = f"-c timezone=UTC -c statement_timeout={STATEMENT_SECONDS}s"
    connecting = {"options": options, "connect_timeout": POOL_SECONDS}
    pool: dict[str, Any] = {"pool_size": 10, "max_overflow": 10, "pool_timeout": POOL_SECONDS, "pool_pre_ping": True}
    return Replica(create_async_engine(url.set(drivername="postgresql+psycopg"), connect_args=connecting, **pool))


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
    reader = create_async_engine(
        asynchronous, pool_size=READERS, max_overflow=MORE_READERS, pool_use_lifo=True, **common
    )
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

    def prepare(connection: Any) -> None:
        # The driver must not open transactions by itself: its deferred ones lose updates silently.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA page_count")
        # Or the first pragma that writes would make an empty store of what was cut or removed beneath the process.
        refuse_empty(cursor.fetchone()[0])
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def prepare_each(connection: Any, record: object) -> None:
        if isinstance(connection, OneTripConnection):
            connection.run(prepare)
        else:
            prepare(connection)

    return prepare_each


def _make_beginner(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        chosen = connection.get_execution_options().get("begin", statement)
        driver = connection.connection.dbapi_connection
        if chosen == "BEGIN" and isinstance(driver, OneTripConnection):
            driver.begin_reading(chosen)
        else:
            connection.exec_driver_sql(chosen)

    return begin


@contextmanager
def write_ranges(connection: Connection) -> Iterator[None]:
    """For transactions one after the other that each add many rows to a business that they hold. SQLite keeps the pages
    that rows are spread over from one to the next, and takes them from its log into the file once for many of them. It
    does not look up the business of each row: it would have to be ready to take back the statement alone, and keep for
    that what every page was before it."""
    if connection.dialect.name != "sqlite":
        yield
        return
    raw: Any = connection.connection.driver_connection
    wanted = {"foreign_keys": 0, "cache_size": -RANGES_KIB, "wal_autocheckpoint": LOG_PAGES}
    before = {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}

    def tell(values: dict[str, int]) -> None:
        for name, value in values.items():
            raw.execute(f"PRAGMA {name} = {value}")

    tell(wanted)
    try:
        yield
        # Or whoever commits next would have to, who tries again where it fails.
        with suppress(sqlite3.Error):
            raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
    finally:
        # An interruption while it executes has closed it.
        if not connection.invalidated:
            connection.rollback()
            tell(before)


def _open_postgresql(url: URL) -> Database:
    driver = url.set(drivername="postgresql+psycopg")

    def options(more: str = "") -> dict[str, Any]:
        # Or it would tell each time of temporary tables that are there already.
        quiet = "-c client_min_messages=warning"
        return {"connect_args": {"options": f"-c timezone=UTC {quiet}{more}"}, "pool_pre_ping": True}

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
