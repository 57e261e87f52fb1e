"""Changes that queue, stop or do the work of runs."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.jobs.queue import AlreadyRunning
from domain.model import Business as BusinessEntity
from gql.context import Info
from gql.customer import Customer
from gql.ids import numbers_of
from gql.imports import PurchaseImport
from gql.job import Job, Recalculation
from gql.payloads import AsUserErrors, UserError, user_errors
from gql.permissions import CanEdit
from gql.segment import Segment


@strawberry.type(description="The run that was queued, or the one that is active already.")
class RecalculateSegmentPayload:
    """The run."""

    recalculation: Recalculation | None = strawberry.field(default=None, description="The run.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The run that was queued, or the one that is active already.")
class RecalculateSegmentsPayload:
    """The run of all segments."""

    recalculation: Recalculation | None = strawberry.field(default=None, description="The run, with its parts.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What making the memberships of one customer agree did.")
class RecalculateCustomerPayload:
    """What it did."""

    customer: Customer | None = strawberry.field(default=None, description="The customer.")
    entered: list[Segment] = strawberry.field(default_factory=list, description="Segments that the customer entered.")
    left: list[Segment] = strawberry.field(default_factory=list, description="Segments that the customer left.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The run that was to be stopped.")
class CancelJobPayload:
    """The run."""

    job: Job | None = strawberry.field(default=None, description="The run, as it is now.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="Changes that queue, stop or do the work of runs.")
class JobMutations:
    """Work."""

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Queue a run that makes the segment's members agree with its definition.",
    )
    async def recalculate_segment(
        self,
        info: Info,
        segment_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")],
    ) -> RecalculateSegmentPayload:
        """Queued, or told of the active one."""
        business, context = await info.context.business(), info.context
        try:
            key = number(segment_id, "Segment", business, "segmentId")
            job = await context.services.recalculations.start(business, key, context.actor)
        except AlreadyRunning as error:
            active = Recalculation.of(business, error.job)
            return RecalculateSegmentPayload(recalculation=active, user_errors=user_errors(error))
        return RecalculateSegmentPayload(recalculation=Recalculation.of(business, job))

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Queue one run of all automatic segments of the business, each a part of it.",
    )
    async def recalculate_segments(self, info: Info) -> RecalculateSegmentsPayload:
        """Queued, or told of the active one."""
        business, context = await info.context.business(), info.context
        try:
            job = await context.services.recalculations.start_all(business, context.actor)
        except AlreadyRunning as error:
            active = Recalculation.of(business, error.job)
            return RecalculateSegmentsPayload(recalculation=active, user_errors=user_errors(error))
        return RecalculateSegmentsPayload(recalculation=Recalculation.of(business, job))

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Make the automatic memberships of one customer agree with the definitions, at once.",
    )
    async def recalculate_customer(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> RecalculateCustomerPayload:
        """At once."""
        business, context = await info.context.business(), info.context
        key = number(customer_id, "Customer", business, "customerId")
        entered, left = await context.services.recalculations.customer(business, key, context.actor)
        context.renew(next((item.seen_at for item in (*entered, *left)), None))
        record = (await context.services.customers.by_ids(business, [key]))[key]
        return RecalculateCustomerPayload(
            customer=Customer.of(business, record),
            entered=[Segment.of(business, item) for item in entered],
            left=[Segment.of(business, item) for item in left],
        )

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Stop a run: one that waits at once, one that is worked on at its next sign of life.",
    )
    async def cancel_job(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]
    ) -> CancelJobPayload:
        """Asked to stop."""
        business, context = await info.context.business(), info.context
        imported = numbers_of(id, "PurchaseImport", business.id, 1)
        if imported is not None:
            found = await context.services.imports.cancel(business, imported[0], context.actor)
            return CancelJobPayload(job=PurchaseImport.of(business, found))
        key = number(id, "Recalculation", business, "id")
        job = await context.services.recalculations.cancel(business, key, context.actor)
        return CancelJobPayload(job=Recalculation.of(business, job))


def number(value: str, kind: str, business: BusinessEntity, field: str) -> int:
    """The number behind a global id of this business; InvalidInput with NOT_FOUND otherwise."""
    numbers = numbers_of(value, kind, business.id, 1)
    if numbers is None:
        name = "job" if kind == "Recalculation" else kind.lower()
        raise InvalidInput(f"There is no {name} with this id.", (field,), "NOT_FOUND")
    return numbers[0]
