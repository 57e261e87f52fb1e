"""Changes of members by hand, and snapshots. Whatever the caller can mend comes back as user errors."""

from typing import Annotated

import strawberry

from domain.model import Business as BusinessEntity
from gql.context import Info
from gql.ids import encode, numbers_of
from gql.payloads import AsUserErrors, UserError
from gql.permissions import CanEdit
from gql.segment import Segment
from gql.snapshot import Snapshot

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
