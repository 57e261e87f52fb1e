"""Customers on the command line: their own file into the store, in batches that each commit whole, and a list of them.
A row that is refused is named with its line and reason, and reading goes on.

Members of MANUAL segments from a file of customers: put in or taken out in batches that each commit whole. Every row
is counted once: it changed something, it was so already, or nobody has its id.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.calendar import local_date, zone
from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.columns import (
    RowFault,
    check_encoding,
    checked_text,
    columns_seen,
    counted,
    normalised,
    row_text,
    unquoted,
)
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.memberships import Memberships
from domain.store import CustomerFilter, CustomerSort
from gql.cli.output import cell, name_first, name_ignored, plain, print_summary, progress_bar, rejects_file
from gql.cli.segments import ACTOR, found, segment_app
from gql.cli.session import BusinessOption, Worker, run, said
from gql.composition import Services
from persistence.database.engines import Database
from persistence.imports.customers_file import FIELDS, CustomersFile, Intake
from persistence.imports.importer import ImportSummary
from persistence.sources.csv import CsvSource


async def import_file(
    read: CustomersFile, customers: Customers, business: Business, rejects: Path | None
) -> ImportSummary:
    """Import the file and print what became of its rows."""
    name_ignored(read.ignored)
    with rejects_file(rejects) as keep, progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        intake = Intake(customers, business, keep)
        for line, cells in read.source.rows():
            intake.read += 1
            try:
                item = read.customer(cells, business)
            except RowFault as fault:
                intake.refuse(line, row_text(cells), str(fault))
                continue
            await intake.take(line, row_text(cells), item)
            bar.update(task, completed=intake.read)
        await intake.flush()
    if intake.read == 0:
        raise InvalidInput(f"No data found in {read.source.name}.")
    done = intake.counts
    summary = ImportSummary(intake.read, done.created, done.updated, done.unchanged, intake.rejected)
    print_summary(read.source.name, summary)
    if intake.first is not None and rejects is None:
        name_first(intake.first)
    return summary


async def print_customers(
    customers: Customers, business: Business, search: str | None, sort: CustomerSort, reverse: bool, first: int
) -> None:
    """A table; days are those of the business."""
    async with customers.store.read(business) as unit:
        page = await unit.customers.page(PageRequest(first), CustomerFilter(search), sort, reverse)
    table = Table("customer", "name", "level", "orders", f"revenue {business.currency}", "last purchase", box=None)
    table.columns[3].justify = table.columns[4].justify = "right"
    for record in page.items:
        kept, customer = record.totals, record.customer
        last = "" if kept.last_at is None else str(local_date(kept.last_at, zone(business.time_zone)))
        revenue = f"{customers.revenue(business, kept):,}"
        texts = (cell(customer.external_id), cell(customer.name), cell(customer.loyalty_level))
        table.add_row(*texts, str(kept.order_count), revenue, last)
    Console(highlight=False).print(table)


BATCH = 5_000
KeyArgument = Annotated[str, typer.Argument(help="Key of the MANUAL segment.")]
FileArgument = Annotated[Path, typer.Argument(help="CSV file with a column customer_id, plain or gzip.")]


@dataclass(slots=True)
class Tally:
    """What became of the rows, and the first one that nobody has."""

    read: int = 0
    changed: int = 0
    already: int = 0
    unknown: int = 0
    first: tuple[int, str] | None = None

    def miss(self, line: int, text: str) -> None:
        """A row whose customer nobody is."""
        self.unknown += 1
        if self.first is None or line < self.first[0]:
            self.first = line, text


@dataclass(frozen=True, slots=True)
class MembersFile:
    """A file whose header names the customers."""

    source: CsvSource
    place: int

    @classmethod
    def read(cls, file: Path) -> "MembersFile":
        """Look at the header before anything is written."""
        source = CsvSource(file)
        for place, name in enumerate(source.header):
            if FIELDS.get(normalised(name)) == "external_id":
                return cls(source, place)
        raise InvalidInput(f"Missing required columns: customer_id. Columns seen: {columns_seen(source.header)}.")

    def names(self, tally: Tally) -> Iterator[tuple[int, str]]:
        """Line and customer id of each row; those without a readable one are counted as unknown."""
        for line, cells in self.source.rows():
            tally.read += 1
            try:
                if len(cells) <= self.place:
                    raise RowFault("the row is too short")
                check_encoding(cells)
                name = checked_text(unquoted(cells[self.place].strip()), "customer_id")
                if not name:
                    raise RowFault("no customer")
            except RowFault:
                tally.miss(line, row_text(cells))
                continue
            yield line, name

    async def into(self, memberships: Memberships, business: Business, key: str, entering: bool) -> Tally:
        """Change the members and count the rows."""
        tally = Tally()
        batch: dict[str, int] = {}

        async def flush() -> None:
            done = await memberships.assign_named(business, key, list(batch), ACTOR, entering=entering)
            tally.changed += done.changed
            tally.already += done.already
            for name in done.unknown:
                tally.miss(batch[name], name)
            batch.clear()

        with progress_bar() as bar:
            task = bar.add_task("reading", total=None)
            for line, name in self.names(tally):
                if name in batch:
                    tally.already += 1
                batch.setdefault(name, line)
                if len(batch) >= BATCH:
                    await flush()
                    bar.update(task, completed=tally.read)
            if batch:
                await flush()
        if tally.read == 0:
            raise InvalidInput(f"No data found in {self.source.name}.")
        return tally


@segment_app.command()
def assign(context: typer.Context, key: KeyArgument, file: FileArgument, business: BusinessOption = None) -> None:
    """Put customers into a segment. Example: segments segment assign vip customers.csv"""
    move(context, key, file, business, True)


@segment_app.command()
def remove(context: typer.Context, key: KeyArgument, file: FileArgument, business: BusinessOption = None) -> None:
    """Take customers out of a segment. Example: segments segment remove vip customers.csv"""
    move(context, key, file, business, False)


def move(context: typer.Context, key: str, file: Path, business: str | None, entering: bool) -> None:
    """Change the members and say what became of the rows."""

    async def work(services: Services, database: Database) -> None:
        worker = await Worker.of(database, business, context.obj.business)
        meant, newest = worker.business, await worker.newest()
        await found(services, meant, key)
        tally = await MembersFile.read(file).into(services.memberships, meant, key, entering)
        done, so = ("put in", "already in") if entering else ("taken out", "not in")
        matched = tally.changed + tally.already
        typer.echo(
            f"{plain(file.name)}: {counted(tally.read, 'row')} read: {matched:,} matched ({tally.changed:,} {done}, "
            f"{tally.already:,} {so}), {tally.unknown:,} unknown."
        )
        if tally.first is not None:
            line, text = tally.first
            typer.echo(f"First unknown: line {line}: {plain(text)}", err=True)
        if not tally.changed:
            return
        async with worker.working():
            async for name, job in worker.followers(newest):
                typer.echo(f"{name}: {said(job)}")

    run(context.obj, work)
