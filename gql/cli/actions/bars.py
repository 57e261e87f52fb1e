"""Bars of what takes long, on standard error and only where somebody looks at them; text of others is shown without
markup."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
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
from rich.text import Text

from domain.imports.model import Progress
from gql.cli.output import clean_line


def make_cell(text: str | None) -> Text:
    return Text(clean_line(text))


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
def show_steps(*, lines: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Told what is being done, how much of it is done and of how much, for a bar; with `lines` for lines on standard
    error where there is no terminal."""
    with make_progress_bar(TaskProgressColumn()) as bar:
        task = bar.add_task("", total=None)

        def report(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)
            if bar.disable and lines:
                typer.echo(f"{what}: {done} of {total}", err=True)

        yield report
