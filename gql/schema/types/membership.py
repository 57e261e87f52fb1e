"""Memberships: those of a customer, the members of a segment, the changes of both, and snapshots, which are instants of
a segment that are kept. Whatever is asked of each item of a page comes through a loader. Nouns that speak of each other
import modules, and name each other's types lazily."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.calendar import from_micros, to_micros
from domain.errors import InvalidInput, build_unknown_id
from domain.model import Business as BusinessEntity
from domain.pages import DEFAULT_IDS, MAXIMUM_IDS, Mapped, Page, PageRequest
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList, Place
from domain.segments.model import Membership as MembershipEntity
from domain.segments.model import MembershipChange as ChangeEntity
from domain.segments.model import Snapshot as SnapshotEntity
from domain.store import Comparison, Member, MemberList, SnapshotKey
from gql.schema.context import Info
from gql.schema.types import customer as customers
from gql.schema.types import segment as segments
from gql.schema.types.enums import ChangeKind, MembershipSource
from gql.schema.types.ids import Node, decode_own, encode, expect
from gql.schema.types.pagination import (
    After,
    Connection,
    Count,
    First,
    PageInfo,
    build_connection,
    build_page_info,
    build_page_request,
    encode_cursor,
)

if TYPE_CHECKING:
    from gql.schema.types.customer import Customer
    from gql.schema.types.segment import Segment

CUSTOMER, SEGMENT = strawberry.lazy("gql.schema.types.customer"), strawberry.lazy("gql.schema.types.segment")
CHANGE_ORDER = "changes"
MEMBER_ORDER = "members"


async def load_segment(info: Info, business: BusinessEntity, key: int) -> "Segment":
    """The segment that a row names, deleted or not."""
    entity = await info.context.loaders.segments.load(key)
    if entity is None:
        raise LookupError(f"segment {key} is gone")
    return segments.Segment.of(business, entity)


@strawberry.type(description="A segment that a customer is in.")
class SegmentMembership:
    source: MembershipSource = strawberry.field(description="What made the customer a member.")
    assigned_at: datetime = strawberry.field(description="Timestamp since which the customer is a member.")
    assigned_by: str | None = strawberry.field(description="Who or what made the customer a member.")
    entity: strawberry.Private[MembershipEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: MembershipEntity) -> "SegmentMembership":
        return cls(
            source=entity.source,
            assigned_at=entity.entered_at,
            assigned_by=entity.entered_by,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The segment.")
    async def segment(self, info: Info) -> Annotated["Segment", SEGMENT]:
        return await load_segment(info, self.business, self.entity.segment_id)


@strawberry.type(description="A member of a segment, and how it became one.")
class SegmentMemberEdge:
    cursor: str = strawberry.field(description="The member's place, for `after` and `before`.")
    node: Annotated["Customer", CUSTOMER] = strawberry.field(description="The customer.")
    source: MembershipSource = strawberry.field(description="What made the customer a member.")
    assigned_at: datetime = strawberry.field(description="Timestamp since which the customer is a member.")
    assigned_by: str | None = strawberry.field(description="Who or what made the customer a member.")


@strawberry.type(description="A page of the members of a segment.")
class SegmentMemberConnection:
    edges: Sequence[SegmentMemberEdge] = strawberry.field(description="The members with their places.")
    nodes: Sequence[Annotated["Customer", CUSTOMER]] = strawberry.field(description="The members.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")
    count: strawberry.Private[Count]

    @classmethod
    def of(cls, business: BusinessEntity, page: Page[Member], order: str, count: Count) -> "SegmentMemberConnection":
        nodes = Mapped(page.items, lambda member: customers.Customer.of(business, member[0]))

        def build_edge(place: int) -> SegmentMemberEdge:
            _, membership = page.items[place]
            return SegmentMemberEdge(
                cursor=encode_cursor(order, page.positions[place]),
                node=nodes[place],
                source=membership.source,
                assigned_at=membership.entered_at,
                assigned_by=membership.entered_by,
            )

        edges = Mapped(range(len(nodes)), build_edge)
        return cls(edges=edges, nodes=nodes, page_info=build_page_info(page, order), count=count)

    @strawberry.field(description="How many members there are in all.")
    async def total_count(self) -> int:
        return self.count if isinstance(self.count, int) else await self.count()


@strawberry.type(description="The beginning or the end of a membership.")
class MembershipChange:
    cursor: str = strawberry.field(description="The change's place among all of the business, in commit order.")
    kind: ChangeKind = strawberry.field(description="Whether the customer entered or left.")
    source: MembershipSource = strawberry.field(description="What had made the customer a member.")
    at: datetime = strawberry.field(description="Timestamp of the change.")
    by: str | None = strawberry.field(description="Who or what changed it.")
    entity: strawberry.Private[ChangeEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: ChangeEntity) -> "MembershipChange":
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
    async def customer(self, info: Info) -> Annotated["Customer", CUSTOMER]:
        record = await info.context.loaders.past_customers.load(self.entity.customer_id)
        if record is None:
            raise LookupError(f"customer {self.entity.customer_id} is gone")
        return customers.Customer.of(self.business, record)

    @strawberry.field(description="The segment.")
    async def segment(self, info: Info) -> Annotated["Segment", SEGMENT]:
        return await load_segment(info, self.business, self.entity.segment_id)


async def load_changes_connection(
    info: Info, business: BusinessEntity, changes: ChangeList, request: PageRequest
) -> Connection[MembershipChange]:
    # Here, so that a wrong cursor is this field's error and not the whole batch's.
    for name, position in (("after", request.after), ("before", request.before)):
        if position is not None:
            check_reachable(business, Place.read(position, name).instant)
    check_reachable(business, changes.since)
    if changes.since is None and business.history_from is not None:
        changes = replace(changes, since=business.history_from)
    loaders, of = info.context.loaders, partial(MembershipChange.of, business)
    page = await loaders.change_pages.load((changes, request))
    return build_connection(page, CHANGE_ORDER, of, lambda: loaders.change_counts.load(changes))


Customers = Connection[Annotated["Customer", CUSTOMER]]


async def load_compared(
    info: Info, business: BusinessEntity, between: Comparison, first: int | None, after: str | None
) -> "Connection[Customer]":
    """A page of those that the comparison is of."""
    request = build_page_request(MEMBER_ORDER, int, first, after)
    loaders, of = info.context.loaders, partial(customers.Customer.of, business)
    page = await loaders.compared_pages.load((between, request))
    return build_connection(page, MEMBER_ORDER, of, lambda: loaders.compared_counts.load(between))


@strawberry.type(description="What differs between two snapshots of one segment.")
class SnapshotDiff:
    business: strawberry.Private[BusinessEntity]
    before: strawberry.Private[SnapshotEntity]
    after: strawberry.Private[SnapshotEntity]

    @strawberry.field(description="Members of the second who are none of the first.")
    async def entered(self, info: Info, first: First = None, after: After = None) -> Customers:
        between = Comparison(self.before.segment_id, self.before.at, self.after.at)
        return await load_compared(info, self.business, between, first, after)

    @strawberry.field(description="Members of the first who are none of the second.")
    async def left(self, info: Info, first: First = None, after: After = None) -> Customers:
        between = Comparison(self.before.segment_id, self.after.at, self.before.at)
        return await load_compared(info, self.business, between, first, after)

    @strawberry.field(description="Members of both.")
    async def stayed(self, info: Info, first: First = None, after: After = None) -> Customers:
        between = Comparison(self.before.segment_id, self.before.at, self.after.at, stayed=True)
        return await load_compared(info, self.business, between, first, after)

    @strawberry.field(description="How many are members of both.")
    async def stayed_count(self, info: Info) -> int:
        # Who did not leave stayed.
        between = Comparison(self.before.segment_id, self.after.at, self.before.at)
        return self.before.member_count - await info.context.loaders.compared_counts.load(between)


@strawberry.type(description="An instant of a segment that was kept, with its members.")
class Snapshot(Node):
    snapshot_date: datetime = strawberry.field(description="Timestamp of the snapshot.")
    member_count: int = strawberry.field(description="Number of members then.")
    entity: strawberry.Private[SnapshotEntity]
    business: strawberry.Private[BusinessEntity]

    @classmethod
    def of(cls, business: BusinessEntity, entity: SnapshotEntity) -> "Snapshot":
        return cls(
            id=encode("Snapshot", business.id, entity.segment_id, to_micros(entity.at)),
            snapshot_date=entity.at,
            member_count=entity.member_count,
            entity=entity,
            business=business,
        )

    @strawberry.field(description="The segment, which may have been deleted since.")
    async def segment(self, info: Info) -> Annotated["Segment", SEGMENT]:
        return await load_segment(info, self.business, self.entity.segment_id)

    @strawberry.field(description="Ids of the members then, in the order of the ids.")
    async def member_ids(
        self,
        info: Info,
        first: Annotated[int | None, strawberry.argument(description="How many ids, 1 to 10,000.")] = DEFAULT_IDS,
        after: Annotated[strawberry.ID | None, strawberry.argument(description="The last id received.")] = None,
    ) -> Sequence[strawberry.ID]:
        size = DEFAULT_IDS if first is None else first
        if not 1 <= size <= MAXIMUM_IDS:
            raise InvalidInput(f"first must be between 1 and {MAXIMUM_IDS}", ("first",))
        customer = None if after is None else expect(after, "Customer", self.business, "after")
        check_reachable(self.business, self.entity.at)
        ids = await info.context.loaders.past_ids.load((self.entity.segment_id, self.entity.at, size, customer))
        return Mapped(ids, partial(encode, "Customer", self.business.id))

    @strawberry.field(description="The members then, as they are now.")
    async def members(self, info: Info, first: First = None, after: After = None) -> Customers:
        request = build_page_request(MEMBER_ORDER, int, first, after)
        check_reachable(self.business, self.entity.at)
        page = await info.context.loaders.members.load((MemberList(self.entity.segment_id, self.entity.at), request))
        return build_connection(
            page,
            MEMBER_ORDER,
            lambda member: customers.Customer.of(self.business, member[0]),
            self.entity.member_count,
        )

    @strawberry.field(description="What differs between this snapshot and another one of the same segment.")
    async def compare(
        self, info: Info, to: Annotated[strawberry.ID, strawberry.argument(description="Id of the other snapshot.")]
    ) -> SnapshotDiff:
        id = decode_own(to, self.business)
        key = read_snapshot_key(id.numbers) if id is not None and id.kind == "Snapshot" else None
        other = None if key is None else await info.context.loaders.snapshots.load(key)
        if other is None:
            raise build_unknown_id("snapshot")
        if other.segment_id != self.entity.segment_id:
            raise InvalidInput("to must be the id of a snapshot of the same segment", ("to",))
        check_reachable(self.business, self.entity.at, other.at)
        return SnapshotDiff(business=self.business, before=self.entity, after=other)


def read_snapshot_key(numbers: tuple[int, ...]) -> SnapshotKey | None:
    """Segment and instant of a snapshot's id; None where they are none."""
    try:
        segment, micros = numbers
        return segment, from_micros(micros)
    except (ValueError, OverflowError):
        return None
