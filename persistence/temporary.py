"""Temporary tables: they belong to one connection, lock nothing and are gone with it."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

GROWN = 1 << 18
"""Bytes from which on tables are made anew rather than emptied row by row."""


def create(connection: Connection, name: str, columns: str) -> None:
    """Make the table where it is not there, and empty it."""
    make(connection, name, columns)
    empty(connection, name)


def make(connection: Connection, name: str, columns: str) -> None:
    """Make the table where it is not there. `{text}` stands for text that compares by code point."""
    kind = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    if connection.dialect.name == "sqlite":
        # Only so is such a key SQLite's own row number.
        columns = columns.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
    connection.execute(text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({columns.format(text=kind)})"))


def empty(connection: Connection, *names: str) -> None:
    """Take all rows away. PostgreSQL never cleans a temporary table by itself: rows that are only deleted stay in the
    way of every later statement, so what has grown is made anew, which costs more than to delete a few."""
    if connection.dialect.name == "postgresql":
        sizes = " + ".join(f"pg_relation_size('{name}')" for name in names)
        if connection.execute(text(f"SELECT {sizes}")).scalar_one() > GROWN:
            connection.execute(text(f"TRUNCATE {', '.join(names)}"))
            return
    for name in names:
        connection.execute(text(f"DELETE FROM {name}"))


def fill(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Add a few rows."""
    if rows:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        marks = ", ".join([mark] * len(columns))
        connection.exec_driver_sql(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", list(rows))


def load(connection: Connection, name: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    """Add many rows the fastest way the database has; not from within the event loop."""
    if rows and connection.dialect.name == "postgresql":
        with connection.connection.cursor().copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        fill(connection, name, columns, rows)


def analyze(connection: Connection, *names: str) -> None:
    """Tell PostgreSQL what is in the tables, of which it knows nothing until then; SQLite plans well without."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {', '.join(names)}"))


def few_to_many(connection: Connection) -> None:
    """Until the transaction ends let PostgreSQL go from the few rows of temporary tables to the many of the store by
    its indexes, one by one. Of the first it knows nothing, of the second what was true some time ago, so it would
    often rather read all that the store holds; SQLite goes so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL enable_hashjoin = off"))
        connection.execute(text("SET LOCAL enable_mergejoin = off"))
