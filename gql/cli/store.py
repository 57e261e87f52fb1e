"""Commands on the store itself: its businesses, its tables, copies of it, its history and its schema. An archive of
history is whole and on the disk before anything is removed."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.imports.columns import count_noun
from gql.cli.output import check_file, clean_line, format_minute
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app

businesses_app = make_app("The businesses (tenants) of the store.")
db_app = make_app("The store and its tables.")


def check_name(name: str | None) -> str | None:
    """A name that people can read; InvalidInput otherwise."""
    if name is not None and (not name.strip() or clean_line(name) != name):
        raise InvalidInput("--name must not be blank, and must be on one line")
    return name


@businesses_app.command(name="list")
@command
async def list_businesses(session: Session) -> None:
    """List the businesses. Example: segments businesses list"""
    from gql.cli.actions.terminal import Fit, print_rows

    columns = {"key": Fit.WHOLE, "name": Fit.NAME, "time zone": Fit.WHOLE, "currency": Fit.WHOLE}
    every = await session.services.businesses.load_all()
    print_rows(columns, [(one.key, one.name, one.time_zone, one.currency) for one in every])


@businesses_app.command()
@command
async def create(
    session: Session,
    key: Annotated[str, typer.Argument(help="Short name: lower-case letters, digits, hyphens.")],
    time_zone: Annotated[str, typer.Option(help="IANA time zone.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
) -> None:
    """Create a business. Example: segments businesses create shop --time-zone Asia/Colombo --currency LKR"""
    business = await session.services.businesses.create(key, check_name(name), time_zone, currency)
    typer.echo(f"Created {business.key} ({business.currency}, {business.time_zone}).")


@businesses_app.command(name="set")
@command
async def set_(
    session: Session,
    key: Annotated[str, typer.Argument(help="Key of the business.")],
    name: Annotated[str | None, typer.Option(help="Name for people.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA time zone; rewrites every local day.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code; only before the first purchase.")] = None,
) -> None:
    """Change a business. Example: segments businesses set shop --name "The Shop" """
    if name is None and time_zone is None and currency is None:
        raise InvalidInput("Nothing to change: give --name, --time-zone or --currency.")
    changes = session.services.business_changes
    await changes.change(key, ACTOR, name=check_name(name), time_zone=time_zone, currency=currency)
    typer.echo(f"Changed {key}.")


@db_app.command(name="upgrade")
def db_upgrade(context: typer.Context) -> None:
    """Bring the store to the newest tables. Example: segments db upgrade"""
    from gql.composition import upgrade_store

    upgrade_store(context.obj)
    typer.echo("The store is up to date.")


@db_app.command(name="check")
def db_check(context: typer.Context) -> None:
    """Check pages, tables, and all that holds in a store. Example: segments db check"""
    from gql.cli.actions.bars import show_steps
    from gql.composition import check_store

    with show_steps() as report:
        findings = check_store(context.obj, report)
    for line in (*findings.notes, *findings.faults):
        typer.echo(clean_line(line))
    if findings.faults:
        raise InvalidInput(f"The store is not sound: {count_noun(len(findings.faults), 'fault')}, listed above.")
    typer.echo("The store is sound.")


copies_app = make_app()


@copies_app.command()
def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="File for the copy.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it is there.")] = False,
) -> None:
    """Copy the store to a file while it is used. Example: segments backup monday.sqlite"""
    from gql.cli.actions.bars import show_steps
    from gql.composition import back_up_store

    with show_steps() as report:
        back_up_store(context.obj, file, report, force=force)
    typer.echo(f"The store is copied to {file} ({file.stat().st_size / 1e6:,.1f} MB).")


@copies_app.command(name="restore")
def restore_copy(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A copy that segments backup made.", callback=check_file)],
    keep: Annotated[bool, typer.Option(help="Keep what is replaced, with the ending .before-restore.")] = True,
) -> None:
    """Let a copy be the store; nothing else may have it open. Example: segments restore monday.sqlite"""
    from gql.cli.actions.bars import show_steps
    from gql.composition import restore_store

    with show_steps() as report:
        kept = restore_store(context.obj, file, report, keep=keep)
    typer.echo(f"The store is that of {file} now." + (f" What it was is in {kept}." if kept else ""))


lake_app = make_app("The columnar copies of purchases.")


@lake_app.command(name="status")
@command
async def lake_status(session: Session) -> None:
    """Show the copies, and what has changed since. Example: segments lake status"""
    from gql.cli.actions.terminal import Fit, print_rows

    renewal, rows = session.store.make_renewal(), []
    for business in await session.services.businesses.load_all():
        state = renewal.describe(business.id)
        newest = state.newest
        told = [business.key, f"{state.purchases:,}"]
        if newest is None:
            rows.append([*told, None, None, None, state.trouble])
            continue
        at = format_minute(newest.written_at, business.time_zone)
        rows.append([*told, at, f"{newest.customers:,}", f"{state.touched:,}", state.trouble])
    columns = dict.fromkeys(("business", "purchases", "written", "customers", "changed since"), Fit.WHOLE)
    print_rows({**columns, "no copy, as it is": Fit.PROSE}, rows)


@lake_app.command(name="renew")
@command
async def lake_renew(
    session: Session,
    business: BusinessOption = None,
    whole: Annotated[bool, typer.Option("--whole", help="All of it, however little has changed.")] = False,
) -> None:
    """Write what is due of a copy now. Example: segments lake renew --business shop"""
    chosen, renewal = await session.choose(business), session.store.make_renewal()
    manifest = await renewal.renew_now(chosen.id, whole=whole)
    if manifest is None:
        typer.echo(f"The copy of {chosen.key} is as new as it has to be. --whole writes it anew.")
        return
    newest = manifest.newest
    kind = "The copy" if manifest.delta is None else "What changed since the copy"
    told = f"{count_noun(newest.customers, 'customer')} with {count_noun(newest.purchases, 'purchase')}"
    typer.echo(f"{kind} of {chosen.key} is written: {told}.")


history_app = make_app("The history of memberships.")


@history_app.command()
@command
async def compact(
    session: Session,
    before: Annotated[str, typer.Option(help="Memberships that ended before this date go, such as 2024-01-01.")],
    archive: Annotated[Path, typer.Option(help="File for what is removed, FILE.csv.gz; must not exist yet.")],
    business: BusinessOption = None,
) -> None:
    """Archive and remove old memberships. Example: segments history compact --before 2024-01-01 --archive old.csv.gz"""
    from domain.segments.history import Compaction
    from gql.cli.actions.archive import check_archive, write_archive
    from gql.composition import read_system_clock

    chosen = await session.choose(business)
    compaction = Compaction(session.store.units, read_system_clock)
    horizon = compaction.read_horizon(chosen, read_before(before))
    check_archive(archive)
    count = await write_archive(archive, compaction, chosen, horizon)
    removed = await compaction.remove(chosen, horizon, ACTOR)
    typer.echo(f"{count:,} memberships are in {archive}; {removed:,} were removed.")


def read_before(text: str) -> date:
    """The date; InvalidInput where the text is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--before must be a date such as 2024-01-01, not {text}") from error


schema_app = make_app()


@schema_app.command()
def schema(
    check: Annotated[
        Path | None, typer.Option(help="Compare with this file instead of printing.", callback=check_file)
    ] = None,
) -> None:
    """Print the GraphQL schema. Example: segments schema > schema.graphql"""
    from gql.schema.schema import print_sdl

    text = print_sdl()
    if check is None:
        sys.stdout.write(text)
    elif check.read_text() != text:
        raise InvalidInput(f"{check} is not the schema of this program. Run: segments schema > {check}")
