"""Memberships as clients see them: those of a customer, the members of a segment, and the changes of both.

A snapshot of a segment, its members, and what differs from another one.

Nouns that speak of each other find one another through the schema: no file must import one that imports it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from domain.calendar import from_micros, to_micros
from domain.errors import InvalidInput, NotFound
from domain.model import Business as BusinessEntity
from domain.pages import Page
from domain.segments.history import MAXIMUM_IDS, check_reachable
from domain.segments.model import ChangeList, Place
from domain.segments.model import Membership as MembershipEntity
from domain.segments.model import MembershipChange as ChangeEntity
from domain.segments.model import Snapshot as SnapshotEntity
from domain.store import Comparison, Member
from gql.schema.context import Context, Info
from gql.schema.types.enums import ChangeKind, MembershipSource
from gql.schema.types.ids import Node, encode, numbers_of
from gql.schema.types.pagination import (
    After,
    Connection,
    First,
    PageInfo,
    connection,
    encode_cursor,
    page_info,
    requested,
)

if TYPE_CHECKING:
    from gql.schema.types.customer import Customer
    from gql.schema.types.segment import Segment


def noun(info: Info, name: str) -> Any:
    """The class of the schema's type of that name."""
    found: Any = info.schema.get_type_by_name(name)
    return found.origin


CHANGE_ORDER = "changes"
MEMBER_ORDER = "members"


async def find_named(info: Info, business: BusinessEntity, key: int) -> "Segment":
    """The segment that a row names, deleted or not."""
    entity = await info.context.loaders.segments.load(key)
    if entity is None:
        raise LookupError(f"segment {key} is gone")
    made: Segment = noun(info, "Segment").of(business, entity)
    return made


@strawberry.type(description="A segment that a customer is in.")
class SegmentMembership:
    """A segment that a customer is in."""

    source: MembershipSource = strawberry.field(description="What made the customer a member.")
    assigned_at: datetime = strawberry.field(description="Timestamp since which the customer is a member.")
    assigned_by: str | None = strawberry.field(description="Who or what made the customer a member.")
    entity: strawberry.Private[MembershipEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: MembershipEntity) -> "SegmentMembership":
        """The membership."""
        return cls(
            source=entity.source,
            assigned_at=entity.entered_at,
            assigned_by=entity.entered_by,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The segment.")
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.schema.types.segment")]:
        """Through the loader."""
        return await find_named(info, self.business, self.entity.segment_id)


@strawberry.type(description="A member of a segment, and how it became one.")
class SegmentMemberEdge:
    """A member of a segment."""

    cursor: str = strawberry.field(description="The member's place, for `after` and `before`.")
    node: Annotated["Customer", strawberry.lazy("gql.schema.types.customer")] = strawberry.field(
        description="The customer."
    )
    source: MembershipSource = strawberry.field(description="What made the customer a member.")
    assigned_at: datetime = strawberry.field(description="Timestamp since which the customer is a member.")
    assigned_by: str | None = strawberry.field(description="Who or what made the customer a member.")


@strawberry.type(description="A page of the members of a segment.")
class SegmentMemberConnection:
    """A page of members."""

    edges: list[SegmentMemberEdge] = strawberry.field(description="The members with their places.")
    nodes: list[Annotated["Customer", strawberry.lazy("gql.schema.types.customer")]] = strawberry.field(
        description="The members."
    )
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")
    count: strawberry.Private[Callable[[], Awaitable[int]]]

    @classmethod
    def of(
        cls, info: Info, business: BusinessEntity, page: Page[Member], count: Callable[[], Awaitable[int]]
    ) -> "SegmentMemberConnection":
        """The page."""
        customer = noun(info, "Customer")
        nodes = [customer.of(business, record) for record, _ in page.items]
        edges = [
            SegmentMemberEdge(
                cursor=encode_cursor(MEMBER_ORDER, position),
                node=node,
                source=kept.source,
                assigned_at=kept.entered_at,
                assigned_by=kept.entered_by,
            )
            for (_, kept), node, position in zip(page.items, nodes, page.positions, strict=True)
        ]
        return cls(edges=edges, nodes=nodes, page_info=page_info(page, MEMBER_ORDER), count=count)

    @strawberry.field(description="How many members there are in all.")
    async def total_count(self) -> int:
        """Asked for only when it is selected."""
        return await self.count()


@strawberry.type(description="The beginning or the end of a membership.")
class MembershipChange:
    """The beginning or the end of a membership."""

    cursor: str = strawberry.field(description="The change's place among all of the business, in commit order.")
    kind: ChangeKind = strawberry.field(description="Whether the customer entered or left.")
    source: MembershipSource = strawberry.field(description="What had made the customer a member.")
    at: datetime = strawberry.field(description="Timestamp of the change.")
    by: str | None = strawberry.field(description="Who or what changed it.")
    entity: strawberry.Private[ChangeEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: ChangeEntity) -> "MembershipChange":
        """The change."""
        return cls(
            cursor=encode_cursor(CHANGE_ORDER, Place.of(entity).position),
            kind=entity.kind,
            source=entity.source,
            at=entity.at,
            by=entity.by,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The customer.")
    async def customer(self, info: Info) -> Annotated["Customer", strawberry.lazy("gql.schema.types.customer")]:
        """Through the loader."""
        record = await info.context.loaders.customers.load(self.entity.customer_id)
        if record is None:
            raise LookupError(f"customer {self.entity.customer_id} is gone")
        made: Customer = noun(info, "Customer").of(self.business, record)
        return made

    @strawberry.field(description="The segment.")
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.schema.types.segment")]:
        """Through the loader."""
        return await find_named(info, self.business, self.entity.segment_id)


async def changes_connection(
    info: Info, business: BusinessEntity, which: ChangeList, first: int | None, after: str | None
) -> Connection[MembershipChange]:
    """A page of a list of changes."""
    request = requested(CHANGE_ORDER, str, first, after)
    if request.after is not None:
        # Here, so that a wrong cursor is this field's error and not the whole batch's.
        check_reachable(business, Place.read(request.after).instant)
    check_reachable(business, which.since)
    if which.since is None and business.history_from is not None:
        which = replace(which, since=business.history_from)
    loaders = info.context.loaders.memberships
    page = await loaders.change_pages.load((which, request))
    return connection(
        page,
        CHANGE_ORDER,
        lambda entity: MembershipChange.of(business, entity),
        lambda: loaders.change_counts.load(which),
    )


Customers = Connection[Annotated["Customer", strawberry.lazy("gql.schema.types.customer")]]


async def moved(
    info: Info, business: BusinessEntity, movement: Comparison, first: int | None, after: str | None
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
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.schema.types.segment")]:
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
