"""The report on the command line: a table with bars that reads well at 80 columns, the documented JSON, or a file."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.classification.groups import Method
from domain.errors import InvalidInput
from domain.model import Business
from domain.reports.document import DIMENSION_TITLES, ReportAsked
from domain.reports.report import Insights, Report, insights
from gql.app import make_writers
from gql.cli_export import chosen_format, put_whole
from gql.cli_text import cell, plain
from gql.export_parameters import REPORT_FORMATS, read_date, read_method, read_scheme
from gql.services import Services
from gql.settings import Settings
from persistence.exports.json import encoded, report_data

FORMATS = ("table", *REPORT_FORMATS)
BAR = 12
BAR_COLUMN = 2
COLUMN_GAP = 2
LEAST_NAME = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which report, in the words of the options."""

    method: str
    days: int
    as_of: str | None
    storefront: str | None
    segment_name: str | None
    segment_code: str | None
    scheme: str
    format: str | None
    output: Path | None


async def print_report(settings: Settings, services: Services, business: Business, wanted: Wanted) -> None:
    """Compute, and print or write; InvalidInput names the option that is wrong."""
    method, scheme = read_method(wanted.method), read_scheme(wanted.scheme, "--scheme")
    form = chosen_format(wanted.format, wanted.output, FORMATS, "table")
    if form == "table" and wanted.output is not None:
        raise InvalidInput(f"--format must be one of: {', '.join(REPORT_FORMATS)}; a table goes to the terminal")
    day = None if wanted.as_of is None else read_date(wanted.as_of, "--as-of")
    place = (
        None if wanted.storefront is None else await services.purchases.storefront_by_key(business, wanted.storefront)
    )
    asked = ReportAsked(method, wanted.days, day, place, scheme, wanted.segment_name, wanted.segment_code)
    if form == "table":
        report = await services.report_files.report(business, asked)
        found = insights(report, await services.reporting.previous_counts(business, report))
        print_table(business, report, found, wanted.storefront)
        return
    document = await services.report_files.document(business, asked)
    if form == "json" and wanted.output is None:
        typer.echo(encoded(report_data(document), indent=2))
    else:
        put_whole(make_writers(settings).reports[form](document), wanted.output)


def print_table(business: Business, report: Report, found: Insights, storefront: str | None) -> None:
    """A table with bars of the customers."""
    console = Console(highlight=False)
    window = report.window
    first = date.fromordinal(max(window.first_day, 1))
    place = "" if storefront is None else f", storefront {plain(storefront)}"
    console.print(
        Text.assemble(
            (plain(business.name), "bold"), f": {report.method.value} report, {first} to {window.as_of}{place}"
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
                name = cell(group.kind.name)
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
    told = [f"Most revenue: {found.highest_revenue or '-'}   Largest: {found.largest or '-'}"]
    if report.method is Method.RFM:
        told.append(f"Growing: {found.fastest_growing or '-'}   Needs attention: {found.needs_attention or '-'}")
    for sentence in told:
        console.print(cell(sentence), no_wrap=True, overflow="ellipsis")
