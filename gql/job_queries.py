"""Questions about runs."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from gql.context import Info
from gql.ids import numbers_of
from gql.imports import PurchaseImport, find_import
from gql.job import RUN_ORDER, Job, Recalculation, find_job
from gql.pagination import After, Connection, First, connection, requested
from gql.permissions import CanView


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
