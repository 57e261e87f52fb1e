"""Memberships as intervals: what changes them. Every change of members also writes the log of changes and the segment's
member count, in the same transaction, so the count always equals the members."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, text
from sqlalchemy.sql.elements import TextClause

from domain.calendar import to_micros
from domain.jobs.model import Difference
from domain.segments.model import SOURCE_ORDER, MembershipSource
from persistence.database.dialects import analyze
from persistence.membership_compaction import MembershipCompaction
from persistence.membership_history import MembershipHistory
from persistence.membership_past import MembershipPast
from persistence.membership_totals import MembershipTotals

OPEN = "m.business_id = :business AND m.segment_id = :segment AND m.left_at IS NULL"
CLOSE = f"UPDATE membership AS m SET left_at = :at, left_by = :by WHERE {OPEN}"
ENTER = """INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source, entered_by)
    SELECT :business, :segment, {key}, :at, :source, :by FROM {found} AND NOT EXISTS
    (SELECT 1 FROM membership m WHERE {open} AND m.customer_id = {key})"""
PUT_IN = ENTER.format(key="c.id", found="customer c WHERE c.business_id = :business AND c.id IN :customers", open=OPEN)
TAKE_OUT = f"{CLOSE} AND m.customer_id IN :customers"
MANY = 5_000
"""Memberships changed by one write from which the store looks anew at how many there are."""
RULE = SOURCE_ORDER.index(MembershipSource.RULE)
OPEN_HOLDING = ENTER.format(key="e.customer_id", found="evaluated e WHERE e.holds = 1", open=OPEN)
CLOSE_FAILING = f"""{CLOSE} AND m.source = {RULE}
    AND m.customer_id IN (SELECT e.customer_id FROM evaluated e WHERE e.holds = 0)"""
CLOSE_NOT_HOLDING = f"""{CLOSE} AND m.source = {RULE} AND NOT EXISTS
    (SELECT 1 FROM evaluated e WHERE e.customer_id = m.customer_id AND e.holds = 1)"""
COUNT = """UPDATE segment SET member_count = member_count + :entered - :left
    WHERE business_id = :business AND id = :segment RETURNING member_count"""
# A unit has one instant, so whatever it does to a segment is one line of the log.
LOG = """INSERT INTO membership_change (business_id, at, segment_id, entered, left_count, member_count)
    {rows} ON CONFLICT (business_id, at, segment_id) DO UPDATE SET
    entered = membership_change.entered + excluded.entered,
    left_count = membership_change.left_count + excluded.left_count, member_count = excluded.member_count"""
LOG_ONE = LOG.format(rows="VALUES (:business, :at, :segment, :entered, :left, :count)")
MINE = "customer_id = :customer"
# As in Selective.
MINE_SQLITE = f"likelihood({MINE}, 0.000001)"
OF_CUSTOMER = """id IN (SELECT segment_id FROM membership
    WHERE business_id = :business AND {mine} AND left_at IS NULL)"""
COUNT_ALL = f"UPDATE segment SET member_count = member_count - 1 WHERE business_id = :business AND {OF_CUSTOMER}"
LOG_ALL = LOG.format(
    rows=f"""SELECT business_id, :at, id, 0, 1, member_count FROM segment
    WHERE business_id = :business AND {OF_CUSTOMER}"""
)
CLOSE_ALL = """UPDATE membership SET left_at = :at, left_by = :by
    WHERE business_id = :business AND {mine} AND left_at IS NULL"""


class MembershipStore(MembershipHistory, MembershipPast, MembershipTotals, MembershipCompaction):
    """On one connection, of one business."""

    async def put_in(
        self, segment_id: int, customers: Sequence[int], at: datetime, source: MembershipSource, by: str | None
    ) -> Difference:
        """Begin a membership for each customer who is not a member already; ids that do not exist are passed over."""
        statement = text(PUT_IN).bindparams(bindparam("customers", expanding=True))
        more = {"source": SOURCE_ORDER.index(source), "by": by, "customers": sorted(set(customers))}
        return await self._kept(segment_id, at, await self._run(statement, segment_id, at, **more), 0)

    async def take_out(self, segment_id: int, customers: Sequence[int], at: datetime, by: str | None) -> Difference:
        """End the memberships of those who are members."""
        statement = text(TAKE_OUT).bindparams(bindparam("customers", expanding=True))
        more = {"by": by, "customers": sorted(set(customers))}
        return await self._kept(segment_id, at, 0, await self._run(statement, segment_id, at, **more))

    async def end_all(self, segment_id: int, at: datetime, by: str | None) -> Difference:
        """End every membership of the segment."""
        return await self._kept(segment_id, at, 0, await self._run(text(CLOSE), segment_id, at, by=by))

    async def agree(self, segment_id: int, at: datetime, by: str | None, *, only: bool = False) -> Difference:
        """Make RULE memberships agree with the temporary table `evaluated (customer_id, holds)` of this
        connection. Who is not in it leaves too, unless `only` the customers in it are to follow."""
        if not only:
            await self.connection.run_sync(analyze, "evaluated")
        closing = text(CLOSE_FAILING if only else CLOSE_NOT_HOLDING)
        left = await self._run(closing, segment_id, at, by=by)
        entered = await self._run(text(OPEN_HOLDING), segment_id, at, by=by, source=RULE)
        if entered + left >= MANY:
            # Segments that use this one are evaluated in a moment, before PostgreSQL would look by itself. It would
            # take the members for a few and compare each with every customer: minutes for 170,000.
            await self.connection.run_sync(analyze, "membership")
        return await self._kept(segment_id, at, entered, left)

    async def end_of_customer(self, customer_id: int, at: datetime, by: str | None) -> int:
        """End every membership of one customer; how many there were."""
        values = {"business": self.business_id, "customer": customer_id, "at": to_micros(at), "by": by}
        mine = MINE_SQLITE if self.connection.dialect.name == "sqlite" else MINE
        ended = 0
        for statement in (COUNT_ALL, LOG_ALL, CLOSE_ALL):
            ended = int((await self.connection.execute(text(statement.format(mine=mine)), values)).rowcount)
        return ended

    async def _run(self, statement: TextClause, segment_id: int, at: datetime, **more: object) -> int:
        values = {"business": self.business_id, "segment": segment_id, "at": to_micros(at), **more}
        return int((await self.connection.execute(statement, values)).rowcount)

    async def _kept(self, segment_id: int, at: datetime, entered: int, left: int) -> Difference:
        values = {"business": self.business_id, "segment": segment_id, "entered": entered, "left": left}
        count = int((await self.connection.execute(text(COUNT), values)).scalar_one())
        if entered or left:
            await self.connection.execute(text(LOG_ONE), {**values, "at": to_micros(at), "count": count})
        return Difference(entered, left, count)
