"""The csv library and openpyxl by themselves: a worker, `python -m tests.benchmarks.peers.files MEMBERS.csv`, which
reads the rows of a file of ours once, and whose questions name the form and where it is written again. The rows are
at hand, as texts, and as numbers and instants where a workbook has them."""

import csv
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from openpyxl import Workbook

from tests.benchmarks.processes import answer_questions

WHOLE, DECIMAL, INSTANT = ("order_count",), ("total_revenue",), ("assigned_at", "last_purchase_at")


def read_value(name: str, text: str) -> object:
    """A cell as a workbook has it."""
    if not text:
        return None
    if name in INSTANT:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    return int(text) if name in WHOLE else float(text) if name in DECIMAL else text


def write_csv(rows: Sequence[Sequence[object]], target: Path) -> None:
    """As the library writes it."""
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def write_xlsx(rows: Sequence[Sequence[object]], target: Path) -> None:
    """As the library writes it where it holds nothing."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Members")
    for row in rows:
        sheet.append(row)
    book.save(target)


def main(source: Path) -> None:
    """Answer until the input ends."""
    with source.open(newline="", encoding="utf-8-sig") as file:
        texts = list(csv.reader(file))
    cells: list[list[object]] = []

    def ask(form: str, target: str) -> int:
        if form == "csv":
            write_csv(texts, Path(target))
        elif not cells:
            head, *rows = texts
            cells.append(list(head))
            cells.extend([read_value(name, text) for name, text in zip(head, row, strict=True)] for row in rows)
        if form == "xlsx":
            write_xlsx(cells, Path(target))
        return len(texts) - 1

    answer_questions(ask)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
