"""The segments that a customer is in, and was."""

import strawberry

from domain.model import Business as BusinessEntity
from domain.segments.model import ChangeList
from domain.store import CustomerRecord
from gql.context import Info
from gql.membership import MembershipChange, SegmentMembership, changes_connection
from gql.pagination import After, Connection, First


@strawberry.type(description="The segments of a customer.")
class CustomerMemberships:
    """The segments of a customer."""

    record: strawberry.Private[CustomerRecord]
    business: strawberry.Private[BusinessEntity]

    @strawberry.field(description="The segments that the customer is in, by name.")
    async def segments(self, info: Info) -> list[SegmentMembership]:
        """Through the loader: one statement for the page of customers."""
        found = await info.context.loaders.memberships.open.load(self.record.customer.id)
        return [SegmentMembership.of(self.business, entity) for entity in found]

    @strawberry.field(description="The customer's entries and exits in the order in which they happened.")
    async def membership_history(
        self, info: Info, first: First = None, after: After = None
    ) -> Connection[MembershipChange]:
        """Through the loader: one statement for the page of customers."""
        which = ChangeList(customer_id=self.record.customer.id)
        return await changes_connection(info, self.business, which, first, after)
