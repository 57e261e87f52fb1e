"""Temporary tables: they belong to one connection, lock nothing and are gone with it."""

from collections.abc import Sequence

from sqlalchemy import Connection, text


def create(connection: Connection, name: str, columns: str) -> None:
    """Make the table where it is not there, and empty it. `{text}` stands for text that compares by code point."""
    kind = 'TEXT COLLATE "C"' if connection.dialect.name == "postgresql" else "TEXT"
    if connection.dialect.name == "sqlite":
        # Only so is such a key SQLite's own row number.
        columns = columns.replace("BIGINT PRIMARY KEY", "INTEGER PRIMARY KEY")
    connection.execute(text(f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ({columns.format(text=kind)})"))
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


def analyze(connection: Connection, name: str) -> None:
    """Tell PostgreSQL what is in the table, of which it knows nothing until then; SQLite plans well without."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ANALYZE {name}"))
