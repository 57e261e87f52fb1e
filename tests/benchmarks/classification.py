"""Classification end to end, a file in and labels out, beside a pandas script that reads the same file, decides the
same labels and stores nothing; then the store alone, and second runs after little has changed."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.comparison import Line, Taken, compare, require_equal, take_turns
from tests.benchmarks.data import FOLDER, PurchaseFile, Sizes, one_row_an_order, write_file
from tests.benchmarks.processes import BUSINESS, python, segments
from tests.benchmarks.stores import start_anew

BAR, STORE_BAR, SECOND_BAR = 2.0, 1.0, 0.1
ROUNDS = 3


def measure(sizes: Sizes) -> Iterator[Line]:
    """Everything about labels."""
    file, rounds = one_row_an_order(sizes.rows), min(sizes.rounds, ROUNDS)
    write_file(file)
    with TemporaryDirectory(dir=FOLDER) as folder:
        data, labels = Path(folder) / "data", Path(folder) / "peer.json"
        today = datetime.now(UTC).date().isoformat()
        script = partial(python, "peers.classification", file.path, labels, today)
        found = take_turns({"ours": partial(classify, file, data), "pandas": script}, rounds, warm=False)
        made = data / "output" / "bench" / "customer_segmentation.json"
        what = f"import, classification and output of {file.rows:,} rows"
        require_equal(what, {"ours": json.loads(made.read_text()), "pandas": json.loads(labels.read_text())})
        yield compare(f"{what}; a pandas script that stores nothing", found["ours"], found["pandas"], BAR)
        yield Line(f"{what}: memory; the script", *(taken.megabytes for taken in found.values()), unit="MB", bar=1 / 3)
        again = take_turns({"ours": partial(classify_store, data), "pandas": script}, rounds, warm=False)
        what = "classification of the store alone"
        yield compare(f"{what}; the pandas script", again["ours"], again["pandas"], STORE_BAR)
        stays = json.loads(python("ours.classification", start_anew(data), file.path, str(file.rows)).answer)
    for name, words in (("appended", "1 % was appended to the file"), ("changed", "1 % changed in the store")):
        said = f"second run after {words}, in a process that stays; the first"
        yield Line(said, stays[name], stays["first"], bar=SECOND_BAR)


def classify(file: PurchaseFile, data: Path) -> Taken:
    """A file into an empty store, and its labels."""
    start_anew(data)
    return segments(data, "classify", "--csv-path", file.path, *BUSINESS)


def classify_store(data: Path) -> Taken:
    """The labels of what the store holds, of which none is kept."""
    with closing(sqlite3.connect(data / "segments.sqlite")) as connection, connection:
        connection.execute("UPDATE label_state SET basis = NULL")
    return segments(data, "classify", "--force")
