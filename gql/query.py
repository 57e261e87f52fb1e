"""The questions. Each resolver is a sentence: permission, one service call, `.of(entity)`."""

import asyncio
from datetime import date
from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.model import Permission
from domain.store import CustomerFilter as CustomerFilterEntity
from gql.analysis_queries import AnalysisQueries
from gql.audit import AuditEvent, AuditQueries
from gql.context import Context, Info
from gql.customer import Customer, customers_connection
from gql.customer_filter import CustomerFilter
from gql.enums import CustomerSort, Method, RfmScheme
from gql.ids import decode, numbers_of
from gql.imports import ImportQueries, PurchaseImport, find_import
from gql.job import Recalculation, find_job
from gql.job_queries import JobQueries
from gql.node import Node
from gql.pagination import After, Before, Connection, First, Last, requested
from gql.permissions import CanView
from gql.purchase import Purchase
from gql.report import SegmentationReport, Source
from gql.report_queries import ReportQueries
from gql.segment import Segment
from gql.segment_queries import SegmentQueries, find_segment
from gql.snapshot import Snapshot, find_snapshot
from gql.storefront_argument import StorefrontId, find_storefront
from gql.viewer import Business, Storefront, Viewer

MAXIMUM_NODES = 250
TEXT_SORTS = (CustomerSort.EXTERNAL_ID, CustomerSort.NAME)


async def find_node(context: Context, value: str) -> Node | None:
    """The object of a global id; None where there is none, or it is another business's."""
    business = await context.business()
    found = decode(value)
    if found is None or found[1][0] != business.id:
        return None
    kind, numbers = found[0], found[1][1:]
    if kind == "Business" and not numbers:
        return Business.of(business)
    if kind == "Customer" and len(numbers) == 1:
        record = await context.loaders.customers.load(numbers[0])
        return None if record is None else Customer.of(business, record)
    if kind == "AuditEvent" and len(numbers) == 1 and Permission.EDIT in context.viewer.permissions:
        event = await context.loaders.audit_events.load(numbers[0])
        return None if event is None else AuditEvent.of(business, event)
    if kind == "Recalculation":
        job = await find_job(context, business, value)
        return None if job is None else Recalculation.of(business, job)
    if kind == "PurchaseImport":
        imported = await find_import(context, business, value)
        return None if imported is None else PurchaseImport.of(business, imported)
    if kind == "Storefront" and len(numbers) == 1:
        storefront = await context.loaders.storefronts.load(numbers[0])
        return None if storefront is None else Storefront.of(business.id, storefront)
    if kind == "Snapshot":
        snapshot = await find_snapshot(context, business, value)
        return None if snapshot is None else Snapshot.of(business, snapshot)
    if kind == "Segment":
        segment = await find_segment(context, business, value)
        return None if segment is None else Segment.of(business, segment)
    if kind == "Purchase" and len(numbers) == 2:
        purchase = await context.loaders.purchases.load((numbers[0], numbers[1]))
        return None if purchase is None else Purchase.of(business, purchase)
    return None


@strawberry.type(description="The questions that can be asked.")
class Query(ReportQueries, SegmentQueries, AnalysisQueries, JobQueries, ImportQueries, AuditQueries):
    """The questions."""

    @strawberry.field(permission_classes=[CanView], description="The object of a global id; null where there is none.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the object.")]
    ) -> Node | None:
        """One object."""
        return await find_node(info.context, id)

    @strawberry.field(
        permission_classes=[CanView], description="The objects of up to 250 global ids, in their order; null for gaps."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of the objects.")],
    ) -> list[Node | None]:
        """Many objects; the loaders batch them."""
        if len(ids) > MAXIMUM_NODES:
            raise InvalidInput(f"ids must hold at most {MAXIMUM_NODES} items", ("ids",))
        return list(await asyncio.gather(*(find_node(info.context, value) for value in ids)))

    @strawberry.field(permission_classes=[CanView], description="Who asks, and the business of the token.")
    async def viewer(self, info: Info) -> Viewer:
        """From the token."""
        viewer = info.context.viewer
        business = Business.of(await info.context.business())
        return Viewer(subject=viewer.subject, business=business, permissions=sorted(viewer.permissions))

    @strawberry.field(permission_classes=[CanView], description="A customer, by exactly one of the two ids.")
    async def customer(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Global id of the customer.")] = None,
        external_id: Annotated[str | None, strawberry.argument(description="Customer id of the shop, exactly.")] = None,
    ) -> Customer | None:
        """One customer."""
        if (id is None) == (external_id is None):
            raise InvalidInput("customer needs exactly one of id and externalId", ("id",))
        business = await info.context.business()
        if external_id is not None:
            record = await info.context.services.customers.by_external_id(business, external_id.replace("\0", " "))
        else:
            numbers = numbers_of(str(id), "Customer", business.id, 1)
            record = None if numbers is None else await info.context.loaders.customers.load(numbers[0])
        return None if record is None else Customer.of(business, record)

    @strawberry.field(permission_classes=[CanView], description="The customers of the business, page by page.")
    async def customers(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            CustomerFilter | None, strawberry.argument(description="Which customers; all where absent.")
        ] = None,
        sort: Annotated[
            CustomerSort | None, strawberry.argument(description="What to order by.")
        ] = CustomerSort.EXTERNAL_ID,
        reverse: Annotated[bool | None, strawberry.argument(description="Whether to turn the order round.")] = False,
    ) -> Connection[Customer]:
        """A page by key."""
        by, turned = sort or CustomerSort.EXTERNAL_ID, bool(reverse)
        order = f"{by.value}{' reverse' if turned else ''}"
        request = requested(order, str if by in TEXT_SORTS else int, first, after, last, before)
        business, service = await info.context.business(), info.context.services.customers
        where = CustomerFilterEntity() if filter is None else await filter.entity(info.context, business)
        page = await service.page(business, request, where, by, turned)
        return customers_connection(business, page, order, lambda: service.count(business, where))

    @strawberry.field(permission_classes=[CanView], description="The storefronts of the business, by key.")
    async def storefronts(self, info: Info) -> list[Storefront]:
        """All of them."""
        business = await info.context.business()
        found = await info.context.services.purchases.storefronts(business)
        return [Storefront.of(business.id, entity) for entity in found]

    @strawberry.field(
        permission_classes=[CanView], description="How the customers of a window divide into named groups."
    )
    async def segmentation_report(
        self,
        info: Info,
        method: Annotated[Method, strawberry.argument(description="How to group customers.")] = Method.RFM,
        days: Annotated[int, strawberry.argument(description="Length of the window in days, 1 to 9999.")] = 90,
        as_of: Annotated[
            date | None, strawberry.argument(description="Last day of the window, included; today where absent.")
        ] = None,
        storefront_id: StorefrontId = None,
        segment_name: Annotated[
            str | None, strawberry.argument(description="Only this group in `segments`; letter case ignored.")
        ] = None,
        segment_code: Annotated[
            str | None, strawberry.argument(description="Only this group in `segments`, by its code.")
        ] = None,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which set of RFM groups.")
        ] = RfmScheme.EIGHT_SEGMENT,
    ) -> SegmentationReport | None:
        """The report of one window."""
        business, reporting = await info.context.business(), info.context.services.reporting
        place = await find_storefront(info.context, business, storefront_id)
        report = await reporting.report(
            business,
            method=method,
            days=days,
            as_of=as_of,
            storefront_id=None if place is None else place[0],
            scheme=scheme,
            name=segment_name,
            code=segment_code,
        )
        info.context.kept.note(report.was_kept, report.age)
        source = Source(business, report, reporting, info.context.services.movements)
        return SegmentationReport.of(source, None if place is None else place[1])
