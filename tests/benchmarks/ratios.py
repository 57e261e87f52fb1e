"""What became slower: a few ratios of the processor's time, ours to a peer's or to a smaller one of ours, beside those
that are kept in ratios.json. Both sides take turns and the least counts, so that other work on the machine, and
another machine, change little. One that is a quarter above what is kept is measured once more, for longer, before
it is said."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, islice
from pathlib import Path

from tests.benchmarks.comparison import Taken, Turn, require_equal, take_turns
from tests.benchmarks.data import FOLDER, one_row_an_order, write_file
from tests.benchmarks.exports import export, make_everybody
from tests.benchmarks.processes import BUSINESS, Worker
from tests.benchmarks.segments import clear, find_thresholds, make_segments
from tests.benchmarks.serving import FRESH, REPORT, TYPENAME, start_ours, start_strawberry
from tests.benchmarks.stores import copy_folder, fill_folder, import_folder

KEPT = Path(__file__).with_name("ratios.json")
TOLERATED = 1.25
PURCHASES, ROWS, RUN_TOGETHER = 100_000, 20_000, 10
ROUNDS, AGAIN = 3, 8
BURST = 0.8
"""Seconds of requests a turn."""
PAGES = 40
Comparison = tuple[str, Turn, Turn]


def main(keep: bool) -> int:
    """Compare with what is kept, or keep what is measured: 1 where something became slower."""
    kept: dict[str, float] = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    measured: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=make_folder()) as name, ExitStack() as stack:
        for what, ours, other in prepare(stack, Path(name)):
            measured[what] = measure(ours, other, ROUNDS)
            limit = kept.get(what, measured[what]) * TOLERATED
            if measured[what] > limit and not keep:
                measured[what] = min(measured[what], measure(ours, other, AGAIN))
            said = "slower" if measured[what] > limit else ""
            print(f"{what:75} {measured[what]:8.3f}   kept {kept.get(what, 0):8.3f}   {said}".rstrip(), flush=True)
    if keep:
        KEPT.write_text(json.dumps({k: float(f"{v:.3g}") for k, v in measured.items()}, indent=1) + "\n")
        return 0
    return int(any(value > kept.get(what, value) * TOLERATED for what, value in measured.items()))


def make_folder() -> Path:
    """Where everything lies."""
    FOLDER.mkdir(exist_ok=True)
    return FOLDER


def measure(ours: Turn, other: Turn, rounds: int) -> float:
    """The ratio of the least times of the processor."""
    found = take_turns({"ours": ours, "other": other}, rounds)
    return found["ours"].processor / max(found["other"].processor, 1e-6)


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
        keys = make_segments(commands, folder, thresholds)
        taken = commands.ask(words=["recalculate"])
        for key in keys:
            commands.ask(words=["segment", "delete", key])
        clear(store)
        return taken

    wrote = partial(bare.ask, thresholds=[100 * more for more in thresholds])
    yield f"{RUN_TOGETHER} segments in one run; the bare statements", ours, wrote


def compare_files(stack: ExitStack, commands: Worker, folder: Path) -> Iterator[Comparison]:
    """Beside the libraries that write them."""
    make_everybody(commands, folder)
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
