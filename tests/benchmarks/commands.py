"""Small commands and a help text beside what every program of this kind loads, and workbooks read by the faster reader
beside the one that is asked where that is not as right."""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.benchmarks.comparison import Line, Taken, compare, require_equal, take_turns
from tests.benchmarks.data import Sizes
from tests.benchmarks.processes import BUSINESS, Worker, run, segments

SMALL_BAR = 1.6
BARS = {
    **dict.fromkeys(("businesses list", "status", "settings show", "segment list", "token"), SMALL_BAR),
    "import --help": 0.75,
}
WORKBOOK_BAR = 0.25
ROUNDS = 7


def measure(sizes: Sizes) -> Iterator[Line]:
    """Commands, then workbooks."""
    bare = partial(run, [sys.executable, "-c", "import sqlmodel, typer"])
    with tempfile.TemporaryDirectory() as name:
        data = Path(name)
        segments(data, "businesses", "create", *BUSINESS[1:])
        for words, bar in BARS.items():
            sides = {"ours": partial(segments, data, *words.split()), "bare": bare}
            found = take_turns(sides, min(sizes.rounds + 2, ROUNDS))
            taken, loaded = (Taken(each.processor, each.processor) for each in found.values())
            yield compare(f"processor: segments {words}; import sqlmodel, typer", taken, loaded, bar)
            yield Line(f"memory: segments {words}", found["ours"].megabytes, unit="MB")
        rows = min(sizes.rows, 100_000)
        with Worker("ours.workbooks", data / "orders.xlsx", str(rows)) as reader:
            names = ("calamine", "openpyxl")
            found = take_turns({n: partial(reader.ask, reader=n) for n in names}, 1, warm=False)
        what = f"workbook of {rows:,} rows and 8 columns, read by calamine; by openpyxl"
        require_equal(what, {name: taken.answer for name, taken in found.items()})
        yield compare(what, *found.values(), bar=WORKBOOK_BAR)
