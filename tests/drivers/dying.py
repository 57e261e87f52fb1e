"""A worker that kills itself the hard way: `python -m tests.drivers.dying URL WORK PLACE STATEMENT` works on runs, or
lets memberships follow, until a statement that begins so is about to be executed for the PLACE-th time, and then is
gone as if the power had failed."""

import asyncio
import os
import signal
import sys
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import event

from domain.jobs.progress import ProgressFeed
from domain.segments.handler import RecalculationHandler
from domain.segments.runner import Runner
from persistence.database.engines import open_database
from persistence.store import SqlStore
from tests.conftest import NOW


def now() -> datetime:
    """The instant of the tests."""
    return NOW


async def main(url: str, work: str, place: int, last: str) -> None:
    """Work until the statement comes."""
    database = open_database(url)
    store, feed = SqlStore(database, now), ProgressFeed()
    seen = count(1)

    def watch(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if " ".join(statement.split()).startswith(last) and next(seen) == place:
            os.kill(os.getpid(), signal.SIGKILL)

    for engine in {database.writer.sync_engine, database.worker.sync_engine}:
        event.listen(engine, "before_cursor_execute", watch)
    runner = Runner(store, now, feed, "dying")
    handler = RecalculationHandler(store, now, feed, runner)
    for business in await store.load_businesses():
        if work == "follow":
            await handler.follow(business)
        else:
            while await runner.run_next(business):
                pass
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
