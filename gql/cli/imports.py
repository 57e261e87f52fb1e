"""Imports on the command line: a file or a collection of purchases into the store, with progress and a summary that
adds up; the options of every command that reads purchases; and imports looked at and taken back. The header is looked
at before anything is written, and what the options leave out is as the business has settled it. What a dead process
left is marked as failed before imports are listed, so that the list is right without a server."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from domain.errors import InvalidInput, NotFound, name_fields, to_option_name
from domain.imports.formats import OPTIONS, Key, SourceFormat
from domain.imports.sources import COLLECTIONS, FILE_TYPES, SOURCES, Collection, Place
from domain.model import Business
from gql.cli.output import FormatOption, check_file, name_zone, offer, print_json
from gql.cli.session import ACTOR, BusinessOption, Session, command, make_app, present

T = TypeVar("T")
SAVED = "source_format"


def _make_option(name: str, key: Key) -> Any:
    flag, help = to_option_name(name), key.words
    if key.kind == "flag":
        return Annotated[bool, typer.Option(flag, help=help)]
    if key.kind == "number":
        return Annotated[int | None, typer.Option(flag, help=help)]
    if key.kind == "text":
        return Annotated[str | None, typer.Option(flag, help=help)]
    pairs = {"map": "COLUMN=FIELD, repeatable.", "status": "WORD=STATUS, repeatable."}.get(name, f"{help} Repeatable.")
    return Annotated[list[str] | None, typer.Option(flag, help=pairs)]


FORMAT_OPTIONS: dict[str, Any] = {
    **{name: _make_option(name, key) for name, key in OPTIONS.items()},
    SAVED: Annotated[str | None, typer.Option("--source-format", help="Saved format that the file is written in.")],
}
"""How a source is written, in the order of the help."""
FILES = f"File of purchases: {', '.join(one.endings[0] for one in FILE_TYPES)}."
OTHERS = " or ".join(COLLECTIONS)
SourceOption = Annotated[str | None, typer.Option("--source", help=f"csv (any file) or {OTHERS}.")]
DatabaseOption = Annotated[str | None, typer.Option("--database", help=f"The database of {OTHERS}.")]
CollectionOption = Annotated[str | None, typer.Option("--collection", help=f"The collection of {OTHERS}.")]
ZoneOption = Annotated[str | None, typer.Option("--time-zone", help="IANA zone; makes the business on first import.")]
CurrencyOption = Annotated[str | None, typer.Option("--currency", help="ISO 4217 code; makes the business, too.")]
RejectsOption = Annotated[Path | None, typer.Option("--rejects", help="CSV file for the rejected rows, to mend.")]
INSPECTION_FORMATS = ("table", "json", "toml")
import_app = make_app()


def with_format_options(work: Callable[..., T]) -> Callable[..., T]:
    """The command with the options that say how a source is written in place of its argument `options`."""

    def run(**given: Any) -> T:
        said = {name: given.pop(name) for name in FORMAT_OPTIONS}
        return work(**given, options=read_said(said))

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(work).parameters.values():
        if parameter.name == "options":
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters += [
                inspect.Parameter(name, kind, default=False if is_flag(name) else None, annotation=annotation)
                for name, annotation in FORMAT_OPTIONS.items()
            ]
        else:
            parameters.append(parameter)
    return present(run, work, parameters)


def is_flag(name: str) -> bool:
    """Whether the option is there or not, without a value."""
    return name in OPTIONS and OPTIONS[name].kind == "flag"


def read_said(said: Mapping[str, Any]) -> SourceFormat:
    """The format that options say; those that were not given say nothing."""
    stated = {
        name: list(value) if isinstance(value, list) else [str(value)]
        for name, value in said.items()
        if name != SAVED and value not in (None, False, [])
    }
    return SourceFormat.read_options(stated, said.get(SAVED))


def check_inspection_format(format: str) -> str:
    """The format of an inspection; InvalidInput where there is no such one."""
    if format not in INSPECTION_FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(INSPECTION_FORMATS)}")
    return format


@import_app.command(name="inspect")
@with_format_options
def inspect_(
    context: typer.Context,
    *,
    file: Annotated[Path, typer.Argument(help=f"{FILES} - is standard input.", callback=check_file)],
    business: BusinessOption = None,
    options: SourceFormat,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="table, json, or toml: the format alone.",
            callback=check_inspection_format,
            autocompletion=offer(INSPECTION_FORMATS),
        ),
    ] = "table",
) -> None:
    """Propose how to import a file of purchases. Example: segments inspect orders.csv"""
    from domain.imports.inspection.inspection import build_command
    from gql.cli.inspection.questions import hold_pipe, inspect_file, plan_inspection
    from gql.cli.inspection.table import print_inspection, to_toml

    with Session(context.obj) as session, hold_pipe(file) as held:
        chosen, assumed = plan_inspection(session, business, time_zone, currency)
        found = inspect_file(session, held, chosen, options, assumed)
    if format == "json":
        command = build_command(found, str(file))
        print_json({**found.to_document(to_option_name), "command": command})
    elif format == "toml":
        typer.echo(to_toml(found.form.to_document()), nl=False)
    else:
        print_inspection(found, str(file))


@import_app.command(name="import")
@with_format_options
def import_(
    context: typer.Context,
    *,
    file: Annotated[Path | None, typer.Argument(help=FILES)] = None,
    business: BusinessOption = None,
    options: SourceFormat,
    source: SourceOption = None,
    database: DatabaseOption = None,
    collection: CollectionOption = None,
    whole: Annotated[bool, typer.Option("--whole", help=f"Read all of {OTHERS} again, not only what is new.")] = False,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count, write nothing.")] = False,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing: refuse what is doubtful.")] = False,
    rejects: RejectsOption = None,
    format: FormatOption = "table",
) -> None:
    """Import purchases. Example: segments import orders.csv --business shop --time-zone UTC --currency EUR"""
    from domain.imports.quality import describe_replaced
    from gql.cli.actions.bars import show_import_progress
    from gql.cli.actions.imported import Rejects, name_ignored_columns, print_import
    from gql.cli.actions.worker import follow_import
    from gql.cli.inspection.questions import check_summary, hold_pipe, settle_doubts

    place = choose_source(file, source, Collection(database, collection, whole))
    rejected = Rejects(rejects)
    with Session(context.obj) as session, ExitStack() as held:
        businesses = session.services.businesses
        chosen = session.run(businesses.plan_for_import(session.settings.business, business, time_zone, currency))
        if isinstance(place, Path):
            place = held.enter_context(hold_pipe(place))
        name: str | None = None
        try:
            purchases = session.store.open_purchases(place, chosen, options, to_option_name)
        except InvalidInput as error:
            if not isinstance(place, Path):
                raise
            options, name = settle_doubts(session, place, str(file), chosen, options, error, asks=not no_input)
            purchases = session.store.open_purchases(place, chosen, options, to_option_name)
        for note in purchases.notes:
            typer.echo(name_fields(note, to_option_name), err=True)
        name_ignored_columns(purchases.columns.ignored)
        rejected.check(purchases.path)
        if not (chosen.id or dry_run):
            chosen = session.run(businesses.create_planned(chosen))
        if name is not None and not dry_run:
            session.run(session.services.formats.save(chosen, name, options.to_document(), ACTOR))
            typer.echo(f"Saved {name}. Use it: segments import FILE --source-format {name}", err=True)
        purchases = replace(purchases, business=chosen)
        with (
            rejected.open_writer(purchases.header, purchases.read_source_rows) as reject,
            show_import_progress() as progress,
        ):
            # In the main thread, so that an interruption ends it at once.
            summary = session.store.import_purchases(
                purchases,
                ACTOR,
                dry_run=dry_run,
                progress=progress,
                reject=reject,
                beside=None if rejects is None else reject,
            )
        if summary.rows_read == 0 and not purchases.may_be_empty:
            raise InvalidInput(f"No data found in {purchases.name}.")
        if not (dry_run or summary.failure):
            session.run(purchases.finish(session.services.customers, chosen))
        print_import(purchases.name, summary, chosen, format)
        rejected.name_first()
        replaced = None if summary.quality is None else describe_replaced(summary.quality)
        for warning in [*purchases.warnings, *([] if replaced is None else [replaced])]:
            typer.echo(f"Warning: {name_fields(warning, to_option_name)}", err=True)
        if dry_run:
            typer.echo("Dry run: nothing was written.", err=format == "json")
        else:
            session.run(follow_import(session, chosen, aside=format == "json"))
        if isinstance(place, Path):
            check_summary(session, place, str(file), chosen, options, summary)
        summary.check()


def choose_source(file: Path | None, source: str | None, collection: Collection) -> Place:
    """The file or the collection; InvalidInput where what is given does not go together."""
    kind = source or (collection.source if file is None and collection != Collection() else "csv")
    if kind not in SOURCES:
        raise InvalidInput(f"--source must be one of: {', '.join(SOURCES)}, not {kind[:40]}", ("source",))
    if kind in COLLECTIONS:
        if file is not None:
            raise InvalidInput(f"--source {kind} takes no file: give --database and --collection")
        return replace(collection, source=kind)
    if collection != Collection():
        raise InvalidInput(f"--database, --collection and --whole are for --source {OTHERS}")
    if file is None:
        raise InvalidInput(f"A file must be named, or --source {OTHERS} given")
    check_file(file)
    return file


imports_app = make_app("The imports of a business.")
NumberArgument = Annotated[int, typer.Argument(metavar="ID", help="Number of the import, as list shows it.", min=1)]


@imports_app.command(name="list")
@command
async def list_imports(
    session: Session,
    business: BusinessOption = None,
    first: Annotated[int, typer.Option(help="How many, 1 to 250.", min=1, max=250)] = 20,
    format: FormatOption = "table",
) -> None:
    """List imports, newest first. Example: segments imports list --first 5"""
    from domain.calendar import load_zone, to_local_date
    from domain.pages import PageRequest
    from gql.cli.actions.imported import build_import_document, describe_state
    from gql.cli.actions.terminal import Fit, print_rows

    chosen = await choose_swept(session, business)
    imports = (await session.services.read(chosen, lambda unit: unit.imports.load_page(PageRequest(first)))).items
    if format == "json":
        documents = [build_import_document(chosen, one) for one in imports]
        print_json(documents)
        return
    zone = load_zone(chosen.time_zone)
    counts = ("read", "created", "updated", "unchanged", "rejected")
    rows = [
        (
            str(one.id),
            one.source,
            describe_state(one),
            str(to_local_date(one.created_at, zone)),
            *(f"{count:,}" for count in (one.rows_read, one.created, one.updated, one.unchanged, one.rejected)),
        )
        for one in imports
    ]
    texts = {"id": Fit.FIGURE, "source": Fit.NAME, "status": Fit.WHOLE, "began": Fit.WHOLE}
    if not rows:
        typer.echo("There are no imports yet.")
        return
    print_rows({**texts, **dict.fromkeys(counts, Fit.FIGURE)}, rows)
    name_zone(chosen.time_zone)


@imports_app.command()
@command
async def show(
    session: Session, number: NumberArgument, business: BusinessOption = None, format: FormatOption = "table"
) -> None:
    """Show an import with what is doubtful about its rows. Example: segments imports show 12 --format json"""
    from gql.cli.actions.imported import (
        build_import_document,
        build_reason_documents,
        list_import_lines,
        print_quality,
        print_reasons,
    )
    from gql.cli.actions.terminal import print_pairs

    chosen = await choose_swept(session, business)
    async with session.services.store.read(chosen) as unit:
        one = (await unit.imports.find_by_ids([number])).get(number)
        reasons = (await unit.imports.load_reject_reasons([number]))[number]
    if one is None:
        raise NotFound(f"There is no import {number}. segments imports list shows those there are.")
    if format == "json":
        print_json({**build_import_document(chosen, one), "reject_reasons": build_reason_documents(reasons)})
        return
    print_pairs(list_import_lines(one, chosen.time_zone))
    if one.quality is not None:
        print_quality(one.quality, chosen.currency)
    print_reasons(reasons)


@imports_app.command()
def undo(
    context: typer.Context, number: NumberArgument, business: BusinessOption = None, format: FormatOption = "table"
) -> None:
    """Take an import back, or say what has changed since. Example: segments imports undo 12"""
    from gql.cli.actions.bars import make_progress_bar
    from gql.cli.actions.imported import build_undo_document, write_undo_sentence
    from gql.cli.actions.worker import follow_import

    with Session(context.obj) as session:
        chosen = session.run(choose_swept(session, business))
        with make_progress_bar() as bar:
            task = bar.add_task("customers", total=None)
            # In the main thread, so that an interruption ends it at once.
            done = session.store.undo_import(
                chosen, number, ACTOR, lambda count, total: bar.update(task, completed=count, total=total)
            )
        session.run(follow_import(session, chosen, aside=format == "json"))
    if format == "json":
        print_json(build_undo_document(number, done))
    else:
        typer.echo(write_undo_sentence(number, done))


async def choose_swept(session: Session, key: str | None) -> Business:
    """The business that is meant, with the imports of dead processes marked as failed."""
    chosen = await session.choose(key)
    await session.services.imports.sweep(chosen)
    return chosen
