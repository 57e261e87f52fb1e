"""Changes of segments. Whatever the caller can mend comes back as user errors; then nothing was changed.

Changes of members by hand, and snapshots. Whatever the caller can mend comes back as user errors.
"""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.model import Business as BusinessEntity
from domain.segments.segments import Change
from gql.schema.context import CanEdit, Info
from gql.schema.inputs import CreateSegmentInput, UpdateSegmentInput
from gql.schema.types.enums import RfmScheme
from gql.schema.types.ids import encode, numbers_of
from gql.schema.types.job import Recalculation
from gql.schema.types.membership import Snapshot
from gql.schema.types.payloads import AsUserErrors, UserError
from gql.schema.types.segment import Segment


@strawberry.type(description="The new segment and the run that finds its first members.")
class CreateSegmentPayload:
    """What creating did."""

    segment: Segment | None = strawberry.field(default=None, description="The segment; null with user errors.")
    recalculation: Recalculation | None = strawberry.field(
        default=None, description="The run that was queued; null for a MANUAL segment."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The segment as it is now and the run that a new definition queued.")
class UpdateSegmentPayload:
    """What changing did."""

    segment: Segment | None = strawberry.field(default=None, description="The segment; null with user errors.")
    recalculation: Recalculation | None = strawberry.field(
        default=None, description="The run that was queued; null where the definition is the same."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What deleting a segment did.")
class DeleteSegmentPayload:
    """What deleting did."""

    deleted_segment_id: strawberry.ID | None = strawberry.field(
        default=None, description="Global id of the segment that is gone; null with user errors."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The segments of the named groups.")
class CreateStandardSegmentsPayload:
    """What creating the standard segments did."""

    segments: list[Segment] = strawberry.field(
        default_factory=list, description="One segment a group in the scheme's order, those that were there included."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


async def segment_number(info: Info, value: str, *field: str) -> int:
    """The number behind a segment's global id; InvalidInput where it is none of this business."""
    numbers = numbers_of(value, "Segment", (await info.context.business()).id, 1)
    if numbers is None:
        raise InvalidInput("There is no segment with this id.", field, "NOT_FOUND")
    return numbers[0]


@strawberry.type(description="Changes of segments.")
class SegmentMutations:
    """Changes of segments."""

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Create a segment. An AUTOMATIC one is recalculated at once.",
    )
    async def create_segment(
        self, info: Info, input: Annotated[CreateSegmentInput, strawberry.argument(description="The segment.")]
    ) -> CreateSegmentPayload:
        """The segment and its first run."""
        business = await info.context.business()
        made, job = await info.context.services.segments.create(business, input.draft(), info.context.actor)
        info.context.renew(made.seen_at)
        run = None if job is None else Recalculation.of(business, job)
        return CreateSegmentPayload(segment=Segment.of(business, made), recalculation=run)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Change a segment. A new definition ends the run of the old one and is recalculated at once.",
    )
    async def update_segment(
        self, info: Info, input: Annotated[UpdateSegmentInput, strawberry.argument(description="What to change.")]
    ) -> UpdateSegmentPayload:
        """The segment and the run of its new definition."""
        business = await info.context.business()
        change = Change(await segment_number(info, input.id, "input", "id"), input.given(), input.expected_version)
        changed, job = await info.context.services.segments.update(business, change, info.context.actor)
        info.context.renew(changed.seen_at)
        run = None if job is None else Recalculation.of(business, job)
        return UpdateSegmentPayload(segment=Segment.of(business, changed), recalculation=run)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Delete a segment that no rule uses. Its memberships end; history and snapshots stay.",
    )
    async def delete_segment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
    ) -> DeleteSegmentPayload:
        """Out of sight, not out of history."""
        number = await segment_number(info, id, "id")
        business = await info.context.business()
        await info.context.services.segments.delete(business, number, info.context.actor)
        info.context.renew()
        return DeleteSegmentPayload(deleted_segment_id=id)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Create one AUTOMATIC segment for each named group of the scheme; those there are left alone.",
    )
    async def create_standard_segments(
        self,
        info: Info,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which set of named groups.")
        ] = RfmScheme.EIGHT_SEGMENT,
    ) -> CreateStandardSegmentsPayload:
        """One segment a group."""
        business = await info.context.business()
        found = await info.context.services.segments.create_standard(business, scheme, info.context.actor)
        info.context.renew(found[0].seen_at)
        return CreateStandardSegmentsPayload(segments=[Segment.of(business, each) for each in found])


SegmentId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
CustomerIds = Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of up to 1,000 customers.")]


@strawberry.type(description="What assigning did; the count is 0 where there is a user error.")
class AssignSegmentPayload:
    """What assigning did."""

    segment: Segment | None = strawberry.field(default=None, description="The segment as it is now.")
    assigned_count: int = strawberry.field(default=0, description="Customers who were no members and are now.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What removing did; the count is 0 where there is a user error.")
class RemoveSegmentPayload:
    """What removing did."""

    segment: Segment | None = strawberry.field(default=None, description="The segment as it is now.")
    removed_count: int = strawberry.field(default=0, description="Customers who were members and are no more.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="The snapshot that was made.")
class CreateSnapshotPayload:
    """The snapshot that was made."""

    snapshot: Snapshot | None = strawberry.field(default=None, description="The snapshot.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="What erasing did.")
class EraseCustomerPayload:
    """What erasing did."""

    erased_customer_id: strawberry.ID | None = strawberry.field(
        default=None, description="Id of the customer, which stays without a name."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description="What the caller can mend.")


@strawberry.type(description="Changes of members by hand, and snapshots.")
class MembershipMutations:
    """Changes of members by hand."""

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Put up to 1,000 customers into a MANUAL segment, all or none; members stay as they are.",
    )
    async def assign_segment(
        self, info: Info, segment_id: SegmentId, customer_ids: CustomerIds
    ) -> AssignSegmentPayload:
        """All or none."""
        context, business = info.context, await info.context.business()
        segment, customers = numbers(business, segment_id, customer_ids)
        entity, count = await context.services.memberships.assign(business, segment, customers, context.actor)
        context.renew(entity.seen_at)
        return AssignSegmentPayload(segment=Segment.of(business, entity), assigned_count=count)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Take up to 1,000 customers out of a MANUAL segment, all or none; others are passed over.",
    )
    async def remove_segment(
        self, info: Info, segment_id: SegmentId, customer_ids: CustomerIds
    ) -> RemoveSegmentPayload:
        """All or none."""
        context, business = info.context, await info.context.business()
        segment, customers = numbers(business, segment_id, customer_ids)
        entity, count = await context.services.memberships.remove(business, segment, customers, context.actor)
        context.renew(entity.seen_at)
        return RemoveSegmentPayload(segment=Segment.of(business, entity), removed_count=count)

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Keep this instant of a segment.",
    )
    async def create_snapshot(self, info: Info, segment_id: SegmentId) -> CreateSnapshotPayload:
        """At once."""
        context, business = info.context, await info.context.business()
        segment, _ = numbers(business, segment_id, [])
        entity = await context.services.snapshots.create(business, segment, context.actor)
        context.renew(entity.at)
        return CreateSnapshotPayload(snapshot=Snapshot.of(business, entity))

    @strawberry.mutation(
        permission_classes=[CanEdit],
        extensions=[AsUserErrors()],
        description="Take name, email and external id of a customer away for good and end the memberships; purchases "
        "and history stay. Again changes nothing.",
    )
    async def erase_customer(
        self,
        info: Info,
        customer_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the customer.")],
    ) -> EraseCustomerPayload:
        """At once."""
        context, business = info.context, await info.context.business()
        number = numbers_of(customer_id, "Customer", business.id, 1)
        key = await context.services.erasure.erase(business, None if number is None else number[0], context.actor)
        context.renew()
        return EraseCustomerPayload(erased_customer_id=encode("Customer", business.id, key))


def numbers(
    business: BusinessEntity, segment_id: str, customer_ids: list[strawberry.ID]
) -> tuple[int | None, list[int | None]]:
    """What the ids stand for; None for one that is no such id."""
    segment = numbers_of(segment_id, "Segment", business.id, 1)
    customers = [numbers_of(value, "Customer", business.id, 1) for value in customer_ids]
    return None if segment is None else segment[0], [None if found is None else found[0] for found in customers]
