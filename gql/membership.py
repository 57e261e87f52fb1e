"""Memberships as clients see them: those of a customer, the members of a segment, and the changes of both."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain.model import Business as BusinessEntity
from domain.pages import Page
from domain.segments.history import check_reachable
from domain.segments.model import ChangeList, Place
from domain.segments.model import Membership as MembershipEntity
from domain.segments.model import MembershipChange as ChangeEntity
from domain.store import Member
from gql.context import Info
from gql.enums import ChangeKind, MembershipSource
from gql.nouns import noun
from gql.pagination import Connection, PageInfo, connection, encode_cursor, page_info, requested

if TYPE_CHECKING:
    from gql.customer import Customer
    from gql.segment import Segment

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
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.segment")]:
        """Through the loader."""
        return await find_named(info, self.business, self.entity.segment_id)


@strawberry.type(description="A member of a segment, and how it became one.")
class SegmentMemberEdge:
    """A member of a segment."""

    cursor: str = strawberry.field(description="The member's place, for `after` and `before`.")
    node: Annotated["Customer", strawberry.lazy("gql.customer")] = strawberry.field(description="The customer.")
    source: MembershipSource = strawberry.field(description="What made the customer a member.")
    assigned_at: datetime = strawberry.field(description="Timestamp since which the customer is a member.")
    assigned_by: str | None = strawberry.field(description="Who or what made the customer a member.")


@strawberry.type(description="A page of the members of a segment.")
class SegmentMemberConnection:
    """A page of members."""

    edges: list[SegmentMemberEdge] = strawberry.field(description="The members with their places.")
    nodes: list[Annotated["Customer", strawberry.lazy("gql.customer")]] = strawberry.field(description="The members.")
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
    async def customer(self, info: Info) -> Annotated["Customer", strawberry.lazy("gql.customer")]:
        """Through the loader."""
        record = await info.context.loaders.customers.load(self.entity.customer_id)
        if record is None:
            raise LookupError(f"customer {self.entity.customer_id} is gone")
        made: Customer = noun(info, "Customer").of(self.business, record)
        return made

    @strawberry.field(description="The segment.")
    async def segment(self, info: Info) -> Annotated["Segment", strawberry.lazy("gql.segment")]:
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
