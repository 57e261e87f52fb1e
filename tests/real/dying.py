"""A worker that kills itself the hard way: `python -m tests.real.dying URL STATEMENT` works on runs until it is about
to execute a statement that begins so, and then is gone as if the power had failed."""

import asyncio
import os
import signal
import sys
from datetime import datetime
from typing import Any

from sqlalchemy import event

from domain.run_board import RunBoard
from domain.runner import Runner
from persistence.database import open_database
from persistence.working_store import WorkingStore
from tests.conftest import NOW


def now() -> datetime:
    """The instant of the tests."""
    return NOW


async def main(url: str, last: str) -> None:
    """Work until the statement comes."""
    database = open_database(url)
    store, board = WorkingStore(database, now), RunBoard()

    def watch(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if " ".join(statement.split()).startswith(last):
            os.kill(os.getpid(), signal.SIGKILL)

    for engine in {database.writer.sync_engine, database.worker.sync_engine}:
        event.listen(engine, "before_cursor_execute", watch)
    runner = Runner(store, now, board, "dying")
    for business in await store.businesses():
        while await runner.once(business):
            pass
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
