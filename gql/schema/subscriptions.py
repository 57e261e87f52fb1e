"""What can be followed. A subscription reads the stored rows at its reader's pace; nothing is kept for a slow one."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.errors import build_unknown_id
from domain.model import Business as BusinessEntity
from domain.segments.history import check_reachable
from domain.segments.model import Place
from gql.schema.context import CanView, Info
from gql.schema.types.ids import expect, match
from gql.schema.types.job import Job, PurchaseImport, Recalculation
from gql.schema.types.membership import CHANGE_ORDER, MembershipChange
from gql.schema.types.nodes import find_node
from gql.schema.types.pagination import decode_cursor, encode_cursor
from gql.schema.types.segment import Segment

RunId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]


@strawberry.type(description="Changes of memberships that follow each other.")
class MembershipChangeBatch:
    changes: list[MembershipChange] = strawberry.field(description="The changes, in commit order.")
    cursor: str = strawberry.field(
        description="Where to go on: given as `after`, it begins with the change after the last of these."
    )


@strawberry.type(description="What can be followed.")
class Subscription:
    @strawberry.subscription(
        permission_classes=[CanView],
        description="Sends the run as it is, then every change, and ends after a final status.",
    )
    async def recalculation_progress(self, info: Info, id: RunId) -> AsyncGenerator[Recalculation, None]:
        business = await info.context.load_business()
        number = expect(id, "Recalculation", business)
        async for job in info.context.services.recalculations.follow(business, number, info.context.audience):
            yield Recalculation.of(await renew_business(info), job)

    @strawberry.subscription(permission_classes=[CanView], description="The same for any job.")
    async def job_progress(self, info: Info, id: RunId) -> AsyncGenerator[Job, None]:
        business = await info.context.load_business()
        number = match(id, "PurchaseImport", business)
        if number is not None:
            async for state in info.context.services.imports.follow(business, number, info.context.audience):
                yield PurchaseImport.of(await renew_business(info), state)
            return
        number = expect(id, "Recalculation", business)
        async for job in info.context.services.recalculations.follow(business, number, info.context.audience):
            yield Recalculation.of(await renew_business(info), job)

    @strawberry.subscription(
        permission_classes=[CanView],
        description="Committed entries and exits in commit order, at most 500 a message, each exactly once; from now "
        "on, or from a cursor on. The first message comes at once: where no change waits it has none, and the cursor "
        "to go on from.",
    )
    async def membership_changes(
        self,
        info: Info,
        segment_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only changes of this segment; all where absent.")
        ] = None,
        after: Annotated[
            str | None, strawberry.argument(description="Only changes after this cursor; from now on where absent.")
        ] = None,
    ) -> AsyncGenerator[MembershipChangeBatch, None]:
        business = await info.context.load_business()
        key = None
        if segment_id is not None:
            segment = await find_node(info.context, segment_id)
            if not isinstance(segment, Segment):
                raise build_unknown_id("segment")
            key = segment.entity.id
        position = decode_cursor("after", after, CHANGE_ORDER, str)
        place = None if position is None else Place.read(position)
        check_reachable(business, None if place is None else place.instant)
        async for entities, reached in info.context.services.recalculations.follow_changes(business, key, place):
            present = await renew_business(info)
            changes = [MembershipChange.of(present, entity) for entity in entities]
            yield MembershipChangeBatch(changes=changes, cursor=encode_cursor(CHANGE_ORDER, reached.position))


async def renew_business(info: Info) -> BusinessEntity:
    """The business at a moment after the row of an event was read, so that whatever is told beside the row is not older
    than it."""
    info.context.renew()
    return await info.context.load_business()
