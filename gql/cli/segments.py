"""Segments on the command line: the same definitions, checks and sentences as the API's."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import count_noun
from domain.model import SegmentKind, SegmentSort
from gql.cli.output import FormatOption, check_file, check_format, clean_line, name_zone, offer, print_json
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app

segment_app = make_app("Segments: named groups of customers.")
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
    from domain.pages import PageRequest
    from domain.store import SegmentFilter
    from gql.cli.actions.segment_texts import build_document, format_time
    from gql.cli.actions.terminal import Fit, print_rows

    chosen = await session.choose(business)
    where = SegmentFilter(search, kind)
    async with session.services.store.read(chosen) as unit:
        page = await unit.segments.load_page(PageRequest(first), where, sort, reverse)
    if format == "json":
        print_json([build_document(segment) for segment in page.items])
        return
    zone = chosen.time_zone
    columns = {"key": Fit.WHOLE, "name": Fit.NAME, "kind": Fit.WHOLE, "members": Fit.FIGURE, "calculated": Fit.WHOLE}
    rows = [(one.key, one.name, one.kind, f"{one.member_count:,}", format_time(one, zone)) for one in page.items]
    print_rows(columns, rows)
    if any(one.last_calculated for one in page.items):
        name_zone(zone)


@segment_app.command()
@command
async def show(
    session: Session,
    key: KeyArgument,
    business: BusinessOption = None,
    format: Annotated[str, typer.Option(help="table, or json, which create reads.", callback=check_format)] = "table",
) -> None:
    """Show a segment. Example: segments segment show high-value --format json"""
    from gql.cli.actions.segment_texts import as_stated, list_lines
    from gql.cli.actions.terminal import print_pairs

    chosen = await session.choose(business)
    segment = await session.find_segment(chosen, key)
    if format == "json":
        typer.echo(json.dumps(as_stated(segment), ensure_ascii=False, indent=2))
        return
    print_pairs(list_lines(segment, chosen))


@segment_app.command()
@command
async def create(
    session: Session,
    file: Annotated[
        Path, typer.Argument(help="JSON or TOML file with the fields of CreateSegmentInput.", callback=check_file)
    ],
    business: BusinessOption = None,
) -> None:
    """Create a segment. Example: segments segment create high-value.toml"""
    from gql.cli.actions.segment_files import name_fields_as_in_files, read_new
    from gql.cli.actions.segment_texts import describe_queued

    chosen = await session.choose(business)
    with name_fields_as_in_files():
        segment, job = await session.services.segments.create(chosen, read_new(file).to_draft(), ACTOR)
    typer.echo(f"Created {segment.key} ({segment.kind}).{describe_queued(segment.key, job)}")


@segment_app.command()
@command
async def update(
    session: Session,
    key: KeyArgument,
    file: Annotated[
        Path | None,
        typer.Argument(help="JSON or TOML file with the fields of UpdateSegmentInput but id.", callback=check_file),
    ] = None,
    clear: Annotated[list[str] | None, typer.Option(help="Field to clear, such as description; repeatable.")] = None,
    business: BusinessOption = None,
) -> None:
    """Change a segment. Example: segments segment update high-value change.json --clear schedule"""
    from domain.segments.segments import Change
    from gql.cli.actions.segment_files import name_fields_as_in_files, read_change
    from gql.cli.actions.segment_texts import describe_queued

    if file is None and not clear:
        raise InvalidInput("Nothing to change: give a file or --clear.")
    chosen = await session.choose(business)
    stated = read_change(file, clear or [])
    old = await session.find_segment(chosen, key)
    change = Change(old.id, stated.to_changes(), stated.expected_version)
    with name_fields_as_in_files():
        new, job = await session.services.segments.update(chosen, change, ACTOR)
    done = "Nothing changed in" if new == old else "Changed"
    typer.echo(f"{done} {new.key} (version {new.version}).{describe_queued(new.key, job)}")


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
    scheme: Annotated[str, typer.Option(help="eight or eleven", autocompletion=offer(("eight", "eleven")))] = "eight",
    business: BusinessOption = None,
) -> None:
    """Create one segment for each named RFM group. Example: segments segment create-standard --scheme eleven"""
    from domain.store import SegmentFilter
    from gql.parameters import SCHEMES

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


MembersKey = Annotated[str, typer.Argument(help="Key of the MANUAL segment.")]
MembersArgument = Annotated[
    Path, typer.Argument(help="File with a column customer_id: CSV, plain or gzip, or a workbook.", callback=check_file)
]


@segment_app.command()
@command
async def assign(session: Session, key: MembersKey, file: MembersArgument, business: BusinessOption = None) -> None:
    """Put customers into a segment. Example: segments segment assign vip customers.csv"""
    from gql.cli.actions.members_file import change_members

    await change_members(session, key, file, business, entering=True)


@segment_app.command()
@command
async def remove(session: Session, key: MembersKey, file: MembersArgument, business: BusinessOption = None) -> None:
    """Take customers out of a segment. Example: segments segment remove vip customers.csv"""
    from gql.cli.actions.members_file import change_members

    await change_members(session, key, file, business, entering=False)


@segment_app.command(name="set")
@command
async def set_(
    session: Session,
    key: MembersKey,
    file: Annotated[
        Path,
        typer.Argument(
            help="File with a column customer_id or email: CSV, plain or gzip, or a workbook.", callback=check_file
        ),
    ],
    skip_unknown: Annotated[
        bool, typer.Option("--skip-unknown", help="Leave out rows that name nobody, who else change nothing.")
    ] = False,
    business: BusinessOption = None,
) -> None:
    """Let a segment have exactly these customers. Example: segments segment set vip customers.csv --skip-unknown"""
    from gql.cli.actions.members_file import set_members

    await set_members(session, key, file, business, skip_unknown=skip_unknown)


@segment_app.command()
@command
async def duplicate(
    session: Session,
    key: KeyArgument,
    name: Annotated[str, typer.Argument(help="Name of the new segment; its key is made of it.")],
    business: BusinessOption = None,
) -> None:
    """Create a segment like another one. Example: segments segment duplicate high-value "Higher value" """
    from gql.cli.actions.segment_texts import describe_queued

    chosen = await session.choose(business)
    old = await session.find_segment(chosen, key)
    segment, job = await session.services.segments.duplicate(chosen, old.id, name, ACTOR)
    queued = describe_queued(segment.key, job) if job else f" {count_noun(segment.member_count, 'member')}."
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
