"""How times of ours grow with what there is: for sizes ten times as large each, the power of the size that the time of
the processor grows by. Where a command is measured, the same over very few rows is taken off: that is starting."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from tests.benchmarks.classification import classify
from tests.benchmarks.comparison import Line, Taken, exponents, find_least
from tests.benchmarks.data import FOLDER, Sizes, one_row_an_order, ten_rows_an_order, write_file
from tests.benchmarks.exports import export, make_everybody
from tests.benchmarks.imports import import_anew
from tests.benchmarks.processes import Worker
from tests.benchmarks.stores import copy_folder, fill_folder

BAR = 1.05
DAYS = (90, 730)
FEW_ROWS = 1_000
ROUNDS = 2
FORMS = ("csv", "xlsx")
TICK = 0.01
"""The least time of the processor that there is."""


def measure(sizes: Sizes) -> Iterator[Line]:
    """Reports over the stores and one a tenth as large as the smallest; files of members, imports and classification of
    the largest and of a tenth of it."""
    stores = sorted({sizes.purchases[0] // 10, *sizes.purchases})
    yield from tell("report", {purchases: measure_reports(purchases, sizes.rounds) for purchases in stores})
    members = (sizes.customers // 10, sizes.customers)
    yield from tell("members as a file", {count: measure_exports(count) for count in members})
    rows = (sizes.rows // 10, sizes.rows)
    yield from tell("rows", {count: measure_files(count) for count in rows})


def tell(what: str, found: Mapping[int, Mapping[str, float]]) -> Iterator[Line]:
    """The exponents of each name, from each size to the next."""
    for name in next(iter(found.values())):
        for smaller, larger, power in exponents({size: times[name] for size, times in found.items()}):
            yield Line(f"growth, {what}: {name}, {smaller:,} to {larger:,}: exponent", power, unit="", bar=BAR)


def measure_reports(purchases: int, rounds: int) -> dict[str, float]:
    """Seconds of the processor of the report of each length."""
    with Worker("ours.reports", fill_folder(purchases)) as ours:
        return {f"{days} days": least(partial(ours.ask, days=days), rounds + 1) for days in DAYS}


def measure_exports(members: int) -> dict[str, float]:
    """Seconds of the processor of each form."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        data = copy_folder(fill_folder(10 * members), folder)
        with Worker("ours.commands", environ={"SEGMENTS_DATA": str(data)}) as ours:
            make_everybody(ours, folder)
            return {form: least(partial(export, ours, form, folder / f"ours.{form}"), ROUNDS + 1) for form in FORMS}


def measure_files(rows: int) -> dict[str, float]:
    """Seconds of the processor of what reads files."""
    works: dict[str, Callable[[int, Path], Taken]] = {
        "import, one row an order": lambda count, data: import_anew(one_row_an_order(count), data),
        "import, ten rows an order": lambda count, data: import_anew(ten_rows_an_order(count), data),
        "import and classification": lambda count, data: classify(one_row_an_order(count), data),
    }
    for file in (one_row_an_order(rows), ten_rows_an_order(rows), one_row_an_order(FEW_ROWS)):
        write_file(file)
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        data = Path(name) / "data"
        return {
            what: max(TICK, least(partial(work, rows, data), ROUNDS) - least(partial(work, FEW_ROWS, data), ROUNDS))
            for what, work in works.items()
        }


def least(turn: Callable[[], Taken], rounds: int) -> float:
    """Seconds of the processor."""
    return find_least([turn() for _ in range(rounds)]).processor
