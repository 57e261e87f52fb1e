"""Customers on the command line: their own file into the store, in batches that each commit whole, and a list of them.
A row that is refused is named with its line and reason, and reading goes on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.calendar import local_date, read_instant, zone
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
from domain.imports.rows import RejectedRow
from domain.model import Business, NewCustomer, WriteCounts
from domain.pages import PageRequest
from domain.store import Actor, CustomerFilter, CustomerSort
from gql.cli_import import name_first, name_ignored, print_summary, progress_bar, rejects_file
from gql.cli_text import cell
from persistence.imports.importer import ImportSummary
from persistence.sources.csv import CsvSource

FIELDS = {
    "customerid": "external_id",
    "customer": "external_id",
    "clientid": "external_id",
    "name": "name",
    "email": "email",
    "loyaltylevel": "loyalty_level",
    "registeredat": "registered_at",
}
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class CustomersFile:
    """A file whose header names customers."""

    source: CsvSource
    places: dict[str, int]

    @classmethod
    def read(cls, file: Path) -> "CustomersFile":
        """Look at the header before anything is written; says which columns are left out."""
        source = CsvSource(file)
        places: dict[str, int] = {}
        for place, name in enumerate(source.header):
            known = FIELDS.get(normalised(name))
            if known is not None:
                places.setdefault(known, place)
        if "external_id" not in places:
            raise InvalidInput(f"Missing required columns: customer_id. Columns seen: {columns_seen(source.header)}.")
        name_ignored([name.strip() for place, name in enumerate(source.header) if place not in places.values()])
        return cls(source, places)

    async def into(self, customers: Customers, business: Business, rejects: Path | None) -> ImportSummary:
        """Import the file and print what became of its rows."""
        with rejects_file(rejects) as keep, progress_bar() as bar:
            task = bar.add_task("reading", total=None)
            intake = Intake(customers, business, keep)
            for line, cells in self.source.rows():
                intake.read += 1
                try:
                    item = self.customer(cells, business)
                except RowFault as fault:
                    intake.refuse(line, row_text(cells), str(fault))
                    continue
                await intake.take(line, row_text(cells), item)
                bar.update(task, completed=intake.read)
            await intake.flush()
        if intake.read == 0:
            raise InvalidInput(f"No data found in {self.source.name}.")
        done = intake.counts
        summary = ImportSummary(intake.read, done.created, done.updated, done.unchanged, intake.rejected)
        print_summary(self.source.name, summary)
        if intake.first is not None and rejects is None:
            name_first(intake.first)
        return summary

    def customer(self, cells: Sequence[str], business: Business) -> NewCustomer:
        """The row's customer; RowFault with the reason of a refusal."""
        if len(cells) != len(self.source.header):
            raise RowFault(f"the row has {counted(len(cells), 'cell')}, the header has {len(self.source.header)}")
        check_encoding(cells)
        values = {
            name: checked_text(unquoted(cells[place].strip()), name) or None for name, place in self.places.items()
        }
        external_id = values.pop("external_id")
        if external_id is None:
            raise RowFault("no customer")
        registered = values.pop("registered_at", None)
        try:
            at = None if registered is None else read_instant(registered, zone(business.time_zone))
        except ValueError as error:
            raise RowFault(f"registered_at {error}") from error
        given = frozenset(name for name in self.places if name != "external_id")
        return NewCustomer(external_id, registered_at=at, given=given, **values)


@dataclass(slots=True)
class Intake:
    """Rows on their way into the store, and what has become of them. Of two rows of one customer the later holds; the
    earlier changes nothing and is counted so. `known_only`: those of customers who are not there are left out."""

    customers: Customers
    business: Business
    keep: Callable[[RejectedRow], None]
    known_only: bool = False
    read: int = 0
    rejected: int = 0
    counts: WriteCounts = field(default_factory=WriteCounts)
    first: RejectedRow | None = None
    batch: dict[str, tuple[int, str, NewCustomer]] = field(default_factory=dict)

    def refuse(self, line: int, text: str, reason: str) -> None:
        """Count and list a row."""
        row = RejectedRow(line, text, reason)
        if self.first is None:
            self.first = row
        self.rejected += 1
        self.keep(row)

    async def take(self, line: int, text: str, item: NewCustomer) -> None:
        """Keep the row until its batch is full."""
        if item.external_id in self.batch:
            self.counts = replace(self.counts, unchanged=self.counts.unchanged + 1)
        self.batch[item.external_id] = (line, text, item)
        if len(self.batch) >= BATCH:
            await self.flush()

    async def flush(self) -> None:
        """Commit the batch; rows that the store refuses are left out of it."""
        rows, self.batch = list(self.batch.values()), {}
        try:
            done = await self._write(rows)
        except InvalidInput as error:
            refused = {int(problem.field[1]): problem.message for problem in error.problems}
            for place, reason in refused.items():
                self.refuse(rows[place][0], rows[place][1], reason)
            done = await self._write([row for place, row in enumerate(rows) if place not in refused])
        before = self.counts
        self.counts = WriteCounts(
            before.created + done.created, before.updated + done.updated, before.unchanged + done.unchanged
        )

    async def _write(self, rows: Sequence[tuple[int, str, NewCustomer]]) -> WriteCounts:
        items = [item for _, _, item in rows]
        return await self.customers.upsert(
            self.business, items, Actor("command line"), limit=BATCH, known_only=self.known_only
        )


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
