"""Runs of the classification in one process that stays: `python -m tests.benchmarks.ours.classification DATA FILE ROWS`
makes an empty store of a file without its last hundredth, runs, appends the rest and runs again, then changes a
hundredth of the customers in the store and runs once more; the seconds of each run and what the last one wrote are
printed as JSON."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gql.segmentation import run_segmentation
from gql.settings import Settings
from tests.benchmarks.data import ROWS_PER_CUSTOMER
from tests.benchmarks.processes import segments

BUSINESS = {"business": "bench", "time_zone": "UTC", "currency": "USD"}


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def split(file: Path, growing: Path, rows: int) -> list[str]:
    """Write all but the last hundredth; the rest."""
    with file.open(encoding="utf-8") as source, growing.open("w", encoding="utf-8") as target:
        target.writelines(next(source) for _ in range(1 + rows - rows // 100))
        return list(source)


def write_more(file: Path, rows: int) -> None:
    """One more order for every hundredth customer."""
    customers = rows // ROWS_PER_CUSTOMER
    with file.open("w", encoding="utf-8") as target:
        target.write("customer_id,order_id,timestamp,amount\n")
        target.writelines(f"C{number:06},more-{number},2025-06-01,10.00\n" for number in range(0, customers, 100))


def main(arguments: list[str]) -> None:
    """Run, append, run, change, run."""
    data, file, rows = Path(arguments[0]), Path(arguments[1]), int(arguments[2])
    settings = Settings(data=data)
    growing, changed = data / "growing.csv", data / "changed.csv"
    rest = split(file, growing, rows)

    def from_file() -> object:
        return run_segmentation("csv", growing, settings=settings, **BUSINESS)  # type: ignore[arg-type]

    def from_store() -> object:
        return run_segmentation(business="bench", settings=settings)

    found = {"first": seconds(from_file)}
    with growing.open("a", encoding="utf-8") as target:
        target.writelines(rest)
    found["appended"] = seconds(from_file)
    (data / "output" / "bench" / "customer_segmentation.json").rename(data / "labels.json")
    write_more(changed, rows)
    segments(data, "import", changed, "--business", "bench")
    found["changed"] = seconds(from_store)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
