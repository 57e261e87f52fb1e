"""An import that never comes to an end: `python -m tests.drivers.endless_import URL FILE` says that it is at a long
statement, and then is at it. With `locked` behind it, it says so and waits for a line, upon which somebody has locked
the store; and says again when it waits for the lock."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event, text

from persistence.database.engines import open_database
from persistence.imports import importer, staging
from persistence.store import SqlStore
from tests.drivers.dying import now
from tests.drivers.files import Importer

# Minutes, so that a test that fails comes to an end, too.
ENDLESS = {
    "sqlite": "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 9e8) SELECT MAX(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}


def stand_still(connection: Connection, *_: object) -> Any:
    """In place of what takes a moment."""
    say("begun")
    return connection.execute(text(ENDLESS[connection.dialect.name])).all()


def wait_for_line(connection: Connection, *given: Any) -> Any:
    """Before what takes a moment."""
    say("begun")
    sys.stdin.readline()
    first = "UPDATE purchase_import" if connection.dialect.name == "sqlite" else "UPDATE business"

    def watch(conn: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith(first):
            say("waiting")

    event.listen(connection, "before_cursor_execute", watch)
    return staging.arrange(connection, *given)


def say(word: str) -> None:
    """To whoever began this process."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def main(url: str, file: str, how: str = "") -> None:
    """Import it."""
    # Whoever was started in the background by a shell has been told to take no notice of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    database = open_database(url)
    (business,) = asyncio.run(SqlStore(database, now).load_businesses())
    importer.arrange = wait_for_line if how == "locked" else stand_still
    Importer(database, business, Path(file).parent, now()).file(Path(file))


if __name__ == "__main__":
    main(*sys.argv[1:])
