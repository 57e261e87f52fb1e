"""Customers on the command line: their own file into the store, in batches that each commit whole, and a list of them.
A row that is refused is named with its line and reason, and reading goes on."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.calendar import local_date, zone
from domain.customers.customers import Customers
from domain.errors import InvalidInput
from domain.imports.columns import (
    RowFault,
    row_text,
)
from domain.model import Business
from domain.pages import PageRequest
from domain.store import CustomerFilter, CustomerSort
from gql.cli_import import name_first, name_ignored, print_summary, progress_bar, rejects_file
from gql.cli_text import cell
from persistence.imports.customers_file import CustomersFile, Intake
from persistence.imports.importer import ImportSummary


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
    page = await customers.page(business, PageRequest(first), CustomerFilter(search), sort, reverse)
    table = Table("customer", "name", "level", "orders", f"revenue {business.currency}", "last purchase", box=None)
    table.columns[3].justify = table.columns[4].justify = "right"
    for record in page.items:
        kept, customer = record.totals, record.customer
        last = "" if kept.last_at is None else str(local_date(kept.last_at, zone(business.time_zone)))
        revenue = f"{customers.revenue(business, kept):,}"
        texts = (cell(customer.external_id), cell(customer.name), cell(customer.loyalty_level))
        table.add_row(*texts, str(kept.order_count), revenue, last)
    Console(highlight=False).print(table)
