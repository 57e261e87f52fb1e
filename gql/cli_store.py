"""Commands on the store itself: its businesses and its tables."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import InvalidInput
from domain.store import Actor
from gql.cli_opening import connected, require_stage
from gql.cli_run import run
from gql.cli_text import cell, plain
from gql.clock import system_clock
from gql.services import Services
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
