"""Workbooks read by either reader, measured: `python -m tests.benchmarks.workbooks ROWS` prints the seconds of both and
whether they read the same, as JSON. A sheet has eight columns: texts, dates, whole and other numbers."""

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from openpyxl import Workbook

from persistence.sources.calamine import CalamineSource
from persistence.sources.xlsx import XlsxSource

HEADER = ("customer_id", "order_id", "date", "amount", "category", "storefront", "channel", "status")
NAMES = ("Tea", "Coffee", "Кофе", "茶")


def write_sheet(path: Path, rows: int) -> None:
    """A workbook of so many rows."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Orders")
    sheet.append(HEADER)
    for number in range(rows):
        at = datetime(2024, 1, 1) + timedelta(minutes=number)
        amount = number % 9_973 / 100
        sheet.append((f"C{number % 5_000}", number, at, amount, NAMES[number % 4], "main", "web", "paid"))
    book.save(path)


def read_sheet(reader: type[CalamineSource] | type[XlsxSource], path: Path) -> tuple[float, int]:
    """Seconds from the file to the last batch of rows, and a hash of what was read."""
    began, seen = time.perf_counter(), 0
    for batch in reader(path).read_batches():
        for cells in batch.rows:
            seen = hash((seen, *cells))
    return time.perf_counter() - began, seen


def main(rows: int) -> None:
    """Measure both on the same sheet."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "orders.xlsx"
        write_sheet(path, rows)
        fast, read = read_sheet(CalamineSource, path)
        slow, same = read_sheet(XlsxSource, path)
    print(json.dumps({"calamine": fast, "openpyxl": slow, "equal": read == same}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
