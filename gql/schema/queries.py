"""The questions that can be asked. Each resolver is a sentence: permission, one question to a service or to the store,
`.of(entity)`. What an id stands for is found by one table."""

import asyncio
from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import Annotated

import strawberry

from domain.errors import InvalidInput, build_unknown_id
from domain.identifiers import find_id
from domain.model import AuditTarget
from domain.model import Business as BusinessEntity
from domain.money import find_exponent
from domain.pages import Mapped
from domain.rules.listing import list_rule_variables
from domain.store import AuditFilter
from domain.store import CustomerFilter as CustomerFilterEntity
from domain.store import SegmentFilter as SegmentFilterEntity
from gql.schema.context import CanEdit, CanView, Info
from gql.schema.inputs import CustomerFilter, SegmentDefinitionInput
from gql.schema.types.analysis import RuleVariable, SegmentExplanation, SegmentOverlap, SegmentPreview
from gql.schema.types.business import (
    AuditEvent,
    SourceFormat,
    Storefront,
    StorefrontId,
    Viewer,
    find_storefront,
    read_settings,
)
from gql.schema.types.customer import Customer
from gql.schema.types.enums import CustomerSort, Method, RfmScheme, SegmentKind, SegmentSort, SeriesInterval
from gql.schema.types.ids import Node, decode_own, expect, match
from gql.schema.types.job import RUN_ORDER, Job, PurchaseImport, Recalculation
from gql.schema.types.nodes import find_node
from gql.schema.types.pagination import After, Before, Connection, First, Last, build_connection, build_page_request
from gql.schema.types.report import (
    LabelCount,
    ReportSource,
    SegmentationReport,
    SegmentTransitions,
    TransitionsSource,
    TrendPoint,
)
from gql.schema.types.scalars import JSON
from gql.schema.types.segment import Segment

MAXIMUM_NODES = 250
MAXIMUM_SEARCH = 1000
TEXT_SORTS = (CustomerSort.EXTERNAL_ID, CustomerSort.NAME)
AUDIT_ORDER = "audit"
IMPORT_ORDER = "imports"
NOTHING: AuditTarget = ("", 0)
"""What no write is about."""
MethodArgument = Annotated[Method, strawberry.argument(description="How to group customers.")]
Days = Annotated[int, strawberry.argument(description="Length of each window in days, 1 to 9999.")]
Scheme = Annotated[RfmScheme, strawberry.argument(description="Which set of RFM groups.")]


@strawberry.input(description="Which segments; every given part must hold.")
class SegmentFilter:
    search: str | None = strawberry.field(
        default=None, description="Beginning of the name, of a word of it, or of the key; letter case ignored."
    )
    kind: SegmentKind | None = strawberry.field(default=None, description="Only segments of this kind.")
    is_rfm: bool | None = strawberry.field(default=None, description="Only those that use RFM scores, or do not.")
    is_dynamic: bool | None = strawberry.field(
        default=None, description="Only those that follow by themselves, or not."
    )

    def to_entity(self) -> SegmentFilterEntity:
        if self.search is not None and (len(self.search) > MAXIMUM_SEARCH or "\0" in self.search):
            message = f"search must be at most {MAXIMUM_SEARCH} characters, without NUL"
            raise InvalidInput(message, ("filter", "search"))
        return SegmentFilterEntity(self.search, self.kind, self.is_rfm, self.is_dynamic)


@strawberry.type(description="The questions that can be asked.")
class Query:
    @strawberry.field(permission_classes=[CanView], description="Who asks, and the business of the token.")
    async def viewer(self, info: Info) -> Viewer:
        return Viewer.of(info.context.viewer, await info.context.load_business())

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
        by, backwards = sort or SegmentSort.NAME, bool(reverse)
        order = f"segments {by.value}{' reverse' if backwards else ''}"
        request = build_page_request(order, str if by is SegmentSort.NAME else int, first, after, last, before)
        where = SegmentFilterEntity() if filter is None else filter.to_entity()
        context, business = info.context, await info.context.load_business()
        page = await context.read(lambda unit: unit.segments.load_page(request, where, by, backwards))
        of = partial(Segment.of, business)
        return build_connection(page, order, of, lambda: context.read(lambda unit: unit.segments.count(where)))

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
        by, backwards = sort or CustomerSort.EXTERNAL_ID, bool(reverse)
        order = f"{by.value}{' reverse' if backwards else ''}"
        request = build_page_request(order, str if by in TEXT_SORTS else int, first, after, last, before)
        context, business = info.context, await info.context.load_business()
        where = CustomerFilterEntity() if filter is None else await filter.to_entity(context, business)
        page = await context.read(lambda unit: unit.customers.load_page(request, where, by, backwards))
        of = partial(Customer.of, business)
        return build_connection(page, order, of, lambda: context.read(lambda unit: unit.customers.count(where)))

    @strawberry.field(permission_classes=[CanView], description="A segment, by exactly one of id and key.")
    async def segment(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Global id of the segment.")] = None,
        key: Annotated[str | None, strawberry.argument(description="Key of the segment, exactly.")] = None,
    ) -> Segment | None:
        if (id is None) == (key is None):
            raise InvalidInput("segment needs exactly one of id and key", ("id",))
        if key is None:
            node = await find_node(info.context, str(id))
            return node if isinstance(node, Segment) else None
        found = await info.context.read(lambda unit: unit.segments.find_by_keys([key]))
        return Segment.of(await info.context.load_business(), found[key]) if key in found else None

    @strawberry.field(permission_classes=[CanView], description="A customer, by exactly one of the two ids.")
    async def customer(
        self,
        info: Info,
        id: Annotated[strawberry.ID | None, strawberry.argument(description="Global id of the customer.")] = None,
        external_id: Annotated[str | None, strawberry.argument(description="Customer id of the shop.")] = None,
    ) -> Customer | None:
        if (id is None) == (external_id is None):
            raise InvalidInput("customer needs exactly one of id and externalId", ("id",))
        if external_id is None:
            node = await find_node(info.context, str(id))
            return node if isinstance(node, Customer) else None
        exact = find_id(external_id.replace("\0", " "))
        record = await info.context.read(lambda unit: unit.customers.find_by_external_id(exact))
        return None if record is None else Customer.of(await info.context.load_business(), record)

    @strawberry.field(
        permission_classes=[CanView], description="How the customers of a window divide into named groups."
    )
    async def segmentation_report(
        self,
        info: Info,
        method: MethodArgument = Method.RFM,
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
        scheme: Scheme = RfmScheme.EIGHT_SEGMENT,
    ) -> SegmentationReport | None:
        business, services = await info.context.load_business(), info.context.services
        storefront = await find_storefront(info.context, business, storefront_id)
        report = await services.reporting.make_report(
            business,
            method=method,
            days=days,
            as_of=as_of,
            storefront_id=None if storefront is None else storefront.id,
            scheme=scheme,
            name=segment_name,
            code=segment_code,
        )
        info.context.cache.add(report.was_kept, report.age)
        source = ReportSource(business, report, services.reporting, services.transitions)
        return SegmentationReport.of(source, None if storefront is None else Storefront.of(business, storefront))

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
        business, against = await info.context.load_business(), None
        if against_segment_id is not None:
            against = expect(against_segment_id, "Segment", business, "againstSegmentId")
        preview = await info.context.services.analysis.preview(business, definition.to_entity(), against)
        return SegmentPreview.of(business, preview)

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
        business = await info.context.load_business()
        segment, customer = match(segment_id, "Segment", business), match(customer_id, "Customer", business)
        if segment is None or customer is None:
            return None
        explanation = await info.context.services.analysis.explain(business, segment, customer)
        return None if explanation is None else SegmentExplanation.of(explanation)

    @strawberry.field(permission_classes=[CanView], description="How the members of 2 to 10 segments coincide now.")
    async def segment_overlap(
        self,
        info: Info,
        segment_ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of the segments.")],
    ) -> SegmentOverlap | None:
        business = await info.context.load_business()
        numbers = [match(id, "Segment", business) for id in segment_ids]
        return SegmentOverlap.of(business, await info.context.services.analysis.compute_overlap(business, numbers))

    @strawberry.field(permission_classes=[CanView], description="Every variable that a rule may use.")
    async def rule_variables(self, info: Info) -> list[RuleVariable]:
        business = await info.context.load_business()
        return [RuleVariable.of(entity) for entity in list_rule_variables(business.currency, business.attributes)]

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
    ) -> Sequence[TrendPoint] | None:
        business, movements = await info.context.load_business(), info.context.services.transitions
        storefront = await find_storefront(info.context, business, storefront_id)
        place = None if storefront is None else storefront.id
        points = await movements.load_trend(business, method, days, from_, to, interval, place, scheme)
        return Mapped(points, partial(TrendPoint.of, decimals=find_exponent(business.currency)))

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
        business, movements = await info.context.load_business(), info.context.services.transitions
        storefront = await find_storefront(info.context, business, storefront_id)
        place = None if storefront is None else storefront.id
        transitions = await movements.load_transitions(business, method, days, from_, to, place, scheme)
        return SegmentTransitions.of(TransitionsSource(business, transitions, movements))

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
        settings: Annotated[
            JSON | None,
            strawberry.argument(
                description="Object of settings by name, which count here over those of the business and are not "
                "saved; null goes back to the default. docs/settings.md has the names."
            ),
        ] = None,
    ) -> list[LabelCount] | None:
        business, services = await info.context.load_business(), info.context.services
        if settings is not None:
            business = await services.business_changes.suppose_settings(business, read_settings(settings))
        counts = await services.transitions.count_labels(business, as_of)
        return [LabelCount.of(entity) for entity in counts]

    @strawberry.field(permission_classes=[CanView], description="The storefronts of the business, by key.")
    async def storefronts(self, info: Info) -> list[Storefront]:
        business = await info.context.load_business()
        entities = await info.context.read(lambda unit: unit.purchases.load_storefronts())
        return [Storefront.of(business, entity) for entity in entities]

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
        request = build_page_request(RUN_ORDER, int, first, after)
        context, business = info.context, await info.context.load_business()
        key = None if segment_id is None else expect(segment_id, "Segment", business, "segmentId")
        # Of a deleted one too: its runs are history.
        if key is not None and await context.loaders.segments.load(key) is None:
            raise build_unknown_id("segment", "segmentId")
        page = await context.read(lambda unit: unit.jobs.load_page(request, segment_id=key))
        of = partial(Recalculation.of, business)
        return build_connection(page, RUN_ORDER, of, lambda: context.read(lambda unit: unit.jobs.count(segment_id=key)))

    @strawberry.field(permission_classes=[CanView], description="Imports of purchases, newest first.")
    async def imports(self, info: Info, first: First = None, after: After = None) -> Connection[PurchaseImport]:
        request = build_page_request(IMPORT_ORDER, int, first, after)
        context, of = info.context, partial(PurchaseImport.of, await info.context.load_business())
        page = await context.read(lambda unit: unit.imports.load_page(request))
        return build_connection(page, IMPORT_ORDER, of, lambda: context.read(lambda unit: unit.imports.count()))

    @strawberry.field(permission_classes=[CanView], description="A run; null where there is none of that id.")
    async def job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]
    ) -> Job | None:
        node = await find_node(info.context, id)
        return node if isinstance(node, Job) else None

    @strawberry.field(
        permission_classes=[CanView],
        description="The formats of sources that the business has saved, by name, then the presets.",
    )
    async def source_formats(self, info: Info) -> list[SourceFormat]:
        business = await info.context.load_business()
        return [SourceFormat.of(one) for one in await info.context.services.formats.load_all(business)]

    @strawberry.field(permission_classes=[CanEdit], description="The audit log, newest first.")
    async def audit_events(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        subject_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only writes that changed this object.")
        ] = None,
        by: Annotated[str | None, strawberry.argument(description="Only what this actor did, exactly.")] = None,
        action: Annotated[
            str | None, strawberry.argument(description="Only this action, exactly, such as revokeTokens.")
        ] = None,
        outcome: Annotated[str | None, strawberry.argument(description="Only what ended so, such as DENIED.")] = None,
    ) -> Connection[AuditEvent]:
        request = build_page_request(AUDIT_ORDER, int, first, after)
        context, business = info.context, await info.context.load_business()
        target = None if subject_id is None else read_audit_target(subject_id, business)
        where = AuditFilter(target, by, action, outcome)
        page = await context.read(lambda unit: unit.audits.load_page(request, where))
        of = partial(AuditEvent.of, business)
        return build_connection(page, AUDIT_ORDER, of, lambda: context.read(lambda unit: unit.audits.count(where)))

    @strawberry.field(permission_classes=[CanView], description="The object of a global id; null where there is none.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the object.")]
    ) -> Node | None:
        return await find_node(info.context, id)

    @strawberry.field(
        permission_classes=[CanView], description="The objects of up to 250 global ids, in their order; null for gaps."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of the objects.")],
    ) -> list[Node | None]:
        if len(ids) > MAXIMUM_NODES:
            raise InvalidInput(f"ids must hold at most {MAXIMUM_NODES} items", ("ids",))
        return list(await asyncio.gather(*(find_node(info.context, value) for value in ids)))


def read_audit_target(value: str, business: BusinessEntity) -> AuditTarget:
    """What writes are about; NOTHING for an id that is none of ours. What was deleted still has its writes."""
    id = decode_own(value, business)
    return (id.kind, id.numbers[0]) if id is not None and len(id.numbers) == 1 else NOTHING
