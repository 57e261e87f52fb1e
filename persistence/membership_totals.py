"""What the members of segments amount to, as one grouped statement for a page of segments; and which customers a list
of external ids names."""

from collections.abc import Mapping, Sequence

from sqlalchemy import and_, case, func, or_, select, union_all

from domain.segments.model import MemberTotals
from persistence.membership_reads import MembershipReads, present
from persistence.tables import customer, customer_metrics, membership, storable


class MembershipTotals(MembershipReads):
    """On one connection, of one business."""

    async def totals(self, segments: Sequence[int], today: int, inactive_days: int) -> Mapping[int, MemberTotals]:
        """Of each segment; `inactive` are those without a qualifying purchase in the last days, today included."""
        kept = customer_metrics.c
        inactive = or_(kept.last_day.is_(None), kept.last_day <= today - inactive_days)
        statement = (
            select(
                membership.c.segment_id,
                func.count(),
                func.sum(case((inactive, 1), else_=0)),
                func.sum(kept.revenue),
                func.sum(kept.order_count),
                func.sum(today - kept.last_day),
                func.count(kept.last_day),
            )
            .join(
                customer_metrics,
                and_(
                    kept.business_id == membership.c.business_id,
                    kept.customer_id == membership.c.customer_id,
                ),
            )
            .where(
                membership.c.business_id == self.business_id,
                membership.c.segment_id.in_(segments),
            )
            .group_by(membership.c.segment_id)
        )
        parts = union_all(*(statement.where(condition) for condition in present(self.as_of)))
        found = {key: MemberTotals() for key in segments}
        for row in await self.connection.execute(parts):
            found[row[0]] += MemberTotals(*(int(value or 0) for value in row[1:]))
        return found

    async def known(self, external_ids: Sequence[str]) -> Mapping[str, tuple[int, bool]]:
        """Id of each customer that exists, and whether it was erased."""
        statement = select(customer.c.external_id, customer.c.id, customer.c.erased).where(
            customer.c.business_id == self.business_id,
            customer.c.external_id.in_([text for text in external_ids if storable(text)]),
        )
        return {row[0]: (row[1], bool(row[2])) for row in await self.connection.execute(statement)}
