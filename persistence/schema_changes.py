"""The tables of a store changed step by step, and compared with those of this program. An advisory wait keeps two
starts apart."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine

from domain.errors import InvalidInput
from persistence.schema import MIGRATIONS, current, head, stage
from persistence.tables import metadata

LOCK_NUMBER = 7_361_990_112


def configuration(connection: Connection | None = None) -> Config:
    """Where the steps are, and what they are done on."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def apply_steps(engine: Engine) -> None:
    """Apply the missing steps, all or none; a second process waits for the first."""
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_NUMBER})")
            connection.commit()
            try:
                command.upgrade(configuration(connection), "head")
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_NUMBER})")
                connection.commit()
        elif current(connection) != head():
            connection.rollback()
            with unreferenced(connection), connection.begin():
                # The "begin" of this engine is deferred; the write lock is taken before the step is looked at again.
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER PRIMARY KEY)")
                command.upgrade(configuration(connection), "head")
                connection.exec_driver_sql("DROP TABLE migration_lock")
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise InvalidInput("The store holds rows that refer to nothing; it was left as it was.")


@contextmanager
def unreferenced(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, which references to it would forbid; within a transaction it cannot be
    told to overlook them."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.cursor().execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        raw.cursor().execute("PRAGMA foreign_keys = ON")


def differences(engine: Engine) -> list[str]:
    """What the store's tables and this program's disagree on; empty when the store is as it should be."""
    found = stage(engine)
    if found is not None:
        return [found]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
