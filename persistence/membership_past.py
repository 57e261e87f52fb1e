"""The members of past instants, and who came and went between two: many answers at once, a few statements for all."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, or_, select

from domain.calendar import to_micros
from domain.pages import Page, cut
from domain.store import CustomerRecord, IdsKey, MovedKey, Movement
from persistence.customers import COLUMNS, JOINED, to_record
from persistence.database.dialects import gathered
from persistence.membership_reads import MembershipReads, covers
from persistence.tables import customer, membership, membership_change


class MembershipPast(MembershipReads):
    """On one connection, of one business."""

    async def past_counts(self, keys: Sequence[tuple[int, datetime]]) -> list[int]:
        """How many members each segment had at the instant, from the log of changes."""
        log = membership_change.c
        lists = [
            select(log.member_count)
            .where(log.business_id == self.business_id, log.segment_id == segment_id, log.at <= to_micros(at))
            .order_by(log.at.desc())
            .limit(1)
            for segment_id, at in keys
        ]
        return [rows[0].member_count if rows else 0 for rows in await gathered(self.connection, lists)]

    async def id_lists(self, keys: Sequence[IdsKey]) -> list[list[int]]:
        """Who was a member at the instant, after a customer, by id."""
        ids, lists = membership.c.customer_id, []
        for segment_id, at, size, after in keys:
            statement = select(ids).where(self._of(segment_id), covers(at)).order_by(ids).limit(size)
            lists.append(statement if after is None else statement.where(ids > after))
        return [sorted(row.customer_id for row in rows) for rows in await gathered(self.connection, lists)]

    async def moved_pages(self, keys: Sequence[MovedKey]) -> list[Page[CustomerRecord]]:
        """Who is a member at the second instant and was none at the first, by id."""
        ids, lists = customer.c.id, []
        for movement, request in keys:
            statement = (
                select(*COLUMNS)
                .select_from(JOINED)
                .where(customer.c.business_id == self.business_id, ids.in_(self._moved(movement)))
            )
            if request.after is not None:
                statement = statement.where(ids > request.after[0])
            lists.append(statement.order_by(ids).limit(request.size + 1))
        return [
            cut(sorted(rows, key=lambda row: int(row.id)), request, lambda row: (row.id, row.id)).map(to_record)
            for (_, request), rows in zip(keys, await gathered(self.connection, lists), strict=True)
        ]

    async def moved_counts(self, keys: Sequence[Movement]) -> list[int]:
        """How many are members at the second instant and were none at the first."""
        lists = [select(func.count().label("size")).select_from(self._moved(key).subquery()) for key in keys]
        return [int(rows[0].size) for rows in await gathered(self.connection, lists)]

    def _moved(self, movement: Movement) -> Select[Any]:
        segment_id, left, right = movement
        other, at = membership.alias(), to_micros(left)
        was = exists().where(
            other.c.business_id == self.business_id,
            other.c.segment_id == segment_id,
            other.c.customer_id == membership.c.customer_id,
            other.c.entered_at <= at,
            or_(other.c.left_at.is_(None), other.c.left_at > at),
        )
        # Whoever came since began a membership then, whoever went had ended one by then: there is an index for each.
        since = membership.c.entered_at > at if left <= right else membership.c.left_at <= at
        return select(membership.c.customer_id).where(and_(self._of(segment_id), covers(right), since, ~was))
