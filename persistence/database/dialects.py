"""Every difference between SQLite and PostgreSQL that statements meet: what rule statements are built of, texts by code
point, and temporary tables; lists that go to a statement or come from it as JSON stand beside, in lists.py. What must
differ between the databases stands here, once each; constructs print their own brackets and nothing is simplified, so
calculations keep their written order, and statements that hold a construct of a rule are not kept compiled, because
each rule is another one.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Double,
    bindparam,
    case,
    cast,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.util import await_only
from sqlmodel import SQLModel

from domain.money import is_rounded_up

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql


class Selective(FunctionElement[bool]):
    """A condition that few rows meet. SQLite without statistics takes the rows of a whole business for ten and would
    read them all: 8 ms a customer at 75,000 memberships instead of 0.1."""

    inherit_cache = True


@compiles(Selective)
def _compile_selective(element: Selective, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(Selective, "sqlite")
def _compile_selective_sqlite(element: Selective, compiler: SQLCompiler, **kw: Any) -> str:
    return write_selective("sqlite", compiler.process(element.clauses, **kw))


def write_selective(dialect: str, condition: str) -> str:
    """The same of a condition that is text."""
    return f"likelihood({condition}, 0.000001)" if dialect == "sqlite" else condition


Expression = ColumnElement[Any]
Operator = Callable[..., Expression]
# SQLite functions take at most 127 arguments.
MAXIMUM_ARGUMENTS = 100


class Construct(FunctionElement[Any]):
    """Operands and how they are printed, on SQLite and elsewhere: a function of their texts each."""

    inherit_cache = False

    def __init__(self, write: Callable[..., str], write_sqlite: Callable[..., str], *operands: Expression) -> None:
        super().__init__(*operands)
        self.write, self.write_sqlite = write, write_sqlite


@compiles(Construct)
def _compile_construct(element: Construct, compiler: SQLCompiler, **kw: Any) -> str:
    write = element.write_sqlite if compiler.dialect.name == "sqlite" else element.write
    return write(*[compiler.process(operand, **kw) for operand in element.clauses])


def make_construct(write: Callable[..., str], sqlite: Callable[..., str] | None = None) -> Operator:
    """A construct: called with its operands, it is printed by `write`, on SQLite by `sqlite` where it differs."""
    return partial(Construct, write, sqlite or write)


def make_chain(symbol: str, sqlite: str | None = None) -> Operator:
    """The construct of two operands or more, in brackets, with the operator between them, from left to right."""

    def join_with(between: str) -> Callable[..., str]:
        return lambda *operands: f"({f' {between} '.join(operands)})"

    return make_construct(join_with(symbol), join_with(sqlite or symbol))


Plus, Minus, Times = make_chain("+"), make_chain("-"), make_chain("*")
Divide = make_chain("/")
"""Of whole numbers, cut towards zero. The divisor must not be zero."""


class Quotient(FunctionElement[int]):
    """(a, b): of whole numbers, cut towards zero, where statements are read by more than the two databases. The divisor
    must not be zero."""

    inherit_cache = True
    type = BigInteger()


@compiles(Quotient)
def _compile_quotient(element: Quotient, compiler: SQLCompiler, **kw: Any) -> str:
    a, b = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"({a} {'div' if compiler.dialect.name == 'spark' else '/'} {b})"


Less, AtMost, More, AtLeast = make_chain("<"), make_chain("<="), make_chain(">"), make_chain(">=")
Equal = make_chain("=")
"""For operands that are there."""
NotDistinct = make_chain("IS NOT DISTINCT FROM", sqlite="IS")
"""The same, or both missing."""
And, Or = make_chain("AND"), make_chain("OR")
Append = make_chain("||")
Negation = make_construct(lambda condition: f"(NOT {condition})")
"""Does not hold; its operand is never null, so this is the plain complement."""
FalseIfNull = make_construct(
    lambda condition: f"coalesce({condition}, false)", lambda condition: f"coalesce({condition}, 0)"
)
ByCodePoint = make_construct(lambda text: f'({text} COLLATE "C")', lambda text: text)
"""A text whose order is that of code points, as SQLite's is."""
ContainsText = make_construct(
    lambda text, needle: f"(strpos({text}, {needle}) > 0)", lambda text, needle: f"(instr({text}, {needle}) > 0)"
)
"""(text, needle): the text holds the needle, exactly; LIKE would not be exact."""
IsAscii = make_construct(
    lambda text: f"({text} !~ '[^[:ascii:]]')",
    lambda text: f"(length({text}) = length(CAST({text} AS BLOB)))",
)
"""Whether a text holds nothing but ASCII."""
Tail = make_construct(lambda text, count: f"right({text}, {count})", lambda text, count: f"substr({text}, -{count})")
"""(text, n): its last n code points, the whole of it where it has fewer."""
Shortened = make_construct(
    lambda text, count: f"left({text}, -{count})", lambda text, count: f"substr({text}, -{count}, -2147483647)"
)
"""(text, n): without its last n code points, empty where it has fewer."""


def _write_remainder(a: str, b: str) -> str:
    return f"(SELECT _o.a - _o.b * trunc(_o.a / nullif(_o.b, 0)) FROM (SELECT {a} AS a, {b} AS b OFFSET 0) AS _o)"


def _write_remainder_sqlite(a: str, b: str) -> str:
    # Doubles from 2^53 on are whole already; below it, an integer holds them.
    whole = "CASE WHEN abs(_q.q) < 9007199254740992.0 THEN CAST(CAST(_q.q AS INTEGER) AS REAL) ELSE _q.q END"
    operands = f"(SELECT {a} AS a, {b} AS b LIMIT -1 OFFSET 0) AS _o"
    quotient = f"(SELECT _o.a AS a, _o.b AS b, _o.a / nullif(_o.b, 0) AS q FROM {operands} LIMIT -1 OFFSET 0) AS _q"
    return f"(SELECT _q.a - _q.b * {whole} FROM {quotient})"


Remainder = make_construct(_write_remainder, _write_remainder_sqlite)
"""a - b * trunc(a / b); null where b is zero. Each operand is printed once, so nesting does not multiply."""


def make_extreme(word: str) -> Operator:
    """The `min` or `max` of two numbers or more, null where one of them is."""

    def write(*operands: str) -> str:
        # greatest and least leave nulls out; this does not, and prints each operand once.
        values = ", ".join(f"({operand})" for operand in operands)
        return f"(SELECT CASE WHEN count(*) = count(_v.v) THEN {word}(_v.v) END FROM (VALUES {values}) AS _v(v))"

    def write_sqlite(*operands: str) -> str:
        parts = list(operands)
        while len(parts) > 1:
            chunks = [parts[at : at + MAXIMUM_ARGUMENTS] for at in range(0, len(parts), MAXIMUM_ARGUMENTS)]
            parts = [f"{word}({', '.join(chunk)})" if len(chunk) > 1 else chunk[0] for chunk in chunks]
        return parts[0]

    return make_construct(write, write_sqlite)


Least, Greatest = make_extreme("min"), make_extreme("max")


def bundle(operator: Operator, operands: Sequence[Expression], size: int = 50) -> Expression:
    """The chain in nested bundles, where only the result counts and not the order: SQLite bounds the depth."""
    terms = list(operands)
    while len(terms) > 1:
        bundles = [terms[at : at + size] for at in range(0, len(terms), size)]
        terms = [operator(*part) if len(part) > 1 else part[0] for part in bundles]
    return terms[0]


class WithScalars(FunctionElement[Any]):
    """(body, value, …): the body, in which one-row tables of those names, each with the column c, hold the values.

    One table stands after the other, so the depth of what is printed does not grow with their number.
    """

    inherit_cache = False

    def __init__(self, body: Expression, *values: Expression, names: Sequence[str]) -> None:
        super().__init__(body, *values)
        self.names = tuple(names)


@compiles(WithScalars)
def _compile_with_scalars(element: WithScalars, compiler: SQLCompiler, **kw: Any) -> str:
    body, *values = (compiler.process(clause, **kw) for clause in element.clauses)
    tables = ", ".join(f"{name}(c) AS (SELECT {value})" for name, value in zip(element.names, values, strict=True))
    return f"(WITH {tables} SELECT {body})"


def to_double(column: Expression) -> Expression:
    return cast(column, Double)


def bind_double(value: float) -> Expression:
    return bindparam(None, value, type_=Double, unique=True)


def divide_half_even(total: Expression, count: Expression) -> Expression:
    """As `domain.money.divide_half_even`, of a total that is not negative, because `Divide` cuts towards zero."""
    quotient = Divide(total, count)
    return quotient + case((is_rounded_up(total, count, quotient), 1), else_=0)


GROWN = 1 << 18
"""Bytes from which on tables are made anew rather than emptied row by row."""


def create(connection: Connection, name: str, columns: str) -> None:
    """Make the table where it is not there, and empty it."""
    make(connection, name, columns)
    empty(connection, name)


def make(connection: Connection, name: str, columns: str) -> None:
    """Make the table where it is not there. `{text}` stands for text that compares by code point."""
    run_together(connection, [write_make(connection.dialect.name, name, columns)])


def write_make(dialect: str, name: str, columns: str) -> str:
    """What makes the table so."""
    kind = 'TEXT COLLATE "C"' if dialect == "postgresql" else "TEXT"
    if dialect == "sqlite":
        # Only so is such a key SQLite's own row number.
        columns = columns.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
    return f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({columns.format(text=kind)})"


def empty(connection: Connection, *names: str) -> None:
    """Take all rows away."""
    run_together(connection, write_emptying(connection.dialect.name, *names))


def write_emptying(dialect: str, *names: str) -> list[str]:
    """What takes all rows away. PostgreSQL never cleans a temporary table by itself: rows that are only deleted stay in
    the way of every later statement, so what has grown is made anew, which costs more than to delete a few."""
    deleting = [f"DELETE FROM {name}" for name in names]
    if dialect != "postgresql" or not names:
        return deleting
    sizes = " + ".join(f"pg_relation_size('{name}')" for name in names)
    either = f"IF {sizes} > {GROWN} THEN TRUNCATE {', '.join(names)}; ELSE {'; '.join(deleting)}; END IF"
    return [f"DO $$ BEGIN {either}; END $$"]


def run_together(connection: Connection, statements: Sequence[str]) -> None:
    """Execute statements without values; on PostgreSQL they go one way to the server together."""
    if connection.dialect.name == "postgresql":
        statements = ["; ".join(statements)]
    for statement in statements:
        connection.exec_driver_sql(statement)


@contextmanager
def sent_together(connection: Connection) -> Iterator[None]:
    """Statements of the block whose results nobody reads: PostgreSQL gets them without waiting for one after another,
    and a fault of any of them is raised at the end of the block at the latest."""
    if connection.dialect.name != "postgresql":
        yield
        return
    driver: Any = connection.connection.driver_connection
    faults: Any = connection.dialect.loaded_dbapi
    pipeline = driver.pipeline()

    def wait(done: object) -> None:
        if isinstance(done, Awaitable):
            await_only(done)

    is_async = connection.dialect.is_async
    begin = pipeline.__aenter__ if is_async else pipeline.__enter__
    end = pipeline.__aexit__ if is_async else pipeline.__exit__
    wait(begin())
    try:
        yield
    except BaseException:
        # That the others were not done, either, is no news.
        with suppress(faults.Error):
            wait(end(None, None, None))
        raise
    try:
        wait(end(None, None, None))
    except faults.Error as error:
        raise DBAPIError.instance(None, None, error, faults.Error, dialect=connection.dialect) from error


def fill(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Add a few rows of texts and whole numbers, on PostgreSQL by one statement that is the same for any number."""
    if not rows:
        return
    said = ", ".join(columns)
    if connection.dialect.name == "postgresql":
        listed = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
        read = f"SELECT {said} FROM json_populate_recordset(NULL::{name}, %s)"
        connection.exec_driver_sql(f"INSERT INTO {name} ({said}) {read}", (listed,))
    else:
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {name} ({said}) VALUES ({marks})", list(rows))


TOGETHER = 50
"""Rows that SQLite gets in one statement; their values must not be more than it takes."""


def load(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Add many rows the fastest way the database has; not from within the event loop."""
    if rows and connection.dialect.name == "postgresql":
        with connection.connection.cursor().copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        return
    # Rows of one statement share what it costs to begin and end it.
    whole = len(rows) - len(rows) % TOGETHER
    if whole:
        marks = ", ".join([f"({', '.join('?' * len(columns))})"] * TOGETHER)
        pieces = [tuple(chain.from_iterable(rows[at : at + TOGETHER])) for at in range(0, whole, TOGETHER)]
        connection.exec_driver_sql(f"INSERT INTO {name} ({', '.join(columns)}) VALUES {marks}", pieces)
    fill(connection, name, columns, rows[whole:])


def write_row_number(connection: Connection, order: str) -> str:
    """What numbers the rows of an `INSERT … SELECT` in that order, in which they are selected. SQLite numbers a key
    that is not given, without a window over all of them."""
    return "NULL" if connection.dialect.name == "sqlite" else f"ROW_NUMBER() OVER (ORDER BY {order})"


def make_insert(dialect: str, into: type[SQLModel]) -> "sqlite.Insert | postgresql.Insert":
    """An INSERT that can say what becomes of a row that is there already."""
    if dialect == "sqlite":
        return sqlite.insert(into)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(into)


def lock_table(connection: Connection, name: str) -> None:
    """Let nobody else write to the table until the transaction, which writes, ends; on SQLite nobody can."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {name} IN SHARE MODE"))


def write_insert(dialect: str) -> str:
    """What an INSERT begins with none of whose rows is there: were one, SQLite would end the whole transaction, so that
    it need not be ready to take back the statement alone."""
    return "INSERT OR ROLLBACK" if dialect == "sqlite" else "INSERT"


STEPS = 100_000
"""Instructions of SQLite, a few milliseconds, after which it asks whether to go on."""


@contextmanager
def break_off_when(connection: Connection, is_over: Callable[[], bool]) -> Iterator[Callable[[], None]]:
    """Within the block a statement of the connection ends early once it is over. SQLite asks that by itself, in the
    thread that executes, so that Ctrl-C is heard there, too; PostgreSQL is told by the call that is given, from another
    thread, and breaks off what the connection is at in that moment."""
    raw: Any = connection.connection.driver_connection
    if connection.dialect.name == "postgresql":

        def break_off() -> None:
            # What was to be broken off may have ended, and the connection with it.
            with suppress(Exception):
                raw.cancel()

        yield break_off
        return
    raw.set_progress_handler(is_over, STEPS)
    try:
        yield lambda: None
    finally:
        # An interruption while it executes has closed it.
        if not connection.invalidated:
            raw.set_progress_handler(None, 0)


def analyze(connection: Connection, *names: str) -> None:
    """Tell PostgreSQL what is in the tables, of which it knows nothing until then; SQLite plans well without."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {', '.join(names)}"))


def prefer_index_joins(connection: Connection) -> None:
    """Until the transaction ends let PostgreSQL go from few rows to the many of the store by its indexes."""
    statements = write_index_joins(connection.dialect.name)
    if statements:
        run_together(connection, statements)


def write_index_joins(dialect: str) -> list[str]:
    """What lets PostgreSQL go from the few rows of temporary tables to the many of the store by its indexes, one by
    one, until the transaction ends. Of the first it knows nothing, of the second what was true some time ago, so it
    would often rather read all that the store holds; SQLite goes so by itself."""
    return [f"SET LOCAL enable_{kind} = off" for kind in ("hashjoin", "mergejoin")] if dialect == "postgresql" else []


def compute_once(row: CTE) -> CTE:
    """A row that many are joined with. PostgreSQL would compute it anew for each of them where it expects but one."""
    return row.prefix_with("MATERIALIZED", dialect="postgresql")
