"""The automatic segments whose rule holds for a customer, whether the customer was made a member or not."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.model import Business as BusinessEntity
from domain.store import CustomerRecord
from gql import segment as segments
from gql.context import Info

if TYPE_CHECKING:
    from gql.segment import Segment


@strawberry.type(description="What rules say of a customer.")
class CustomerMatching:
    """What rules say of a customer."""

    record: strawberry.Private[CustomerRecord]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="The automatic segments whose rule holds now, assigned or not, by name.")
    async def matching_segments(self, info: Info) -> list[Annotated["Segment", strawberry.lazy("gql.segment")]]:
        """Through the loader: one statement for the page of customers and all segments."""
        found = await info.context.loaders.matching_segments.load(self.record.customer.id)
        return [segments.Segment.of(self.business, entity) for entity in found]
