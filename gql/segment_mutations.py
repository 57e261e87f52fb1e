"""Changes of segments. Whatever the caller can mend comes back as user errors; then nothing was changed."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.segments.segments import Change
from gql.context import Info
from gql.enums import RfmScheme
from gql.ids import numbers_of
from gql.job import Recalculation
from gql.payloads import AsUserErrors, UserError
from gql.permissions import CanEdit
from gql.segment import Segment
from gql.segment_inputs import CreateSegmentInput, UpdateSegmentInput


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
