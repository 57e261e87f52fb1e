"""What can be followed. A subscription reads the stored rows at its reader's pace; nothing is kept for a slow one."""

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry

from domain.errors import NotFound
from domain.model import Business as BusinessEntity
from gql.context import Info
from gql.ids import numbers_of
from gql.job import Job, Recalculation
from gql.permissions import CanView

RunId = Annotated[strawberry.ID, strawberry.argument(description="Global id of the run.")]


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
            yield Recalculation.of(business, job)

    @strawberry.subscription(permission_classes=[CanView], description="The same for any job.")
    async def job_progress(self, info: Info, id: RunId) -> AsyncGenerator[Job, None]:
        """From the row."""
        business = await info.context.business()
        async for job in info.context.services.recalculations.follow(business, run_number(business, id)):
            yield Recalculation.of(business, job)


def run_number(business: BusinessEntity, value: str) -> int:
    """The number behind the id; NotFound where there is no such run."""
    numbers = numbers_of(value, "Recalculation", business.id, 1)
    if numbers is None:
        raise NotFound("There is no job with this id.")
    return numbers[0]
