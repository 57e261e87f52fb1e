"""CSV that spreadsheets and programs both take: every row has as many cells as the next, lines end as RFC 4180 has it.
Whatever a spreadsheet would take for a formula is neutralised, so that no name of a customer or of a segment ever runs
in somebody's sheet; numbers stay numbers. A file begins with a byte order mark where it holds more than ASCII, as
spreadsheets need it."""

import csv
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO

from domain.calendar import format_instant, load_zone
from domain.formulas import protect_text
from domain.reports.document import DocumentGroup, ReportDocument
from domain.segments.member_export import MemberExport, MemberPage

UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What no XML file may hold."""
Cell = str | bool | int | float | Decimal | datetime | None


def strip_unreadable(text: str) -> str:
    """The text without characters that no sheet may hold."""
    return UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def format_value(value: Cell) -> str:
    """The value for a file without types: money with its decimals, instants in UTC, nothing for what is missing."""
    if value is None:
        return ""
    if isinstance(value, str):
        return protect_text(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return format_instant(value)
    return repr(value).lower() if isinstance(value, bool) else repr(value)


MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
COLUMNS = (
    "dimension",
    "segment_name",
    "segment_code",
    "description",
    "customer_count",
    "customer_share",
    "previous_customer_count",
    "order_count",
    "total_revenue",
    "revenue_share",
    "average_order_value",
    "recency_score",
    "frequency_score",
    "monetary_score",
    "avg_days_since_last_purchase",
    "avg_purchase_frequency",
    "avg_total_spend",
    "recommended_actions",
)


def render_report_csv(document: ReportDocument) -> bytes:
    """What the report is about, the insights, and the table of the groups; an empty row between them."""
    rows: list[Sequence[Cell]] = [*_list_heading(document), (), *_list_insights(document), (), COLUMNS]
    rows += [_build_row(group) for group in document.rows]
    text = _format_rows([*row, *[None] * (len(COLUMNS) - len(row))] for row in rows)
    return (text if text.isascii() else MARK + text).encode()


def _list_heading(document: ReportDocument) -> list[Sequence[Cell]]:
    local = document.generated_at.astimezone(load_zone(document.time_zone))
    totals, before = document.totals, document.previous
    return [
        ("Customer segmentation report", document.business),
        ("Method", document.method.value),
        *([("Scheme", document.scheme.value)] if document.matrix is not None else []),
        ("First day", document.first.isoformat()),
        ("Last day", document.last.isoformat()),
        ("Days", document.days),
        ("Time zone", document.time_zone),
        *([] if document.storefront is None else [("Storefront", document.storefront)]),
        ("Currency", document.currency),
        ("Generated at", local.isoformat(timespec="seconds")),
        ("Customers", totals.customers),
        ("Customers in the window before", None if before is None else before.customers),
        ("Orders", totals.orders),
        ("Revenue", totals.revenue),
        ("Average order value", totals.average_order),
    ]


def _list_insights(document: ReportDocument) -> list[Sequence[Cell]]:
    insights = document.insights
    return [
        ("Insights",),
        ("Highest revenue segment", insights.highest_revenue),
        ("Largest segment", insights.largest),
        ("Fastest growing segment", insights.fastest_growing),
        ("Needs attention", insights.needs_attention),
    ]


def _build_row(group: DocumentGroup) -> list[Cell]:
    return [
        group.dimension,
        group.name,
        group.code,
        group.description,
        group.customers,
        group.customer_share,
        group.previous_customers,
        group.orders,
        group.revenue,
        group.revenue_share,
        group.average_order,
        *(group.scores or (None, None, None)),
        group.average_age,
        group.average_frequency,
        group.average_spend,
        "; ".join(group.actions),
    ]


async def write_members_csv(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """A header and one row a member, page by page."""
    yield f"{'' if export.ascii else MARK}{_format_rows([export.columns])}".encode()
    async for page in pages:
        if page:
            yield _format_rows(page).encode()


def _format_rows(rows: Iterable[Sequence[Cell]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows([format_value(value) for value in row] for row in rows)
    return text.getvalue()
