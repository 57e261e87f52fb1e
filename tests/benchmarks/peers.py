"""What a pandas user would write instead: `python -m tests.benchmarks.peers import FILE STORE` and
`report STORE DAYS AS_OF RUNS`. The import checks nothing; the report gives the very same numbers as ours: it reads the
purchases and does the rest in pandas, as scripts do, or with `--tuned` knows the store's own columns and index."""

import argparse
import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

WINDOW = """
    SELECT customer_id, local_day, amount FROM purchase
    WHERE business_id = (SELECT MIN(business_id) FROM purchase) AND counted = 1 AND local_day BETWEEN ? AND ?
"""


PURCHASES = """
    SELECT customer_id, purchased_at, status, amount FROM purchase
    WHERE business_id = (SELECT MIN(business_id) FROM purchase)
"""
QUALIFYING = (0, 1)


def load(file: Path, store: Path) -> None:
    """Read the file whole and write it as one table, unchecked."""
    with closing(sqlite3.connect(store)) as connection:
        pd.read_csv(file).to_sql("purchase", connection, index=False)
        connection.commit()


def rank_score(values: pd.Series) -> pd.Series:
    """1 to 5 by the number of customers with a strictly smaller value, so that equal customers score equally."""
    less = values.rank(method="min").astype("int64") - 1
    return 1 + 5 * less // len(values)


def name_groups(r: pd.Series, f: pd.Series, m: pd.Series) -> np.ndarray:
    """The eight groups, first match first."""
    groups = {
        "Champions": (r >= 4) & (f >= 4) & (m >= 4),
        "Loyal Customers": (r >= 3) & (f >= 3) & (m >= 3),
        "Potential Loyalists": (r >= 4) & (f >= 2) & (f < 4) & (m >= 2),
        "Promising": (r == 3) & (f == 2) & (m >= 2) & (m < 4),
        "At Risk": (r <= 2) & (f >= 2) & (m >= 3),
        "Need Attention": (r <= 2) & (f >= 3) & (m == 2),
        "New Customers": (r >= 4) & (f == 1),
        "Hibernating": (r <= 2) & (f <= 2) & (m <= 2),
    }
    return np.select(list(groups.values()), list(groups), default="Unclassified")


def plain_window(connection: sqlite3.Connection, days: int, as_of: date) -> pd.DataFrame:
    """The qualifying purchases of the window, found in pandas."""
    rows = pd.read_sql_query(PURCHASES, connection)
    rows = rows[rows["status"].isin(QUALIFYING)]
    at = pd.to_datetime(rows["purchased_at"], unit="us", utc=True).dt.tz_convert("UTC")
    age = (pd.Timestamp(as_of, tz="UTC") - at.dt.normalize()).dt.days
    rows = rows.assign(local_day=as_of.toordinal() - age)
    return rows[(age >= 0) & (age < days)]


def find_window(connection: sqlite3.Connection, days: int, as_of: date) -> pd.DataFrame:
    """The same, found by the store's index."""
    last = as_of.toordinal()
    return pd.read_sql_query(WINDOW, connection, params=(last - days + 1, last))


def report(store: Path, days: int, as_of: date, tuned: bool) -> dict[str, list[int]]:
    """Customers and revenue in minor units of every group that has members."""
    with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        rows = (find_window if tuned else plain_window)(connection, days, as_of)
    customers = rows.groupby("customer_id").agg(
        last_day=("local_day", "max"), orders=("amount", "size"), spend=("amount", "sum")
    )
    customers["age"] = as_of.toordinal() - customers["last_day"]
    customers["segment"] = name_groups(
        5 - 5 * customers["age"] // days, rank_score(customers["orders"]), rank_score(customers["spend"])
    )
    groups = customers.groupby("segment").agg(
        customers=("spend", "size"), revenue=("spend", "sum"), orders=("orders", "sum"), age=("age", "mean")
    )
    return {str(name): [int(row["customers"]), int(row["revenue"])] for name, row in groups.iterrows()}


def main(arguments: list[str]) -> None:
    """Do one of the two; the report is timed here, so that starting Python and pandas does not count."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import")
    importing.add_argument("file", type=Path)
    importing.add_argument("store", type=Path)
    reporting = commands.add_parser("report")
    reporting.add_argument("store", type=Path)
    reporting.add_argument("days", type=int)
    reporting.add_argument("as_of", type=date.fromisoformat)
    reporting.add_argument("runs", type=int)
    reporting.add_argument("--tuned", action="store_true")
    chosen = parser.parse_args(arguments)
    if chosen.command == "import":
        load(chosen.file, chosen.store)
        return
    seconds = []
    groups: dict[str, list[int]] = {}
    # One more, which warms both pandas and the file's pages and is not counted.
    for _ in range(chosen.runs + 1):
        start = time.perf_counter()
        groups = report(chosen.store, chosen.days, chosen.as_of, chosen.tuned)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds": seconds[1:], "groups": groups}))


if __name__ == "__main__":
    main(sys.argv[1:])
