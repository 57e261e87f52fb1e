"""The report in the terminal: a table with bars that reads well at 80 columns, or the documented JSON."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from domain.errors import InvalidInput
from domain.model import Business
from domain.reporting import Group, Insights, Method, Report, insights
from domain.rfm import RfmScheme
from gql.cli_text import plain
from gql.services import Services

SCHEMES = {"eight": RfmScheme.EIGHT_SEGMENT, "eleven": RfmScheme.ELEVEN_SEGMENT}
FORMATS = ("table", "json")
METHODS = tuple(method.value.lower() for method in Method)
BAR = 12


async def print_report(
    services: Services,
    business: Business,
    method: str,
    days: int,
    as_of: str | None,
    storefront: str | None,
    segment_name: str | None,
    segment_code: str | None,
    scheme: str,
    form: str,
) -> None:
    """Compute and print; InvalidInput names the option that is wrong."""
    if method.lower() not in METHODS:
        raise InvalidInput(f"Invalid segmentation_method. Must be one of: {', '.join(METHODS)}")
    key = scheme.lower().removesuffix("_segment")
    if key not in SCHEMES:
        raise InvalidInput(f"--scheme must be one of: {', '.join(SCHEMES)}")
    if form not in FORMATS:
        raise InvalidInput(f"--format must be one of: {', '.join(FORMATS)}")
    try:
        day = None if as_of is None else date.fromisoformat(as_of)
    except ValueError as error:
        raise InvalidInput("--as-of must be an ISO 8601 date, such as 2024-03-01") from error
    place = None if storefront is None else await services.purchases.storefront_by_key(business, storefront)
    report = await services.reporting.report(
        business,
        method=Method(method.upper()),
        days=days,
        as_of=day,
        storefront_id=None if place is None else place.id,
        scheme=SCHEMES[key],
        name=segment_name,
        code=segment_code,
    )
    found = insights(report, await services.reporting.previous_counts(business, report))
    if form == "json":
        print_json(report, found)
    else:
        print_table(business, report, found, storefront)


def number(value: Decimal | float | None) -> float | int | None:
    """A JSON number."""
    if value is None or isinstance(value, int):
        return value
    return float(value)


def segment_json(group: Group, decimals: int) -> dict[str, Any]:
    """One group in the documented form."""
    scores = group.kind.scores or (None, None, None)
    revenue = Decimal(group.revenue).scaleb(-decimals)
    return {
        "segment_name": group.kind.name,
        "segment_code": group.kind.code,
        "description": group.kind.description,
        "customer_count": group.customers,
        "total_revenue": number(revenue),
        "average_order_value": number(group.average_order(decimals)),
        "recency_score": scores[0],
        "frequency_score": scores[1],
        "monetary_score": scores[2],
        "characteristics": {
            "avg_days_since_last_purchase": number(group.average_age),
            "avg_purchase_frequency": number(group.average_frequency),
            "avg_total_spend": number(group.average_spend(decimals)),
        },
        "recommended_actions": list(group.kind.actions),
    }


def report_json(report: Report, found: Insights) -> dict[str, Any]:
    """The documented response."""
    other = report.other
    return {
        "success": True,
        "data": {
            "method": report.method.value.lower(),
            "insights": {
                "highest_revenue_segment": found.highest_revenue,
                "largest_segment": found.largest,
                "fastest_growing_segment": found.fastest_growing,
                "needs_attention": found.needs_attention,
            },
            "customer_count": report.customers,
            "total_revenue": number(report.total_revenue),
            "segments": [segment_json(group, report.decimals) for group in report.shown],
            "unclassified": None if other is None else segment_json(other, report.decimals),
        },
    }


def print_json(report: Report, found: Insights) -> None:
    """To standard output, and nothing else."""
    typer.echo(json.dumps(report_json(report, found), ensure_ascii=False, indent=2, allow_nan=False))


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
    table = Table("segment", "customers", "", f"revenue {business.currency}", "orders", box=None, pad_edge=False)
    for column in (1, 3, 4):
        table.columns[column].justify = "right"
    rows = [*report.shown, *([report.other] if report.other and not report.filtered else [])]
    most = max((group.customers for group in rows), default=0)
    for group in rows:
        bar = "█" * (-(-BAR * group.customers // most) if most else 0)
        revenue = Decimal(group.revenue).scaleb(-report.decimals)
        table.add_row(group.kind.name, f"{group.customers:,}", bar, f"{revenue:,}", f"{group.orders:,}")
    console.print(table)
    console.print(f"Customers: {report.customers:,}   Revenue: {business.currency} {report.total_revenue:,}")
    console.print(
        f"Most revenue: {found.highest_revenue or '-'}   Largest: {found.largest or '-'}\n"
        f"Growing: {found.fastest_growing or '-'}   Needs attention: {found.needs_attention or '-'}"
    )
