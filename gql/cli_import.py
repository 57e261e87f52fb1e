"""Files into the store from the command line: source, row checks and importer put together, with progress and a
summary that adds up."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from domain.calendar import read_instant, zone
from domain.customers import Customers
from domain.errors import InvalidInput
from domain.import_rows import RejectedRow, normalised, read_rows, resolve_columns, row_reader, row_text, unquoted
from domain.model import Business, NewCustomer, WriteCounts
from domain.ports import Actor
from gql.app import system_clock
from persistence.bulk_import import ImportSummary, PurchaseImporter
from persistence.bulk_import import Progress as ImportProgress
from persistence.database import Database
from persistence.sources.csv import CsvSource

CUSTOMER_FIELDS = {
    "customerid": "external_id",
    "customer": "external_id",
    "clientid": "external_id",
    "name": "name",
    "email": "email",
    "loyaltylevel": "loyalty_level",
    "registeredat": "registered_at",
}
BATCH = 5_000


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """COLUMN=FIELD pairs."""
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.partition("=")
        if not (column and equals and field):
            raise InvalidInput(f"--map must be COLUMN=FIELD, not {pair}", ("map",))
        found[column] = field
    return found


def import_purchases_file(
    database: Database,
    business: Business,
    file: Path,
    mapping: list[str],
    date_format: str | None,
    dry_run: bool,
    rejects: Path | None,
) -> ImportSummary:
    """Import the file and print what became of its rows."""
    source = CsvSource(file)
    columns = resolve_columns(source.header, read_mapping(mapping), business.currency)
    read = row_reader(columns, business.currency, business.time_zone, date_format)
    console = Console(stderr=True, soft_wrap=True)
    if columns.ignored:
        console.print(f"Ignored columns: {', '.join(columns.ignored)}", markup=False, highlight=False)

    def texts(lines: Iterable[int]) -> Iterator[tuple[int, str]]:
        wanted = iter(lines)
        line = next(wanted, None)
        for begins, cells in source.rows():
            if begins == line:
                yield begins, row_text(cells)
                line = next(wanted, None)

    with ExitStack() as stack:
        bar = stack.enter_context(progress_bar(console))
        task = bar.add_task("reading", total=None)

        def progress(step: ImportProgress) -> None:
            bar.update(task, description=step.phase, completed=step.done, total=step.total)

        writer = None
        if rejects is not None:
            writer = csv.writer(stack.enter_context(rejects.open("w", newline="", encoding="utf-8")))
            writer.writerow(("line", "reason", "text"))

        def keep(row: RejectedRow) -> None:
            if writer is not None:
                writer.writerow((row.line, row.reason, row.text))

        summary = PurchaseImporter(database, business, system_clock).run(
            source.name,
            lambda reject: read_rows(source.rows(), read, reject),
            texts,
            actor="command line",
            dry_run=dry_run,
            progress=progress,
            rejects=keep,
        )
    if summary.rows_read == 0:
        raise InvalidInput(f"No data found in {source.name}.")
    print_summary(source.name, summary.rows_read, summary, "rows")
    if summary.future:
        Console().print(f"{summary.future:,} rows lie in the future and count from their instant on.", highlight=False)
    return summary


def progress_bar(console: Console) -> Progress:
    """Rows or orders so far, and the time taken."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def print_summary(name: str, read: int, counts: ImportSummary, unit: str) -> None:
    """The four counts, which add up to what was read."""
    Console(soft_wrap=True).print(
        f"{name}: {read:,} {unit} read: {counts.created:,} created, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.rejected:,} rejected.",
        markup=False,
        highlight=False,
    )


async def import_customers_file(customers: Customers, business: Business, file: Path) -> None:
    """Import a file of customers in batches and print what became of its rows."""
    source = CsvSource(file)
    places = {
        CUSTOMER_FIELDS[normalised(name)]: place
        for place, name in enumerate(source.header)
        if normalised(name) in CUSTOMER_FIELDS
    }
    if "external_id" not in places:
        raise InvalidInput(f"Missing required columns: customer_id. Columns seen: {', '.join(source.header)}.")
    read = rejected = 0
    total = WriteCounts()
    batch: dict[str, NewCustomer] = {}
    repeated = 0

    async def flush() -> WriteCounts:
        done = await customers.upsert(business, list(batch.values()), Actor("command line"), limit=BATCH)
        batch.clear()
        return WriteCounts(total.created + done.created, total.updated + done.updated, total.unchanged + done.unchanged)

    for line, cells in source.rows():
        read += 1
        try:
            item = _customer(cells, places, business)
        except ValueError as error:
            rejected += 1
            Console(stderr=True, soft_wrap=True).print(f"line {line}: {error}", markup=False, highlight=False)
            continue
        repeated += item.external_id in batch
        batch[item.external_id] = item
        if len(batch) >= BATCH:
            total = await flush()
    if batch:
        total = await flush()
    summary = ImportSummary(read, total.created, total.updated, total.unchanged + repeated, rejected)
    print_summary(source.name, read, summary, "rows")


def _customer(cells: list[str], places: dict[str, int], business: Business) -> NewCustomer:
    if len(cells) <= max(places.values()):
        raise ValueError(f"the row has {len(cells)} cells")
    values = {name: unquoted(cells[place].strip()) or None for name, place in places.items()}
    external_id = values.pop("external_id")
    if external_id is None:
        raise ValueError("no customer")
    if any(text is not None and (len(text) > 1000 or "\0" in text) for text in (*values.values(), external_id)):
        raise ValueError("a text is longer than 1000 characters or holds a NUL character")
    registered = values.pop("registered_at", None)
    at = None
    if registered is not None:
        try:
            at = read_instant(registered, zone(business.time_zone))
        except ValueError as error:
            raise ValueError(f"registered_at {error}") from error
    given = frozenset(name for name in places if name != "external_id")
    return NewCustomer(external_id, registered_at=at, given=given, **values)
