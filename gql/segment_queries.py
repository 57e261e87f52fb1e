"""Questions about segments: one by its id, and lists with search, filters and every order."""

from typing import Annotated

import strawberry

from domain.errors import InvalidInput
from domain.model import Business as BusinessEntity
from domain.segments.model import Segment as SegmentEntity
from domain.store import SegmentFilter as SegmentFilterEntity
from gql.context import Context, Info
from gql.enums import SegmentKind, SegmentSort
from gql.ids import numbers_of
from gql.pagination import After, Before, Connection, First, Last, connection, requested
from gql.permissions import CanView
from gql.segment import Segment

MAXIMUM_SEARCH = 1000


@strawberry.input(description="Which segments; every given part must hold.")
class SegmentFilter:
    """Which segments."""

    search: str | None = strawberry.field(
        default=None, description="Beginning of the name, of a word of it, or of the key; letter case ignored."
    )
    kind: SegmentKind | None = strawberry.field(default=None, description="Only segments of this kind.")
    is_rfm: bool | None = strawberry.field(default=None, description="Only those that use RFM scores, or do not.")
    is_dynamic: bool | None = strawberry.field(
        default=None, description="Only those that follow by themselves, or not."
    )

    def entity(self) -> SegmentFilterEntity:
        """The filter as the domain reads it."""
        if self.search is not None and (len(self.search) > MAXIMUM_SEARCH or "\0" in self.search):
            message = f"search must be at most {MAXIMUM_SEARCH} characters, without NUL"
            raise InvalidInput(message, ("filter", "search"))
        return SegmentFilterEntity(self.search, self.kind, self.is_rfm, self.is_dynamic)


async def find_segment(context: Context, business: BusinessEntity, value: str) -> SegmentEntity | None:
    """The segment of a global id that is not deleted; None where there is none, or it is another business's."""
    numbers = numbers_of(value, "Segment", business.id, 1)
    found = None if numbers is None else await context.loaders.segments.load(numbers[0])
    return None if found is None or found.deleted_at is not None else found


@strawberry.type(description="Questions about segments.")
class SegmentQueries:
    """Questions about segments."""

    @strawberry.field(permission_classes=[CanView], description="A segment; null where there is none of that id.")
    async def segment(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the segment.")]
    ) -> Segment | None:
        """One segment."""
        business = await info.context.business()
        found = await find_segment(info.context, business, id)
        return None if found is None else Segment.of(business, found)

    @strawberry.field(permission_classes=[CanView], description="The segments of the business, page by page.")
    async def segments(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[
            SegmentFilter | None, strawberry.argument(description="Which segments; all where absent.")
        ] = None,
        sort: Annotated[SegmentSort | None, strawberry.argument(description="What to order by.")] = SegmentSort.NAME,
        reverse: Annotated[bool | None, strawberry.argument(description="Whether to turn the order round.")] = False,
    ) -> Connection[Segment]:
        """A page by key."""
        by, turned = sort or SegmentSort.NAME, bool(reverse)
        order = f"segments {by.value}{' reverse' if turned else ''}"
        request = requested(order, str if by is SegmentSort.NAME else int, first, after, last, before)
        where = SegmentFilterEntity() if filter is None else filter.entity()
        business, service = await info.context.business(), info.context.services.segments
        page = await service.page(business, request, where, by, turned)
        return connection(
            page, order, lambda entity: Segment.of(business, entity), lambda: service.count(business, where)
        )
