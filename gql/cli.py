"""The `segments` command. Every failure is one clear sentence and a non-zero exit; nobody sees a traceback."""

import os
import sys
from dataclasses import replace
from datetime import timedelta
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.model import Permission
from domain.ports import CustomerSort
from gql.app import system_clock
from gql.auth import MAXIMUM_NAME, issue_token, require_secret, stored_secret
from gql.cli_classify import classify_app
from gql.cli_customers import print_customers
from gql.cli_export import OutputOption, export_app
from gql.cli_failure import INTERRUPTED, explained
from gql.cli_history import history_app
from gql.cli_import_commands import import_app
from gql.cli_imports import imports_app
from gql.cli_members import members_app
from gql.cli_recalculate import recalculate_app
from gql.cli_report import Wanted, print_report
from gql.cli_run import BusinessOption, run
from gql.cli_segment import segment_app
from gql.cli_serve import serve_app
from gql.cli_settings import settings_app
from gql.cli_store import businesses_app, db_app
from gql.cli_text import plain
from gql.cli_verify import verify_all
from gql.cli_watch import watch_app
from gql.logs import set_up
from gql.schema import sdl
from gql.services import Services
from gql.settings import Settings
from persistence.database import Database

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The customer-segmentation server."
)
app.add_typer(serve_app)
app.add_typer(import_app)
app.add_typer(imports_app, name="imports")
app.add_typer(watch_app)
app.add_typer(classify_app)
app.add_typer(recalculate_app)
app.add_typer(history_app, name="history")
app.add_typer(export_app, name="export")
app.add_typer(businesses_app, name="businesses")
app.add_typer(db_app, name="db")
segment_app.add_typer(members_app)
app.add_typer(segment_app, name="segment")
app.add_typer(settings_app, name="settings")


def main() -> None:
    """The entry point: sentences for every failure, and quiet where nobody reads on."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = app(prog_name="segments", standalone_mode=False)
        if code == INTERRUPTED:
            # The option parser makes an exit code of it and says nothing.
            raise KeyboardInterrupt
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except (Exception, KeyboardInterrupt) as error:
        sentences, code = explained(error)
        for sentence in sentences:
            typer.echo(f"Error: {plain(sentence)}", err=True)
    sys.exit(code if isinstance(code, int) else 0)


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
def report(
    context: typer.Context,
    business: BusinessOption = None,
    method: Annotated[str, typer.Option(help="rfm, value or behavior")] = "rfm",
    days: Annotated[int, typer.Option(help="Length of the window in days, 1 to 9999.")] = 90,
    as_of: Annotated[
        str | None, typer.Option(help="Last day of the window, such as 2024-03-01; today if absent.")
    ] = None,
    storefront: Annotated[str | None, typer.Option(help="Key of a storefront.")] = None,
    segment_name: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    segment_code: Annotated[str | None, typer.Option(help="Only the group of this code.")] = None,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    format: Annotated[
        str | None, typer.Option(help="table, csv, xlsx, pdf or json; the ending of the file where absent, else table.")
    ] = None,
    output: OutputOption = None,
) -> None:
    """Print or write the segmentation report. Example: segments report --days 90 --output report.pdf"""
    wanted = Wanted(method, days, as_of, storefront, segment_name, segment_code, scheme, format, output)

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        await print_report(context.obj, services, chosen, wanted)

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
        await print_customers(services.customers, chosen, search, sort, reverse, first)

    run(context.obj, work)


@app.command()
def token(
    context: typer.Context,
    business: BusinessOption = None,
    subject: Annotated[str, typer.Option(help="Who the token is for.")] = "cli",
    permission: Annotated[list[Permission] | None, typer.Option(help="Repeatable; all where absent.")] = None,
    expires: Annotated[
        float | None, typer.Option(help="Hours until it expires, at most 24; 8 where absent.", min=0.01)
    ] = None,
) -> None:
    """Print a token and nothing else. Example: segments token --subject pos --permission customers:view"""
    settings: Settings = context.obj
    secret = settings.jwt_secret or stored_secret(settings)
    if secret is None:
        raise InvalidInput("SEGMENTS_JWT_SECRET must be set, or the demo server started once, to sign a token.")
    require_secret(replace(settings, jwt_secret=secret), demo=False)
    if not (subject.strip() and subject.isprintable() and len(subject) <= MAXIMUM_NAME):
        raise InvalidInput(f"--subject must be 1 to {MAXIMUM_NAME} printable characters, not all blank")
    longest = settings.token_lifetime_hours
    hours = min(8, longest) if expires is None else expires
    if hours > longest:
        raise InvalidInput(f"--expires must be at most {longest} hours (SEGMENTS_TOKEN_LIFETIME_HOURS)")

    async def work(services: Services, database: Database) -> str:
        return (await services.businesses.choose(business, settings.business)).key

    key = run(settings, work)
    permissions = [one.value for one in permission or list(Permission)]
    lifetime = timedelta(hours=hours)
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
