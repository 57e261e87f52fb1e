"""A snapshot of a segment, its members, and what differs from another one."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.calendar import from_micros, to_micros
from domain.errors import InvalidInput, NotFound
from domain.model import Business as BusinessEntity
from domain.segments.history import MAXIMUM_IDS, check_reachable
from domain.segments.model import Snapshot as SnapshotEntity
from domain.store import Movement
from gql.context import Context, Info
from gql.ids import encode, numbers_of
from gql.membership import MEMBER_ORDER, find_named
from gql.node import Node
from gql.nouns import noun
from gql.pagination import After, Connection, First, connection, requested

if TYPE_CHECKING:
    from gql.customer import Customer
    from gql.segment import Segment

Customers = Connection[Annotated["Customer", strawberry.lazy("gql.customer")]]


async def moved(
    info: Info, business: BusinessEntity, movement: Movement, first: int | None, after: str | None
) -> "Connection[Customer]":
    """A page of those who moved."""
    request = requested(MEMBER_ORDER, int, first, after)
    loaders = info.context.loaders.memberships
    page = await loaders.moved_pages.load((movement, request))
    return connection(
        page,
        MEMBER_ORDER,
        lambda record: noun(info, "Customer").of(business, record),
        lambda: loaders.moved_counts.load(movement),
    )


@strawberry.type(description="What differs between two snapshots of one segment.")
class SnapshotDiff:
    """What differs."""

    business: strawberry.Private[BusinessEntity]
    before: strawberry.Private[SnapshotEntity]
    after: strawberry.Private[SnapshotEntity]

    @strawberry.field(description="Members of the second who are none of the first.")
    async def entered(self, info: Info, first: First = None, after: After = None) -> Customers:
        """Through the loader."""
        movement = (self.before.segment_id, self.before.at, self.after.at)
        return await moved(info, self.business, movement, first, after)

    @strawberry.field(description="Members of the first who are none of the second.")
    async def left(self, info: Info, first: First = None, after: After = None) -> Customers:
        """Through the loader."""
        movement = (self.before.segment_id, self.after.at, self.before.at)
        return await moved(info, self.business, movement, first, after)

    @strawberry.field(description="How many are members of both.")
    async def stayed_count(self, info: Info) -> int:
        """Who did not leave stayed."""
        movement = (self.before.segment_id, self.after.at, self.before.at)
        return self.before.member_count - await info.context.loaders.memberships.moved_counts.load(movement)


@strawberry.type(description="An instant of a segment that was kept, with its members.")
class Snapshot(Node):
    """An instant of a segment."""

    snapshot_date: datetime = strawberry.field(description="Timestamp of the snapshot.")
    member_count: int = strawberry.field(description="Number of members then.")
    entity: strawberry.Private[SnapshotEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: SnapshotEntity) -> "Snapshot":
        """The snapshot."""
        return cls(
            id=encode("Snapshot", business.id, entity.segment_id, to_micros(entity.at)),
            snapshot_date=entity.at,
            member_count=entity.member_count,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The segment, which may have been deleted since.")
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.segment")]:
        """Through the loader."""
        return await find_named(info, self.business, self.entity.segment_id)

    @strawberry.field(description="Ids of the members then, in the order of the ids.")
    async def member_ids(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many ids, 1 to 10,000.")] = 1000,
        after: Annotated[strawberry.ID | None, strawberry.argument(description="The last id received.")] = None,
    ) -> list[strawberry.ID]:
        """Through the loader."""
        size = 1000 if first is None else first
        if not 1 <= size <= MAXIMUM_IDS:
            raise InvalidInput(f"first must be between 1 and {MAXIMUM_IDS}", ("first",))
        numbers = None if after is None else numbers_of(after, "Customer", self.business.id, 1)
        if after is not None and numbers is None:
            raise InvalidInput("after must be the id of a customer of this business", ("after",))
        check_reachable(self.business, self.entity.at)
        key = (self.entity.segment_id, self.entity.at, size, None if numbers is None else numbers[0])
        found = await info.context.loaders.memberships.id_lists.load(key)
        return [encode("Customer", self.business.id, number) for number in found]

    @strawberry.field(description="The members then, as they are now.")
    async def members(self, info: Info, first: First = None, after: After = None) -> Customers:
        """Through the loader."""
        request = requested(MEMBER_ORDER, int, first, after)
        check_reachable(self.business, self.entity.at)
        page = await info.context.loaders.memberships.pages.load((self.entity.segment_id, request, self.entity.at))

        async def count() -> int:
            return self.entity.member_count

        return connection(page, MEMBER_ORDER, lambda member: noun(info, "Customer").of(self.business, member[0]), count)

    @strawberry.field(description="What differs between this snapshot and another one of the same segment.")
    async def compare(
        self, info: Info, to: Annotated[strawberry.ID, strawberry.argument(description="Id of the other snapshot.")]
    ) -> SnapshotDiff:
        """From this one to the other, whichever is older."""
        other = await find_snapshot(info.context, self.business, to)
        if other is None:
            raise NotFound("to must be the id of a snapshot of this business")
        if other.segment_id != self.entity.segment_id:
            raise InvalidInput("to must be the id of a snapshot of the same segment", ("to",))
        check_reachable(self.business, self.entity.at, other.at)
        return SnapshotDiff(business=self.business, before=self.entity, after=other)


async def find_snapshot(context: Context, business: BusinessEntity, value: str) -> SnapshotEntity | None:
    """The snapshot of a global id; None where there is none, or it is another business's."""
    numbers = numbers_of(value, "Snapshot", business.id, 2)
    try:
        key = None if numbers is None else (numbers[0], from_micros(numbers[1]))
    except OverflowError:
        return None
    return None if key is None else await context.loaders.memberships.snapshots.load(key)
