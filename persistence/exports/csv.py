"""CSV that spreadsheets and programs both take: every row has as many cells as the next, lines end as RFC 4180 has it;
amounts have the decimals of their currency. A report is a document of blocks, or a table alone for other programs.
Whatever a spreadsheet would take for a formula is neutralised, so that no name of a customer or of a segment ever runs
in somebody's sheet; numbers stay numbers. A file begins with a byte order mark where it holds more than ASCII, as
spreadsheets need it; a table for programs never does."""

import asyncio
import csv
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from io import StringIO
from typing import cast

from domain.calendar import format_instant, load_zone
from domain.classification.groups import Method
from domain.formulas import protect_text, protect_texts
from domain.reports.document import FIGURES, DocumentGroup, Layout, ReportDocument
from domain.segments.member_export import CellKind, MemberExport, MemberPage, choose_text, write_each

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
    if isinstance(value, float):
        # Without an exponent, which not every program reads.
        return format(Decimal(repr(value)), "f")
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
    "previous_order_count",
    "previous_total_revenue",
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


WINDOW_COLUMNS = ("first_day", "last_day", "method", "scheme", "storefront", "currency")
TABLE_COLUMNS = tuple(name for name in COLUMNS if name not in ("description", "recommended_actions"))


def render_report_csv(document: ReportDocument) -> bytes:
    """The report in its layout."""
    return _render_table(document) if document.layout is Layout.TABLE else _render_blocks(document)


def _render_table(document: ReportDocument) -> bytes:
    """One header, and one row a group that says its window, too."""
    scheme = document.scheme.value if document.method is Method.RFM else None
    window = (document.first.isoformat(), document.last.isoformat(), document.method.value, scheme)
    own = [*window, document.storefront, document.currency]
    rows = [[*own, *(group[name] for name in TABLE_COLUMNS)] for group in map(_build_row, document.rows)]
    return _format_rows([(*WINDOW_COLUMNS, *TABLE_COLUMNS), *rows]).encode()


def _render_blocks(document: ReportDocument) -> bytes:
    """What the report is about, the insights, and the table of the groups, each of several dimensions with its sum; an
    empty row stands between them."""
    rows: list[Sequence[Cell]] = [*_list_heading(document), (), *_list_insights(document), (), COLUMNS]
    for place, (dimension, groups) in enumerate(document.dimensions.items()):
        rows += [()] if place else []
        rows += [list(_build_row(group).values()) for group in groups]
        if len(document.dimensions) > 1 and not document.filtered:
            rows.append(list(_build_sum_row(document, dimension).values()))
    text = _format_rows([*row, *[None] * (len(COLUMNS) - len(row))] for row in rows)
    return (text if text.isascii() else MARK + text).encode()


def _list_heading(document: ReportDocument) -> list[Sequence[Cell]]:
    local = document.generated_at.astimezone(load_zone(document.time_zone))
    totals, before = document.totals, document.previous
    return [
        ("Customer segmentation report", document.business),
        ("Method", document.method.value),
        *([("Scheme", document.scheme.value)] if document.method is Method.RFM else []),
        ("First day", document.first.isoformat()),
        ("Last day", document.last.isoformat()),
        ("Days", document.days),
        ("Time zone", document.time_zone),
        *([] if document.storefront is None else [("Storefront", document.storefront)]),
        ("Currency", document.currency),
        ("Generated at", local.isoformat(timespec="seconds")),
        *((label, getattr(totals, name)) for name, (label, _) in FIGURES.items()),
        *(
            (f"{label} in the window before", None if before is None else getattr(before, name))
            for name, (label, _) in FIGURES.items()
        ),
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


def _build_row(group: DocumentGroup) -> dict[str, Cell]:
    values: list[Cell] = [
        group.dimension,
        group.name,
        group.code,
        group.description,
        group.customers,
        group.customer_share,
        group.previous_customers,
        group.previous_orders,
        group.previous_revenue,
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
    return dict(zip(COLUMNS, values, strict=True))


def _build_sum_row(document: ReportDocument, dimension: str) -> dict[str, Cell]:
    totals, before = document.totals, document.previous
    return {
        **dict.fromkeys(COLUMNS),
        "dimension": dimension,
        "segment_name": "All customers",
        "customer_count": totals.customers,
        "customer_share": float(bool(totals.customers)),
        "previous_customer_count": None if before is None else before.customers,
        "previous_order_count": None if before is None else before.orders,
        "previous_total_revenue": None if before is None else before.revenue,
        "order_count": totals.orders,
        "total_revenue": totals.revenue,
        "revenue_share": float(bool(totals.revenue)),
        "average_order_value": totals.average_order,
        "avg_purchase_frequency": totals.orders / totals.customers if totals.customers else None,
        "avg_total_spend": totals.average_spend,
    }


async def write_members_csv(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """A header and one row a member, page by page, each made beside the event loop."""
    yield f"{'' if export.ascii else MARK}{_format_rows([export.columns])}".encode()
    async for page in pages:
        yield await asyncio.to_thread(_format_members, export, page)


def _format_members(export: MemberExport, page: MemberPage) -> bytes:
    columns = [
        protect_texts(cast("Sequence[str | None]", cells))
        if kind is CellKind.TEXT
        else write_each(cells, choose_text(kind, export.decimals), "")
        for kind, cells in zip(export.kinds, page, strict=True)
    ]
    return _write_rows(zip(*columns, strict=True)).encode()


def _format_rows(rows: Iterable[Sequence[Cell]]) -> str:
    return _write_rows([format_value(value) for value in row] for row in rows)


def _write_rows(rows: Iterable[Sequence[str | None]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue()
