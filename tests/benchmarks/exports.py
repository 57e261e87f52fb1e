"""Members as files: our command beside the library that writes the same rows by itself, which has them at hand."""

import json
import tempfile
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from pathlib import Path

from python_calamine import CalamineWorkbook

from tests.benchmarks.comparison import Line, Taken, Turn, require_equal, take_turns
from tests.benchmarks.data import FOLDER, Sizes
from tests.benchmarks.processes import Worker
from tests.benchmarks.stores import copy_folder, fill_folder

BARS = {"csv": 0.45, "xlsx": 1.5}
LIBRARIES = {"csv": "csv", "xlsx": "openpyxl"}
COMPARED = 20_000
"""Members up to which workbooks are read again, cell by cell."""
ROUNDS = 3
KEY = "members"


def measure(sizes: Sizes) -> Iterator[Line]:
    """CSV and XLSX of so many members."""
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        data = copy_folder(fill_folder(10 * sizes.customers), folder)
        with Worker("ours.commands", environ={"SEGMENTS_DATA": str(data)}) as ours:
            make_members(ours, folder)
            yield from compare_forms(ours, folder, sizes)


def make_members(ours: Worker, folder: Path, more_than: int = -1) -> None:
    """The segment of all customers with more than so many orders."""
    file = folder / f"{KEY}.json"
    rules = {">": [{"var": "order_count"}, more_than]}
    file.write_text(json.dumps({"key": KEY, "name": KEY, "rules": rules}), encoding="utf-8")
    ours.ask(words=["segment", "create", str(file)])
    ours.ask(words=["recalculate", KEY])


def compare_forms(ours: Worker, folder: Path, sizes: Sizes) -> Iterator[Line]:
    """Each form beside its library, which writes again what ours wrote."""
    with ExitStack() as stack:
        library: Worker | None = None
        for form, bar in BARS.items():
            mine, theirs = folder / f"ours.{form}", folder / f"peer.{form}"
            sides: dict[str, Turn] = {"ours": partial(export, ours, form, mine)}
            sides["ours"]()
            library = library or stack.enter_context(Worker("peers.files", mine))
            sides["library"] = partial(library.ask, form=form, target=str(theirs))
            found = take_turns(sides, min(sizes.rounds, ROUNDS))
            members, what = found["library"].answer, f"{found['library'].answer:,} members as {form.upper()}"
            if form == "csv" or members <= COMPARED:
                require_equal(what, {"ours": read(mine), "the library": read(theirs)})
            rates = [members / taken.seconds for taken in found.values()]
            processor = found["ours"].processor / found["library"].processor
            yield Line(f"{what}; {LIBRARIES[form]} alone, the rows at hand", *rates, "/s", bar, True, processor)
            yield Line(f"{what}: memory", found["ours"].megabytes, unit="MB")


def export(ours: Worker, form: str, target: Path) -> Taken:
    """The file, written by our command."""
    return ours.ask(words=["export", "members", KEY, "--format", form, "--output", str(target)])


def read(path: Path) -> object:
    """What is compared: a table byte by byte but for a mark of its encoding, a workbook cell by cell."""
    if path.suffix == ".csv":
        return sha256(path.read_bytes().removeprefix(BOM_UTF8)).hexdigest()
    return [row for row in CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python() if any(row)]
