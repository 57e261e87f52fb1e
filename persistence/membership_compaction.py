"""Old memberships on their way out: those that ended before a horizon. The log of changes and the snapshots stay."""

from datetime import datetime

from sqlalchemy import delete, literal, select, tuple_

from domain.calendar import to_micros
from domain.segments.model import ArchivedMembership
from persistence.membership_reads import MEMBERSHIP, MembershipReads, to_membership
from persistence.tables import customer, membership, segment


class MembershipCompaction(MembershipReads):
    """On one connection, of one business."""

    async def ended_before(
        self, horizon: datetime, after: tuple[int, int, datetime] | None, size: int
    ) -> list[ArchivedMembership]:
        """The next of them with the names of segment and customer, by key."""
        key = (membership.c.segment_id, membership.c.customer_id, membership.c.entered_at)
        statement = (
            select(*MEMBERSHIP, segment.c.key, customer.c.external_id)
            .join(
                segment, (segment.c.business_id == membership.c.business_id) & (segment.c.id == membership.c.segment_id)
            )
            .join(
                customer,
                (customer.c.business_id == membership.c.business_id) & (customer.c.id == membership.c.customer_id),
            )
            .where(membership.c.business_id == self.business_id, membership.c.left_at < to_micros(horizon))
            .order_by(*key)
            .limit(size)
        )
        if after is not None:
            place = tuple_(literal(after[0]), literal(after[1]), literal(to_micros(after[2])))
            statement = statement.where(tuple_(*key) > place)
        return [
            ArchivedMembership(to_membership(row), row.key, row.external_id)
            for row in await self.connection.execute(statement)
        ]

    async def ended_segments(self, horizon: datetime) -> list[int]:
        """The segments that have some."""
        statement = (
            select(membership.c.segment_id)
            .where(membership.c.business_id == self.business_id, membership.c.left_at < to_micros(horizon))
            .distinct()
        )
        return sorted((await self.connection.execute(statement)).scalars())

    async def forget(self, segment_id: int, horizon: datetime) -> int:
        """Remove those of one segment; how many there were."""
        statement = delete(membership).where(self._of(segment_id), membership.c.left_at < to_micros(horizon))
        return int((await self.connection.execute(statement)).rowcount)
