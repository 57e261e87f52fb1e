"""Changes of segments, and of members by hand. Whatever the caller can mend comes back as
user errors; then nothing was changed."""

from datetime import datetime
from typing import Annotated

import strawberry

from domain.segments.segments import Change
from gql.schema.context import Info
from gql.schema.inputs import CreateSegmentInput, UpdateSegmentInput
from gql.schema.types.enums import RfmScheme
from gql.schema.types.ids import expect, match
from gql.schema.types.job import Recalculation
from gql.schema.types.membership import Snapshot
from gql.schema.types.payloads import Payload, mutation, payload
from gql.schema.types.segment import Segment

SegmentId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
OldId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment to copy.")]
NewName = Annotated[
    str, strawberry.argument(description="Name of the new segment, of which its key is made; unique in the business.")
]
CustomerIds = Annotated[list[strawberry.ID], strawberry.argument(description="Global ids of up to 1,000 customers.")]


@payload("The new segment and the run that finds its first members.")
class CreateSegmentPayload(Payload):
    segment: Segment | None = strawberry.field(default=None, description="The segment; null with user errors.")
    recalculation: Recalculation | None = strawberry.field(
        default=None, description="The run that was queued; null for a MANUAL segment."
    )


@payload("The segment as it is now and the run that a new definition queued.")
class UpdateSegmentPayload(Payload):
    segment: Segment | None = strawberry.field(default=None, description="The segment; null with user errors.")
    recalculation: Recalculation | None = strawberry.field(
        default=None, description="The run that was queued; null where the definition is the same."
    )


@payload("What deleting a segment did.")
class DeleteSegmentPayload(Payload):
    deleted_segment_id: strawberry.ID | None = strawberry.field(
        default=None, description="Global id of the segment that is gone; null with user errors."
    )


@payload("The segments of the named groups.")
class CreateStandardSegmentsPayload(Payload):
    segments: list[Segment] = strawberry.field(
        default_factory=list, description="One segment a group in the scheme's order, those that were there included."
    )


@payload("What assigning did; the count is 0 where there is a user error.")
class AssignSegmentPayload(Payload):
    segment: Segment | None = strawberry.field(default=None, description="The segment as it is now.")
    assigned_count: int = strawberry.field(default=0, description="Customers who were no members and are now.")


@payload("What removing did; the count is 0 where there is a user error.")
class RemoveSegmentPayload(Payload):
    segment: Segment | None = strawberry.field(default=None, description="The segment as it is now.")
    removed_count: int = strawberry.field(default=0, description="Customers who were members and are no more.")


@payload("What setting the members did; the counts are 0 where there is a user error.")
class SetSegmentMembersPayload(Payload):
    segment: Segment | None = strawberry.field(default=None, description="The segment as it is now.")
    assigned_count: int = strawberry.field(default=0, description="Customers who were no members and are now.")
    removed_count: int = strawberry.field(default=0, description="Customers who were members and are no more.")


@payload("The snapshot that was made.")
class CreateSnapshotPayload(Payload):
    snapshot: Snapshot | None = strawberry.field(default=None, description="The snapshot.")


@strawberry.type(description="Changes of segments.")
class SegmentMutations:
    @mutation("Create a segment. An AUTOMATIC one is recalculated at once.")
    async def create_segment(
        self, info: Info, input: Annotated[CreateSegmentInput, strawberry.argument(description="The segment.")]
    ) -> CreateSegmentPayload:
        context, business = info.context, await info.context.load_business()
        segment, job = await context.services.segments.create(business, input.to_draft(), context.actor)
        context.renew(segment.seen_at)
        run = None if job is None else Recalculation.of(business, job)
        return CreateSegmentPayload(segment=Segment.of(business, segment), recalculation=run)

    @mutation("Change a segment. A new definition ends the run of the old one and is recalculated at once.")
    async def update_segment(
        self, info: Info, input: Annotated[UpdateSegmentInput, strawberry.argument(description="What to change.")]
    ) -> UpdateSegmentPayload:
        context, business = info.context, await info.context.load_business()
        number = expect(input.id, "Segment", business, "input", "id")
        change = Change(number, input.to_changes(), input.expected_version)
        segment, job = await context.services.segments.update(business, change, context.actor)
        context.renew(segment.seen_at)
        run = None if job is None else Recalculation.of(business, job)
        return UpdateSegmentPayload(segment=Segment.of(business, segment), recalculation=run)

    @mutation("Delete a segment that no rule uses. Its memberships end; history and snapshots stay.")
    async def delete_segment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
    ) -> DeleteSegmentPayload:
        context, business = info.context, await info.context.load_business()
        await context.services.segments.delete(business, expect(id, "Segment", business, "id"), context.actor)
        context.renew()
        return DeleteSegmentPayload(deleted_segment_id=id)

    @mutation(
        "Create a segment like another one, with the same definition, description and schedule. Its members are copied "
        "where it is MANUAL; else they are recalculated at once."
    )
    async def duplicate_segment(self, info: Info, id: OldId, name: NewName) -> CreateSegmentPayload:
        context, business = info.context, await info.context.load_business()
        number = expect(id, "Segment", business, "id")
        segment, job = await context.services.segments.duplicate(business, number, name, context.actor)
        context.renew(segment.seen_at)
        run = None if job is None else Recalculation.of(business, job)
        return CreateSegmentPayload(segment=Segment.of(business, segment), recalculation=run)

    @mutation(
        "Create a MANUAL segment of the members that a segment has, or had at an instant. Who was erased since is left "
        "out, who was merged into another customer is put in as that one."
    )
    async def freeze_segment(
        self,
        info: Info,
        id: OldId,
        name: NewName,
        as_of: Annotated[
            datetime | None,
            strawberry.argument(description="Members at this timestamp, not in the future; now where absent."),
        ] = None,
    ) -> CreateSegmentPayload:
        context, business = info.context, await info.context.load_business()
        number = expect(id, "Segment", business, "id")
        then = context.services.memberships.read_instant_argument(business, as_of, "as_of")
        segment = await context.services.segments.freeze(business, number, name, then, context.actor)
        context.renew(segment.seen_at)
        return CreateSegmentPayload(segment=Segment.of(business, segment))

    @mutation("Put up to 1,000 customers into a MANUAL segment, all or none; members stay as they are.")
    async def assign_segment(
        self, info: Info, segment_id: SegmentId, customer_ids: CustomerIds
    ) -> AssignSegmentPayload:
        context, business = info.context, await info.context.load_business()
        segment = expect(segment_id, "Segment", business, "segmentId")
        customers = [match(id, "Customer", business) for id in customer_ids]
        entity, count = await context.services.memberships.assign(business, segment, customers, context.actor)
        context.renew(entity.seen_at)
        return AssignSegmentPayload(segment=Segment.of(business, entity), assigned_count=count)

    @mutation("Take up to 1,000 customers out of a MANUAL segment, all or none; others are passed over.")
    async def remove_segment(
        self, info: Info, segment_id: SegmentId, customer_ids: CustomerIds
    ) -> RemoveSegmentPayload:
        context, business = info.context, await info.context.load_business()
        segment = expect(segment_id, "Segment", business, "segmentId")
        customers = [match(id, "Customer", business) for id in customer_ids]
        entity, count = await context.services.memberships.remove(business, segment, customers, context.actor)
        context.renew(entity.seen_at)
        return RemoveSegmentPayload(segment=Segment.of(business, entity), removed_count=count)

    @mutation(
        "Let exactly the named customers be the members of a MANUAL segment: up to 1,000 ids, external ids and e-mails "
        "together, all or none. Larger lists go as a file to PUT /segments/{id}/members."
    )
    async def set_segment_members(
        self,
        info: Info,
        segment_id: SegmentId,
        customer_ids: Annotated[
            list[strawberry.ID] | None, strawberry.argument(description="Global ids of customers.")
        ] = None,
        external_ids: Annotated[
            list[str] | None, strawberry.argument(description="Customer ids of the shop, read as imports read them.")
        ] = None,
        emails: Annotated[
            list[str] | None,
            strawberry.argument(
                description="E-mails of customers, letter case ignored. Everybody who has such an e-mail is put in, "
                "also where several customers share it."
            ),
        ] = None,
    ) -> SetSegmentMembersPayload:
        context, business = info.context, await info.context.load_business()
        segment = expect(segment_id, "Segment", business, "segmentId")
        ids = None if customer_ids is None else [match(id, "Customer", business) for id in customer_ids]
        entity, done = await context.services.member_lists.set_members(
            business, segment, context.actor, ids=ids, external_ids=external_ids, emails=emails
        )
        context.renew(entity.seen_at)
        return SetSegmentMembersPayload(
            segment=Segment.of(business, entity), assigned_count=done.entered, removed_count=done.left
        )

    @mutation("Create one AUTOMATIC segment for each named group of the scheme; those there are left alone.")
    async def create_standard_segments(
        self,
        info: Info,
        scheme: Annotated[
            RfmScheme, strawberry.argument(description="Which set of named groups.")
        ] = RfmScheme.EIGHT_SEGMENT,
    ) -> CreateStandardSegmentsPayload:
        context, business = info.context, await info.context.load_business()
        segments = await context.services.segments.create_standard(business, scheme, context.actor)
        context.renew(segments[0].seen_at)
        return CreateStandardSegmentsPayload(segments=[Segment.of(business, segment) for segment in segments])

    @mutation("Keep this instant of a segment.")
    async def create_snapshot(self, info: Info, segment_id: SegmentId) -> CreateSnapshotPayload:
        context, business = info.context, await info.context.load_business()
        segment = expect(segment_id, "Segment", business, "segmentId")
        entity = await context.services.snapshots.create(business, segment, context.actor)
        context.renew(entity.at)
        return CreateSnapshotPayload(snapshot=Snapshot.of(business, entity))
