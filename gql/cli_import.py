"""A file of purchases into the store from the command line: source, row checks and importer put together, with progress
and a summary that adds up. The header is looked at before anything is written."""

import csv
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from domain.errors import InvalidInput
from domain.import_columns import Columns, resolve_columns
from domain.import_rows import RejectedRow, RowReader, read_rows
from domain.import_text import FORMULA_STARTS, row_text
from domain.model import Business
from gql.app import system_clock
from gql.cli_text import plain
from persistence.bulk_import import ImportSummary, PurchaseImporter
from persistence.bulk_import import Progress as ImportProgress
from persistence.database import Database
from persistence.sources.csv import CsvSource


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """COLUMN=FIELD pairs."""
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.partition("=")
        if not (column and equals and field):
            raise InvalidInput(f"--map must be COLUMN=FIELD, not {pair}", ("map",))
        found[column] = field
    return found


def checked_form(form: str | None) -> str | None:
    """A form that can tell one day from another; InvalidInput otherwise."""
    day = datetime(2024, 3, 31)
    try:
        good = form is None or datetime.strptime(day.strftime(form), form).date() == day.date()
    except ValueError:
        good = False
    if not good:
        raise InvalidInput(f"--date-format must name year, month and day, such as %d/%m/%Y, not {form}")
    return form


@dataclass(frozen=True, slots=True)
class PurchasesFile:
    """A file whose header fits the business."""

    source: CsvSource
    columns: Columns
    date_format: str | None

    @classmethod
    def read(cls, file: Path, business: Business, mapping: Iterable[str], date_format: str | None) -> "PurchasesFile":
        """Look at the header before anything is written; says which columns are left out."""
        source = CsvSource(file)
        columns = resolve_columns(source.header, read_mapping(mapping), business.currency)
        name_ignored(columns.ignored)
        return cls(source, columns, checked_form(date_format))

    def texts(self, lines: Iterable[int]) -> Iterator[tuple[int, str]]:
        """The text of rows, by their line numbers in rising order."""
        wanted = iter(lines)
        line = next(wanted, None)
        for begins, cells in self.source.rows():
            if begins == line:
                yield begins, row_text(cells)
                line = next(wanted, None)

    def into(self, database: Database, business: Business, dry_run: bool, rejects: Path | None) -> ImportSummary:
        """Import the file and print what became of its rows."""
        source = self.source
        reader = RowReader(self.columns, business.currency, business.time_zone, self.date_format)
        with rejects_file(rejects) as keep, progress_bar() as bar, collector_paused():
            tasks: dict[str, TaskID] = {}

            def progress(step: ImportProgress) -> None:
                if step.phase not in tasks:
                    for task in tasks.values():
                        bar.stop_task(task)
                    tasks[step.phase] = bar.add_task(step.phase, total=step.total)
                bar.update(tasks[step.phase], completed=step.done, total=step.total)

            first: list[RejectedRow] = []

            def refused(row: RejectedRow) -> None:
                if not first:
                    first.append(row)
                keep(row)

            summary = PurchaseImporter(database, business, system_clock).run(
                source.name,
                lambda reject: read_rows(source.batches(), reader, reject),
                self.texts,
                actor="command line",
                dry_run=dry_run,
                progress=progress,
                rejects=refused,
            )
        if summary.rows_read == 0:
            raise InvalidInput(f"No data found in {source.name}.")
        print_summary(source.name, summary)
        if summary.future:
            typer.echo(f"{summary.future:,} rows lie in the future and count from their instant on.")
        if first and rejects is None:
            name_first(first[0])
        if dry_run:
            typer.echo("Dry run: nothing was written.")
        return summary


def check_rejects(path: Path | None, source: CsvSource) -> None:
    """InvalidInput where the file for rejected rows cannot be written, before anything else is."""
    if path is None:
        return
    if path.exists() and path.samefile(source.path):
        raise InvalidInput("--rejects must be another file than the one that is imported")
    if path.is_dir():
        raise InvalidInput(f"--rejects must be a file, and {path} is a folder")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise InvalidInput(f"--rejects must be a file that can be written, and {path} cannot")


@contextmanager
def collector_paused() -> Iterator[None]:
    """Rows are tuples of texts and numbers, among which there are no circles to look for; looking takes a tenth of the
    time of an import."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


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
        f"{plain(name)}: {counts.rows_read:,} rows read: {counts.created:,} created, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.rejected:,} rejected."
    )
