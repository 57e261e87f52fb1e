"""A report as a table with bars that reads well at 80 columns, and files that are there whole or not at all."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.classification.groups import Method
from domain.errors import InvalidInput
from domain.model import Business
from domain.reports.document import DIMENSION_TITLES
from domain.reports.report import Insights, Report
from gql.cli.output import clean_line
from gql.cli.work.terminal import make_cell


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
BAR_COLUMN = 2
COLUMN_GAP = 2
LEAST_NAME = 10


def print_table(business: Business, report: Report, notable: Insights, storefront: str | None) -> None:
    """A table with bars of the customers."""
    console = Console(highlight=False)
    window = report.window
    first = date.fromordinal(max(window.first_day, 1))
    place = "" if storefront is None else f", storefront {clean_line(storefront)}"
    console.print(
        Text.assemble(
            (clean_line(business.name), "bold"), f": {report.method.value} report, {first} to {window.as_of}{place}"
        )
    )
    rows = [*report.shown, *([report.other] if report.other and not report.filtered else [])]
    most = max((group.customers for group in rows), default=0)
    dimensions = sorted({group.kind.dimension for group in rows}, key=list(DIMENSION_TITLES).index)
    indent = 2 if report.method is Method.BEHAVIOR else 0
    lines: list[tuple[Text, ...]] = []
    for dimension in dimensions:
        if indent:
            # The dimensions stand one under the other; each holds every customer once.
            lines.append((Text(DIMENSION_TITLES[dimension], "bold"),))
        for group in rows:
            if group.kind.dimension == dimension:
                bar = "█" * (-(-BAR * group.customers // most) if most else 0)
                revenue = Decimal(group.revenue).scaleb(-report.decimals)
                # As text, so that brackets in a category are no markup.
                name = make_cell(group.kind.name)
                name.pad_left(indent)
                figures = (f"{group.customers:,}", bar, f"{revenue:,}", f"{group.orders:,}")
                lines.append((name, *map(Text, figures)))
    table = Table("segment", "customers", "", f"revenue {business.currency}", "orders", box=None, pad_edge=False)
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
    console.print(f"Customers: {report.customers:,}   Revenue: {business.currency} {report.total_revenue:,}")
    sentences = [f"Most revenue: {notable.highest_revenue or '-'}   Largest: {notable.largest or '-'}"]
    if report.method is Method.RFM:
        sentences.append(
            f"Growing: {notable.fastest_growing or '-'}   Needs attention: {notable.needs_attention or '-'}"
        )
    for sentence in sentences:
        console.print(make_cell(sentence), no_wrap=True, overflow="ellipsis")
