"""An import, or the taking back of one, that kills itself the hard way: `python -m tests.drivers.dying_import URL WHAT
TIMES STATEMENT` works until it is about to execute a statement that begins so for the so many-th time. WHAT is a file,
or the number of an import. The ranges are small, so that there are several."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event

from domain.model import Actor, Business
from persistence.database.engines import Database, open_database
from persistence.imports import importer as bulk_import
from persistence.imports import undo as import_undo
from persistence.imports.undo import ImportUndo
from persistence.store import SqlStore
from tests.drivers.dying import now
from tests.drivers.files import Importer

SMALL = 5


def work(database: Database, business: Business, what: str) -> None:
    """Import the file, or take the import back."""
    if what.isdigit():
        ImportUndo(database, business, now, int(what)).run(Actor("dying"))
    else:
        Importer(database, business, Path(what).parent, now()).file(Path(what))


def main(url: str, what: str, times: int, last: str) -> None:
    """Work until the statement comes."""
    database = open_database(url)
    (business,) = asyncio.run(SqlStore(database, now).load_businesses())
    left = times

    def watch(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        nonlocal left
        left -= " ".join(statement.split()).startswith(last)
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.bulk, "before_cursor_execute", watch)
    bulk_import.FEWEST = bulk_import.MOST = SMALL
    import_undo.FEWEST = import_undo.MOST = SMALL
    work(database, business, what)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
