"""Formats of sources on the command line: kept by name for a business, from a TOML file or the options that an import
takes. What is shown can be saved again, presets included."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import InvalidInput
from domain.imports.formats import SourceFormat
from gql.cli.imports import with_format_options
from gql.cli.output import FormatOption, check_file, format_minute, format_second, name_zone, print_json
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app

if TYPE_CHECKING:
    from domain.imports.model import SavedFormat

formats_app = make_app("How the sources of a business are written, kept by name.")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the format.")]


@formats_app.command(name="list")
@command
async def list_formats(session: Session, business: BusinessOption = None, format: FormatOption = "table") -> None:
    """List formats, the business's own first, then the presets. Example: segments formats list --format json"""
    from gql.cli.actions.terminal import Fit, print_rows

    chosen = await session.choose(business)
    formats = await session.services.formats.load_all(chosen)
    if format == "json":
        print_json([build_format_document(one) for one in formats])
        return
    rows = []
    for one in formats:
        saved = "preset" if one.updated_at is None else format_minute(one.updated_at, chosen.time_zone)
        rows.append((one.name, saved, ", ".join(one.document)))
    print_rows({"name": Fit.WHOLE, "saved": Fit.WHOLE, "what it says": Fit.PROSE}, rows)
    if any(one.updated_at for one in formats):
        name_zone(chosen.time_zone)


@formats_app.command()
@command
async def show(session: Session, name: NameArgument, business: BusinessOption = None) -> None:
    """Show a format or a preset as TOML that save reads. Example: segments formats show till > till.toml"""
    found = await session.services.formats.find(await session.choose(business), name)
    typer.echo(as_toml(found), nl=False)


@formats_app.command()
@with_format_options
@command
async def save(
    session: Session,
    name: NameArgument,
    file: Annotated[
        Path | None, typer.Argument(help="TOML or JSON file; docs/sources.md has its keys.", callback=check_file)
    ] = None,
    *,
    options: SourceFormat,
    business: BusinessOption = None,
) -> None:
    """Keep a format by name, from a file or from options. Example: segments formats save till till.toml"""
    document = read_document(file, options)
    chosen = await session.choose(business)
    saved = await session.services.formats.save(chosen, name, document, ACTOR)
    typer.echo(f"Saved {saved.name} for {chosen.key}. Use it: segments import FILE --source-format {saved.name}")


@formats_app.command()
@command
async def delete(session: Session, name: NameArgument, business: BusinessOption = None) -> None:
    """Delete a saved format. Example: segments formats delete till"""
    chosen = await session.choose(business)
    await session.services.formats.delete(chosen, name, ACTOR)
    typer.echo(f"Deleted {name} of {chosen.key}.")


def read_document(file: Path | None, options: SourceFormat) -> Mapping[str, Any]:
    """What the file or the options state; InvalidInput where it is neither of them, or both."""
    from gql.cli.actions.settings_files import read_file

    if options.name is not None:
        raise InvalidInput("--source-format reads by a format that is saved: show that one, and save what is changed")
    stated = options.to_document()
    if file is not None and stated:
        raise InvalidInput("A format is saved from a FILE or from options, not from both")
    if file is None and not stated:
        raise InvalidInput("Give a FILE, or options such as --date-format, that say how the source is written")
    return stated if file is None else read_file(file)


def as_toml(one: "SavedFormat") -> str:
    """The format as a file of its own."""
    from domain.imports.presets import load_presets
    from gql.cli.inspection.table import to_toml

    if one.updated_at is not None:
        return to_toml(one.document)
    title = load_presets()[one.name].title
    built = f'# {title[0].upper()}{title[1:]}. To build on it instead: preset = "{one.name}"'
    return f"{built}\n{to_toml(one.document)}"


def build_format_document(one: "SavedFormat") -> dict[str, Any]:
    """The format as JSON."""
    return {
        "name": one.name,
        "preset": one.is_preset,
        "updated_at": format_second(one.updated_at),
        "settings": dict(one.document),
    }
