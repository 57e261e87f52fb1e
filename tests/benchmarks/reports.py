"""Reports: ours, of the store and of its columnar copy, beside DuckDB by hand on Parquet and pandas on the store, over
stores of several sizes. Each side is a process that is warm, and the groups must be equal."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from tests.benchmarks.comparison import Line, Turn, compare, require_equal, take_turns
from tests.benchmarks.data import FOLDER, Sizes
from tests.benchmarks.processes import Worker
from tests.benchmarks.stores import fill_folder

BARS = {90: 3.5, 730: 2.5}
"""Against DuckDB, of SQLite alone."""
COPY_BAR, LARGE_COPY_BAR, LARGE = 2.0, 1.2, 5_000_000
COPY = "its columnar copy"
FRAMES_LIMIT = 100_000
"""Purchases above which pandas is not asked: it reads all of them each time."""


def measure(sizes: Sizes) -> Iterator[Line]:
    """The reports of 90 and 730 days over each size."""
    for purchases in sizes.purchases:
        yield from measure_size(purchases, sizes.rounds)


def measure_size(purchases: int, rounds: int) -> Iterator[Line]:
    """The reports over a store of so many purchases."""
    data = fill_folder(purchases)
    store = data / "segments.sqlite"
    with ExitStack() as stack:
        start = stack.enter_context
        ours = start(Worker("ours.reports", data))
        copy = start(Worker("ours.reports", data, "copy"))
        duckdb = start(Worker("peers.duckdb_report", store, FOLDER / f"filled-{purchases}.parquet"))
        frames = start(Worker("peers.frames", "report", store)) if purchases <= FRAMES_LIMIT else None
        for days, bar in BARS.items():
            sides: dict[str, Turn] = {
                "ours": partial(ours.ask, days=days),
                COPY: partial(copy.ask, days=days),
                "the same with the previous window": partial(ours.ask, days=days, previous=True),
                "DuckDB": partial(duckdb.ask, days=days),
            }
            if frames:
                sides["a pandas script"] = partial(frames.ask, days=days, tuned=False)
                sides["pandas, tuned to the store"] = partial(frames.ask, days=days, tuned=True)
            found = take_turns(sides, rounds)
            what = f"report of {days} days over {purchases:,} purchases"
            require_equal(what, {name: taken.answer for name, taken in found.items()})
            copy_bar = LARGE_COPY_BAR if purchases >= LARGE else COPY_BAR
            yield compare(f"{what}, of its copy; DuckDB", found[COPY], found["DuckDB"], copy_bar)
            for name, taken in found.items():
                if name != "ours":
                    yield compare(f"{what}; {name}", found["ours"], taken, bar if name == "DuckDB" else None)
