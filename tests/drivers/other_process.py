"""What another process does to a store beneath a test: it holds the lock, or brings the tables to another version."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from sqlalchemy import text

from persistence.database.engines import Database


@contextmanager
def locked(database: Database, first: str | None = None) -> Iterator[None]:
    """Another process is about to write to the business; what it committed just before is the statement `first`."""
    if database.dialect == "sqlite":
        with closing(sqlite3.connect(str(database.bulk.url.database), isolation_level=None, timeout=20)) as other:
            if first is not None:
                other.execute(first)
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    address = database.bulk.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address) as connection:
        if first is not None:
            connection.execute(first)
            connection.commit()
        connection.execute("UPDATE business SET name = name")
        yield
        connection.rollback()


def set_step(database: Database, step: str) -> None:
    """Say that the tables are at that step of the migrations."""
    with database.bulk.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :step"), {"step": step})
