"""What can be followed. A subscription reads the stored rows at its reader's pace; nothing is kept for a slow one."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.errors import NotFound
from domain.model import Business as BusinessEntity
from domain.segments.history import check_reachable
from domain.segments.model import Place
from gql.schema.context import CanView, Info
from gql.schema.queries import find_segment
from gql.schema.types.ids import numbers_of
from gql.schema.types.job import Job, PurchaseImport, Recalculation
from gql.schema.types.membership import CHANGE_ORDER, MembershipChange
from gql.schema.types.pagination import decode_cursor

RunId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]


@strawberry.type(description="Changes of memberships that follow each other.")
class MembershipChangeBatch:
    """Changes."""

    changes: list[MembershipChange] = strawberry.field(description="The changes, in commit order.")
    cursor: str = strawberry.field(description="Cursor of the last of them; `after` it goes on.")


@strawberry.type(description="What can be followed.")
class Subscription:
    """What can be followed."""

    @strawberry.subscription(
        permission_classes=[CanView],
        description="Sends the run as it is, then every change, and ends after a final status.",
    )
    async def recalculation_progress(self, info: Info, id: RunId) -> AsyncGenerator[Recalculation, None]:
        """From the row."""
        business = await info.context.business()
        async for job in info.context.services.recalculations.follow(business, run_number(business, id)):
            yield Recalculation.of(await as_it_is_now(info), job)

    @strawberry.subscription(permission_classes=[CanView], description="The same for any job.")
    async def job_progress(self, info: Info, id: RunId) -> AsyncGenerator[Job, None]:
        """From the row."""
        business = await info.context.business()
        imported = numbers_of(id, "PurchaseImport", business.id, 1)
        if imported is not None:
            async for state in info.context.services.imports.follow(business, imported[0]):
                yield PurchaseImport.of(await as_it_is_now(info), state)
            return
        async for job in info.context.services.recalculations.follow(business, run_number(business, id)):
            yield Recalculation.of(await as_it_is_now(info), job)

    @strawberry.subscription(
        permission_classes=[CanView],
        description="Committed entries and exits in commit order, at most 500 a message, each exactly once; from now "
        "on, or from a cursor on.",
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
        """From the intervals, at the reader's pace."""
        business = await info.context.business()
        key = None
        if segment_id is not None:
            segment = await find_segment(info.context, business, segment_id)
            if segment is None:
                raise NotFound("There is no segment with this id.")
            key = segment.id
        position = decode_cursor("after", after, CHANGE_ORDER, str)
        place = None if position is None else Place.read(position)
        check_reachable(business, None if place is None else place.instant)
        async for found in info.context.services.recalculations.changes(business, key, place):
            present = await as_it_is_now(info)
            changes = [MembershipChange.of(present, change) for change in found]
            yield MembershipChangeBatch(changes=changes, cursor=changes[-1].cursor)


async def as_it_is_now(info: Info) -> BusinessEntity:
    """The business at a moment after the row of an event was read, so that whatever is told beside the row is not older
    than it."""
    info.context.renew()
    return await info.context.business()


def run_number(business: BusinessEntity, value: str) -> int:
    """The number behind the id; NotFound where there is no such run."""
    numbers = numbers_of(value, "Recalculation", business.id, 1)
    if numbers is None:
        raise NotFound("There is no job with this id.")
    return numbers[0]
