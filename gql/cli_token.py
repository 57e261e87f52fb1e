"""`segments token`: a token for a program, on the standard output and nowhere else."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.model import Permission
from gql.auth import MAXIMUM_NAME, issue_token, require_secret, stored_secret
from gql.cli_run import BusinessOption, run
from gql.clock import system_clock
from gql.services import Services
from gql.settings import Settings
from persistence.database.engines import Database

token_app = typer.Typer()


@token_app.command()
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
