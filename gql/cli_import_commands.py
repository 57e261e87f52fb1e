"""The commands that read purchases and customers into a business: what is meant is opened and understood, the business
is made where it is new, and then rows are read."""

from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.imports.formats import ImportOptions
from domain.model import Business
from gql.cli_customers import import_file
from gql.cli_import import PurchasesFile, check_rejects
from gql.cli_import_options import (
    AmountOption,
    CollectionOption,
    CurrencyOption,
    DatabaseOption,
    DateFormatOption,
    DecimalOption,
    MapOption,
    PresetOption,
    RejectsOption,
    SheetOption,
    SignOption,
    SourceOption,
    ThousandsOption,
    WholeOption,
    ZoneOption,
    read_mapping,
)
from gql.cli_opening import business_for_import, made, opened
from gql.cli_recalculate import follow_import
from gql.cli_run import BusinessOption, run
from gql.cli_table import FormatOption, check_format
from gql.clock import system_clock
from gql.services import Services
from persistence.database.engines import Database
from persistence.imports.customers_file import CustomersFile
from persistence.sources.opening import Collection, OpenedPurchases, mongodb_settings, open_collection, open_purchases

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
        meant = await business_for_import(services.businesses, context.obj, business, time_zone, currency)
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
        meant = await business_for_import(services.businesses, context.obj, business, time_zone, currency)
        read = CustomersFile.read(file)
        check_rejects(rejects, read.source.path)
        chosen = meant if meant.id else await made(services.businesses, meant)
        await import_file(read, services.customers, chosen, rejects)

    run(context.obj, work)
