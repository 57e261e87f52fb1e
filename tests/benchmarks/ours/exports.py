"""Members as files, measured: `python -m tests.benchmarks.exports CUSTOMERS FORMAT [peer]` prints rows a second and
peak memory as JSON. The peer is `csv` or openpyxl by itself, writing rows of the same values without reading them.
"""

import asyncio
import csv
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

from openpyxl import Workbook
from sqlalchemy import text

from domain.segments.member_export import MEMBER_COLUMNS
from domain.segments.model import MembershipSource
from gql.composition import Services, make_writers
from gql.settings import Settings
from persistence.database.engines import Database, open_database
from persistence.migrations.migrate import upgrade
from persistence.store import SqlStore
from tests.benchmarks.segments import NOW, make_store, peak, segment

EVERYBODY = (
    "INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source) "
    "SELECT 1, :segment, id, :at, 0 FROM customer WHERE business_id = 1 AND id > 1"
)


async def ours(database: Database, form: str, target: Path) -> tuple[float, float]:
    """Seconds of the export of every customer, from the store to the file, and peak memory before it."""
    store, services = SqlStore(database, lambda: NOW), Services(database, lambda: NOW)
    business = await services.businesses.open("bench")
    held = await segment(store, business, f"all-{time.time_ns()}", {">": [{"var": "order_count"}, -1]})
    async with store.write(business) as unit:
        at = unit.instant
        await unit.memberships.add(held.id, [1], at, MembershipSource.MANUAL, "bench")
    with database.bulk.begin() as connection:
        connection.execute(text(EVERYBODY), {"segment": held.id, "at": int(at.timestamp() * 1_000_000)})
    before, began = peak(), time.perf_counter()
    export = await services.member_files.open(business, held.id)
    written = make_writers(Settings()).members[form](export, services.member_files.load_pages(export))
    with closing(target.open("wb")) as file:
        async for piece in written:
            file.write(piece)
    return time.perf_counter() - began, before


def rows(customers: int) -> Iterator[list[str | int | float | datetime | None]]:
    """Values as the store has them."""
    at = datetime(2025, 12, 31)
    for number in range(1, customers + 1):
        yield [f"C{number}", None, None, None, "all", at, "RULE", 5, 250.5, at, "345"]


def peer(form: str, customers: int, target: Path) -> tuple[float, float]:
    """Seconds of the library by itself, and peak memory before it."""
    before, began = peak(), time.perf_counter()
    if form == "csv":
        with target.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(MEMBER_COLUMNS)
            writer.writerows(rows(customers))
    else:
        book = Workbook(write_only=True)
        sheet = book.create_sheet()
        sheet.append(MEMBER_COLUMNS)
        for row in rows(customers):
            sheet.append(row)
        book.save(target)
    return time.perf_counter() - began, before


async def measure(customers: int, form: str, folder: Path) -> tuple[float, float]:
    """The same over a copy of the store."""
    copyfile(make_store(customers), folder / "segments.sqlite")
    database = open_database(f"sqlite:///{folder / 'segments.sqlite'}")
    upgrade(database.bulk)
    try:
        return await ours(database, form, folder / f"members.{form}")
    finally:
        await database.close()


def main(customers: int, form: str, alone: bool) -> None:
    """One measurement in a process of its own."""
    with TemporaryDirectory(prefix="segments-bench-") as name:
        folder = Path(name)
        took, before = (
            peer(form, customers, folder / f"peer.{form}") if alone else asyncio.run(measure(customers, form, folder))
        )
    answer = {"rows": customers, "seconds": took, "rows_a_second": customers / took, "megabytes": [before, peak()]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], len(sys.argv) > 3)
