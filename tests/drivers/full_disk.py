"""A store whose disk is full for one table: what writes to it is refused as by a full disk, all else goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event

from persistence.database.engines import Database

PAGES = 1 << 30
FILL = {
    "sqlite": (
        "CREATE TABLE filler (data BLOB)",
        "CREATE TRIGGER full_disk BEFORE {when} ON {table} BEGIN INSERT INTO filler VALUES (randomblob(1000000)); END",
    ),
    "postgresql": (
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''could not extend file''; END'",
        "CREATE TRIGGER full_disk BEFORE {when} ON {table} FOR EACH ROW EXECUTE FUNCTION full_disk()",
    ),
}
FREE = {
    "sqlite": ("DROP TRIGGER full_disk", "DROP TABLE filler"),
    "postgresql": ("DROP TRIGGER full_disk ON {table}", "DROP FUNCTION full_disk"),
}


def execute(database: Database, statements: tuple[str, ...], **names: str) -> None:
    with database.bulk.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement.format(**names))


@asynccontextmanager
async def full_disk(database: Database, table: str, when: str = "INSERT") -> AsyncIterator[None]:
    """Within the block. SQLite itself is refused more pages, as by a disk; PostgreSQL is made to say what it says
    then."""
    engines = {database.writer.sync_engine, database.worker.sync_engine, database.bulk}
    pages = 1

    def bound(connection: Any, *_: object) -> None:
        cursor = connection.cursor()
        # Never fewer than there are.
        cursor.execute(f"PRAGMA max_page_count = {pages}")
        cursor.close()

    # In a thread: whoever holds the lock of the store may need the loop to let go of it.
    await asyncio.to_thread(execute, database, FILL[database.dialect], table=table, when=when)
    if database.dialect == "sqlite":
        for engine in engines:
            event.listen(engine, "checkout", bound)
    try:
        yield
    finally:
        pages = PAGES
        await asyncio.to_thread(execute, database, FREE[database.dialect], table=table)
