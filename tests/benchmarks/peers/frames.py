"""What a pandas user would write instead: `python -m tests.benchmarks.peers.frames import FILE STORE`, and the workers
`report STORE` and `imports`, whose questions name file and store. The import checks nothing; the report gives the
very same numbers as ours: it reads the purchases and does the rest in pandas, as scripts do, or where `tuned` knows
the store's own columns and index."""

import sqlite3
import sys
from contextlib import closing
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tests.benchmarks.data import AS_OF
from tests.benchmarks.processes import answer_questions

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
        pd.read_csv(file).to_sql("rows", connection, index=False)
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
    """Import once, or answer until the input ends."""
    if arguments[0] == "import":
        load(Path(arguments[1]), Path(arguments[2]))
    elif arguments[0] == "imports":
        answer_questions(lambda file, store: load(Path(file), Path(store)))
    else:
        store = Path(arguments[1])
        answer_questions(lambda days, tuned: report(store, days, AS_OF, tuned))


if __name__ == "__main__":
    main(sys.argv[1:])
