"""Segments: runs beside what SQLite needs for the same rows, how long a purchase takes to become a change of members
that is told, and how soon many followers of one run hear of it. A copy of the store is used, as all of this writes."""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from tests.benchmarks.comparison import Line, Taken, compare, require_equal, take_turns
from tests.benchmarks.data import FOLDER, Sizes
from tests.benchmarks.processes import SEGMENTS, Worker, find_port, serve
from tests.benchmarks.stores import copy_folder, fill_folder

SEGMENT_BAR, MANY_BAR = 1.2, 1.2
LATENCY_BAR = 0.1
FOLLOWERS_BAR = 3.0
MANY = 50
ENTERING = 48
"""Per cent of the customers, of the one segment that is run by itself."""
PARTS = [89 + 10 * number / MANY for number in range(MANY)]
"""Per cent of the customers that are not in each of many."""
ROUNDS = 3
NUMBERS = count(1)


def measure(sizes: Sizes) -> Iterator[Line]:
    """Runs, and what a server tells of them."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        data = copy_folder(fill_folder(10 * sizes.customers), folder)
        store = data / "segments.sqlite"
        with ExitStack() as stack:
            ours = stack.enter_context(Worker("ours.commands", environ={"SEGMENTS_DATA": str(data)}))
            bare = stack.enter_context(Worker("peers.statements", store))
            rounds = min(sizes.rounds, ROUNDS)
            (one,) = find_thresholds(store, [100 - ENTERING])
            yield from compare_runs("recalculation", ours, bare, store, [one], rounds, SEGMENT_BAR)
            many = find_thresholds(store, PARTS)
            yield from compare_runs(f"{MANY} segments in one run", ours, bare, store, many, rounds, MANY_BAR)
            # What follows needs segments that were calculated.
            make_segments(ours, folder, many)
            ours.ask(words=["recalculate"])
        yield from follow(data, many, sizes)


def find_thresholds(store: Path, parts: Sequence[float]) -> list[int]:
    """Of each of these per cents of the customers, the most whole units of revenue that one of them has."""
    query = "SELECT revenue / 100 FROM customer_metrics WHERE business_id = 1 ORDER BY revenue LIMIT 1 OFFSET ?"
    with closing(sqlite3.connect(store)) as connection:
        (customers,) = connection.execute("SELECT COUNT(*) FROM customer_metrics").fetchone()
        return [connection.execute(query, (int(customers * part / 100),)).fetchone()[0] for part in parts]


def make_segments(ours: Worker, folder: Path, thresholds: Sequence[int]) -> list[str]:
    """Automatic segments of those who spent more; their keys."""
    keys = []
    for more in thresholds:
        keys.append(f"spent-{next(NUMBERS)}")
        file = folder / f"{keys[-1]}.json"
        file.write_text(
            json.dumps({"key": keys[-1], "name": keys[-1], "rules": {">": [{"var": "total_revenue"}, more]}})
        )
        ours.ask(words=["segment", "create", str(file)])
    return keys


def compare_runs(
    what: str, ours: Worker, bare: Worker, store: Path, thresholds: Sequence[int], rounds: int, bar: float
) -> Iterator[Line]:
    """A first run beside the statements that write the same members, then one in which nothing changes."""
    entered, again = [], []
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:

        def run() -> Taken:
            with calculate(ours, Path(folder), store, thresholds) as taken:
                again.append(ours.ask(words=["recalculate"]))
                entered.append(count_members(store))
            return taken

        wrote = partial(bare.ask, thresholds=[100 * more for more in thresholds])
        found = take_turns({"ours": run, "statements": wrote}, rounds)
    said = f"{what}, {entered[-1]:,} members entering"
    require_equal(said, {"ours": entered[-1], "statements": found["statements"].answer})
    yield compare(f"{said}; the bare statements", found["ours"], found["statements"], bar)
    yield compare(
        f"{what} again, nothing changes; the first", min(again, key=lambda taken: taken.seconds), found["ours"]
    )
    yield Line(f"{what}: memory", found["ours"].megabytes, unit="MB")


@contextmanager
def calculate(ours: Worker, folder: Path, store: Path, thresholds: Sequence[int]) -> Iterator[Taken]:
    """What a first run of such segments took. They are there until the block ends; the next run finds what this did."""
    keys = make_segments(ours, folder, thresholds)
    yield ours.ask(words=["recalculate"])
    for key in keys:
        ours.ask(words=["segment", "delete", key])
    with closing(sqlite3.connect(store)) as connection, connection:
        for table in ("membership", "membership_change", "snapshot"):
            connection.execute(f"DELETE FROM {table}")


def count_members(store: Path) -> int:
    """Of all segments."""
    with closing(sqlite3.connect(store)) as connection:
        (members,) = connection.execute("SELECT COUNT(*) FROM membership WHERE left_at IS NULL").fetchone()
        return int(members)


def follow(data: Path, thresholds: Sequence[int], sizes: Sizes) -> Iterator[Line]:
    """What followers of a server hear, and when."""
    with ExitStack() as stack:
        port = find_port()
        environ = {"SEGMENTS_DATA": str(data), "SEGMENTS_COST_BUCKET": "0"}
        stack.enter_context(serve([*SEGMENTS, "serve", "--port", str(port)], port, environ))
        client = stack.enter_context(Worker("followers", str(port)))
        latencies = client.ask(what="purchases", rounds=sizes.rounds + 5, amount=max(thresholds) + 1).answer
        what = f"purchase to membership event, {sizes.customers:,} customers, {MANY} segments"
        yield Line(what, latencies[len(latencies) // 2], bar=LATENCY_BAR)
        first, last = client.ask(what="followers", followers=sizes.followers).answer
        what = f"{sizes.followers} followers of one run: first message of the"
        yield Line(f"{what} first", first)
        yield Line(f"{what} last", last, bar=FOLLOWERS_BAR)
