"""Segments on the command line: the same definitions, checks and sentences as the API's. A file in JSON or TOML holds
the fields of the API's inputs and is checked by the schema itself; members of MANUAL segments come from a file of
customers, of which every row is counted once: it changed something, it was so already, or nobody has its id."""

import json
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer
from graphql import GraphQLError, GraphQLInputType
from graphql.utilities import coerce_input_value, validate_input_value
from rich.table import Table
from strawberry.types.arguments import convert_argument

from domain.errors import FieldProblem, InvalidInput, Sentence
from domain.imports.columns import (
    count_noun,
)
from domain.jobs.model import Job
from domain.json_text import read_fraction, read_json
from domain.model import Business
from domain.pages import PageRequest
from domain.segments.member_lists import MembersFile
from domain.segments.memberships import Memberships
from domain.segments.model import Segment, SegmentKind
from domain.segments.segments import Change, describe_definition, to_definition_json
from domain.store import Naming, SegmentFilter, SegmentSort
from gql.cli.output import (
    FormatOption,
    check_format,
    clean_line,
    format_minute,
    format_second,
    make_cell,
    make_progress_bar,
    print_json,
    print_table,
)
from gql.cli.session import ACTOR, BusinessOption, Session, Worker, command
from gql.composition import open_rows
from gql.parameters import SCHEMES
from gql.schema.errors import list_enum_values, name_text
from gql.schema.inputs import CreateSegmentInput, UpdateSegmentInput
from gql.schema.schema import make_schema
from gql.settings import Settings

MAXIMUM_BYTES = 1024 * 1024
Input = TypeVar("Input", CreateSegmentInput, UpdateSegmentInput)


def read_new(file: Path) -> CreateSegmentInput:
    """The new segment that a file states; InvalidInput says what is wrong with it."""
    return _read_input(file, _read(file), CreateSegmentInput)


def read_change(file: Path | None, clear: list[str]) -> UpdateSegmentInput:
    """What is to change, as a file states it, and the fields to clear, which TOML cannot state."""
    stated = {} if file is None else _read(file)
    place = file or Path("--clear")
    twice = [name for name in ("id", *clear) if name in stated]
    if twice:
        raise InvalidInput(f"{place} must not hold {twice[0]}: the command line says it")
    values = {**stated, **dict.fromkeys(clear), "id": "-"}
    return _read_input(place, values, UpdateSegmentInput)


def as_stated(segment: Segment) -> dict[str, object]:
    """The segment with the fields of CreateSegmentInput that have a value, so that it can be read again."""
    values = {
        "name": segment.name,
        "key": segment.key,
        "description": segment.description,
        "kind": segment.kind.value,
        "isDynamic": segment.is_dynamic,
        "isRfm": segment.is_rfm,
        **to_definition_json(segment.definition),
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
        loaded = read_json(text) if file.suffix == ".json" else tomllib.loads(text, parse_float=read_fraction)
        values = _to_plain(loaded)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{file} is not readable {file.suffix[1:].upper()}: {error}") from error
    if not isinstance(values, dict):
        raise InvalidInput(f"{file} must hold one segment: an object with a name")
    return values


def _to_plain(value: object) -> Any:
    """TOML's own dates are the ISO texts that rules compare with."""
    if isinstance(value, dict):
        return {name: _to_plain(held) for name, held in value.items()}
    if isinstance(value, list):
        return [_to_plain(held) for held in value]
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _read_input(file: Path, values: dict[str, Any], kind: type[Input]) -> Input:
    """The values as the input of the API that they are."""
    schema = make_schema(Settings())
    expected: Any = schema._schema.type_map[kind.__name__]
    problems: list[FieldProblem] = []

    def note(error: GraphQLError, path: list[str | int]) -> None:
        message = re.split(r",? [Ff]ound: ", error.message)[0] + list_enum_values(error.message, schema)
        place = ".".join(map(str, path))
        problems.append(FieldProblem((), f"{file}: {place}: {message}" if place else f"{file}: {message}"))

    checked: GraphQLInputType = expected
    validate_input_value(values, checked, note)
    if problems:
        raise InvalidInput.of(problems)
    read = coerce_input_value(values, checked)
    return cast(Input, convert_argument(read, kind, schema.schema_converter.scalar_registry, schema.config))


@contextmanager
def name_fields_as_in_files() -> Iterator[None]:
    """What is wrong with a segment names its fields as its file does: as the API."""
    try:
        yield
    except InvalidInput as error:
        named = [replace(problem, message=name_text(problem.message)) for problem in error.problems]
        raise InvalidInput.of(named) from error


segment_app = typer.Typer(no_args_is_help=True, help="Segments: named groups of customers.")
KeyArgument = Annotated[str, typer.Argument(help="Key of the segment.")]


@segment_app.command(name="list")
@command
async def list_segments(
    session: Session,
    business: BusinessOption = None,
    search: Annotated[str | None, typer.Option(help="Beginning of the name, a word of it, or the key.")] = None,
    kind: Annotated[SegmentKind | None, typer.Option(help="Only this kind.", case_sensitive=False)] = None,
    sort: Annotated[SegmentSort, typer.Option(help="What to order by.", case_sensitive=False)] = SegmentSort.NAME,
    reverse: Annotated[bool, typer.Option("--reverse", help="Turn the order round.")] = False,
    first: Annotated[int, typer.Option(help="How many, 1 to 250.", min=1, max=250)] = 50,
    format: FormatOption = "table",
) -> None:
    """List segments. Example: segments segment list --sort MEMBER_COUNT --reverse"""
    chosen = await session.choose(business)
    where = SegmentFilter(search, kind)
    async with session.services.store.read(chosen) as unit:
        page = await unit.segments.load_page(PageRequest(first), where, sort, reverse)
    if format == "json":
        print_json([_build_document(segment) for segment in page.items])
        return
    table = Table("key", "name", "kind", "members", "calculated", box=None)
    table.columns[3].justify = "right"
    for segment in page.items:
        row = (segment.key, make_cell(segment.name), segment.kind, f"{segment.member_count:,}", _format_time(segment))
        table.add_row(*row)
    print_table(table, "name")


@segment_app.command()
@command
async def show(
    session: Session,
    key: KeyArgument,
    business: BusinessOption = None,
    format: Annotated[str, typer.Option(help="table, or json, which create reads.", callback=check_format)] = "table",
) -> None:
    """Show a segment. Example: segments segment show high-value --format json"""
    chosen = await session.choose(business)
    segment = await session.find_segment(chosen, key)
    if format == "json":
        typer.echo(json.dumps(as_stated(segment), ensure_ascii=False, indent=2))
        return
    for name, value in _list_lines(segment, chosen.currency):
        typer.echo(f"{name:<12} {clean_line(value)}")


@segment_app.command()
@command
async def create(
    session: Session,
    file: Annotated[Path, typer.Argument(help="JSON or TOML file with the fields of CreateSegmentInput.")],
    business: BusinessOption = None,
) -> None:
    """Create a segment. Example: segments segment create high-value.toml"""
    chosen = await session.choose(business)
    with name_fields_as_in_files():
        segment, job = await session.services.segments.create(chosen, read_new(file).to_draft(), ACTOR)
    typer.echo(f"Created {segment.key} ({segment.kind}).{_describe_queued(segment.key, job)}")


@segment_app.command()
@command
async def update(
    session: Session,
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
    chosen = await session.choose(business)
    stated = read_change(file, clear or [])
    old = await session.find_segment(chosen, key)
    change = Change(old.id, stated.to_changes(), stated.expected_version)
    with name_fields_as_in_files():
        new, job = await session.services.segments.update(chosen, change, ACTOR)
    done = "Nothing changed in" if new == old else "Changed"
    typer.echo(f"{done} {new.key} (version {new.version}).{_describe_queued(new.key, job)}")


@segment_app.command()
@command
async def delete(session: Session, key: KeyArgument, business: BusinessOption = None) -> None:
    """Delete a segment; history stays. Example: segments segment delete high-value"""
    chosen = await session.choose(business)
    segment = await session.find_segment(chosen, key)
    await session.services.segments.delete(chosen, segment.id, ACTOR)
    typer.echo(f"Deleted {segment.key}. {segment.member_count:,} memberships ended.")


@segment_app.command()
@command
async def create_standard(
    session: Session,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    business: BusinessOption = None,
) -> None:
    """Create one segment for each named RFM group. Example: segments segment create-standard --scheme eleven"""
    wanted = SCHEMES.get(scheme.lower().removesuffix("_segment"))
    if wanted is None:
        raise InvalidInput(f"--scheme must be one of: {', '.join(SCHEMES)}")
    chosen = await session.choose(business)
    before = await session.services.read(chosen, lambda unit: unit.segments.count(SegmentFilter()))
    segments = await session.services.segments.create_standard(chosen, wanted, ACTOR)
    after = await session.services.read(chosen, lambda unit: unit.segments.count(SegmentFilter()))
    typer.echo(f"{after - before} created, {len(segments) - (after - before)} there already:")
    for segment in segments:
        typer.echo(f"  {segment.key}  {clean_line(segment.name)}")
    if after > before:
        typer.echo("Their recalculation waits for a server, or for segments recalculate.")


def _describe_queued(key: str, job: Job | None) -> str:
    return "" if job is None else f" Its recalculation waits for a server, or for segments recalculate {key}."


def _format_time(segment: Segment) -> str:
    return "never" if segment.last_calculated is None else format_minute(segment.last_calculated)


def _build_document(segment: Segment) -> dict[str, object]:
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
        "last_calculated": format_second(segment.last_calculated),
    }


def _list_lines(segment: Segment, currency: str) -> list[tuple[str, str]]:
    rules = segment.definition.rules
    lines = [
        ("key", segment.key),
        ("name", segment.name),
        ("description", segment.description),
        ("kind", segment.kind.value),
        ("dynamic", "yes" if segment.is_dynamic else "no"),
        ("RFM", "yes" if segment.is_rfm else "no"),
        ("definition", describe_definition(segment.definition, currency)),
        ("rules", None if rules is None else json.dumps(rules, ensure_ascii=False)),
        ("schedule", segment.schedule),
        ("version", str(segment.version)),
        ("members", f"{segment.member_count:,}"),
        ("calculated", _format_time(segment) if segment.kind is SegmentKind.AUTOMATIC else None),
    ]
    return [(name, value) for name, value in lines if value is not None]


BATCH = 5_000
MembersKey = Annotated[str, typer.Argument(help="Key of the MANUAL segment.")]
MembersArgument = Annotated[
    Path, typer.Argument(help="File with a column customer_id: CSV, plain or gzip, or a workbook.")
]


@dataclass(slots=True)
class AssignmentCounts:
    """What became of the rows, and the first one that nobody has."""

    read: int = 0
    changed: int = 0
    already: int = 0
    unknown: int = 0
    first: tuple[int, str] | None = None

    def count_unknown(self, line: int, text: str) -> None:
        """A row whose customer nobody is."""
        self.unknown += 1
        if self.first is None or line < self.first[0]:
            self.first = line, text


async def assign_members(
    file: MembersFile, memberships: Memberships, business: Business, key: str, entering: bool
) -> AssignmentCounts:
    """Change the members and count the rows; those without a readable id are counted as unknown."""
    counts = AssignmentCounts()
    batch: dict[str, int] = {}

    async def flush() -> None:
        done = await memberships.assign_named(business, key, list(batch), ACTOR, entering=entering)
        counts.changed += done.changed
        counts.already += done.already
        for name in done.unknown:
            counts.count_unknown(batch[name], name)
        batch.clear()

    with make_progress_bar() as bar:
        task = bar.add_task("reading", total=None)
        for line, name, readable in file.read_names():
            counts.read += 1
            if not readable:
                counts.count_unknown(line, name)
                continue
            if name in batch:
                counts.already += 1
            batch.setdefault(name, line)
            if len(batch) >= BATCH:
                await flush()
                bar.update(task, completed=counts.read)
        if batch:
            await flush()
    if counts.read == 0:
        raise InvalidInput(f"No data found in {file.source.name}.")
    return counts


@segment_app.command()
@command
async def assign(session: Session, key: MembersKey, file: MembersArgument, business: BusinessOption = None) -> None:
    """Put customers into a segment. Example: segments segment assign vip customers.csv"""
    await change_members(session, key, file, business, entering=True)


@segment_app.command()
@command
async def remove(session: Session, key: MembersKey, file: MembersArgument, business: BusinessOption = None) -> None:
    """Take customers out of a segment. Example: segments segment remove vip customers.csv"""
    await change_members(session, key, file, business, entering=False)


@segment_app.command(name="set")
@command
async def set_members(
    session: Session,
    key: MembersKey,
    file: Annotated[
        Path, typer.Argument(help="File with a column customer_id or email: CSV, plain or gzip, or a workbook.")
    ],
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out rows that name nobody, who else change nothing.")
    ] = False,
    business: BusinessOption = None,
) -> None:
    """Let a segment have exactly these customers. Example: segments segment set vip customers.csv --skip-unknown"""
    worker = Worker.of(session, await session.choose(business))
    newest = await worker.find_newest()
    await session.find_segment(worker.business, key)
    rows = MembersFile.of(open_rows(file))
    done = await session.services.member_lists.set_from_file(
        worker.business, key, rows, ACTOR, skip_unknown=skip_unknown
    )
    typer.echo(
        f"{clean_line(file.name)}: {count_noun(done.read, 'row')} read: {done.assigned:,} put in, "
        f"{done.removed:,} taken out, {done.unchanged:,} unchanged, {done.unknown:,} unknown."
    )
    for line, text in done.unknown_rows:
        typer.echo(f"Unknown: line {line}: {clean_line(text)}", err=True)
    if done.assigned or done.removed:
        await worker.report_dependents(newest)


@segment_app.command()
@command
async def duplicate(
    session: Session,
    key: KeyArgument,
    name: Annotated[str, typer.Argument(help="Name of the new segment; its key is made of it.")],
    business: BusinessOption = None,
) -> None:
    """Create a segment like another one. Example: segments segment duplicate high-value "Higher value" """
    chosen = await session.choose(business)
    old = await session.find_segment(chosen, key)
    segment, job = await session.services.segments.duplicate(chosen, old.id, name, ACTOR)
    queued = _describe_queued(segment.key, job) if job else f" {count_noun(segment.member_count, 'member')}."
    typer.echo(f"Created {segment.key} ({segment.kind}).{queued}")


@segment_app.command()
@command
async def freeze(
    session: Session,
    key: KeyArgument,
    name: Annotated[str, typer.Argument(help="Name of the new segment; its key is made of it.")],
    as_of: Annotated[
        str | None, typer.Option(help="ISO 8601 timestamp, local time without an offset; now where absent.")
    ] = None,
    business: BusinessOption = None,
) -> None:
    """Keep the members of a segment as a MANUAL one. Example: segments segment freeze high-value "Spring mailing" """
    chosen = await session.choose(business)
    old = await session.find_segment(chosen, key)
    stated = None if as_of is None else _read_instant(as_of)
    then = session.services.memberships.read_instant_argument(chosen, stated, "as_of")
    segment = await session.services.segments.freeze(chosen, old.id, name, then, ACTOR)
    typer.echo(f"Created {segment.key} ({segment.kind}). {count_noun(segment.member_count, 'member')}.")


def _read_instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        message = Sentence("{as_of} must be an ISO 8601 timestamp, such as 2024-03-01T12:00")
        raise InvalidInput(message, ("as_of",)) from error


async def change_members(session: Session, key: str, file: Path, business: str | None, *, entering: bool) -> None:
    """Put the customers of a file in or take them out, and say what became of the rows."""
    worker = Worker.of(session, await session.choose(business))
    newest = await worker.find_newest()
    await session.find_segment(worker.business, key)
    rows = MembersFile.of(open_rows(file), (Naming.EXTERNAL_ID,))
    counts = await assign_members(rows, session.services.memberships, worker.business, key, entering)
    done, so = ("put in", "already in") if entering else ("taken out", "not in")
    matched = counts.changed + counts.already
    typer.echo(
        f"{clean_line(file.name)}: {count_noun(counts.read, 'row')} read: {matched:,} matched "
        f"({counts.changed:,} {done}, {counts.already:,} {so}), {counts.unknown:,} unknown."
    )
    if counts.first is not None:
        line, text = counts.first
        typer.echo(f"First unknown: line {line}: {clean_line(text)}", err=True)
    if counts.changed:
        await worker.report_dependents(newest)
