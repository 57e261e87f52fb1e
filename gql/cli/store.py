"""Commands on the store itself: its businesses and its tables.

Compaction of history from the command line. The archive is whole and on the disk before anything is removed.

`segments schema`: the GraphQL schema of this program as text.
"""

import csv
import gzip
import os
import sys
from collections.abc import Sequence
from datetime import UTC, date
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import InvalidInput
from domain.segments.history import Compaction
from domain.segments.model import ArchivedMembership
from domain.store import Actor
from gql.cli.output import cell, guarded, plain
from gql.cli.session import BusinessOption, run
from gql.composition import Services, connected, require_stage, system_clock
from gql.schema.schema import sdl
from persistence.database.engines import Database
from persistence.migrations.migrate import differences, upgrade
from persistence.store import SqlStore

businesses_app = typer.Typer(no_args_is_help=True, help="The businesses (tenants) of the store.")
db_app = typer.Typer(no_args_is_help=True, help="The store and its tables.")
ACTOR = Actor("command line")


def checked_name(name: str | None) -> str | None:
    """A name that people can read; InvalidInput otherwise."""
    if name is not None and (not name.strip() or plain(name) != name):
        raise InvalidInput("--name must not be blank, and must be on one line")
    return name


@businesses_app.command(name="list")
def list_businesses(context: typer.Context) -> None:
    """List the businesses. Example: segments businesses list"""

    async def work(services: Services, database: Database) -> None:
        table = Table("key", "name", "time zone", "currency", box=None)
        for business in await services.businesses.all():
            table.add_row(business.key, cell(business.name), business.time_zone, business.currency)
        Console().print(table)

    run(context.obj, work)


@businesses_app.command()
def create(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, hyphens.")],
    time_zone: Annotated[str, typer.Option(help="IANA time zone.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
) -> None:
    """Create a business. Example: segments businesses create shop --time-zone Asia/Colombo --currency LKR"""

    async def work(services: Services, database: Database) -> None:
        business = await services.businesses.create(key, checked_name(name), time_zone, currency)
        typer.echo(f"Created {business.key} ({business.currency}, {business.time_zone}).")

    run(context.obj, work)


@businesses_app.command(name="set")
def set_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(help="Key of the business.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA time zone; rewrites every local day.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; only before the first purchase.")] = None,
) -> None:
    """Change a business. Example: segments businesses set shop --name "The Shop" """

    if name is None and time_zone is None and currency is None:
        raise InvalidInput("Nothing to change: give --name, --time-zone or --currency.")

    async def work(services: Services, database: Database) -> None:
        await services.businesses.change(key, ACTOR, name=checked_name(name), time_zone=time_zone, currency=currency)
        typer.echo(f"Changed {key}.")

    run(context.obj, work)


@db_app.command(name="upgrade")
def db_upgrade(context: typer.Context) -> None:
    """Bring the store to the newest tables. Example: segments db upgrade"""
    database = connected(context.obj)
    try:
        upgrade(database.bulk)
    finally:
        database.bulk.dispose()
    typer.echo("The store is up to date.")


@db_app.command(name="check")
def db_check(context: typer.Context) -> None:
    """Check the tables, and every customer's totals against the purchases. Example: segments db check"""
    database = connected(context.obj)
    try:
        require_stage(database)
        faults = differences(database.bulk)
    finally:
        database.bulk.dispose()

    async def work(services: Services, database: Database) -> list[str]:
        found = []
        store = SqlStore(database, system_clock)
        for business in await services.businesses.all():
            async with store.read(business) as unit:
                wrong = await unit.reports.wrong_totals()
            if wrong:
                found.append(f"{business.key}: the totals of {wrong} customers differ from their purchases")
        return found

    faults = faults or run(context.obj, work)
    if faults:
        raise InvalidInput("The store is not as it should be: " + "; ".join(faults) + ".")
    typer.echo("The store is sound.")


history_app = typer.Typer(no_args_is_help=True, help="The history of memberships.")
HEADER = ("segment", "customer_id", "entered_at", "left_at", "source", "entered_by", "left_by")


@history_app.command()
def compact(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="Memberships that ended before this date go, such as 2024-01-01.")],
    archive: Annotated[Path, typer.Option(help="File for what is removed, FILE.csv.gz; must not exist yet.")],
    business: BusinessOption = None,
) -> None:
    """Archive and remove old memberships. Example: segments history compact --before 2024-01-01 --archive old.csv.gz"""

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        compaction = Compaction(SqlStore(database, system_clock), system_clock)
        horizon = compaction.horizon(chosen, checked_date(before))
        if archive.suffix != ".gz":
            raise InvalidInput(f"--archive must end in .gz, such as {archive.with_suffix('.csv.gz')}")
        if archive.exists():
            raise InvalidInput(f"--archive: {archive} exists already.")
        unfinished = archive.with_name(f"{archive.name}.unfinished")
        try:
            with unfinished.open("wb") as raw:
                with (
                    gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed,
                    TextIOWrapper(packed, encoding="utf-8", newline="") as text,
                ):
                    writer = csv.writer(text)
                    writer.writerow(HEADER)

                    def keep(found: Sequence[ArchivedMembership]) -> None:
                        writer.writerows(map(archived, found))

                    count = await compaction.archive(chosen, horizon, keep)
                raw.flush()
                os.fsync(raw.fileno())
            unfinished.rename(archive)
        except OSError as error:
            raise InvalidInput(f"--archive: {archive} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        removed = await compaction.remove(chosen, horizon, ACTOR)
        typer.echo(f"{count:,} memberships are in {archive}; {removed:,} were removed.")

    run(context.obj, work)


def checked_date(text: str) -> date:
    """The date; InvalidInput where the text is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--before must be a date such as 2024-01-01, not {text}") from error


def archived(item: ArchivedMembership) -> tuple[str, ...]:
    """The row of a membership, safe for spreadsheets."""
    kept = item.membership
    ends = (kept.entered_at, kept.left_at)
    instants = ["" if at is None else at.astimezone(UTC).isoformat() for at in ends]
    texts = (guarded(text or "") for text in (kept.entered_by, kept.left_by))
    return (item.segment_key, guarded(item.customer_external_id), *instants, kept.source.value, *texts)


schema_app = typer.Typer()


@schema_app.command()
def schema(
    check: Annotated[Path | None, typer.Option(help="Compare with this file instead of printing.")] = None,
) -> None:
    """Print the GraphQL schema. Example: segments schema > schema.graphql"""
    text = sdl()
    if check is None:
        sys.stdout.write(text)
    elif not check.is_file() or check.read_text() != text:
        raise InvalidInput(f"{check} is not the schema of this program. Run: segments schema > {check}")
