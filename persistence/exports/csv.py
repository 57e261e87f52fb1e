"""CSV that spreadsheets and programs both take: every row has as many cells as the next, lines end as RFC 4180 has it,
text is formula-safe. A report begins with a byte order mark where it holds more than ASCII, as spreadsheets need it;
a list of members never does, as programs read it."""

import csv
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from io import StringIO

from domain.calendar import zone
from domain.member_files import MemberExport, MemberPage
from domain.report_document import DocumentGroup, ReportDocument
from persistence.exports.cells import Cell, in_words

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


def report_csv(document: ReportDocument) -> bytes:
    """What the report is about, the insights, and the table of the groups; an empty row between them."""
    rows: list[Sequence[Cell]] = [*_heading(document), (), *_insights(document), (), COLUMNS]
    rows += [_row(group) for group in document.rows]
    text = _written([*row, *[None] * (len(COLUMNS) - len(row))] for row in rows)
    return (text if text.isascii() else MARK + text).encode()


def _heading(document: ReportDocument) -> list[Sequence[Cell]]:
    local = document.generated_at.astimezone(zone(document.time_zone))
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
        ("Customers", document.customers),
        ("Customers in the window before", document.previous_customers),
        ("Orders", document.orders),
        ("Revenue", document.revenue),
        ("Average order value", document.average_order),
    ]


def _insights(document: ReportDocument) -> list[Sequence[Cell]]:
    found = document.insights
    return [
        ("Insights",),
        ("Highest revenue segment", found.highest_revenue),
        ("Largest segment", found.largest),
        ("Fastest growing segment", found.fastest_growing),
        ("Needs attention", found.needs_attention),
    ]


def _row(group: DocumentGroup) -> list[Cell]:
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


async def members_csv(export: MemberExport, pages: AsyncIterator[MemberPage]) -> AsyncGenerator[bytes, None]:
    """A header and one row a member, page by page."""
    yield _written([export.columns]).encode()
    async for page in pages:
        if page:
            yield _written(page).encode()


def _written(rows: Iterable[Sequence[Cell]]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerows([in_words(value) for value in row] for row in rows)
    return text.getvalue()
