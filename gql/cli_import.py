"""A file of purchases into the store from the command line: source, row checks and importer put together, with progress
and a summary that adds up. The header is looked at before anything is written."""

import csv
import gc
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from domain.errors import InvalidInput
from domain.imports.columns import FORMULA_STARTS, counted
from domain.imports.rows import RejectedRow
from domain.model import Business
from gql.cli_quality import print_quality, quality_document
from gql.cli_text import plain
from gql.clock import system_clock
from persistence.database.engines import Database
from persistence.imports.importer import ImportSummary, PurchaseImporter
from persistence.imports.importer import Progress as ImportProgress
from persistence.sources.opening import OpenedPurchases


@dataclass(frozen=True, slots=True)
class PurchasesFile:
    """A source that is imported from the command line."""

    opened: OpenedPurchases

    @property
    def path(self) -> Path | None:
        """The file, where the source is one."""
        return self.opened.path

    @classmethod
    def of(cls, opened: OpenedPurchases) -> "PurchasesFile":
        """The source that was opened; says which columns are left out."""
        name_ignored(opened.columns.ignored)
        return cls(opened)

    def into(
        self,
        database: Database,
        business: Business,
        dry_run: bool,
        rejects: Path | None,
        as_json: bool = False,
        finish: Callable[[OpenedPurchases], None] = lambda opened: None,
    ) -> ImportSummary:
        """Import the file and print what became of its rows and what is doubtful about them."""
        source = replace(self.opened, business=business)
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
                source.rows,
                source.texts,
                actor="command line",
                dry_run=dry_run,
                progress=progress,
                rejects=refused,
                of_orders=source.of_orders,
            )
        if summary.rows_read == 0 and not source.may_be_empty:
            raise InvalidInput(f"No data found in {source.name}.")
        if not dry_run:
            finish(source)
        if as_json:
            typer.echo(json.dumps(summary_document(source.name, summary, business), ensure_ascii=False, indent=2))
        else:
            print_summary(source.name, summary)
            if summary.future:
                typer.echo(future_words(summary.future))
            if summary.quality is not None:
                print_quality(summary.quality, business.currency)
        if first and rejects is None:
            name_first(first[0])
        for warning in source.warnings:
            typer.echo(f"Warning: {warning}", err=True)
        if dry_run:
            typer.echo("Dry run: nothing was written.", err=as_json)
        return summary


def check_rejects(path: Path | None, source: Path | None) -> None:
    """InvalidInput where the file for rejected rows cannot be written, before anything else is."""
    if path is None:
        return
    if source is not None and path.exists() and path.samefile(source):
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


def future_words(rows: int) -> str:
    """When rows that lie in the future count."""
    if rows == 1:
        return "1 row lies in the future and counts from its instant on."
    return f"{rows:,} rows lie in the future and count from their instant on."


def print_summary(name: str, counts: ImportSummary) -> None:
    """The four counts, which add up to what was read."""
    typer.echo(
        f"{plain(name)}: {counted(counts.rows_read, 'row')} read: {counts.created:,} created, "
        f"{counts.updated:,} updated, {counts.unchanged:,} unchanged, {counts.rejected:,} rejected."
    )


def summary_document(name: str, summary: ImportSummary, business: Business) -> dict[str, Any]:
    """The same and what is doubtful, as JSON; `id` is null for a dry run."""
    return {
        "id": summary.import_id,
        "source": name,
        "rows_read": summary.rows_read,
        "created": summary.created,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "rejected": summary.rejected,
        "future": summary.future,
        "quality": quality_document(summary.quality, business.currency),
    }
