"""Reports and members of segments on the command line: a table, the documented JSON, or a file by the same writers as
over HTTP. Text may go to standard output, what is no text never does."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from gql.cli.output import offer
from gql.cli.session import BusinessOption, Session, command, make_app
from gql.file_formats import FILE_FORMATS, MEMBER_FORMATS, REPORT_FORMATS

export_app = make_app("Files of what is stored.")
FORMATS = ("table", *REPORT_FORMATS)
OutputOption = Annotated[Path | None, typer.Option("--output", help="File to write; standard output where absent.")]


def describe_formats(known: Collection[str], default: str) -> str:
    """The help of an option that takes one of them."""
    *first, last = known
    return f"{', '.join(first)} or {last}; the ending of the file where absent, else {default}."


@export_app.command()
@command
async def members(
    session: Session,
    key: Annotated[str, typer.Argument(help="Key of the segment.")],
    business: BusinessOption = None,
    format: Annotated[
        str | None, typer.Option(help=describe_formats(MEMBER_FORMATS, "csv"), autocompletion=offer(MEMBER_FORMATS))
    ] = None,
    columns: Annotated[str | None, typer.Option(help="Columns in their order, separated by commas.")] = None,
    output: OutputOption = None,
) -> None:
    """Write the members of a segment. Example: segments export members vip --format csv --output vip.csv"""
    from domain.segments.member_export import check_columns
    from gql.cli.actions.reports import write_pieces
    from gql.composition import make_writers

    form = choose_format(format, output, MEMBER_FORMATS, "csv")
    names = check_columns([name.strip() for name in (columns or "").split(",") if name.strip()])
    chosen = await session.choose(business)
    segment = await session.find_segment(chosen, key)
    files = session.services.member_files
    export = await files.open(chosen, segment.id, names)
    await write_pieces(make_writers(session.settings).members[form](export, files.load_pages(export)), output)


def choose_format(wanted: str | None, output: Path | None, known: Collection[str], default: str) -> str:
    """The format that is meant; InvalidInput lists those there are, and asks for a file where one is needed."""
    ending = "" if output is None else output.suffix[1:].lower()
    form = wanted.lower() if wanted is not None else ending if ending in known else default
    if form not in known:
        raise InvalidInput(f"--format must be one of: {', '.join(known)}")
    if form in FILE_FORMATS and FILE_FORMATS[form].binary and output is None:
        raise InvalidInput(f"--output must name the file for --format {form}")
    return form


report_app = make_app()


@report_app.command()
@command
async def report(
    session: Session,
    business: BusinessOption = None,
    method: Annotated[
        str, typer.Option(help="rfm, value or behavior", autocompletion=offer(("rfm", "value", "behavior")))
    ] = "rfm",
    days: Annotated[int, typer.Option(help="Length of the window in days, 1 to 9999.")] = 90,
    as_of: Annotated[
        str | None, typer.Option(help="Last day of the window, such as 2024-03-01; today if absent.")
    ] = None,
    storefront: Annotated[str | None, typer.Option(help="Key of a storefront.")] = None,
    segment_name: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    segment_code: Annotated[str | None, typer.Option(help="Only the group of this code.")] = None,
    scheme: Annotated[str, typer.Option(help="eight or eleven", autocompletion=offer(("eight", "eleven")))] = "eight",
    format: Annotated[
        str | None, typer.Option(help=describe_formats(FORMATS, "table"), autocompletion=offer(FORMATS))
    ] = None,
    layout: Annotated[
        str,
        typer.Option(
            help="Of CSV: document, or table for other programs.", autocompletion=offer(("document", "table"))
        ),
    ] = "document",
    output: OutputOption = None,
) -> None:
    """Print or write the segmentation report. Example: segments report --days 90 --output report.pdf"""
    from domain.reports.document import TRENDED, ReportRequest
    from gql.cli.actions.reports import print_report, suggest_day, write_file
    from gql.composition import format_report, make_writers
    from gql.parameters import METHODS, check_layout, read_date, read_layout, read_method, read_scheme

    if method.lower() not in METHODS:
        raise InvalidInput(f"--method must be one of: {', '.join(METHODS)}")
    chosen, services = await session.choose(business), session.services
    read, naming, lying = read_method(method), read_scheme(scheme), read_layout(layout)
    form = choose_format(format, output, FORMATS, "table")
    if form == "table" and output is not None:
        raise InvalidInput(f"--format must be one of: {', '.join(REPORT_FORMATS)}; a table goes to the terminal")
    check_layout(lying, form)
    day = None if as_of is None else read_date(as_of)
    place = None if storefront is None else await services.purchases.find_storefront(chosen, storefront)
    asked = ReportRequest(read, days, day, place, naming, segment_name, segment_code, lying)
    document = await services.report_files.make_document(chosen, asked, trend=form in TRENDED)
    if not document.totals.orders:
        await suggest_day(session, chosen)
    if form == "table":
        print_report(document)
    elif form == "json" and output is None:
        typer.echo(format_report(document))
    else:
        write_file(make_writers(session.settings).reports[form](document), output)
