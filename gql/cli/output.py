"""What commands print: tables, JSON, counts of rows, and what is doubtful about an import. What other commands take,
such as a key, is never cut, instants are in UTC and say so, and text of others is shown without markup and without
control characters, which could steer the terminal."""

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import Progress as ProgressBar
from rich.table import Table
from rich.text import Text

from domain.errors import InvalidInput
from domain.imports.columns import REJECT_COLUMNS, count_noun
from domain.imports.model import ANOTHER_ROW, ImportSummary, Progress
from domain.imports.quality import CHECKS, Quality
from domain.imports.rejects import build_reject_cells, protect_cell
from domain.imports.rows import RejectedRow
from domain.money import find_exponent, to_decimal

FORMATS = ("table", "json")
FOLDED_WIDTH = 12
UNBOUNDED = 100_000


def check_format(format: str) -> str:
    """The format; InvalidInput where there is no such one."""
    if format not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")
    return format


FormatOption = Annotated[str, typer.Option("--format", help="table or json", callback=check_format)]


def format_minute(at: datetime) -> str:
    """The instant for people, to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}Z"


def format_second(at: datetime | None) -> str | None:
    """The instant for programs, to the second."""
    return None if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def print_table(table: Table, folded: str) -> None:
    """Print a table of which only the column `folded` may go on below. A row is a line where nobody looks at it."""
    table.pad_edge = False
    for column in table.columns:
        column.no_wrap = column.header != folded
        if not column.no_wrap:
            column.overflow, column.min_width = "fold", FOLDED_WIDTH
    console = Console(highlight=False)
    needed = Measurement.get(console, console.options.update(max_width=UNBOUNDED), table)
    console.width = max(console.width, needed.minimum if console.is_terminal else needed.maximum)
    console.print(table)


def print_json(document: object) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def clean_line(text: str | None) -> str:
    """The text on one line."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text or "")


def make_cell(text: str | None) -> Text:
    return Text(clean_line(text))


def to_option_name(field: str) -> str:
    """What a field is called on the command line, such as `--date-format`."""
    return f"--{field.replace('_', '-')}"


MORE = "…"


def print_quality(quality: Quality, currency: str) -> None:
    """A row for each kind of doubt that was found; nothing where there is none."""
    table = Table("check", "found", "", box=None)
    table.columns[1].justify = "right"
    told = {
        "outliers": list_outliers(quality, currency),
        "refunds_not_attributed": f"{to_decimal(quality.refunded, find_exponent(currency)):,f} in all",
    }
    for name, count in quality.counts.items():
        if count:
            table.add_row(CHECKS[name], f"{count:,}", make_cell(told.get(name)))
    if table.row_count:
        Console(highlight=False).print(table)


def list_outliers(quality: Quality, currency: str) -> str:
    """The orders that stand out, with their amounts."""
    decimals = find_exponent(currency)
    shown = [f"{one.order_id} ({to_decimal(one.amount, decimals):,f})" for one in quality.named]
    return ", ".join([*shown, *([MORE] if len(shown) < quality.outliers else [])])


def build_quality_document(quality: Quality | None, currency: str) -> dict[str, Any] | None:
    """What is doubtful as JSON: every count, and amounts as text in the business's currency."""
    if quality is None:
        return None
    decimals = find_exponent(currency)
    largest = [{"order_id": one.order_id, "amount": str(to_decimal(one.amount, decimals))} for one in quality.named]
    above = None if quality.fence is None else str(to_decimal(quality.fence, decimals))
    refunded = str(to_decimal(quality.refunded, decimals))
    return {**quality.counts, "outliers_above": above, "largest_outliers": largest, "refunded_amount": refunded}


class Rejects:
    """Rejected rows: each goes to the file where there is one, with its order and the cells of the source, safe for
    spreadsheets; else the first is named."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.first: RejectedRow | None = None

    def check(self, source: Path | None) -> None:
        """InvalidInput where the file cannot be written, before anything else is."""
        path = self.path
        if path is None:
            return
        if source is not None and path.exists() and path.samefile(source):
            raise InvalidInput("--rejects must be another file than the one that is imported")
        if path.is_dir():
            raise InvalidInput(f"--rejects must be a file, and {path} is a folder")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise InvalidInput(f"--rejects must be a file that can be written, and {path} cannot")

    @contextmanager
    def open_writer(
        self, header: Sequence[str], read_rows: Callable[[], Iterator[tuple[int, list[str]]]]
    ) -> Iterator[Callable[[RejectedRow], None]]:
        """Takes the rows, in the order of the source, while the block lasts; their cells are read again."""
        if self.path is None:
            yield self._remember
            return
        with self.path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((*map(protect_cell, header), *REJECT_COLUMNS))
            rows: Iterator[tuple[int, list[str]]] | None = None

            def write(row: RejectedRow) -> None:
                nonlocal rows
                # Not before the import has read them.
                rows = read_rows() if rows is None else rows
                cells = next((cells for line, cells in rows if line == row.line), [])
                writer.writerow(build_reject_cells(row, cells, len(header)))

            yield write

    def _remember(self, row: RejectedRow) -> None:
        if self.first is None or self.first.reason == ANOTHER_ROW:
            self.first = row

    def name_first(self) -> None:
        """Say what was wrong with one of the rows, where none are listed."""
        if self.first is not None:
            reason = f"line {self.first.line}: {clean_line(self.first.reason)}"
            typer.echo(f"First rejected: {reason}. --rejects FILE lists every one.", err=True)


RECEIVING = "receiving"


class RateColumn(ProgressColumn):
    """Rows or orders so far, and how many a second."""

    def render(self, task: Task) -> Text:
        """Such as `120,000 rows  95,000 rows/s`."""
        if task.description == RECEIVING:
            return Text(f"{task.completed / 1e6:,.1f} MB")
        unit = "orders" if task.description == "merging" else "rows"
        speed = task.finished_speed or task.speed or 0
        return Text(f"{task.completed:,.0f} {unit}  {speed:,.0f} {unit}/s")


def make_progress_bar(measure: ProgressColumn | None = None) -> ProgressBar:
    """A bar on standard error where that is a terminal, with the speed beside it or what measures the work else."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), measure or RateColumn(), TimeElapsedColumn())
    return ProgressBar(*columns, console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def show_import_progress() -> Iterator[Callable[[Progress], None]]:
    """A bar for each phase of an import."""
    with make_progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def update(step: Progress) -> None:
            if step.phase not in tasks:
                for task in tasks.values():
                    bar.stop_task(task)
                tasks[step.phase] = bar.add_task(step.phase, total=step.total)
            bar.update(tasks[step.phase], completed=step.done, total=step.total)

        yield update


@contextmanager
def show_steps() -> Iterator[Callable[[str, int, int], None]]:
    """Told what is being done, how much of it is done and of how much, for a bar."""
    with make_progress_bar(TaskProgressColumn()) as bar:
        task = bar.add_task("", total=None)

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield report


def name_ignored_columns(columns: Sequence[str]) -> None:
    """Say which columns are left out."""
    if columns:
        typer.echo(f"Ignored columns: {clean_line(', '.join(columns))}", err=True)


def print_summary(name: str, counts: ImportSummary) -> None:
    """The four counts, which add up to what was read."""
    typer.echo(
        f"{clean_line(name)}: {count_noun(counts.rows_read, 'row')} read: {counts.created:,} created, "
        f"{counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.rejected:,} rejected."
    )
