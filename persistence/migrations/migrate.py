"""Whether a store has the newest tables, which every start asks, and the way there. What changes tables is loaded only
where they are to be changed; an advisory wait keeps two starts apart."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text

from domain.errors import InvalidInput
from persistence.database.steps import MIGRATIONS, find_current, find_head, list_steps

if TYPE_CHECKING:
    from alembic.config import Config


OWN_TABLES = {"alembic_version", "business", "customer"}
"""What the store has at each step."""
LOCK_NUMBER = 7_361_990_112


def describe_state(engine: Engine) -> str | None:
    """What the store lacks, in words; None where it is at the newest step. InvalidInput where it is ahead, or an SQLite
    file of another application."""
    with engine.connect() as connection:
        at, needed = find_current(connection), find_head()
        if connection.dialect.name == "sqlite" and at != needed:
            names = set(inspect(connection).get_table_names())
            if names and not names >= OWN_TABLES:
                raise InvalidInput(f"{engine.url.database} is no store: it holds the tables of another application.")
    if at == needed:
        return None
    if at is None:
        return f"The store has no tables yet, this program needs {needed}"
    refuse_newer(at)
    return f"The store is at {at}, this program needs {needed}"


def refuse_newer(at: str) -> None:
    """InvalidInput where this program does not know the step."""
    if at not in list_steps():
        known = find_head()
        raise InvalidInput(f"The store is at {at}, made by a newer version of this program; this one knows {known}.")


def require_newest(engine: Engine) -> None:
    """InvalidInput where the store lacks tables of this program, or is ahead of it."""
    lacking = describe_state(engine)
    if lacking is not None:
        raise InvalidInput(f"{lacking}. Run: segments db upgrade")


def upgrade(engine: Engine) -> None:
    """Apply the missing steps, all or none; a second process waits for the first. InvalidInput for a newer store."""
    if describe_state(engine) is not None:
        apply_steps(engine)


def build_configuration(connection: Connection | None = None) -> "Config":
    """Where the steps are, and what they are done on."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def apply_steps(engine: Engine) -> None:
    # Alembic takes 150 ms to load, which a store that is up to date need not wait for.
    from alembic import command

    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_NUMBER})")
            connection.commit()
            try:
                command.upgrade(build_configuration(connection), "head")
                renew_epoch(connection)
                connection.commit()
            finally:
                # An interruption while it executes has closed it, which lets go of the lock, too.
                if not connection.invalidated:
                    connection.rollback()
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_NUMBER})")
                    connection.commit()
        elif find_current(connection) != find_head():
            connection.rollback()
            with suspend_foreign_keys(connection), connection.begin():
                # The "begin" of this engine is deferred; the write lock is taken before the step is looked at again.
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER PRIMARY KEY)")
                command.upgrade(build_configuration(connection), "head")
                renew_epoch(connection)
                connection.exec_driver_sql("DROP TABLE migration_lock")
                if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
                    raise InvalidInput("The store holds rows that refer to nothing; it was left as it was.")


def renew_epoch(connection: Connection) -> None:
    """Let no columnar copy that was written before be one of this store: a step may have rewritten purchases, and what
    is restored has a history of its own."""
    connection.execute(text("UPDATE store_identity SET epoch = :epoch"), {"epoch": secrets.token_hex(16)})


@contextmanager
def suspend_foreign_keys(connection: Connection) -> Iterator[None]:
    """SQLite changes a table by making it anew, which references to it would forbid; within a transaction it cannot be
    told to overlook them."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.cursor().execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        # An interruption while it executes has closed it.
        if not connection.invalidated:
            raw.cursor().execute("PRAGMA foreign_keys = ON")


def list_differences(engine: Engine) -> list[str]:
    """What the store's tables and this program's disagree on; empty when the store is as it should be."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from persistence.tables.metadata import metadata

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
