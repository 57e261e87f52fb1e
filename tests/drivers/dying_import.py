"""An import, or the taking back of one, that kills itself the hard way: `python -m tests.drivers.dying_import URL WHAT
TIMES STATEMENT` works until it is about to execute a statement that begins so for the so many-th time. WHAT is a file,
or the number of an import. The ranges are small, so that there are several."""

import asyncio
import sys
from pathlib import Path

from domain.model import Actor
from persistence.database.engines import open_database
from persistence.imports import importer as bulk_import
from persistence.imports import undo as import_undo
from persistence.imports.undo import ImportUndo
from persistence.store import SqlStore
from tests.drivers.dying import die_before, now
from tests.drivers.files import Importer

SMALL = 5


def main(url: str, what: str, times: int, last: str) -> None:
    """Work until the statement comes."""
    database = open_database(url)
    (business,) = asyncio.run(SqlStore(database, now).load_businesses())
    die_before(last, times, database.bulk)
    bulk_import.FEWEST = bulk_import.MOST = SMALL
    import_undo.FEWEST = import_undo.MOST = SMALL
    if what.isdigit():
        ImportUndo(database, business, now, int(what)).run(Actor("dying"))
    else:
        Importer(database, business, Path(what).parent, now()).file(Path(what))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
