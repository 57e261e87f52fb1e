"""A process that kills itself the hard way: `python -m tests.drivers.dying URL WORK PLACE STATEMENT` works on runs,
lets memberships follow, or records a purchase, until a statement that begins so, or COMMIT, is about to be executed for
the PLACE-th time, and then is gone as if the power had failed. What records is gone at the latest when that is done."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Engine, event

from domain.customers.purchases import Purchases
from domain.jobs.progress import ProgressFeed
from domain.model import Actor
from domain.segments.handler import RecalculationHandler
from domain.segments.runner import Runner
from persistence.database.engines import open_database
from persistence.evaluation import SqlEvaluation
from persistence.store import SqlStore
from persistence.unit import Unit
from tests.conftest import NOW
from tests.shops.factories import purchase


def now() -> datetime:
    """The instant of the tests."""
    return NOW


def die_before(last: str, place: int, *engines: Engine) -> None:
    """Kill this process when a statement that begins so, but for what SQLite does of conflicts, is about to be executed
    for the place-th time."""
    seen = count(1)

    def watch(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        written = " ".join(statement.split()).replace("INSERT OR ROLLBACK", "INSERT", 1)
        if written.startswith(last) and next(seen) == place:
            os.kill(os.getpid(), signal.SIGKILL)

    for engine in {*engines}:
        event.listen(engine, "before_cursor_execute", watch)
        event.listen(engine, "commit", lambda conn: watch(conn, None, "COMMIT"))


def write_before_runs_do(store: SqlStore) -> None:
    """Let somebody else write before each run does, so that it evaluates again what changed."""
    write = SqlEvaluation.write

    @asynccontextmanager
    async def write_later(evaluation: SqlEvaluation) -> AsyncIterator[Unit]:
        item = purchase("C4", "O9", "2024-06-01", 500)
        await Purchases(store, now).record(evaluation.unit.business, [item], Actor("another"))
        async with write(evaluation) as unit:
            yield unit

    SqlEvaluation.write = write_later  # type: ignore[method-assign]


async def main(url: str, work: str, place: int, last: str) -> None:
    """Work until the statement comes."""
    database = open_database(url)
    store, feed = SqlStore(database, now), ProgressFeed()
    if last.startswith("DELETE FROM evaluated"):
        write_before_runs_do(store)
    die_before(last, place, database.writer.sync_engine, database.worker.sync_engine)
    runner = Runner(store, now, feed, "dying")
    handler = RecalculationHandler(store, now, feed, runner)
    for business in await store.load_businesses():
        if work == "record":
            item = purchase("C1", "O1", "2024-06-01", 500)
            await Purchases(store, now).record(business, [item], Actor("dying"))
            os.kill(os.getpid(), signal.SIGKILL)
        elif work == "follow":
            await handler.follow(business)
        else:
            while await runner.run_next(business):
                pass
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
