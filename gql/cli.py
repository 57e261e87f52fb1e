"""The `segments` command. Every failure is one clear sentence and a non-zero exit; nobody sees a traceback."""

import asyncio
import logging
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console
from rich.table import Table

from domain.demo import KEY
from domain.errors import DomainError, InvalidInput
from domain.model import Permission
from domain.pages import PageRequest
from domain.ports import CustomerFilter, CustomerSort
from gql.app import create_app, make_services, system_clock
from gql.auth import issue_token, require_secret, stored_secret
from gql.cli_import import import_customers_file, import_purchases_file
from gql.cli_report import print_report
from gql.cli_run import BusinessOption, business_for_import, fill_demo, opened, run
from gql.cli_store import businesses_app, db_app
from gql.cli_verify import verify_all
from gql.context import Services
from gql.logs import set_up
from gql.schema import sdl
from gql.settings import Settings
from persistence.database import Database

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The customer-segmentation server."
)
app.add_typer(businesses_app, name="businesses")
app.add_typer(db_app, name="db")


def main() -> None:
    """The entry point: one sentence for every failure."""
    try:
        app(standalone_mode=True)
    except DomainError as error:
        problems = getattr(error, "problems", ())
        for message in dict.fromkeys(problem.message for problem in problems) or [error.message]:
            sys.stderr.write(f"Error: {message}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        logging.getLogger("segments").debug("unexpected failure", exc_info=error)
        sys.stderr.write(f"Error: {type(error).__name__}. Run it again with -v for more.\n")
        sys.exit(70)


@app.callback()
def options(
    context: typer.Context,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show statements with their durations.")] = False,
) -> None:
    """Settings come from the environment: PORT and SEGMENTS_*."""
    settings = Settings.from_environment()
    if verbose:
        settings = replace(settings, log_level="DEBUG")
    set_up(settings.log_level)
    context.obj = settings


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port to listen on; PORT or 8000 where absent.")] = None,
    workers: Annotated[int, typer.Option(help="Number of processes.", min=1, max=64)] = 1,
    demo: Annotated[bool, typer.Option("--demo", help="Fill an empty store with the demo shop.")] = False,
) -> None:
    """Serve the GraphQL API. Example: segments serve --demo"""
    settings = replace(context.obj, host=host, demo=demo, port=context.obj.port if port is None else port)
    settings = require_secret(settings, demo=demo)
    database = opened(settings)
    if demo:
        asyncio.run(fill_demo(make_services(database, system_clock), None))
    key = KEY if demo else settings.business

    def token() -> str:
        permissions = [permission.value for permission in Permission]
        lifetime = timedelta(hours=min(settings.token_lifetime_hours, 24))
        return issue_token(
            settings.jwt_secret,
            subject="demo",
            business=key,
            permissions=permissions,
            lifetime=lifetime,
            now=system_clock(),
        )

    console = Console(soft_wrap=True, highlight=False)
    console.print(f"GraphiQL:  http://{host}:{settings.port}/graphql")
    if demo:
        console.print(f"Token:     {token()}")
    common: dict[str, Any] = {
        "host": host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "limit_concurrency": 1000,
        "ws_max_size": 1 << 20,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": 10,
    }
    if workers > 1:
        uvicorn.run("gql.app:create_app_from_environment", factory=True, workers=workers, **common)
    else:
        uvicorn.run(create_app(settings, system_clock, token if demo else None, database), **common)


@app.command()
def demo(context: typer.Context) -> None:
    """Fill the store with the demo shop, unless it is there. Example: segments demo"""

    async def work(services: Services, database: Database) -> None:
        await fill_demo(services, typer.echo)

    run(context.obj, work)


@app.command(name="import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV file of purchases, plain or gzip.")],
    business: BusinessOption = None,
    map: Annotated[list[str] | None, typer.Option("--map", help="COLUMN=FIELD, repeatable.")] = None,
    date_format: Annotated[str | None, typer.Option(help="Form of the dates, such as %d/%m/%Y.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone; makes the business on first import.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; makes the business on first import.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count, write nothing.")] = False,
    rejects: Annotated[Path | None, typer.Option(help="File for the rejected rows.")] = None,
) -> None:
    """Import purchases. Example: segments import orders.csv --business shop --time-zone UTC --currency EUR"""

    async def work(services: Services, database: Database) -> None:
        chosen = await business_for_import(services, context.obj, business, time_zone, currency)
        await asyncio.to_thread(import_purchases_file, database, chosen, file, map or [], date_format, dry_run, rejects)

    run(context.obj, work)


@app.command()
def import_customers(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV file of customers, plain or gzip.")],
    business: BusinessOption = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA zone; makes the business on first import.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; makes the business on first import.")] = None,
) -> None:
    """Import customers. Example: segments import-customers customers.csv --business shop"""

    async def work(services: Services, database: Database) -> None:
        chosen = await business_for_import(services, context.obj, business, time_zone, currency)
        await import_customers_file(services.customers, chosen, file)

    run(context.obj, work)


@app.command()
def report(
    context: typer.Context,
    business: BusinessOption = None,
    method: Annotated[str, typer.Option(help="rfm")] = "rfm",
    days: Annotated[int, typer.Option(help="Length of the window in days, 1 to 9999.")] = 90,
    as_of: Annotated[
        str | None, typer.Option(help="Last day of the window, such as 2024-03-01; today if absent.")
    ] = None,
    storefront: Annotated[str | None, typer.Option(help="Key of a storefront.")] = None,
    segment_name: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    segment_code: Annotated[str | None, typer.Option(help="Only the group of this code.")] = None,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    format: Annotated[str, typer.Option(help="table or json")] = "table",
) -> None:
    """Print the segmentation report. Example: segments report --days 90 --format json"""

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        await print_report(
            services, chosen, method, days, as_of, storefront, segment_name, segment_code, scheme, format
        )

    run(context.obj, work)


@app.command()
def customers(
    context: typer.Context,
    business: BusinessOption = None,
    search: Annotated[str | None, typer.Option(help="Beginning of id, name, email or a word of the name.")] = None,
    sort: Annotated[
        CustomerSort, typer.Option(help="What to order by.", case_sensitive=False)
    ] = CustomerSort.EXTERNAL_ID,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the order round.")] = False,
    first: Annotated[int, typer.Option(help="How many, 1 to 250.", min=1, max=250)] = 20,
) -> None:
    """List customers. Example: segments customers --sort TOTAL_REVENUE --reverse --first 10"""

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        page = await services.customers.page(chosen, PageRequest(first), CustomerFilter(search), sort, reverse)
        table = Table("customer", "name", "level", "orders", f"revenue ({chosen.currency})", "last purchase")
        for record in page.items:
            kept, customer = record.totals, record.customer
            revenue = services.customers.revenue(chosen, kept)
            last = "" if kept.last_at is None else f"{kept.last_at:%Y-%m-%d}"
            cells = (customer.external_id, customer.name or "", customer.loyalty_level or "")
            table.add_row(*cells, str(kept.order_count), f"{revenue:,}", last)
        Console().print(table)

    run(context.obj, work)


@app.command()
def token(
    context: typer.Context,
    business: BusinessOption = None,
    subject: Annotated[str, typer.Option(help="Who the token is for.")] = "cli",
    permission: Annotated[list[Permission] | None, typer.Option(help="Repeatable; all where absent.")] = None,
    expires: Annotated[float, typer.Option(help="Hours until it expires, at most 24.", min=0.01)] = 8,
) -> None:
    """Print a token and nothing else. Example: segments token --subject pos --permission customers:view"""
    settings: Settings = context.obj
    secret = settings.jwt_secret or stored_secret(settings)
    if secret is None:
        raise InvalidInput("SEGMENTS_JWT_SECRET must be set, or the demo server started once, to sign a token.")
    if expires > settings.token_lifetime_hours:
        raise InvalidInput(f"--expires must be at most {settings.token_lifetime_hours} hours.")

    async def work(services: Services, database: Database) -> str:
        return (await services.businesses.choose(business, settings.business)).key

    key = run(settings, work)
    permissions = [one.value for one in permission or list(Permission)]
    lifetime = timedelta(hours=expires)
    typer.echo(
        issue_token(
            secret, subject=subject, business=key, permissions=permissions, lifetime=lifetime, now=system_clock()
        )
    )


@app.command()
def schema(
    check: Annotated[Path | None, typer.Option(help="Compare with this file instead of printing.")] = None,
) -> None:
    """Print the GraphQL schema. Example: segments schema > schema.graphql"""
    text = sdl()
    if check is None:
        sys.stdout.write(text)
    elif not check.is_file() or check.read_text() != text:
        raise InvalidInput(f"{check} is not the schema of this program. Run: segments schema > {check}")


@app.command()
def verify() -> None:
    """Check the arithmetic without a store. Example: segments verify"""
    for name, passed in verify_all():
        typer.echo(f"{'ok' if passed else 'FAILED'}  {name}")
        if not passed:
            raise typer.Exit(1)
