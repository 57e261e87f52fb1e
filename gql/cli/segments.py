"""Segments on the command line: the same definitions, checks and sentences as the API's, from files.

Segments in files: JSON or TOML with the fields of the API's inputs, checked by the schema itself, so that both ways
in say the same.
"""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any

import typer
from graphql import GraphQLError, GraphQLInputType
from graphql.utilities import coerce_input_value, validate_input_value
from rich.table import Table

from domain.errors import FieldProblem, InvalidInput, NotFound
from domain.jobs.model import Job
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.model import Segment, SegmentKind
from domain.segments.segments import Change, definition_json, words
from domain.store import Actor, SegmentFilter, SegmentSort
from gql.cli.output import FormatOption, cell, check_format, minute, plain, print_json, print_table, stamp
from gql.cli.session import BusinessOption, run
from gql.composition import Services
from gql.parameters import SCHEMES
from gql.schema.errors import known_values
from gql.schema.inputs import CreateSegmentInput, RfmConfigInput, SegmentCriteriaInput, UpdateSegmentInput
from gql.schema.schema import make_schema
from gql.settings import Settings
from persistence.database.engines import Database

MAXIMUM_BYTES = 1024 * 1024
NESTED: Mapping[str, type[SegmentCriteriaInput] | type[RfmConfigInput]] = {
    "criteria": SegmentCriteriaInput,
    "rfm_config": RfmConfigInput,
}


def read_new(file: Path) -> CreateSegmentInput:
    """The new segment that a file states; InvalidInput says what is wrong with it."""
    return CreateSegmentInput(**_arguments(file, _read(file), "CreateSegmentInput"))


def read_change(file: Path | None, clear: list[str]) -> UpdateSegmentInput:
    """What is to change, as a file states it, and the fields to clear, which TOML cannot state."""
    stated = {} if file is None else _read(file)
    place = file or Path("--clear")
    twice = [name for name in ("id", *clear) if name in stated]
    if twice:
        raise InvalidInput(f"{place} must not hold {twice[0]}: the command line says it")
    values = {**stated, **dict.fromkeys(clear), "id": "-"}
    return UpdateSegmentInput(**_arguments(place, values, "UpdateSegmentInput"))


def as_stated(segment: Segment) -> dict[str, object]:
    """The segment with the fields of CreateSegmentInput that have a value, so that it can be read again."""
    values = {
        "name": segment.name,
        "key": segment.key,
        "description": segment.description,
        "kind": segment.kind.value,
        "isDynamic": segment.is_dynamic,
        "isRfm": segment.is_rfm,
        **definition_json(segment.definition),
        "schedule": segment.schedule,
    }
    return {name: value for name, value in values.items() if value is not None}


def _read(file: Path) -> dict[str, Any]:
    if file.suffix not in (".json", ".toml"):
        raise InvalidInput(f"{file} must be a .json or a .toml file")
    content = file.read_bytes()
    if len(content) > MAXIMUM_BYTES:
        raise InvalidInput(f"{file} must be at most 1 MiB")
    try:
        text = content.decode("utf-8-sig")
        found = json.loads(text) if file.suffix == ".json" else _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not readable {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} must hold one segment: an object with a name")
    return found


def _plain(value: object) -> Any:
    """TOML's own dates are the ISO texts that rules compare with."""
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_plain(held) for held in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _arguments(file: Path, values: dict[str, Any], kind: str) -> dict[str, Any]:
    """The values by the names that the input's class has for them."""
    schema = make_schema(Settings())
    expected: Any = schema._schema.type_map[kind]
    problems: list[FieldProblem] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        said = re.split(r",? [Ff]ound: ", error.message)[0] + known_values(error.message, schema)
        place = ".".join(map(str, path))
        problems.append(FieldProblem((), f"{file}: {place}: {said}" if place else f"{file}: {said}"))

    checked: GraphQLInputType = expected
    validate_input_value(values, checked, note)
    if problems:
        raise InvalidInput.of(problems)
    named = _snake(coerce_input_value(values, checked))
    for name, made in NESTED.items():
        if named.get(name) is not None:
            named[name] = made(**_snake(named[name]))
    return named


def _snake(values: Mapping[str, Any]) -> dict[str, Any]:
    return {re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", name): value for name, value in values.items()}


segment_app = typer.Typer(no_args_is_help=True, help="Segments: named groups of customers.")
ACTOR = Actor("command line")
KeyArgument = Annotated[str, typer.Argument(help="Key of the segment.")]


async def chosen(services: Services, context: typer.Context, business: str | None) -> Business:
    """The business that is meant."""
    return await services.businesses.choose(business, context.obj.business)


async def found(services: Services, business: Business, key: str) -> Segment:
    """The segment of that key; NotFound where there is none."""
    segment = await services.segments.by_key(business, key)
    if segment is None:
        raise NotFound(f"There is no segment with the key {key} in the business {business.key}.")
    return segment


@segment_app.command(name="list")
def list_segments(
    context: typer.Context,
    business: BusinessOption = None,
    search: Annotated[str | None, typer.Option(help="Beginning of the name, a word of it, or the key.")] = None,
    kind: Annotated[SegmentKind | None, typer.Option(help="Only this kind.", case_sensitive=False)] = None,
    sort: Annotated[SegmentSort, typer.Option(help="What to order by.", case_sensitive=False)] = SegmentSort.NAME,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the order round.")] = False,
    first: Annotated[int, typer.Option(help="How many, 1 to 250.", min=1, max=250)] = 50,
    format: FormatOption = "table",
) -> None:
    """List segments. Example: segments segment list --sort MEMBER_COUNT --reverse"""
    check_format(format)

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        where = SegmentFilter(search, kind)
        page = await services.read(meant, lambda unit: unit.segments.page(PageRequest(first), where, sort, reverse))
        if format == "json":
            print_json([_document(segment) for segment in page.items])
            return
        table = Table("key", "name", "kind", "members", "calculated", box=None)
        table.columns[3].justify = "right"
        for segment in page.items:
            row = (segment.key, cell(segment.name), segment.kind, f"{segment.member_count:,}", _time(segment))
            table.add_row(*row)
        print_table(table, "name")

    run(context.obj, work)


@segment_app.command()
def show(
    context: typer.Context,
    key: KeyArgument,
    business: BusinessOption = None,
    format: Annotated[str, typer.Option(help="table, or json, which create reads.")] = "table",
) -> None:
    """Show a segment. Example: segments segment show high-value --format json"""
    check_format(format)

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        segment = await found(services, meant, key)
        if format == "json":
            typer.echo(json.dumps(as_stated(segment), ensure_ascii=False, indent=2))
            return
        for name, value in _shown(segment, meant.currency):
            typer.echo(f"{name:<12} {plain(value)}")

    run(context.obj, work)


@segment_app.command()
def create(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON or TOML file with the fields of CreateSegmentInput.")],
    business: BusinessOption = None,
) -> None:
    """Create a segment. Example: segments segment create high-value.toml"""

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        segment, job = await services.segments.create(meant, read_new(file).draft(), ACTOR)
        typer.echo(f"Created {segment.key} ({segment.kind}).{_queued(segment.key, job)}")

    run(context.obj, work)


@segment_app.command()
def update(
    context: typer.Context,
    key: KeyArgument,
    file: Annotated[
        Path | None, typer.Argument(help="JSON or TOML file with the fields of UpdateSegmentInput but id.")
    ] = None,
    clear: Annotated[list[str] | None, typer.Option(help="Field to clear, such as description; repeatable.")] = None,
    business: BusinessOption = None,
) -> None:
    """Change a segment. Example: segments segment update high-value change.json --clear schedule"""
    if file is None and not clear:
        raise InvalidInput("Nothing to change: give a file or --clear.")

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        stated = read_change(file, clear or [])
        old = await found(services, meant, key)
        change = Change(old.id, stated.changes(), stated.expected_version)
        new, job = await services.segments.update(meant, change, ACTOR)
        done = "Nothing changed in" if new == old else "Changed"
        typer.echo(f"{done} {new.key} (version {new.version}).{_queued(new.key, job)}")

    run(context.obj, work)


@segment_app.command()
def delete(context: typer.Context, key: KeyArgument, business: BusinessOption = None) -> None:
    """Delete a segment; history stays. Example: segments segment delete high-value"""

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        segment = await found(services, meant, key)
        await services.segments.delete(meant, segment.id, ACTOR)
        typer.echo(f"Deleted {segment.key}. {segment.member_count:,} memberships ended.")

    run(context.obj, work)


@segment_app.command()
def create_standard(
    context: typer.Context,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    business: BusinessOption = None,
) -> None:
    """Create one segment for each named RFM group. Example: segments segment create-standard --scheme eleven"""
    wanted = SCHEMES.get(scheme.lower().removesuffix("_segment"))
    if wanted is None:
        raise InvalidInput(f"--scheme must be one of: {', '.join(SCHEMES)}")

    async def work(services: Services, database: Database) -> None:
        meant = await chosen(services, context, business)
        before = await services.read(meant, lambda unit: unit.segments.count(SegmentFilter()))
        made = await services.segments.create_standard(meant, wanted, ACTOR)
        after = await services.read(meant, lambda unit: unit.segments.count(SegmentFilter()))
        typer.echo(f"{after - before} created, {len(made) - (after - before)} there already:")
        for segment in made:
            typer.echo(f"  {segment.key}  {plain(segment.name)}")
        if after > before:
            typer.echo("Their recalculation waits for a server, or for segments recalculate.")

    run(context.obj, work)


def _queued(key: str, job: Job | None) -> str:
    return "" if job is None else f" Its recalculation waits for a server, or for segments recalculate {key}."


def _time(segment: Segment) -> str:
    return "never" if segment.last_calculated is None else minute(segment.last_calculated)


def _document(segment: Segment) -> dict[str, object]:
    return {
        "key": segment.key,
        "name": segment.name,
        "description": segment.description,
        "kind": segment.kind.value,
        "is_dynamic": segment.is_dynamic,
        "is_rfm": segment.is_rfm,
        "schedule": segment.schedule,
        "version": segment.version,
        "member_count": segment.member_count,
        "last_calculated": stamp(segment.last_calculated),
    }


def _shown(segment: Segment, currency: str) -> list[tuple[str, str]]:
    rules = segment.definition.rules
    lines = [
        ("key", segment.key),
        ("name", segment.name),
        ("description", segment.description),
        ("kind", segment.kind.value),
        ("dynamic", "yes" if segment.is_dynamic else "no"),
        ("RFM", "yes" if segment.is_rfm else "no"),
        ("definition", words(segment.definition, currency)),
        ("rules", None if rules is None else json.dumps(rules, ensure_ascii=False)),
        ("schedule", segment.schedule),
        ("version", str(segment.version)),
        ("members", f"{segment.member_count:,}"),
        ("calculated", _time(segment) if segment.kind is SegmentKind.AUTOMATIC else None),
    ]
    return [(name, value) for name, value in lines if value is not None]
