"""The report as it is written by hand for DuckDB over a Parquet file: a worker, `python -m
tests.benchmarks.peers.duckdb_report STORE PARQUET [THREADS]`, whose questions name the days. The file has the
purchases in the order of time, as a shop exports them; it is written first where it is not there."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from tests.benchmarks.data import AS_OF
from tests.benchmarks.processes import answer_questions

BATCH = 500_000
COLUMNS = ("customer_id", "local_day", "amount", "counted")
REPORT = """
    WITH each AS (
        SELECT customer_id, count(*) AS orders, sum(amount) AS spend, max(local_day) AS last_day
        FROM read_parquet($file) WHERE counted = 1 AND local_day BETWEEN $last - $days + 1 AND $last GROUP BY ALL),
    scored AS (
        SELECT orders, spend, 5 - 5 * ($last - last_day) // $days AS r,
            1 + 5 * (rank() OVER (ORDER BY orders) - 1) // count(*) OVER () AS f,
            1 + 5 * (rank() OVER (ORDER BY spend) - 1) // count(*) OVER () AS m FROM each),
    named AS (
        SELECT spend, CASE WHEN r >= 4 AND f >= 4 AND m >= 4 THEN 'Champions'
            WHEN r >= 3 AND f >= 3 AND m >= 3 THEN 'Loyal Customers'
            WHEN r >= 4 AND f BETWEEN 2 AND 3 AND m >= 2 THEN 'Potential Loyalists'
            WHEN r = 3 AND f = 2 AND m BETWEEN 2 AND 3 THEN 'Promising'
            WHEN r <= 2 AND f >= 2 AND m >= 3 THEN 'At Risk'
            WHEN r <= 2 AND f >= 3 AND m = 2 THEN 'Need Attention'
            WHEN r >= 4 AND f = 1 THEN 'New Customers'
            WHEN r <= 2 AND f <= 2 AND m <= 2 THEN 'Hibernating' ELSE 'Unclassified' END AS name FROM scored)
    SELECT name, count(*), sum(spend)::BIGINT FROM named GROUP BY name
"""


def write_parquet(store: Path, target: Path) -> None:
    """The purchases of the only business of the store, a batch at a time."""
    unfinished = target.with_suffix(".unfinished")
    query = f"SELECT {', '.join(COLUMNS)} FROM purchase WHERE business_id = 1 ORDER BY purchased_at"
    schema = pa.schema([(name, pa.int64()) for name in COLUMNS])
    with closing(sqlite3.connect(store)) as connection, pq.ParquetWriter(unfinished, schema, compression="zstd") as out:
        rows = connection.execute(query)
        while batch := rows.fetchmany(BATCH):
            out.write_table(pa.table([pa.array(column) for column in zip(*batch, strict=True)], schema=schema))
    unfinished.replace(target)


def main(store: Path, target: Path, *threads: str) -> None:
    """Answer until the input ends, by all cores where no number of threads is given."""
    if not target.exists():
        write_parquet(store, target)
    connection = duckdb.connect(config={"threads": int(threads[0])} if threads else {})

    def report(days: int) -> dict[str, tuple[int, int]]:
        given = {"file": str(target), "days": days, "last": AS_OF.toordinal()}
        return {name: (count, spend) for name, count, spend in connection.execute(REPORT, given).fetchall()}

    answer_questions(report)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
