"""Workbooks read by either reader: a worker, `python -m tests.benchmarks.ours.workbooks FILE ROWS`, which writes a
sheet of eight columns, texts, dates, whole and other numbers, and whose questions name the reader."""

import sys
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from openpyxl import Workbook

from persistence.sources.calamine import CalamineSource
from persistence.sources.xlsx import XlsxSource
from tests.benchmarks.processes import answer_questions

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


def read_sheet(reader: type[CalamineSource] | type[XlsxSource], path: Path) -> str:
    """A digest of what was read, from the file to the last batch of rows."""
    seen = sha256()
    for batch in reader(path).read_batches():
        for cells in batch.rows:
            seen.update(repr(cells).encode())
    return seen.hexdigest()


def main(path: Path, rows: int) -> None:
    """Answer until the input ends."""
    write_sheet(path, rows)
    readers = {"calamine": CalamineSource, "openpyxl": XlsxSource}
    answer_questions(lambda reader: read_sheet(readers[reader], path))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
