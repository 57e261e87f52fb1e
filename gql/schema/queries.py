"""The questions. Each resolver is a sentence: permission, one service call, `.of(entity)`.

Questions about segments: one by its id, and lists with search, filters and every order.

Questions about runs.

Questions about groups over time.

Questions about rules: what a definition would come to, why a customer is a member, how segments overlap, and what
rules may use.
"""

import asyncio
from datetime import date
from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.model import Business as BusinessEntity
from domain.model import Permission
from domain.money import exponent
from domain.rules.variables import rule_variables
from domain.segments.model import Segment as SegmentEntity
from domain.store import CustomerFilter as CustomerFilterEntity
from domain.store import SegmentFilter as SegmentFilterEntity
from gql.schema.context import CanView, Context, Info
from gql.schema.inputs import CustomerFilter, SegmentDefinitionInput
from gql.schema.types.analysis import RuleVariable, SegmentExplanation, SegmentOverlap, SegmentPreview
from gql.schema.types.business import (
    AuditEvent,
    AuditQueries,
    Business,
    Storefront,
    StorefrontId,
    Viewer,
    find_storefront,
)
from gql.schema.types.customer import Customer, Purchase, customers_connection
from gql.schema.types.enums import CustomerSort, Method, RfmScheme, SegmentKind, SegmentSort, SeriesInterval
from gql.schema.types.ids import Node, decode, numbers_of
from gql.schema.types.job import RUN_ORDER, ImportQueries, Job, PurchaseImport, Recalculation, find_import, find_job
from gql.schema.types.membership import Snapshot, find_snapshot
from gql.schema.types.pagination import After, Before, Connection, First, Last, connection, requested
from gql.schema.types.report import LabelCount, MovesSource, SegmentationReport, SegmentTransitions, Source, TrendPoint
from gql.schema.types.segment import Segment

MAXIMUM_SEARCH = 1000


@strawberry.input(description="Which segments; every given part must hold.")
class SegmentFilter:
    """Which segments."""

    search: str | None = strawberry.field(
        default=None, description="Beginning of the name, of a word of it, or of the key; letter case ignored."
    )
    kind: SegmentKind | None = strawberry.field(default=None, description="Only segments of this kind.")
    is_rfm: bool | None = strawberry.field(default=None, description="Only those that use RFM scores, or do not.")
    is_dynamic: bool | None = strawberry.field(
        default=None, description="Only those that follow by themselves, or not."
    )

    def entity(self) -> SegmentFilterEntity:
        """The filter as the domain reads it."""
        if self.search is not None and (len(self.search) > MAXIMUM_SEARCH or "\0" in self.search):
            message = f"search must be at most {MAXIMUM_SEARCH} characters, without NUL"
            raise InvalidInput(message, ("filter", "search"))
        return SegmentFilterEntity(self.search, self.kind, self.is_rfm, self.is_dynamic)


async def find_segment(context: Context, business: BusinessEntity, value: str) -> SegmentEntity | None:
    """The segment of a global id that is not deleted; None where there is none, or it is another business's."""
    numbers = numbers_of(value, "Segment", business.id, 1)
    found = None if numbers is None else await context.loaders.segments.load(numbers[0])
    return None if found is None or found.deleted_at is not None else found


@strawberry.type(description="Questions about segments.")
class SegmentQueries:
    """Questions about segments."""

    @strawberry.field(permission_classes=[CanView], description="A segment; null where there is none of that id.")
    async def segment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
    ) -> Segment | None:
        """One segment."""
        business = await info.context.business()
        found = await find_segment(info.context, business, id)
        return None if found is None else Segment.of(business, found)

    @strawberry.field(permission_classes=[CanView], description="The segments of the business, page by page.")
    async def segments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            SegmentFilter | None, strawberry.argument(description="Which segments; all where absent.")
        ] = None,
        sort: Annotated[SegmentSort | None, strawberry.argument(description="What to order by.")] = SegmentSort.NAME,
        reverse: Annotated[bool | None, strawberry.argument(description="Whether to turn the order round.")] = False,
    ) -> Connection[Segment]:
        """A page by key."""
        by, turned = sort or SegmentSort.NAME, bool(reverse)
        order = f"segments {by.value}{' reverse' if turned else ''}"
        request = requested(order, str if by is SegmentSort.NAME else int, first, after, last, before)
        where = SegmentFilterEntity() if filter is None else filter.entity()
        business, service = await info.context.business(), info.context.services.segments
        page = await service.page(business, request, where, by, turned)
        return connection(
            page, order, lambda entity: Segment.of(business, entity), lambda: service.count(business, where)
        )


@strawberry.type(description="Questions about runs.")
class JobQueries:
    """Questions about runs."""

    @strawberry.field(permission_classes=[CanView], description="A run; null where there is none of that id.")
    async def job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]
    ) -> Job | None:
        """One run."""
        business = await info.context.business()
        found = await find_job(info.context, business, id)
        if found is not None:
            return Recalculation.of(business, found)
        imported = await find_import(info.context, business, id)
        return None if imported is None else PurchaseImport.of(business, imported)

    @strawberry.field(permission_classes=[CanView], description="Recalculations, newest first.")
    async def recalculations(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        segment_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only runs of this segment, parts of others too.")
        ] = None,
    ) -> Connection[Recalculation]:
        """A page."""
        request = requested(RUN_ORDER, int, first, after)
        business, service = await info.context.business(), info.context.services.recalculations
        key: int | None = None
        if segment_id is not None:
            numbers = numbers_of(segment_id, "Segment", business.id, 1)
            # Of a deleted one too: its runs are history.
            if numbers is None or await info.context.loaders.segments.load(numbers[0]) is None:
                raise InvalidInput("segmentId must be the id of a segment of this business", ("segmentId",))
            key = numbers[0]
        page = await service.page(business, request, segment_id=key)
        return connection(
            page,
            RUN_ORDER,
            lambda job: Recalculation.of(business, job),
            lambda: service.count(business, segment_id=key),
        )


MethodArgument = Annotated[Method, strawberry.argument(description="How to group customers.")]
Days = Annotated[int, strawberry.argument(description="Length of each window in days, 1 to 9999.")]
Scheme = Annotated[RfmScheme, strawberry.argument(description="Which set of RFM groups.")]


@strawberry.type(description="Questions about groups over time.")
class ReportQueries:
    """Questions about groups over time."""

    @strawberry.field(
        permission_classes=[CanView],
        description="Who went from which group to which between two windows, each scored within itself.",
    )
    async def segment_transitions(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="Last day of the first window.")],
        to: Annotated[date, strawberry.argument(description="Last day of the second window, not before `from`.")],
        method: MethodArgument = Method.RFM,
        days: Days = 90,
        storefront_id: StorefrontId = None,
        scheme: Scheme = RfmScheme.EIGHT_SEGMENT,
    ) -> SegmentTransitions | None:
        """All moves in one statement."""
        business, movements = await info.context.business(), info.context.services.transitions
        place = await find_storefront(info.context, business, storefront_id)
        found = await movements.transitions(
            business, method, days, from_, to, None if place is None else place[0], scheme
        )
        return SegmentTransitions.of(MovesSource(business, found, movements))

    @strawberry.field(
        permission_classes=[CanView],
        description="Every group of the reports that end with a date, for at most 60 dates: `from`, and every interval"
        " later as far as `to`.",
    )
    async def segmentation_trend(
        self,
        info: Info,
        from_: Annotated[date, strawberry.argument(name="from", description="First date, the last day of its window.")],
        to: Annotated[date, strawberry.argument(description="Last date at most, not before `from`.")],
        method: MethodArgument = Method.RFM,
        days: Days = 90,
        interval: Annotated[
            SeriesInterval, strawberry.argument(description="How far the dates are apart.")
        ] = SeriesInterval.MONTH,
        storefront_id: StorefrontId = None,
        scheme: Scheme = RfmScheme.EIGHT_SEGMENT,
    ) -> list[TrendPoint] | None:
        """All windows in one statement."""
        business = await info.context.business()
        place = await find_storefront(info.context, business, storefront_id)
        found = await info.context.services.transitions.trend(
            business, method, days, from_, to, interval, None if place is None else place[0], scheme
        )
        decimals = exponent(business.currency)
        return [TrendPoint.of(point, decimals) for point in found]

    @strawberry.field(
        permission_classes=[CanView],
        description="How many customers have each label of classification, over all qualifying purchases so far.",
    )
    async def classification_statistics(
        self,
        info: Info,
        as_of: Annotated[
            date | None, strawberry.argument(description="Last day that counts; today where absent.")
        ] = None,
    ) -> list[LabelCount] | None:
        """All labels in one statement."""
        found = await info.context.services.transitions.statistics(await info.context.business(), as_of)
        return [LabelCount.of(entity) for entity in found]


@strawberry.type(description="Questions about rules.")
class AnalysisQueries:
    """Questions about rules."""

    @strawberry.field(
        permission_classes=[CanView],
        description="What a definition that is not saved would come to, also against the members of a segment.",
    )
    async def segment_preview(
        self,
        info: Info,
        definition: Annotated[SegmentDefinitionInput, strawberry.argument(description="The definition.")],
        against_segment_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Segment whose members are compared; none where absent."),
        ] = None,
    ) -> SegmentPreview | None:
        """Counts in one statement; samples in one each, where they are asked for."""
        business = await info.context.business()
        against = None
        if against_segment_id is not None:
            against = numbers_of(against_segment_id, "Segment", business.id, 1)
            if against is None:
                message = "againstSegmentId must be the id of a segment of this business"
                raise InvalidInput(message, ("againstSegmentId",))
        key = None if against is None else against[0]
        found = await info.context.services.analysis.preview(business, definition.entity(), key)
        return SegmentPreview.of(business, found)

    @strawberry.field(
        permission_classes=[CanView],
        description="Why a customer is a member of a segment or is none, clause by clause; null without either.",
    )
    async def segment_explain(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> SegmentExplanation | None:
        """One customer against one definition."""
        business = await info.context.business()
        segment = numbers_of(segment_id, "Segment", business.id, 1)
        customer = numbers_of(customer_id, "Customer", business.id, 1)
        if segment is None or customer is None:
            return None
        found = await info.context.services.analysis.explain(business, segment[0], customer[0])
        return None if found is None else SegmentExplanation.of(found)

    @strawberry.field(permission_classes=[CanView], description="How the members of 2 to 10 segments coincide now.")
    async def segment_overlap(
        self,
        info: Info,
        segment_ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of the segments.")],
    ) -> SegmentOverlap | None:
        """All counts in one statement."""
        business = await info.context.business()
        numbers = [numbers_of(value, "Segment", business.id, 1) for value in segment_ids]
        ids = [None if found is None else found[0] for found in numbers]
        return SegmentOverlap.of(business, await info.context.services.analysis.overlap(business, ids))

    @strawberry.field(permission_classes=[CanView], description="Every variable that a rule may use.")
    async def rule_variables(self, info: Info) -> list[RuleVariable]:
        """Money in the business's currency."""
        business = await info.context.business()
        return [RuleVariable.of(entity) for entity in rule_variables(business.currency)]


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
        source = Source(business, report, reporting, info.context.services.transitions)
        return SegmentationReport.of(source, None if place is None else place[1])
