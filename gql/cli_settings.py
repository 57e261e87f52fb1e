"""Settings of a business on the command line: a file applied as a whole or not at all, and shown as they are in effect.
How MongoDB is reached goes to its own file in the data folder, never to the store; secrets are never printed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from domain.businesses.mongodb import NAMES, SECTION, merged
from domain.businesses.settings import SettingChange, effective
from domain.errors import FieldProblem, InvalidInput
from domain.store import Actor
from gql.cli_run import BusinessOption, run
from gql.cli_settings_file import SECRET, as_toml, masked, read_statement
from gql.cli_text import plain
from gql.cli_worker import Worker, said
from gql.services import Services
from persistence.database.engines import Database
from persistence.sources.opening import keep_section, kept_section

settings_app = typer.Typer(no_args_is_help=True, help="The settings of a business.")
ACTOR = Actor("command line")
FORMATS = ("toml", "json")


@settings_app.command()
def apply(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="TOML or JSON file of settings; docs/settings.md has their names.")],
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong or would change, write nothing.")] = False,
    business: BusinessOption = None,
) -> None:
    """Change settings by a file. Example: segments settings apply shop.toml --check"""
    statement = read_statement(file)

    async def work(services: Services, database: Database) -> None:
        businesses, settings = services.businesses, context.obj
        chosen = await businesses.choose(business, settings.business)
        kept = kept_section(settings.data, chosen.key)
        section, faults = merged(kept, statement.mongodb)
        problems = list(statement.problems)
        try:
            plan = await businesses.plan_settings(chosen.key, statement.settings, here=True)
        except InvalidInput as error:
            problems += error.problems
        problems += [FieldProblem(("settings", f"{SECTION}.{name}"), message) for name, message in faults]
        if problems:
            raise InvalidInput.of(problems)
        outside = [name for name in NAMES if kept.get(name) != section.get(name)]
        if not check and outside:
            keep_section(settings.data, chosen.key, section)
        worker = await Worker.of(database, chosen.key, settings.business)
        newest = await worker.newest()
        if not check and (plan.changes or outside):
            names = [f"{SECTION}.{name}" for name in outside]
            chosen, plan = await businesses.set_settings(
                chosen.key, statement.settings, ACTOR, here=True, outside=names
            )
        for line in (*plan.notes, *map(_changed, plan.changes), *(_moved(name, kept, section) for name in outside)):
            typer.echo(plain(line))
        count = len(plan.changes) + len(outside)
        done = "would change" if check else "changed"
        number = f"{count} {'setting' if count == 1 else 'settings'}" if count else "Nothing"
        typer.echo(f"{number} {done} in {chosen.key} (version {chosen.settings_version}).")
        if check or not plan.changes:
            return
        async with worker.working():
            async for name, job in worker.followers(newest):
                typer.echo(f"{name}: {said(job)}")

    run(context.obj, work)


@settings_app.command()
def show(
    context: typer.Context,
    format: Annotated[str, typer.Option(help="toml, which apply reads, or json.")] = "toml",
    business: BusinessOption = None,
) -> None:
    """Show every setting with the value in effect. Example: segments settings show > shop.toml"""
    if format not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        section = kept_section(context.obj.data, chosen.key)
        if format == "toml":
            typer.echo(as_toml(chosen, section), nl=False)
            return
        shown = {**effective(chosen.settings), SECTION: masked(section)}
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2))

    run(context.obj, work)


def _changed(change: SettingChange) -> str:
    return f"{change.name}: {_text(change.old)} -> {_text(change.new)}"


def _moved(name: str, kept: Mapping[str, str], section: Mapping[str, str]) -> str:
    old, new = masked(kept).get(name), masked(section).get(name)
    if name in SECRET and old == new:
        return f"{SECTION}.{name}: another one"
    return f"{SECTION}.{name}: {_text(old)} -> {_text(new)}"


def _text(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
