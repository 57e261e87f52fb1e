"""A report as a table with bars that reads well at 80 columns, and files that are there whole or not at all."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
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
from domain.reports.document import DIMENSION_TITLES, ReportDocument
from domain.reports.figures import format_share
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
