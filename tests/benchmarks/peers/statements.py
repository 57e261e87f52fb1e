"""What SQLite itself needs for what our runs do, with the same rows in the same table and a cache as large: a worker,
`python -m tests.benchmarks.peers.statements STORE`. A question names thresholds of revenue, in cents, a segment each:
one is an INSERT … SELECT with the condition, several are one scan that finds for every customer which apply, and an
INSERT … SELECT each. What was written is taken away again, and that is not timed."""

import sqlite3
import sys
import time

from persistence.database.engines import CACHE_KIB
from tests.benchmarks.comparison import Taken
from tests.benchmarks.processes import answer_questions

FIRST = 1_000_000
"""Number of the first segment that is made up: none of the store's own."""
ENTERED_AT = 1_767_139_200_000_000
"""Some instant in microseconds, which takes as many bytes as that of a run."""


def recalculate(connection: sqlite3.Connection, thresholds: list[int]) -> int:
    """Write the members; how many there are."""
    insert = "INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source, entered_by) "
    connection.execute("BEGIN IMMEDIATE")
    if len(thresholds) == 1:
        source, where = "customer_metrics WHERE business_id = 1 AND", [f"revenue > {thresholds[0]}"]
    else:
        flags = ", ".join(f"revenue > {more} AS f{number}" for number, more in enumerate(thresholds))
        where = [f"f{number}" for number in range(len(thresholds))]
        some = f"revenue > {min(thresholds)}"
        connection.execute(
            f"CREATE TEMP TABLE flags AS SELECT customer_id, {flags} FROM customer_metrics "
            f"WHERE business_id = 1 AND {some}"
        )
        source = "flags WHERE"
    rows = 0
    for number, condition in enumerate(where):
        entering = f"1, {FIRST + number}, customer_id, {ENTERED_AT}, 0, 'job {number}'"
        chosen = f"SELECT {entering} FROM {source} {condition}"
        rows += connection.execute(insert + chosen).rowcount
    connection.execute("COMMIT")
    return rows


def main(store: str) -> None:
    """Answer until the input ends."""
    connection = sqlite3.connect(store, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")

    def ask(thresholds: list[int]) -> Taken:
        wall, processor = time.perf_counter(), time.process_time()
        rows = recalculate(connection, thresholds)
        taken = Taken(time.perf_counter() - wall, time.process_time() - processor, answer=rows)
        connection.execute("DELETE FROM membership WHERE segment_id >= ?", (FIRST,))
        connection.execute("DROP TABLE IF EXISTS flags")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return taken

    answer_questions(ask)


if __name__ == "__main__":
    main(sys.argv[1])
