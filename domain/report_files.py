"""Reports as documents: what was asked for becomes one ReportDocument, from which every file is made. The window before
is always computed, as a document shows it."""

from dataclasses import dataclass
from datetime import date

from domain.classification.rfm import RfmScheme
from domain.model import Business, Storefront
from domain.money import mean, to_decimal
from domain.report_document import DocumentGroup, ReportDocument
from domain.reporting import Group, Method, Previous, Report, Reporting, insights


@dataclass(frozen=True, slots=True)
class ReportAsked:
    """Which report."""

    method: Method = Method.RFM
    days: int = 90
    as_of: date | None = None
    storefront: Storefront | None = None
    scheme: RfmScheme = RfmScheme.EIGHT_SEGMENT
    name: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Makes the documents of a business."""

    reporting: Reporting

    async def document(self, business: Business, asked: ReportAsked) -> ReportDocument:
        """The document; InvalidInput names the argument that is wrong."""
        report = await self.report(business, asked)
        before = await self.reporting.previous_counts(business, report)
        matrix = matrix_of(report) if report.method is Method.RFM else None
        return document_of(business, asked.storefront, report, before, matrix)

    async def report(self, business: Business, asked: ReportAsked) -> Report:
        """The report by itself."""
        return await self.reporting.report(
            business,
            method=asked.method,
            days=asked.days,
            as_of=asked.as_of,
            storefront_id=None if asked.storefront is None else asked.storefront.id,
            scheme=asked.scheme,
            name=asked.name,
            code=asked.code,
        )


def matrix_of(report: Report) -> tuple[tuple[int, ...], ...]:
    """Customers by recency and frequency."""
    counts = [[0] * 5 for _ in range(5)]
    for cell in report.cells:
        counts[cell.recency - 1][cell.frequency - 1] += cell.customers
    return tuple(tuple(row) for row in counts)


def document_of(
    business: Business,
    storefront: Storefront | None,
    report: Report,
    before: Previous | None,
    matrix: tuple[tuple[int, ...], ...] | None,
) -> ReportDocument:
    """The report with everything that a file of it shows."""
    decimals, window = report.decimals, report.window
    first, last = window.previous
    orders = report.orders
    return ReportDocument(
        business=business.name,
        business_key=business.key,
        currency=business.currency,
        decimals=decimals,
        time_zone=business.time_zone,
        storefront=None if storefront is None else storefront.name,
        method=report.method,
        scheme=report.scheme,
        days=window.days,
        first=date.fromordinal(max(window.first_day, 1)),
        last=window.as_of,
        previous_first=date.fromordinal(max(first, 1)) if last >= 1 else None,
        previous_last=date.fromordinal(last) if last >= 1 else None,
        generated_at=report.generated_at,
        customers=report.customers,
        previous_customers=None if before is None else before.customers,
        orders=orders,
        revenue=report.total_revenue,
        average_order=mean(report.revenue, orders, decimals),
        average_spend=mean(report.revenue, report.customers, decimals),
        insights=insights(report, before),
        groups=tuple(_group(report, group, before) for group in report.shown),
        unclassified=None if report.other is None else _group(report, report.other, before),
        matrix=matrix,
        filtered=report.filtered,
    )


def _group(report: Report, group: Group, before: Previous | None) -> DocumentGroup:
    kind, decimals = group.kind, report.decimals
    return DocumentGroup(
        dimension=kind.dimension,
        name=kind.name,
        code=kind.code,
        description=kind.description,
        profile=kind.profile,
        actions=kind.actions,
        scores=kind.scores,
        customers=group.customers,
        previous_customers=None if before is None else before.of(kind),
        orders=group.orders,
        revenue=to_decimal(group.revenue, decimals),
        customer_share=report.customer_share(group),
        revenue_share=report.revenue_share(group),
        average_order=group.average_order(decimals),
        average_age=group.average_age,
        average_frequency=group.average_frequency,
        average_spend=group.average_spend(decimals),
    )
