"""The runs of a segment."""

import strawberry

from domain.model import Business as BusinessEntity
from domain.segments.model import Segment as SegmentEntity
from gql.context import Info
from gql.job import Recalculation


@strawberry.type(description="The runs of a segment.")
class SegmentRuns:
    """What a segment says of its runs."""

    entity: strawberry.Private[SegmentEntity]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="The newest run of the segment; null where none was ever asked for.")
    async def latest_recalculation(self, info: Info) -> Recalculation | None:
        """Through the loader: one statement for the page."""
        found = await info.context.loaders.newest_jobs.load(self.entity.id)
        return None if found is None else Recalculation.of(self.business, found)
