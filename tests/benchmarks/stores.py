"""The stores that are measured: one made by statements, whose sizes are free, and one imported from a file. Both are
made once into the folder of the files, are the same on every machine, and belong to the business `bench`."""

import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks.data import AS_OF, FOLDER, ROWS_PER_CUSTOMER, PurchaseFile, write_file
from tests.benchmarks.processes import BUSINESS, segments

COMPLETE = "complete"
DAYS = 730
EPOCH = 719_163
"""The day of 1970-01-01."""
NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :customers)"
FILL = (
    "INSERT INTO business (id, key, name, currency, time_zone, settings, created_at) "
    "VALUES (1, 'bench', 'bench', 'USD', 'UTC', '{}', 0)",
    f"{NUMBERS} INSERT INTO customer (business_id, id, external_id, erased, name_sort) "
    "SELECT 1, i, printf('C%08d', i), 0, char(1114111) FROM n",
    # How many purchases a customer has goes with the cube of a remainder that scatters over the ids: a tenth of the
    # customers buy most. Days and amounts are remainders of the number of the purchase, as scattered.
    f"""{NUMBERS}, few(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM few WHERE k < 39),
        scattered AS (SELECT i, i * 7919 % 997 AS u FROM n),
        buyer AS (SELECT i, 1 + 38 * u * u * u / 991026973 AS many FROM scattered),
        bought AS (SELECT buyer.i FROM buyer CROSS JOIN few WHERE k <= many LIMIT :purchases),
        numbered AS (SELECT i, ROW_NUMBER() OVER () AS p FROM bought),
        drawn AS (SELECT i, p, p * 48271 % 2147483647 AS a, p * 69621 % 2147483647 AS b FROM numbered)
    INSERT INTO purchase (business_id, customer_id, id, external_id, purchased_at, local_day, status, counted, amount)
    SELECT 1, i, p, 'O' || p, (:last - a % :days - {EPOCH}) * 86400000000 + b % 86400 * 1000000, :last - a % :days,
        CASE WHEN b % 100 < 95 THEN 0 ELSE 3 END, b % 100 < 95, 199 + 40 * (b % 1000) * (b % 1000) / 1000 FROM drawn""",
    "INSERT INTO customer_metrics (business_id, customer_id, order_count, revenue, first_at, last_at, first_day, "
    "last_day, last_sort) SELECT 1, c.id, COUNT(p.id), coalesce(SUM(p.amount), 0), MIN(p.purchased_at), "
    "MAX(p.purchased_at), MIN(p.local_day), MAX(p.local_day), coalesce(MAX(p.purchased_at), 0) FROM customer AS c "
    "LEFT JOIN purchase AS p ON p.business_id = 1 AND p.customer_id = c.id AND p.counted = 1 "
    "WHERE c.business_id = 1 GROUP BY c.id",
    # Whatever is written next takes the numbers after these.
    "UPDATE business SET next_customer = :customers + 1, next_purchase = :purchases + 1 WHERE id = 1",
)


def fill_folder(purchases: int) -> Path:
    """The data folder of a store of so many purchases, of a tenth as many customers."""
    data = FOLDER / f"filled-{purchases}"
    if not (data / COMPLETE).exists():
        fill(start_anew(data), purchases, max(1, purchases // ROWS_PER_CUSTOMER))
        (data / COMPLETE).touch()
    # The kept store may be of an earlier version.
    segments(data, "db", "upgrade")
    return data


def fill(data: Path, purchases: int, customers: int) -> None:
    """Fill the empty store of the folder by statements."""
    given = {"customers": customers, "purchases": purchases, "last": AS_OF.toordinal(), "days": DAYS}
    with closing(sqlite3.connect(data / "segments.sqlite", isolation_level=None)) as connection:
        # Nothing is lost that could not be made again.
        for pragma in ("synchronous = OFF", "cache_size = -400000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for statement in FILL:
            connection.execute(statement, {name: value for name, value in given.items() if f":{name}" in statement})
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def start_anew(data: Path) -> Path:
    """An empty store of the newest tables in a folder that held nothing."""
    shutil.rmtree(data, ignore_errors=True)
    data.mkdir(parents=True)
    (data / "segments.sqlite").write_bytes(make_empty())
    return data


@cache
def make_empty() -> bytes:
    """The file of an empty store, made once a process."""
    with TemporaryDirectory() as name:
        segments(Path(name), "db", "upgrade")
        return (Path(name) / "segments.sqlite").read_bytes()


def import_folder(file: PurchaseFile) -> Path:
    """The data folder of a store that holds the file; it is imported where no earlier run left one."""
    data = FOLDER / f"store-{file.name}-{file.rows}"
    if not (data / COMPLETE).exists():
        segments(start_anew(data), "import", write_file(file), *BUSINESS)
        (data / COMPLETE).touch()
    segments(data, "db", "upgrade")
    return data


def copy_folder(data: Path, folder: Path) -> Path:
    """A data folder with a copy of the store, which may be changed."""
    copy = folder / "data"
    copy.mkdir()
    shutil.copyfile(data / "segments.sqlite", copy / "segments.sqlite")
    return copy
