"""How times of ours grow with what there is: for sizes ten times as large each, the power of the size that the time of
the processor grows by. Where a command is measured, the same over very few rows is taken off: that is starting."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import islice
from pathlib import Path

from tests.benchmarks.classification import classify
from tests.benchmarks.comparison import Line, Taken, exponents, find_least
from tests.benchmarks.data import FOLDER, Sizes, one_row_an_order, ten_rows_an_order, write_file
from tests.benchmarks.exports import export, make_members
from tests.benchmarks.imports import import_anew
from tests.benchmarks.processes import Worker
from tests.benchmarks.segments import MANY, PARTS, calculate, find_thresholds
from tests.benchmarks.serving import FRESH, start_ours
from tests.benchmarks.stores import copy_folder, fill_folder

BAR = 1.05
DAYS = (90, 730)
FEW_ROWS = 100
ROUNDS, LARGE = 2, 1_000_000
"""What is larger is measured once."""
FORMS = ("csv", "xlsx")
PAGES = 40
TICK = 0.01
"""The least time of the processor that there is."""
Times = Mapping[str, float]


def measure(sizes: Sizes) -> Iterator[Line]:
    """Everything over stores and files of each number of purchases, and of a tenth of the least."""
    counts = sorted({sizes.purchases[0] // 10, *sizes.purchases})
    for work in (measure_reports, measure_pages, measure_runs, measure_exports, measure_files):
        found = {count: work(count, min(ROUNDS, sizes.rounds) if count <= LARGE else 1, sizes) for count in counts}
        yield from tell(found)


def tell(found: Mapping[int, Times]) -> Iterator[Line]:
    """The exponents of each name, from each number of purchases to the next."""
    for name in next(iter(found.values())):
        for smaller, larger, power in exponents({size: times[name] for size, times in found.items()}):
            yield Line(f"growth, {smaller:,} to {larger:,} purchases: {name}: exponent", power, unit="", bar=BAR)


def measure_reports(purchases: int, rounds: int, _: Sizes) -> Times:
    """Reports of each length."""
    with Worker("ours.reports", fill_folder(purchases)) as ours:
        return {f"report of {days} days": least(partial(ours.ask, days=days), rounds + 1) for days in DAYS}


def measure_pages(purchases: int, rounds: int, sizes: Sizes) -> Times:
    """Fresh pages, one at a time."""
    with ExitStack() as stack:
        ours = start_ours(stack, stack.enter_context(Worker("load")), fill_folder(purchases), "ours")
        for query in FRESH:
            list(islice(ours.walk(query), PAGES))
        return {what: least(partial(ours.burst, query, 1, sizes.burst), rounds + 1) for query, what in FRESH.items()}


@contextmanager
def change_store(purchases: int) -> Iterator[tuple[Worker, Path, Path]]:
    """Our commands on a copy of a store, a folder for files, and the copy."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        data = copy_folder(fill_folder(purchases), folder)
        with Worker("ours.commands", environ={"SEGMENTS_DATA": str(data)}) as ours:
            yield ours, folder, data / "segments.sqlite"


def measure_runs(purchases: int, rounds: int, _: Sizes) -> Times:
    """Many segments in one run."""
    with change_store(purchases) as (ours, folder, store):
        thresholds = find_thresholds(store, PARTS)

        def run() -> Taken:
            with calculate(ours, folder, store, thresholds) as taken:
                return taken

        return {f"{MANY} segments in one run": least(run, rounds)}


def measure_exports(purchases: int, rounds: int, _: Sizes) -> Times:
    """Files of members in each form."""
    with change_store(purchases) as (ours, folder, _store):
        make_members(ours, folder)
        return {
            f"members as {form.upper()}": least(partial(export, ours, form, folder / f"ours.{form}"), rounds)
            for form in FORMS
        }


def measure_files(rows: int, rounds: int, _: Sizes) -> Times:
    """What reads files, without what it takes to start."""
    starting = time_files(FEW_ROWS, ROUNDS)
    return {what: max(TICK, spent - starting[what]) for what, spent in time_files(rows, rounds).items()}


@cache
def time_files(rows: int, rounds: int) -> Times:
    """Commands that read files of so many rows."""
    one, ten = one_row_an_order(rows), ten_rows_an_order(rows)
    for file in (one, ten):
        write_file(file)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        data = Path(name) / "data"
        works = {
            "import, one row an order": partial(import_anew, one, data),
            "import, ten rows an order": partial(import_anew, ten, data),
            "import and classification": partial(classify, one, data),
        }
        return {what: least(work, rounds) for what, work in works.items()}


def least(turn: Callable[[], Taken], rounds: int) -> float:
    """Seconds of the processor."""
    return find_least([turn() for _ in range(rounds)]).processor
