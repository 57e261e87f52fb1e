"""Imports looked at and taken back from the command line. What a dead process left is marked as failed first, so that
the list is right without a server."""

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from domain.errors import NotFound, name_fields
from domain.imports.columns import count_noun
from domain.imports.imports import UndoSummary
from domain.imports.model import PurchaseImport
from domain.imports.rejects import find_remedy
from domain.model import Business
from domain.pages import PageRequest
from gql.cli.output import (
    FormatOption,
    build_quality_document,
    clean_line,
    format_second,
    make_cell,
    make_progress_bar,
    print_quality,
    print_table,
    to_option_name,
)
from gql.cli.recalculate import follow_import
from gql.cli.session import ACTOR, BusinessOption, Session, command

SOURCE_COLUMN, SOURCE_WIDTH = 1, 12
imports_app = typer.Typer(no_args_is_help=True, help="The imports of a business.")
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
    chosen = await choose_swept(session, business)
    imports = (await session.services.read(chosen, lambda unit: unit.imports.load_page(PageRequest(first)))).items
    if format == "json":
        documents = [build_import_document(chosen, one) for one in imports]
        typer.echo(json.dumps(documents, ensure_ascii=False, indent=2))
        return
    table = Table("id", "source", "status", "began", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("read", "created", "updated", "unchanged", "rejected"):
        table.add_column(name, justify="right")
    for one in imports:
        counts = (one.rows_read, one.created, one.updated, one.unchanged, one.rejected)
        began = f"{one.created_at:%Y-%m-%d}"
        table.add_row(
            str(one.id), make_cell(one.source), describe_state(one), began, *(f"{count:,}" for count in counts)
        )
    for place, column in enumerate(table.columns):
        # What does not fit goes on below, of names and never of figures.
        column.no_wrap = place != SOURCE_COLUMN
    table.columns[SOURCE_COLUMN].min_width, table.columns[SOURCE_COLUMN].overflow = SOURCE_WIDTH, "fold"
    Console(highlight=False).print(table if imports else "There are no imports yet.")


@imports_app.command()
@command
async def show(
    session: Session, number: NumberArgument, business: BusinessOption = None, format: FormatOption = "table"
) -> None:
    """Show an import with what is doubtful about its rows. Example: segments imports show 12 --format json"""
    chosen = await choose_swept(session, business)
    async with session.services.store.read(chosen) as unit:
        one = (await unit.imports.find_by_ids([number])).get(number)
        reasons = (await unit.imports.load_reject_reasons([number]))[number]
    if one is None:
        raise NotFound(f"There is no import {number}. segments imports list shows those there are.")
    if format == "json":
        document = build_import_document(chosen, one) | {"reject_reasons": [asdict(reason) for reason in reasons]}
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    for name, value in list_import_lines(one):
        typer.echo(f"{name:<12} {clean_line(value)}")
    if one.quality is not None:
        print_quality(one.quality, chosen.currency)
    if reasons:
        table = Table("rejected because", "rows", "first line", "", box=None)
        table.columns[1].justify = table.columns[2].justify = "right"
        for reason in reasons:
            remedy = name_fields(find_remedy(reason.reason) or "", to_option_name)
            table.add_row(make_cell(reason.reason), f"{reason.count:,}", str(reason.first_line), remedy)
        print_table(table, "")


@imports_app.command()
def undo(
    context: typer.Context, number: NumberArgument, business: BusinessOption = None, format: FormatOption = "table"
) -> None:
    """Take an import back, or say what has changed since. Example: segments imports undo 12"""
    with Session(context.obj) as session:
        chosen = session.run(choose_swept(session, business))
        with make_progress_bar() as bar:
            task = bar.add_task("customers", total=None)
            # In the main thread, so that an interruption ends it at once.
            done = session.store.undo_import(
                chosen, number, ACTOR, lambda count, total: bar.update(task, completed=count, total=total)
            )
        session.run(follow_import(session, chosen, aside=format == "json"))
    typer.echo(
        json.dumps(build_undo_document(number, done), indent=2)
        if format == "json"
        else write_undo_sentence(number, done)
    )


async def choose_swept(session: Session, key: str | None) -> Business:
    """The business that is meant, with the imports of dead processes marked as failed."""
    chosen = await session.choose(key)
    await session.services.imports.sweep(chosen)
    return chosen


def describe_state(one: PurchaseImport) -> str:
    """The status in a word."""
    return "undone" if one.undone_at is not None else one.status.value.lower()


def list_import_lines(one: PurchaseImport) -> list[tuple[str, str]]:
    """Name and value of what is known of an import."""
    lines = [("id", str(one.id)), ("source", one.source), ("status", describe_state(one))]
    if one.error_message is not None:
        lines.append(("error", one.error_message))
    if not one.status.final:
        of = "" if one.total is None else f" of {one.total:,}"
        lines.append(("progress", f"{one.phase} {one.done:,}{of}"))
    instants = (("began", one.started_at or one.created_at), ("ended", one.finished_at), ("undone", one.undone_at))
    lines += [(name, text) for name, at in instants if (text := format_second(at)) is not None]
    counts = (("read", one.rows_read), ("created", one.created), ("updated", one.updated))
    more = (("unchanged", one.unchanged), ("rejected", one.rejected), ("future", one.future))
    return [*lines, *((name, count_noun(count, "row")) for name, count in (*counts, *more))]


def build_import_document(business: Business, one: PurchaseImport) -> dict[str, Any]:
    """The import as JSON."""
    instants = {"created_at": one.created_at, "started_at": one.started_at, "finished_at": one.finished_at}
    error = None if one.error_code is None else {"code": one.error_code, "message": one.error_message}
    return {
        "id": one.id,
        "source": one.source,
        "status": one.status.value,
        "phase": one.phase,
        **{name: format_second(at) for name, at in instants.items()},
        "undone_at": format_second(one.undone_at),
        "requested_by": one.requested_by,
        "error": error,
        "rows_read": one.rows_read,
        "created": one.created,
        "updated": one.updated,
        "unchanged": one.unchanged,
        "rejected": one.rejected,
        "future": one.future,
        "quality": build_quality_document(one.quality, business.currency),
    }


def build_undo_document(number: int, done: UndoSummary) -> dict[str, int]:
    """What taking back did, as JSON."""
    return {
        "id": number,
        "removed": done.removed,
        "restored": done.restored,
        "customers_removed": done.customers_removed,
        "customers_kept": done.customers_kept,
        "storefronts_removed": done.storefronts_removed,
        "left": done.left,
    }


def write_undo_sentence(number: int, done: UndoSummary) -> str:
    """What taking back did, in words."""
    sentence = (
        f"Import {number} was taken back: {done.removed:,} orders removed, {done.restored:,} restored, "
        f"{done.customers_removed:,} customers removed."
    )
    if done.customers_kept:
        sentence += (
            f" {done.customers_kept:,} customers stay without purchases: they have a history or data of their own."
        )
    if done.left:
        sentence += f" {done.left:,} orders were left: others wrote them meanwhile."
    return sentence
