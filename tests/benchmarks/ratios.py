"""What became slower: a few ratios of the processor's time, ours to a peer's or to a smaller one of ours, beside those
that are kept in ratios.json. Both sides take turns, so that other work on the machine, and another machine,
change little. While one is a quarter above what is kept, more turns are taken before it is said."""

import json
import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path
from statistics import median

from tests.benchmarks.comparison import Taken, Turn, require_equal
from tests.benchmarks.data import FOLDER, one_row_an_order, write_file
from tests.benchmarks.exports import export, make_members
from tests.benchmarks.processes import BUSINESS, Worker
from tests.benchmarks.segments import calculate, find_thresholds
from tests.benchmarks.serving import FRESH, REPORT, TYPENAME, start_ours, start_strawberry
from tests.benchmarks.stores import copy_folder, fill_folder, import_folder

KEPT = Path(__file__).with_name("ratios.json")
TOLERATED = 1.25
PURCHASES, ROWS, RUN_TOGETHER = 100_000, 20_000, 10
MORE_THAN = 4
"""Orders that members have whose files are written: half of the customers."""
LEAST_ROUNDS, MOST_ROUNDS = 4, 14
TICK = 1e-6
SHORTEST, LONGEST = 2, 10
"""Seconds for which turns that are short go on, and where one is above what is kept."""
BURST = 0.4
"""Seconds of requests a turn."""
PAGES = 40
Comparison = tuple[str, Turn, Turn]


def main(keep: bool) -> int:
    """Compare with what is kept, or keep what is measured: 1 where something became slower."""
    kept: dict[str, float] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=make_folder()) as name, ExitStack() as stack:
        for what, ours, other in prepare(stack, Path(name)):
            limit = 0.0 if keep else kept.get(what, math.inf) * TOLERATED
            measured[what] = measure(ours, other, limit)
            told = (f"{what:60}", f"{measured[what]:8.3f}", f"kept {kept.get(what, 0):8.3f}")
            print(*told, judge(measured[what], kept.get(what, 0)), sep="   ", flush=True)
    if keep:
        KEPT.write_text(json.dumps({k: float(f"{v:.3g}") for k, v in measured.items()}, indent=1) + "\n")
        return 0
    return int(any(value > kept.get(what, value) * TOLERATED for what, value in measured.items()))


def judge(ratio: float, kept: float) -> str:
    """What a ratio is beside the one that is kept; one that is lower by as much should be kept, to be held to."""
    if not kept:
        return "new"
    return "SLOWER" if ratio > kept * TOLERATED else "faster" if ratio * TOLERATED < kept else ""


def make_folder() -> Path:
    """Where everything lies."""
    FOLDER.mkdir(exist_ok=True)
    return FOLDER


def measure(ours: Turn, other: Turn, limit: float) -> float:
    """The ratio of some rounds, and of more of them for as long as it is above the limit. The first warms both and does
    not count."""
    for turn in (ours, other):
        turn()
    began, taken = time.monotonic(), list[tuple[float, float]]()
    while True:
        taken.append((ours().processor, max(other().processor, TICK)))
        ratio = estimate(taken)
        rounds, seconds = (LEAST_ROUNDS, SHORTEST) if ratio <= limit else (MOST_ROUNDS, LONGEST)
        if len(taken) >= rounds and time.monotonic() > began + seconds:
            return ratio


def estimate(taken: list[tuple[float, float]]) -> float:
    """The ratio of both sides by their times in each round: that of the least times or the median of the rounds,
    whichever is lower, as other work on the machine can hit the one or the other."""
    least = min(one for one, _ in taken) / min(other for _, other in taken)
    return min(least, median(one / other for one, other in taken))


def prepare(stack: ExitStack, folder: Path) -> Iterator[Comparison]:
    """What is compared, one after another."""
    yield from compare_requests(stack)
    data = fill_folder(PURCHASES)
    yield from compare_reports(stack, data)
    copy = copy_folder(data, folder)
    commands = stack.enter_context(Worker("ours.commands", environ={"SEGMENTS_DATA": str(copy)}))
    yield from compare_imports(stack, folder)
    yield from compare_runs(stack, commands, folder, copy / "segments.sqlite")
    yield from compare_files(stack, commands, folder)


def compare_requests(stack: ExitStack) -> Iterator[Comparison]:
    """The smallest request and fresh pages beside bare Strawberry, a kept report beside the smallest request."""
    data, client = import_folder(one_row_an_order(ROWS)), stack.enter_context(Worker("load"))
    ours = start_ours(stack, client, data, "ours")
    bare = start_strawberry(stack, client, data / "segments.sqlite")
    for server in (ours, bare):
        for query in (TYPENAME, REPORT):
            server.bodies[query] = [json.dumps({"query": query})]
    yield TYPENAME, partial(ours.burst, TYPENAME, 1, BURST), partial(bare.burst, TYPENAME, 1, BURST)
    yield "kept report; { __typename }", partial(ours.burst, REPORT, 1, BURST), partial(ours.burst, TYPENAME, 1, BURST)
    for query, what in FRESH.items():
        mine, theirs = (list(islice(server.walk(query), PAGES)) for server in (ours, bare))
        require_equal(what, {"ours": mine, "Strawberry": theirs})
        yield f"{what}; Strawberry", partial(ours.burst, query, 1, BURST), partial(bare.burst, query, 1, BURST)


def compare_reports(stack: ExitStack, data: Path) -> Iterator[Comparison]:
    """Beside DuckDB on one core, whose threads would wait for each other on a machine that does other work."""
    store = data / "segments.sqlite"
    ours = stack.enter_context(Worker("ours.reports", data))
    duckdb = stack.enter_context(Worker("peers.duckdb_report", store, FOLDER / f"filled-{PURCHASES}.parquet", "1"))
    for days in (90, 730):
        mine, theirs = partial(ours.ask, days=days), partial(duckdb.ask, days=days)
        require_equal(f"report of {days} days", {"ours": mine().answer, "DuckDB": theirs().answer})
        yield f"report of {days} days; DuckDB on Parquet", mine, theirs


def compare_imports(stack: ExitStack, folder: Path) -> Iterator[Comparison]:
    """Beside pandas."""
    commands = stack.enter_context(Worker("ours.commands"))
    frames = stack.enter_context(Worker("peers.frames", "imports"))
    file, numbers = write_file(one_row_an_order(ROWS)), count(1)

    def ours() -> Taken:
        data = str(folder / f"import-{next(numbers)}")
        commands.ask(words=["db", "upgrade"], data=data)
        return commands.ask(words=["import", str(file), *BUSINESS], data=data)

    def pandas() -> Taken:
        return frames.ask(file=str(file), store=str(folder / f"pandas-{next(numbers)}.sqlite"))

    yield f"import of {ROWS:,} rows; pandas", ours, pandas


def compare_runs(stack: ExitStack, commands: Worker, folder: Path, store: Path) -> Iterator[Comparison]:
    """Beside the bare statements."""
    thresholds = find_thresholds(store, [50 + 4 * number for number in range(RUN_TOGETHER)])
    bare = stack.enter_context(Worker("peers.statements", store))

    def ours() -> Taken:
        with calculate(commands, folder, store, thresholds) as taken:
            return taken

    wrote = partial(bare.ask, thresholds=[100 * more for more in thresholds])
    yield f"{RUN_TOGETHER} segments in one run; the bare statements", ours, wrote


def compare_files(stack: ExitStack, commands: Worker, folder: Path) -> Iterator[Comparison]:
    """Beside the libraries that write them."""
    make_members(commands, folder, MORE_THAN)
    mine = folder / "ours.csv"
    export(commands, "csv", mine)
    library = stack.enter_context(Worker("peers.files", mine))
    for form in ("csv", "xlsx"):
        target = str(folder / f"peer.{form}")
        yield (
            f"members as {form.upper()}; the library",
            partial(export, commands, form, folder / f"ours.{form}"),
            partial(library.ask, form=form, target=target),
        )
