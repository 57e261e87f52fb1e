"""A report as a table with bars that reads well at 80 columns, and files that are there whole or not at all."""

import os
import shlex
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import typer

from domain.calendar import load_zone, to_local_date
from domain.classification.groups import Method
from domain.errors import InvalidInput
from domain.model import Business, CustomerSort
from domain.pages import PageRequest
from domain.reports.document import DIMENSION_TITLES, ReportDocument
from domain.reports.figures import format_share
from domain.store import CustomerFilter
from gql.cli.actions.terminal import Fit, print_prose, print_rows
from gql.cli.session import Session


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


async def suggest_day(session: Session, business: Business) -> None:
    """Say when the last purchase was, and the command that reports as of that day; for a report of nothing."""
    newest = PageRequest(1)
    async with session.services.store.read(business) as unit:
        page = await unit.customers.load_page(newest, CustomerFilter(), CustomerSort.LAST_PURCHASE_AT, True)
    last = page.items[0].totals.last_at if page.items else None
    if last is None:
        typer.echo(f"There are no purchases yet. Import some: segments import FILE --business {business.key}", err=True)
        return
    day = to_local_date(last, load_zone(business.time_zone))
    command = shlex.join(replace_option(["segments", *sys.argv[1:]], "--as-of", day.isoformat()))
    typer.echo(f"No purchase counts in this window. The last one of the shop was on {day}: {command}", err=True)


def replace_option(command: Sequence[str], option: str, value: str) -> list[str]:
    """The command as it was typed, with that value of the option."""
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word == option:
            next(words, None)
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return [*kept, option, value]


BAR = 12


def print_report(document: ReportDocument) -> None:
    """A table with bars of the customers, a dimension after the other, and what stands out in words."""
    place = "" if document.storefront is None else f", storefront {document.storefront}"
    about = f": {document.method.value} report, {document.first} to {document.last}{place}"
    print_prose(f"{document.business}{about}")
    totals, indent = document.totals, "  " if document.method is Method.BEHAVIOR else ""
    most = max((group.customers for group in document.rows), default=0)
    rows: list[tuple[str, ...]] = []

    def add(name: str, customers: int, share: float, bar: int, revenue: Decimal, orders: int) -> None:
        rows.append(
            (f"{indent}{name}", f"{customers:,}", format_share(share), "█" * bar, f"{revenue:,}", f"{orders:,}")
        )

    for dimension, groups in document.dimensions.items():
        if indent:
            rows.append((DIMENSION_TITLES[dimension], "", "", "", "", ""))
        for group in groups:
            bar = -(-BAR * group.customers // most) if most else 0
            add(group.name, group.customers, group.customer_share, bar, group.revenue, group.orders)
        if not document.filtered:
            # Each dimension holds every customer once.
            add("All", totals.customers, float(bool(totals.customers)), 0, totals.revenue, totals.orders)
    figures = ("customers", "share", "", f"revenue {document.currency}", "orders")
    columns = {"segment": Fit.NAME, **dict.fromkeys(figures, Fit.FIGURE), "": Fit.BAR}
    print_rows(columns, rows)
    print_prose(f"Customers: {totals.customers:,}   Revenue: {document.currency} {totals.revenue:,}")
    for sentence in document.sentences:
        print_prose(sentence)
