"""Reports and members of segments on the command line: a table with bars that reads well at 80 columns, the documented
JSON, or a file by the same writers as over HTTP. A file is there whole or not at all; text may go to standard output,
what is no text never does."""

import os
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Annotated

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.classification.groups import Method
from domain.errors import InvalidInput
from domain.reports.document import DIMENSION_TITLES, ReportDocument, ReportRequest
from domain.reports.figures import format_share
from domain.segments.member_export import check_columns
from gql.cli.output import clean_line, make_cell
from gql.cli.session import BusinessOption, Session, command
from gql.composition import format_report, make_writers
from gql.parameters import (
    FILE_FORMATS,
    MEMBER_FORMATS,
    REPORT_FORMATS,
    check_layout,
    read_date,
    read_layout,
    read_method,
    read_scheme,
)

export_app = typer.Typer(no_args_is_help=True, help="Files of what is stored.")
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
    format: Annotated[str | None, typer.Option(help=describe_formats(MEMBER_FORMATS, "csv"))] = None,
    columns: Annotated[str | None, typer.Option(help="Columns in their order, separated by commas.")] = None,
    output: OutputOption = None,
) -> None:
    """Write the members of a segment. Example: segments export members vip --format csv --output vip.csv"""
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


async def write_pieces(pieces: AsyncIterator[bytes], output: Path | None) -> None:
    """Write a file as it is made."""
    if output is None:
        async for piece in pieces:
            typer.echo(piece, nl=False)
        return
    with open_whole_file(output) as file:
        async for piece in pieces:
            file.write(piece)


def write_file(body: bytes, output: Path | None) -> None:
    if output is None:
        typer.echo(body, nl=False)
        return
    with open_whole_file(output) as file:
        file.write(body)


@contextmanager
def open_whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name when it is finished; what stood there before stays until then."""
    try:
        file = NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False)  # noqa: SIM115
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        # As any file that is made here, not as private as a temporary one.
        mask = os.umask(0)
        os.umask(mask)
        Path(file.name).chmod(0o666 & ~mask)
        Path(file.name).replace(path)
    except OSError as error:
        Path(file.name).unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        Path(file.name).unlink(missing_ok=True)
        raise


BAR = 12
BAR_COLUMN = 3
COLUMN_GAP = 2
LEAST_NAME = 10


def print_table(document: ReportDocument) -> None:
    """A table with bars of the customers, a dimension after the other, and what stands out in words."""
    console = Console(highlight=False)
    place = "" if document.storefront is None else f", storefront {clean_line(document.storefront)}"
    about = f": {document.method.value} report, {document.first} to {document.last}{place}"
    console.print(Text.assemble((clean_line(document.business), "bold"), about))
    totals, indent = document.totals, 2 if document.method is Method.BEHAVIOR else 0
    most = max((group.customers for group in document.rows), default=0)
    lines: list[tuple[Text, ...]] = []

    def add(name: Text, customers: int, share: float, bar: int, revenue: Decimal, orders: int) -> None:
        # As text, so that brackets in a category are no markup.
        name.pad_left(indent)
        figures = (f"{customers:,}", format_share(share), "█" * bar, f"{revenue:,}", f"{orders:,}")
        lines.append((name, *map(Text, figures)))

    for dimension, groups in document.dimensions.items():
        if indent:
            lines.append((Text(DIMENSION_TITLES[dimension], "bold"),))
        for group in groups:
            bar = -(-BAR * group.customers // most) if most else 0
            name = make_cell(group.name)
            add(name, group.customers, group.customer_share, bar, group.revenue, group.orders)
        if not document.filtered:
            # Each dimension holds every customer once.
            add(Text("All", "bold"), totals.customers, float(bool(totals.customers)), 0, totals.revenue, totals.orders)
    revenue = f"revenue {document.currency}"
    table = Table("segment", "customers", "share", "", revenue, "orders", box=None, pad_edge=False)
    # What does not fit is cut from names, never from figures; on a terminal that is narrower yet, lines are longer.
    wanted = [
        max(cell_len(str(column.header)), *(line[rank].cell_len for line in lines if len(line) > rank), 0)
        for rank, column in enumerate(table.columns)
    ]
    left = console.width - sum(wanted[1:]) - COLUMN_GAP * (len(wanted) - 1)
    wanted[0] = max(min(wanted[0], left), LEAST_NAME)
    for rank, (column, width) in enumerate(zip(table.columns, wanted, strict=True)):
        column.width, column.no_wrap, column.overflow = width, True, "ellipsis"
        column.justify = "left" if rank in (0, BAR_COLUMN) else "right"
    console.width = max(console.width, sum(wanted) + COLUMN_GAP * (len(wanted) - 1))
    for line in lines:
        table.add_row(*line)
    console.print(table)
    console.print(f"Customers: {totals.customers:,}   Revenue: {document.currency} {totals.revenue:,}")
    for sentence in document.sentences:
        console.print(make_cell(sentence))


report_app = typer.Typer()


@report_app.command()
@command
async def report(
    session: Session,
    business: BusinessOption = None,
    method: Annotated[str, typer.Option(help="rfm, value or behavior")] = "rfm",
    days: Annotated[int, typer.Option(help="Length of the window in days, 1 to 9999.")] = 90,
    as_of: Annotated[
        str | None, typer.Option(help="Last day of the window, such as 2024-03-01; today if absent.")
    ] = None,
    storefront: Annotated[str | None, typer.Option(help="Key of a storefront.")] = None,
    segment_name: Annotated[str | None, typer.Option(help="Only this group.")] = None,
    segment_code: Annotated[str | None, typer.Option(help="Only the group of this code.")] = None,
    scheme: Annotated[str, typer.Option(help="eight or eleven")] = "eight",
    format: Annotated[str | None, typer.Option(help=describe_formats(FORMATS, "table"))] = None,
    layout: Annotated[str, typer.Option(help="Of CSV: document, or table for other programs.")] = "document",
    output: OutputOption = None,
) -> None:
    """Print or write the segmentation report. Example: segments report --days 90 --output report.pdf"""
    chosen, services = await session.choose(business), session.services
    read, naming, lying = read_method(method), read_scheme(scheme), read_layout(layout)
    form = choose_format(format, output, FORMATS, "table")
    if form == "table" and output is not None:
        raise InvalidInput(f"--format must be one of: {', '.join(REPORT_FORMATS)}; a table goes to the terminal")
    check_layout(lying, form)
    day = None if as_of is None else read_date(as_of)
    place = None if storefront is None else await services.purchases.find_storefront(chosen, storefront)
    asked = ReportRequest(read, days, day, place, naming, segment_name, segment_code, lying)
    drawn = form in FILE_FORMATS and FILE_FORMATS[form].binary
    document = await services.report_files.make_document(chosen, asked, trend=drawn)
    if form == "table":
        print_table(document)
    elif form == "json" and output is None:
        typer.echo(format_report(document))
    else:
        write_file(make_writers(session.settings).reports[form](document), output)
