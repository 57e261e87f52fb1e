"""Members for files: one statement reads the texts and numbers of a whole page of rows, and no entity is made of them.
The page's members are found first and all else is looked up for each of them, so that no database goes through all
customers or purchases for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Integer, Text, and_, case, cast, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Span
from domain.classification.rfm import Quintiles, build_rank_conditions
from domain.model import AttributeKind
from domain.rules.variables import ATTRIBUTE
from domain.segments.model import SOURCE_ORDER
from domain.store import MemberRow
from persistence.database.dialects import prefer_index_joins
from persistence.reports.windows import add_up, build_window_conditions, score_recency
from persistence.segments.memberships import TEXT_COLUMNS, covers, is_of_segment
from persistence.tables.customers import customer, customer_attribute, customer_metrics
from persistence.tables.purchases import purchase
from persistence.tables.segments import membership

STORED = {
    AttributeKind.TEXT: customer_attribute.c.text,
    AttributeKind.NUMBER: customer_attribute.c.text,
    AttributeKind.BOOLEAN: customer_attribute.c.flag,
    AttributeKind.INSTANT: customer_attribute.c.instant,
}
"""Where values stand; numbers as they were written."""


@dataclass(frozen=True, slots=True)
class MemberRowStore:
    """On one connection, of one business, whose customers have attributes of these kinds."""

    connection: AsyncConnection
    business_id: int
    kinds: Mapping[str, AttributeKind]

    async def load(
        self,
        segment_id: int,
        at: datetime,
        columns: Sequence[str],
        scored: tuple[Span, Quintiles] | None,
        after: int,
        size: int,
    ) -> list[MemberRow]:
        """The next members after that customer: its number, whether it was erased, and what the columns say."""
        page = (
            select(membership.c.customer_id, membership.c.entered_at, membership.c.source)
            .where(is_of_segment(self.business_id, segment_id), membership.c.customer_id > after, covers(at))
            .order_by(membership.c.customer_id)
            .limit(size)
            .subquery("page")
        )
        metrics, number = customer_metrics.c, page.c.customer_id
        made: dict[str, ColumnElement[Any]] = {
            **{name: customer.c[column] for name, column in TEXT_COLUMNS.items()},
            "assigned_at": page.c.entered_at,
            "source": case(*((page.c.source == place, one.value) for place, one in enumerate(SOURCE_ORDER))),
            "order_count": metrics.order_count,
            "total_revenue": metrics.revenue,
            "last_purchase_at": metrics.last_at,
        }
        if scored is not None:
            made["rfm_segment"] = self._write_score(*scored, number)
        chosen = [
            self._select_attribute(name.removeprefix(ATTRIBUTE), number) if name.startswith(ATTRIBUTE) else made[name]
            for name in columns
        ]
        statement = (
            select(number, type_coerce(customer.c.erased, Integer), *chosen)
            .join(customer, and_(customer.c.business_id == self.business_id, customer.c.id == number))
            .join(customer_metrics, and_(metrics.business_id == self.business_id, metrics.customer_id == number))
        )
        await self.connection.run_sync(prefer_index_joins)
        # In this order they come from every plan that there is today, and then sorting them costs next to nothing.
        return sorted((await self.connection.execute(statement)).all(), key=itemgetter(0))

    def _select_attribute(self, name: str, number: ColumnElement[int]) -> ColumnElement[Any]:
        """One by one, since no database joins as many tables as there may be attributes."""
        held = customer_attribute.c
        mine = (held.business_id == self.business_id, held.customer_id == number, held.name == name)
        return select(STORED[self.kinds[name]]).where(*mine).scalar_subquery()

    def _write_score(self, span: Span, quintiles: Quintiles, number: ColumnElement[int]) -> ColumnElement[str]:
        """The digits of a customer's own scores, as `score_customer` of the domain finds them. Whoever bought in the
        window and at no other time has the kept totals there; only of the others who may have bought in it are
        purchases read."""
        metrics, bought = customer_metrics.c, purchase.c
        inside = and_(metrics.first_day >= span.first_day, metrics.last_day <= span.last_day)
        across = and_(metrics.last_day >= span.first_day, metrics.first_day <= span.last_day)
        kept = _write_digits(span, quintiles, metrics.order_count, metrics.revenue, metrics.last_day)
        found = _write_digits(span, quintiles, func.count(), func.sum(bought.amount), func.max(bought.local_day))
        theirs = select(found).where(*build_window_conditions(self.business_id, span), bought.customer_id == number)
        counted = theirs.having(func.count() > 0).correlate_except(purchase).scalar_subquery()
        return case((inside, kept), (across, func.coalesce(counted, BEFORE)), (metrics.order_count > 0, BEFORE))


BEFORE = "111"
"""Of whoever bought at other times only."""


def _write_digits(
    span: Span,
    quintiles: Quintiles,
    orders: ColumnElement[int],
    spend: ColumnElement[int],
    last_day: ColumnElement[int],
) -> ColumnElement[str]:
    frequency = add_up(build_rank_conditions(orders, quintiles.orders))
    monetary = add_up(build_rank_conditions(spend, quintiles.spend))
    return cast(100 * score_recency(last_day, span) + 10 * frequency + monetary, Text)
