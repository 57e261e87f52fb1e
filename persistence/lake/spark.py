"""The engine of a cluster: the same statement over the same copy, sent to Apache Spark or Sail by Spark Connect. The
cluster reads the files itself, from a folder that its hosts share or from a bucket; whoever changed since the copy goes
there as one more file a table. It is asked for nothing but to read, and no state of it is relied on."""

import asyncio
import logging
import time
import warnings
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event, RLock
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote
from uuid import uuid4

from sqlalchemy.dialects.postgresql.base import PGTypeCompiler

from domain.errors import Unavailable
from persistence.lake.engines import (
    SECONDS,
    CopyDialect,
    CopyTables,
    Engine,
    Rows,
    Statement,
    explain,
    find_tables,
    write_view,
)
from persistence.lake.manifest import GONE, UNREADABLE, NoCopy
from persistence.lake.places import TOUCHED

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql.connect.session import SparkSession

MOST_ASKED = 64
"""Statements that are at the cluster at once: more than there are connections that wait for one."""
END_SECONDS = 10.0
"""How long the cluster has to end a statement that nobody waits for: one without a network says nothing for minutes."""
TRIES = 3
"""How often a cluster that does not answer is asked again, within a second."""
log = logging.getLogger("segments")


class SparkTypes(PGTypeCompiler):
    """What Spark calls the types that statements cast to."""

    def visit_TEXT(self, type_: object, **kw: Any) -> str:
        return "STRING"

    def visit_DOUBLE_PRECISION(self, type_: object, **kw: Any) -> str:
        return "DOUBLE"


class SparkDialect(CopyDialect):
    """Spark's words. What must be said otherwise is compiled for the name `spark`."""

    name = "spark"
    supports_statement_cache = True
    type_compiler_cls = SparkTypes

    def __init__(self) -> None:
        super().__init__("named")
        names = self.identifier_preparer
        names.initial_quote = names.final_quote = names.escape_quote = "`"


DIALECT = SparkDialect()


def write_statement(tables: CopyTables, statement: Statement, touched: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The statement with the tables that it reads, as text, and its bound values by name. `touched` names the file of
    those who changed since the copy, by table."""
    parts = tables.manifest.parts

    def source(side: str, name: str) -> str:
        # Each by its name: of a pattern nobody would notice that one is gone.
        files = (touched[name],) if side == TOUCHED else parts[side].files[name]
        paths = (tables.place.address(file).replace("`", "``") for file in files)
        return f"({' UNION ALL '.join(f'SELECT * FROM parquet.`{path}`' for path in paths)})"

    views = [f"{name} AS ({write_view(tables, name, source)})" for name in sorted(find_tables(statement))]
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    text = str(compiled).lstrip()
    rest = f", {text[5:]}" if text.startswith("WITH ") else f" {text}"
    return f"WITH {', '.join(views)}{rest}", dict(compiled.params)


@contextmanager
def upload(tables: CopyTables) -> Iterator[dict[str, str]]:
    """Names of files, by table, that hold who changed since the copy; they are gone afterwards. A writer of copies lets
    them be for an hour, in case nobody is left to take them away."""
    name = f"{TOUCHED}.{int(time.time())}.{uuid4().hex}"
    files = {table: f"{name}.{table}.parquet" for table in tables.touched}
    try:
        for table, rows in tables.touched.items():
            tables.place.put(files[table], partial(_write_parquet, rows))
        yield files
    finally:
        with suppress(OSError):
            tables.place.remove(files.values())


def _write_parquet(rows: "pa.Table", path: Path) -> None:
    from pyarrow import parquet

    parquet.write_table(rows, path, compression="zstd")


def _split_address(address: str) -> list[str]:
    """What may be told of it, and then what may not: the values of its parameters, of which one may be a token, as they
    stand there and as the client sends them."""
    host, *parameters = address.split(";")
    values = [parameter.partition("=")[2] for parameter in parameters]
    return [host.rstrip("/"), *sorted({*values, *map(unquote, values)} - {""}, key=len, reverse=True)]


@dataclass(slots=True, eq=False)
class Asked:
    """A statement, the session that it runs in now, and whether nobody waits for it any more."""

    tag: str = field(default_factory=lambda: uuid4().hex)
    session: "SparkSession | None" = None
    ended: Event = field(default_factory=Event)


@dataclass
class SparkEngine:
    """A cluster at an address such as `sc://host:15002`. Unavailable where it cannot be reached or does not understand
    the statement, unless there is a `fallback`, which is asked then."""

    runs_rules: ClassVar[bool] = False
    address: str = field(repr=False)
    fallback: Engine | None = None
    seconds: float = SECONDS
    _session: "SparkSession | None" = None
    """The one that new statements run in."""
    _asked: set[Asked] = field(default_factory=set)
    _opening: RLock = field(default_factory=RLock)
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_ASKED, "cluster"))
    """Of their own: those of the event loop are few, and what interrupts a statement needs one."""

    async def run(self, tables: CopyTables, statement: Statement) -> Rows:
        try:
            return await self._run(tables, statement)
        except Unavailable as error:
            # Not told to whoever asks: it names machines, and may hold what was asked.
            host, *secrets = _split_address(self.address)
            reason = " ".join(str(error.__cause__).split())
            for secret in secrets:
                reason = reason.replace(secret, "…")
            log.warning("the cluster at %s does not answer: %s", host, reason[:200])
            if self.fallback is None:
                raise
            log.warning("the engine of this process answers instead of the cluster")
            return await self.fallback.run(tables, statement)

    async def _run(self, tables: CopyTables, statement: Statement) -> Rows:
        asked = Asked()
        begun = self._threads.submit(self._ask, tables, statement, asked)
        work = asyncio.wrap_future(begun)
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.shield(work)
        except (asyncio.CancelledError, TimeoutError):
            asked.ended.set()
            begun.cancel()
            work.add_done_callback(_retrieve)
            with suppress(TimeoutError):
                async with asyncio.timeout(END_SECONDS):
                    while not work.done():
                        # It may just have been about to begin.
                        await asyncio.wrap_future(self._threads.submit(self._interrupt, asked))
                        await asyncio.wait({work}, timeout=0.05)
            raise

    def _ask(self, tables: CopyTables, statement: Statement, asked: Asked) -> Rows:
        try:
            with upload(tables) as touched:
                text, values = write_statement(tables, statement, touched)
                known = self._session
                try:
                    return self._collect(text, values, asked)
                except Unavailable:
                    if asked.ended.is_set() or known is None or known is self._session:
                        raise
                    # The server was begun anew since, which knows nothing of what there was before.
                    return self._collect(text, values, asked)
        except OSError as error:
            # Of the upload.
            raise NoCopy(UNREADABLE) from error
        except Unavailable as error:
            if not asked.ended.is_set():
                reason = explain(tables)
                if str(reason) == GONE:
                    raise reason from error
            raise

    def _collect(self, text: str, values: Mapping[str, Any], asked: Asked) -> Rows:
        try:
            with self._enter(asked) as session, warnings.catch_warnings():
                # What was tried in vain is told by what is raised.
                warnings.simplefilter("ignore")
                columns = session.sql(text, args=dict(values)).toArrow().columns
            return list(zip(*(column.to_pylist() for column in columns), strict=True))
        except Exception as error:
            raise Unavailable("The cluster that SEGMENTS_ENGINE names does not answer.") from error

    @contextmanager
    def _enter(self, asked: Asked) -> "Iterator[SparkSession]":
        """The session for the statement. One in which something failed that nobody ended is left by those that follow,
        and stopped as soon as nothing runs there."""
        with self._opening:
            session = asked.session = self._open()
            self._asked.add(asked)
        session.addTag(asked.tag)
        try:
            yield session
        except Exception:
            with self._opening:
                if self._session is session and not asked.ended.is_set():
                    self._session = None
            raise
        finally:
            session.removeTag(asked.tag)
            with self._opening:
                self._asked.discard(asked)
                asked.session = None
                unused = session is not self._session and session not in [other.session for other in self._asked]
            if unused:
                _stop(session)

    def _open(self) -> "SparkSession":
        with self._opening:
            if self._session is None:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    from pyspark.sql.connect.client.retries import DefaultPolicy
                    from pyspark.sql.connect.session import SparkSession

                    self._session = SparkSession(self.address)
                self._session.client.set_retry_policies([DefaultPolicy(max_retries=TRIES, max_backoff=300)])
            return self._session

    def _interrupt(self, asked: Asked) -> None:
        session = asked.session
        if session is not None:
            with suppress(Exception):
                session.interruptTag(asked.tag)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await asyncio.to_thread(_stop, session)
        self._threads.shutdown(wait=False)
        if self.fallback is not None:
            await self.fallback.close()


def _retrieve(work: "asyncio.Future[Rows]") -> None:
    """Or it would be told that nobody looked at how it ended."""
    if not work.cancelled():
        work.exception()


def _stop(session: "SparkSession") -> None:
    with suppress(Exception):
        session.stop()
