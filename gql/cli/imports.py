"""The commands that read purchases and customers into a business: what is meant is opened and understood, the business
is made where it is new, and then rows are read.

A file of purchases into the store from the command line: source, row checks and importer put together, with progress
and a summary that adds up. The header is looked at before anything is written.

The options of every command that reads purchases: how the source is written. What is left out is as the business has
settled it, and else plain.
"""

import gc
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import TaskID

from domain.businesses.businesses import business_for_import, made
from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from domain.imports.rows import RejectedRow
from domain.model import Business
from gql.cli.customers import import_file
from gql.cli.output import (
    FormatOption,
    check_format,
    name_first,
    name_ignored,
    print_quality,
    print_summary,
    progress_bar,
    quality_document,
    rejects_file,
)
from gql.cli.recalculate import follow_import
from gql.cli.session import BusinessOption, run
from gql.composition import Services, opened, system_clock
from persistence.database.engines import Database
from persistence.imports.customers_file import CustomersFile
from persistence.imports.importer import ImportSummary, PurchaseImporter
from persistence.imports.importer import Progress as ImportProgress
from persistence.sources.opening import Collection, OpenedPurchases, mongodb_settings, open_collection, open_purchases


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


def future_words(rows: int) -> str:
    """When rows that lie in the future count."""
    if rows == 1:
        return "1 row lies in the future and counts from its instant on."
    return f"{rows:,} rows lie in the future and count from their instant on."


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


MapOption = Annotated[list[str] | None, typer.Option("--map", help="COLUMN=FIELD, repeatable.")]
DateFormatOption = Annotated[str | None, typer.Option("--date-format", help="Form of the dates, such as %d/%m/%Y.")]
PresetOption = Annotated[str | None, typer.Option("--preset", help="Order export of: shopify, woocommerce.")]
AmountOption = Annotated[str | None, typer.Option("--amount", help="Whose amount a row carries: line or order.")]
DecimalOption = Annotated[str | None, typer.Option("--decimal", help="Sign before decimals: . or ,")]
ThousandsOption = Annotated[str | None, typer.Option("--thousands", help="Sign between thousands: , . ' or space.")]
SignOption = Annotated[str | None, typer.Option("--currency-sign", help="Sign of the currency, such as € or Rs.")]
SheetOption = Annotated[str | None, typer.Option("--sheet", help="Sheet of a workbook; the first where absent.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="csv (any file) or mongodb.")]
DatabaseOption = Annotated[str | None, typer.Option("--database", help="MongoDB: the database.")]
CollectionOption = Annotated[str | None, typer.Option("--collection", help="MongoDB: the collection.")]
WholeOption = Annotated[bool, typer.Option("--whole", help="MongoDB: read all again, not only what is new.")]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", help="IANA zone; makes the business on first import.")]
CurrencyOption = Annotated[str | None, typer.Option("--currency", help="ISO 4217 code; makes the business, too.")]
RejectsOption = Annotated[Path | None, typer.Option("--rejects", help="CSV file for the rejected rows.")]


def read_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """COLUMN=FIELD pairs."""
    found: dict[str, str] = {}
    for pair in pairs:
        column, equals, field = pair.partition("=")
        if not (column and equals and field):
            raise InvalidInput(f"--map must be COLUMN=FIELD, not {pair}", ("map",))
        found[column] = field
    return found


import_app = typer.Typer()
SOURCES = ("csv", "mongodb")


@import_app.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="CSV file of purchases, plain or gzip, or .xlsx.")] = None,
    business: BusinessOption = None,
    map: MapOption = None,
    date_format: DateFormatOption = None,
    preset: PresetOption = None,
    amount: AmountOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    currency_sign: SignOption = None,
    sheet: SheetOption = None,
    source: SourceOption = None,
    database: DatabaseOption = None,
    collection: CollectionOption = None,
    whole: WholeOption = False,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count, write nothing.")] = False,
    rejects: RejectsOption = None,
    format: FormatOption = "table",
) -> None:
    """Import purchases. Example: segments import orders.csv --business shop --time-zone UTC --currency EUR"""

    check_format(format)
    given = ImportOptions(
        read_mapping(map or ()), date_format, preset, amount, decimal, thousands, currency_sign, sheet
    )
    wanted = meant_source(file, source, Collection(database, collection, whole))

    async def work(services: Services, store: Database) -> tuple[PurchasesFile, Business]:
        meant = await business_for_import(services.businesses, context.obj.business, business, time_zone, currency)
        if isinstance(wanted, Path):
            read = PurchasesFile.of(open_purchases(wanted, meant, given))
        else:
            reached = mongodb_settings(context.obj.data, context.obj.mongodb_uri, meant.key)
            read = PurchasesFile.of(open_collection(reached, store, system_clock, meant, wanted, given))
        check_rejects(rejects, read.path)
        return read, meant if meant.id or dry_run else await made(services.businesses, meant)

    def finish(source: OpenedPurchases) -> None:
        run(context.obj, lambda services, store: source.finish(services.customers, chosen))

    read, chosen = run(context.obj, work)
    store = opened(context.obj)
    try:
        # In the main thread, so that an interruption ends it at once.
        read.into(store, chosen, dry_run, rejects, format == "json", finish)
    finally:
        store.bulk.dispose()
    if not dry_run:
        follow_import(context.obj, chosen, aside=format == "json")


def meant_source(file: Path | None, source: str | None, collection: Collection) -> Path | Collection:
    """The file or the collection; InvalidInput where what is given does not go together."""
    kind = source or ("mongodb" if file is None and collection != Collection() else "csv")
    if kind not in SOURCES:
        raise InvalidInput(f"--source must be one of: {', '.join(SOURCES)}, not {kind[:40]}", ("source",))
    if kind == "mongodb":
        if file is not None:
            raise InvalidInput("--source mongodb takes no file: give --database and --collection")
        return collection
    if collection != Collection():
        raise InvalidInput("--database, --collection and --whole are for --source mongodb")
    if file is None:
        raise InvalidInput("A file must be named, or --source mongodb given")
    return file


@import_app.command()
def import_customers(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV file of customers, plain or gzip.")],
    business: BusinessOption = None,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    rejects: RejectsOption = None,
) -> None:
    """Import customers. Example: segments import-customers customers.csv --business shop"""

    async def work(services: Services, database: Database) -> None:
        meant = await business_for_import(services.businesses, context.obj.business, business, time_zone, currency)
        read = CustomersFile.read(file)
        check_rejects(rejects, read.source.path)
        chosen = meant if meant.id else await made(services.businesses, meant)
        await import_file(read, services.customers, chosen, rejects)

    run(context.obj, work)
