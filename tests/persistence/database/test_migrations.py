"""The steps that change the tables: the files tell the program what the tool that applies them knows, and each step
takes along what a store of any earlier one holds."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, Connection, MetaData, Table, Text, create_engine, func, select, text
from sqlalchemy.engine import make_url

from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import configuration, current, differences, head, steps, upgrade


def test_the_steps_are_those_of_the_migrations_one_after_the_other() -> None:
    found = ScriptDirectory.from_config(configuration())

    assert steps() == [script.revision for script in reversed(list(found.walk_revisions()))]
    assert [head()] == found.get_heads()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A store without any tables."""
    if request.param == "sqlite":
        database = open_database(f"sqlite:///{tmp_path}/store.sqlite")
        yield database
        database.bulk.dispose()
        return
    url = make_url(request.getfixturevalue("postgresql"))
    server = create_engine(url.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    name = f"steps_{uuid4().hex}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    database = open_database(url.set(database=name).render_as_string(hide_password=False))
    yield database
    database.bulk.dispose()
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    server.dispose()


def filled(connection: Connection) -> dict[str, int]:
    """A row in every table: all numbers are 1, so every reference leads somewhere. How many rows each table has."""
    metadata = MetaData()
    metadata.reflect(connection)
    tables = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
    for table in tables:
        row: dict[str, object] = {}
        for column in table.c:
            kind = column.type
            row[column.name] = {} if isinstance(kind, JSON) else "x" if isinstance(kind, Text) else 1
            if isinstance(kind, Boolean):
                row[column.name] = False
        connection.execute(table.insert().values(**row))
    return counted(connection, tables)


def counted(connection: Connection, tables: list[Table]) -> dict[str, int]:
    return {
        table.name: int(connection.execute(select(func.count()).select_from(text(table.name))).scalar_one())
        for table in tables
    }


@pytest.mark.parametrize("step", steps()[:-1])
def test_a_store_of_an_earlier_step_is_brought_to_the_newest_with_all_that_it_holds(empty: Database, step: str) -> None:
    with empty.bulk.begin() as connection:
        command.upgrade(configuration(connection), step)
    with empty.bulk.begin() as connection:
        before = filled(connection)

    upgrade(empty.bulk)

    with empty.bulk.connect() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        after = counted(connection, [table for table in metadata.sorted_tables if table.name in before])
        assert current(connection) == head()
        if empty.dialect == "sqlite":
            assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    assert after == {name: before[name] for name in after}
    assert {"business", "customer", "purchase", "purchase_line"} <= set(after)
    assert differences(empty.bulk) == []
