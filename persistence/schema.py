"""Brings a store to the newest tables and says whether it is there. An advisory wait keeps two starts apart."""

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from domain.errors import InvalidInput
from persistence.label_tables import metadata

LOCK_NUMBER = 7_361_990_112


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def head() -> str | None:
    """The newest step that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(connection: Connection) -> str | None:
    """The step that the store is at; None for an empty one."""
    return MigrationContext.configure(connection).get_current_revision()


def stage(engine: Engine) -> str | None:
    """What the store lacks, in words; None where it is at the newest step. InvalidInput where it is ahead."""
    with engine.connect() as connection:
        at, needed = current(connection), head()
    if at == needed:
        return None
    if at is None:
        return f"The store has no tables yet, this program needs {needed}"
    if at not in {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}:
        raise InvalidInput(f"The store is at {at}, made by a newer version of this program; this one knows {needed}.")
    return f"The store is at {at}, this program needs {needed}"


def upgrade(engine: Engine) -> None:
    """Apply the missing steps, all or none; a second process waits for the first. InvalidInput for a newer store."""
    if stage(engine) is None:
        return
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({LOCK_NUMBER})")
            connection.commit()
            try:
                command.upgrade(_config(connection), "head")
                connection.commit()
            finally:
                connection.rollback()
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({LOCK_NUMBER})")
                connection.commit()
        elif current(connection) != head():
            # The "begin" of this engine is deferred; the write lock is taken before the step is looked at again.
            connection.rollback()
            with connection.begin():
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS migration_lock (id INTEGER PRIMARY KEY)")
                command.upgrade(_config(connection), "head")
                connection.exec_driver_sql("DROP TABLE migration_lock")


def differences(engine: Engine) -> list[str]:
    """What the store's tables and this program's disagree on; empty when the store is as it should be."""
    found = stage(engine)
    if found is not None:
        return [found]
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return [str(difference) for difference in compare_metadata(context, metadata)]
