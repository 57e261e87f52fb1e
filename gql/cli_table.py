""""""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from domain.imports.columns import FORMULA_STARTS, counted
from domain.imports.rows import RejectedRow
from gql.cli.output import plain
from persistence.imports.importer import ImportSummary


@contextmanager
def rejects_file(path: Path | None) -> Iterator[Callable[[RejectedRow], None]]:
    """Where rejected rows go: a file with line, reason and text, safe for spreadsheets; nowhere without a path."""
    if path is None:
        yield lambda row: None
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("line", "reason", "text"))
        yield lambda row: writer.writerow((row.line, row.reason, guarded(row.text)))


def guarded(text: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text.startswith((*FORMULA_STARTS, "\t", "\r")) else text


class Rate(ProgressColumn):
    """Rows or orders so far, and how many a second."""

    def render(self, task: Task) -> Text:
        """Such as `120,000 rows  95,000 rows/s`."""
        unit = "orders" if task.description == "merging" else "rows"
        speed = task.finished_speed or task.speed or 0
        return Text(f"{task.completed:,.0f} {unit}  {speed:,.0f} {unit}/s")


def progress_bar() -> Progress:
    """A bar on standard error where that is a terminal."""
    console = Console(stderr=True, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), Rate(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def name_ignored(columns: Sequence[str]) -> None:
    """Say which columns are left out."""
    if columns:
        typer.echo(f"Ignored columns: {plain(', '.join(columns))}", err=True)


def name_first(row: RejectedRow) -> None:
    """Say what was wrong with one of the rejected rows, where none are listed."""
    typer.echo(f"First rejected: line {row.line}: {plain(row.reason)}. --rejects FILE lists every one.", err=True)


def print_summary(name: str, counts: ImportSummary) -> None:
    """The four counts, which add up to what was read."""
    typer.echo(
        f"{plain(name)}: {counted(counts.rows_read, 'row')} read: {counts.created:,} created, "
        f"{counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.rejected:,} rejected."
    )
