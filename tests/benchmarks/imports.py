"""Imports: our command beside a pandas script that reads the file and writes one unchecked table, and the same on
PostgreSQL beside SQLite. Both are commands, so that starting them counts; the store is empty each time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.comparison import Line, Taken, compare, require_equal, take_turns
from tests.benchmarks.data import FOLDER, PurchaseFile, Sizes, one_row_an_order, ten_rows_an_order, write_file
from tests.benchmarks.processes import BUSINESS, Worker, python, segments, watch_store
from tests.benchmarks.stores import start_anew

BARS = {"one": 3.0, "ten": 1.5}
MEMORY_BAR = 400.0
LOCK_BAR = 1.0
POSTGRESQL_BAR = 1.5
DAYS = (90, 730)
ROUNDS = 3
"""At most: the largest takes half a minute."""


def measure(sizes: Sizes) -> Iterator[Line]:
    """Files of one row an order and of ten."""
    for file in (one_row_an_order(sizes.rows), ten_rows_an_order(sizes.rows)):
        yield from compare_with_pandas(file, min(sizes.rounds, ROUNDS))
    yield from compare_databases(one_row_an_order(sizes.rows), min(sizes.rounds, ROUNDS))


def import_anew(file: PurchaseFile, data: Path) -> Taken:
    """Import into an empty store."""
    start_anew(data)
    return segments(data, "import", write_file(file), *BUSINESS)


def import_frames(file: PurchaseFile, store: Path) -> Taken:
    """Let pandas write a new file."""
    store.unlink(missing_ok=True)
    return python("peers.frames", "import", write_file(file), store)


def sum_up(store: Path, table: str, orders: str) -> tuple[int, int]:
    """Orders of the file, and the sum of their amounts in cents."""
    with closing(sqlite3.connect(store)) as connection:
        query = f"SELECT COUNT(DISTINCT {orders}), SUM(CAST(ROUND(amount * :cents) AS INTEGER)) FROM {table}"
        cents = 1 if table == "purchase" else 100
        count, amount = connection.execute(query, {"cents": cents}).fetchone()
        return count, amount


def compare_with_pandas(file: PurchaseFile, rounds: int) -> Iterator[Line]:
    """Time, memory and the longest lock."""
    what = f"import of {file.rows:,} rows, {file.form}"
    write_file(file)
    with TemporaryDirectory(dir=FOLDER) as folder:
        data, store = Path(folder) / "data", Path(folder) / "pandas.sqlite"
        sides = {"ours": partial(import_anew, file, data), "pandas": partial(import_frames, file, store)}
        found = take_turns(sides, rounds, warm=False)
        sums = {"ours": sum_up(data / "segments.sqlite", "purchase", "id"), "pandas": sum_up(store, "rows", "order_id")}
        require_equal(what, sums)
        yield compare(f"{what}; pandas", found["ours"], found["pandas"], BARS[file.name])
        most, pandas = (taken.megabytes for taken in found.values())
        yield Line(f"{what}: memory, MB; pandas held {pandas:,.0f}", most, unit="MB", bar=MEMORY_BAR)
        start_anew(data)
        with watch_store(data / "segments.sqlite") as lock:
            segments(data, "import", write_file(file), *BUSINESS)
        yield Line(f"{what}: longest write lock", lock.longest, bar=LOCK_BAR)


def compare_databases(file: PurchaseFile, rounds: int) -> Iterator[Line]:
    """Import, reports and recording on PostgreSQL, with the settings that it comes with, beside SQLite."""
    with TemporaryDirectory(dir=FOLDER) as folder, Worker("ours.postgresql", write_file(file), folder) as worker:
        names = ("postgresql", "sqlite")
        found = take_turns({n: partial(worker.ask, what="import", on=n) for n in names}, rounds, warm=False)
        what = f"import of {file.rows:,} rows, {file.form}, into PostgreSQL; into SQLite"
        yield compare(what, *found.values(), bar=POSTGRESQL_BAR)
        for days in DAYS:
            found = take_turns({n: partial(worker.ask, what="report", on=n, days=days) for n in names}, rounds)
            what = f"report of {days} days over {file.rows:,} purchases, on PostgreSQL; on SQLite"
            require_equal(what, {name: taken.answer for name, taken in found.items()})
            yield Line(what, *(taken.seconds for taken in found.values()))
        found = take_turns({n: partial(worker.ask, what="record", on=n) for n in names}, rounds)
        require_equal("recording", {name: taken.answer for name, taken in found.items()})
        what = f"recording five purchases after {file.rows:,} rows, on PostgreSQL; on SQLite"
        yield compare(what, *found.values(), bar=POSTGRESQL_BAR)
