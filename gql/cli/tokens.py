"""Tokens from the command line: one is printed alone on its line, so that a script can take it, or some are revoked
before they expire. Only who has the secret can make one; to revoke, the store is enough."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

import typer

from domain.errors import InvalidInput, name_fields
from domain.model import MAXIMUM_TOKEN_NAME, Permission, is_token_name
from gql.cli.output import clean_line
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app
from gql.settings import Settings

token_app = make_app()
NAMES = {"jti": "JTI", "subject": "--subject", "issued_before": "--before"}
"""What this command calls the tokens that are meant."""


@token_app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    business: BusinessOption = None,
    subject: Annotated[str, typer.Option(help="Who the token is for.")] = "cli",
    permission: Annotated[list[Permission] | None, typer.Option(help="Repeatable; all where absent.")] = None,
    expires: Annotated[
        float | None, typer.Option(help="Hours until it expires, at most 24; 8 where absent.", min=0.01)
    ] = None,
    show_id: Annotated[
        bool, typer.Option("--show-id", help="Say on standard error by which JTI it can be revoked.")
    ] = False,
) -> None:
    """Print a token and nothing else. Example: segments token --subject pos --permission customers:view"""
    if context.invoked_subcommand is not None:
        if business or permission or expires or show_id or subject != "cli":
            raise typer.BadParameter(f"options stand after {context.invoked_subcommand}")
        return
    from gql.auth import find_signing_secret, issue_token, make_token_id
    from gql.composition import read_system_clock

    settings = find_secrets(context.obj)
    if not (subject.strip() and is_token_name(subject)):
        raise InvalidInput(f"--subject must be 1 to {MAXIMUM_TOKEN_NAME} printable characters, not all blank")
    longest = settings.token_lifetime_hours
    hours = min(8, longest) if expires is None else expires
    if hours > longest:
        raise InvalidInput(f"--expires must be at most {longest} hours (SEGMENTS_TOKEN_LIFETIME_HOURS)")
    with Session(settings) as session:
        key = session.run(session.choose(business)).key
    token_id, (key_id, secret) = make_token_id(), find_signing_secret(settings)
    printed = issue_token(
        secret,
        subject=subject,
        business=key,
        permissions=[one.value for one in permission or list(Permission)],
        lifetime=timedelta(hours=hours),
        now=read_system_clock(),
        token_id=token_id,
        key_id=key_id,
    )
    if show_id:
        typer.echo(f"JTI: {token_id}", err=True)
    typer.echo(printed)


def find_secrets(settings: Settings) -> Settings:
    """The settings with a secret that can be trusted, that of demo mode where none is set; InvalidInput otherwise."""
    from gql.auth import find_signing_secret, read_stored_secret, require_secret

    if not find_signing_secret(settings)[1]:
        stored = read_stored_secret(settings)
        if stored is None:
            raise InvalidInput("SEGMENTS_JWT_SECRET must be set, or the demo server started once, to sign a token.")
        settings = replace(settings, jwt_secret=stored)
    return require_secret(settings, demo=False)


@token_app.command()
@command
async def revoke(
    session: Session,
    jti: Annotated[str | None, typer.Argument(metavar="JTI", help="The id of one token, its claim jti.")] = None,
    subject: Annotated[str | None, typer.Option(help="Whose tokens; all that were issued up to now.")] = None,
    before: Annotated[
        str | None,
        typer.Option(
            help="Tokens issued before this instant, such as 2024-03-01T09:30:00Z; of --subject or everybody."
        ),
    ] = None,
    business: BusinessOption = None,
) -> None:
    """Revoke tokens before they expire. Example: segments token revoke --subject ann --business shop"""
    from domain.calendar import load_zone, read_instant

    chosen = await session.choose(business)
    try:
        instant = None if before is None else read_instant(before, load_zone(chosen.time_zone))
    except ValueError as error:
        raise InvalidInput(f"--before {error}") from error
    try:
        at = await session.services.revocations.revoke(
            chosen, ACTOR, token_id=jti, subject=subject, issued_before=instant
        )
    except InvalidInput as error:
        raise InvalidInput(name_fields(error.message, NAMES.__getitem__)) from error
    whose = f"the tokens of {clean_line(subject)}" if subject else "all tokens"
    what = f"the token {clean_line(jti)}" if jti else whose
    then = (instant or at).astimezone(load_zone(chosen.time_zone))
    until = "" if jti else f", issued before {then.isoformat(timespec='seconds').replace('+00:00', 'Z')}"
    typer.echo(f"Revoked {what} in {chosen.key}{until}. Every server knows within 5 seconds.")
