"""Settings of a business on the command line: a file is applied as a whole or not at all. How MongoDB is reached goes
to its own file in the data folder, never to the store."""

import json
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import FieldProblem, InvalidInput
from gql.cli.output import check_file, clean_line, offer
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app

settings_app = make_app("The settings of a business.")
FORMATS = ("toml", "json")


@settings_app.command()
@command
async def apply(
    session: Session,
    file: Annotated[
        Path,
        typer.Argument(help="TOML or JSON file of settings; docs/settings.md has their names.", callback=check_file),
    ],
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong or would change, write nothing.")] = False,
    business: BusinessOption = None,
) -> None:
    """Change settings by a file. Example: segments settings apply shop.toml --check"""
    from domain.businesses.mongodb import NAMES, SECTION, merge_section
    from gql.cli.actions.settings_files import describe_change, describe_mongodb, read_statement
    from gql.cli.actions.worker import Worker
    from gql.composition import read_mongodb_section, write_mongodb_section

    statement = read_statement(file)
    chosen, changes = await session.choose(business), session.services.business_changes
    old = read_mongodb_section(session.settings, chosen.key)
    section, faults = merge_section(old, statement.mongodb)
    problems = list(statement.problems)
    try:
        plan = await changes.plan_settings(chosen.key, statement.settings, here=True)
    except InvalidInput as error:
        problems += error.problems
    problems += [FieldProblem(("settings", f"{SECTION}.{name}"), message) for name, message in faults]
    if problems:
        raise InvalidInput.of(problems)
    outside = [name for name in NAMES if old.get(name) != section.get(name)]
    if not check and outside:
        write_mongodb_section(session.settings, chosen.key, section)
    worker = Worker.of(session, chosen)
    newest = await worker.find_newest()
    if not check and (plan.changes or outside):
        names = [f"{SECTION}.{name}" for name in outside]
        chosen, plan = await changes.set_settings(chosen.key, statement.settings, ACTOR, here=True, outside=names)
    sections = (describe_mongodb(name, old, section) for name in outside)
    for line in (*plan.notes, *map(describe_change, plan.changes), *sections):
        typer.echo(clean_line(line))
    count = len(plan.changes) + len(outside)
    done = "would change" if check else "changed"
    number = f"{count} {'setting' if count == 1 else 'settings'}" if count else "Nothing"
    typer.echo(f"{number} {done} in {chosen.key} (version {chosen.settings_version}).")
    if plan.changes and not check:
        await worker.report_dependents(newest)


@settings_app.command()
@command
async def show(
    session: Session,
    format: Annotated[
        str, typer.Option(help="toml, which apply reads, or json.", autocompletion=offer(("toml", "json")))
    ] = "toml",
    business: BusinessOption = None,
) -> None:
    """Show every setting with the value in effect. Example: segments settings show > shop.toml"""
    from domain.businesses.mongodb import SECTION
    from domain.businesses.settings import read_effective
    from gql.cli.actions.settings_files import as_toml, mask_secrets
    from gql.composition import read_mongodb_section

    if format not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")
    chosen = await session.choose(business)
    section = read_mongodb_section(session.settings, chosen.key)
    if format == "toml":
        typer.echo(as_toml(chosen, section), nl=False)
    else:
        values = {**read_effective(chosen.settings.stored), SECTION: mask_secrets(section)}
        typer.echo(json.dumps(values, ensure_ascii=False, indent=2))
