"""The engines that run the store's own statements over a copy. A statement is rendered once, in PostgreSQL's dialect as
far as engines read it alike, with bound values; its tables are views in which every customer comes wholly from one
side: the base, the delta, or what was read from the store just now."""

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from sqlalchemy import Column, CompoundSelect, Select, Table
from sqlalchemy.dialects.postgresql.base import PGDialect

from persistence.lake.manifest import COLUMNS, CONSTANT, GONE, OWNER, REPLACED, TEXTS, UNREADABLE, Manifest, NoCopy
from persistence.lake.places import Place

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

MEMORY = "1GB"
"""What one process holds at most for it; what is sorted beyond that goes to files."""
SECONDS = 65.0
"""The longest that a statement may take: longer than the deadline of a request, which cancels it."""
EMPTY_TEXT, EMPTY_NUMBER = "''", "CAST(0 AS BIGINT)"
Statement = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class CopyTables:
    """What a statement is run over. `touched` holds the present rows of the customers who changed since the copy, by
    table, and under REPLACED who they are; it is empty where nobody did."""

    manifest: Manifest
    place: Place
    touched: "Mapping[str, pa.Table]"

    @property
    def business_id(self) -> int:
        return self.manifest.business


class Engine(Protocol):
    """Runs a statement over a copy. NoCopy where the copy cannot be read; the statement ends with the task that waits
    for it."""

    runs_rules: ClassVar[bool]
    """Whether it runs statements in which subqueries refer to the row outside, as those of rules do."""

    async def run(self, tables: CopyTables, statement: Statement) -> Rows:
        """The rows."""
        ...

    async def close(self) -> None:
        """Give back what it holds."""
        ...


class CopyDialect(PGDialect):
    """PostgreSQL's words. What must be said otherwise is compiled for the name `copy`."""

    name = "copy"
    supports_statement_cache = True

    def __init__(self, marks: str = "numeric_dollar") -> None:
        super().__init__(paramstyle=marks)  # type: ignore[no-untyped-call]


DIALECT = CopyDialect()


def render(statement: Statement) -> tuple[str, list[Any]]:
    """The statement as text, and its bound values in the order of its marks."""
    compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
    values = compiled.params
    return str(compiled), [values[name] for name in compiled.positiontup or ()]


def find_tables(statement: Statement) -> frozenset[str]:
    """The tables that the statement reads; NoCopy where a copy does not hold all that it asks for."""
    tables, seen, waiting = set(), set(), [statement]
    while waiting:
        element: Any = waiting.pop()
        # What is used in several places is looked at once, or a statement of some subqueries would take long.
        if element in seen:
            continue
        seen.add(element)
        waiting.extend(element.get_children())
        if isinstance(element, Table):
            tables.add(element.name)
        # The columns of a subquery are such columns, too.
        if isinstance(element, Column) and isinstance(element.table, Table):
            tables.add(element.table.name)
            held = (*COLUMNS.get(element.table.name, ()), *CONSTANT.get(element.table.name, ()), "business_id")
            if element.name not in held:
                raise NoCopy("not in the copy")
    if not tables <= CONSTANT.keys():
        raise NoCopy("not in the copy")
    return frozenset(tables)


def write_view(tables: CopyTables, name: str, source: Callable[[str, str], str]) -> str:
    """The SELECT that stands for a table of the store. `source` names what a side, `base`, `delta` or `touched`, has of
    a table."""
    columns = ", ".join(f"k.{column}" for column in COLUMNS[name])
    owner = OWNER.get(name, "customer_id")
    constant = "".join(f", {value} AS {column}" for column, value in CONSTANT[name].items())
    sides = tables.manifest.parts
    newer = [*sides, *(["touched"] if tables.touched else [])][1:]
    parts = []
    for side in [side for side, part in sides.items() if part.files[name]] + (["touched"] if tables.touched else []):
        others = newer[newer.index(side) + 1 :] if side in newer else newer
        said_anew = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {source(other, REPLACED)} r WHERE r.customer_id = k.{owner})"
            for other in others
        )
        where = f" WHERE {said_anew}" if others else ""
        parts.append(
            f"SELECT CAST({tables.business_id} AS BIGINT) AS business_id, {columns}{constant} "
            f"FROM {source(side, name)} k{where}"
        )
    if not parts:
        # As of lines, where a shop states none; the types of texts have other names elsewhere.
        empty = (f"{EMPTY_TEXT if column in TEXTS else EMPTY_NUMBER} AS {column}" for column in COLUMNS[name])
        return f"SELECT {EMPTY_NUMBER} AS business_id, {', '.join(empty)}{constant} WHERE 1 = 0"
    return " UNION ALL ".join(parts)


def explain(tables: CopyTables) -> NoCopy:
    """Why files could not be read or written: only those that are not there any more are to be written anew."""
    with suppress(OSError):
        if not tables.manifest.files <= set(tables.place.list_names()):
            return NoCopy(GONE)
    return NoCopy(UNREADABLE)


async def fetch_files(tables: CopyTables, names: frozenset[str]) -> dict[tuple[str, str], list[str]]:
    """The files on this machine that a statement on these tables reads, by side and table. Whoever waits may leave at
    any time: the rest is not fetched."""
    ended = Event()
    try:
        return await asyncio.to_thread(_fetch_files, tables, names, ended)
    finally:
        ended.set()


def _fetch_files(tables: CopyTables, names: frozenset[str], ended: Event) -> dict[tuple[str, str], list[str]]:
    paths: dict[tuple[str, str], list[str]] = {}
    try:
        for side, part in tables.manifest.parts.items():
            for name in sorted({*names, REPLACED} & part.files.keys()):
                held = paths[side, name] = list[str]()
                for file in part.files[name]:
                    if ended.is_set():
                        raise InterruptedError
                    held.append(str(tables.place.fetch(file, ended)))
    except InterruptedError:
        raise
    except OSError as error:
        raise explain(tables) from error
    return paths


@dataclass
class DuckDbEngine:
    """DuckDB within this process, which holds nothing but what it knows of the files."""

    runs_rules: ClassVar[bool] = True
    memory: str = MEMORY
    _opening: Lock = field(default_factory=Lock)

    @cached_property
    def _database(self) -> "duckdb.DuckDBPyConnection":
        import duckdb

        # What does not fit into memory holds purchases, so it goes where nobody else may look.
        spilled = tempfile.mkdtemp(prefix="segments-lake-", dir=os.environ.get("SQLITE_TMPDIR") or None)
        self._remove_spilled = weakref.finalize(self, shutil.rmtree, spilled, ignore_errors=True)
        # Nothing is loaded from elsewhere, and nothing else is written.
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self.memory,
            "temp_directory": spilled,
            "autoinstall_known_extensions": False,
            "parquet_metadata_cache": True,
        }
        database = duckdb.connect(":memory:", config=settings)
        # As the store divides.
        database.execute("SET GLOBAL integer_division = true")
        return database

    async def run(self, tables: CopyTables, statement: Statement) -> Rows:
        names = find_tables(statement)
        text, values = render(statement)
        paths = await fetch_files(tables, names)
        cursor = await asyncio.to_thread(self._open)
        work = asyncio.ensure_future(asyncio.to_thread(self._run, cursor, tables, names, paths, text, values))
        try:
            async with asyncio.timeout(SECONDS):
                return await asyncio.shield(work)
        except (asyncio.CancelledError, TimeoutError):
            while not work.done():
                # It may just have been about to begin.
                cursor.interrupt()
                await asyncio.wait({work}, timeout=0.05)
            with suppress(Exception):
                work.result()
            raise

    def _open(self) -> "duckdb.DuckDBPyConnection":
        with self._opening:
            try:
                return self._database.cursor()
            except OSError as error:
                raise NoCopy(UNREADABLE) from error

    def _run(
        self,
        cursor: "duckdb.DuckDBPyConnection",
        tables: CopyTables,
        names: frozenset[str],
        paths: Mapping[tuple[str, str], Sequence[str]],
        text: str,
        values: Sequence[Any],
    ) -> Rows:
        import duckdb

        try:
            for name, table in tables.touched.items():
                cursor.register(f"touched_{name}", table)

            def source(side: str, name: str) -> str:
                if side == "touched":
                    return f"touched_{name}"
                return f"read_parquet([{', '.join(map(_quote, paths[side, name]))}])"

            for name in sorted(names):
                cursor.execute(f"CREATE TEMP VIEW {name} AS {write_view(tables, name, source)}")
            return cursor.execute(text, values).fetchall()
        except duckdb.InterruptException:
            raise
        except (duckdb.BinderException, duckdb.ParserException, duckdb.DataError, duckdb.NotSupportedError) as error:
            raise NoCopy("not understood") from error
        except (duckdb.IOException, duckdb.HTTPException, OSError) as error:
            raise explain(tables) from error
        except duckdb.OutOfMemoryException as error:
            raise NoCopy("too large for memory") from error
        except duckdb.Error as error:
            raise NoCopy("cannot be read") from error
        finally:
            cursor.close()

    async def close(self) -> None:
        if "_database" in self.__dict__:
            await asyncio.to_thread(self._database.close)
            await asyncio.to_thread(self._remove_spilled)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
