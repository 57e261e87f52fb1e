"""Memberships as intervals: who is in which segment now or at an instant, and what changes it. Every change of members
also writes the log of changes and the segment's member count, in the same transaction, so the count always equals the
members: sizes of now come from it, those of the past from the log. Where the unit is of one moment, now is it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import TextClause

from domain.calendar import from_micros, to_micros
from domain.jobs.model import Difference
from domain.model import PROFILE_TEXTS
from domain.rules.variables import ATTRIBUTE
from domain.segments.model import SOURCE_ORDER, Membership, MembershipSource, MemberTotals
from domain.store import CustomerRecord
from persistence.customers import COLUMNS, JOINED, to_record
from persistence.database.dialects import IsAscii, Negation, Selective, analyze, write_selective
from persistence.database.lists import Columns, gather_lists, select_numbers
from persistence.tables.columns import to_optional_instant
from persistence.tables.customers import customer, customer_attribute, customer_metrics
from persistence.tables.segments import membership, membership_change, segment

MEMBERSHIP = tuple(
    membership.c[name]
    for name in ("segment_id", "customer_id", "entered_at", "left_at", "source", "entered_by", "left_by")
)


def to_membership(row: Any) -> Membership:
    """The entity of a row that holds the columns of MEMBERSHIP."""
    return Membership(
        row.segment_id,
        row.customer_id,
        from_micros(row.entered_at),
        to_optional_instant(row.left_at),
        SOURCE_ORDER[row.source],
        row.entered_by,
        row.left_by,
    )


def covers(at: datetime | None) -> ColumnElement[bool]:
    """Whether a membership holds at the instant; None is now."""
    if at is None:
        return membership.c.left_at.is_(None)
    return covers_micros(literal(to_micros(at), BigInteger))


def covers_micros(at: ColumnElement[int]) -> ColumnElement[bool]:
    """The same of an instant in microseconds since 1970."""
    return and_(
        membership.c.entered_at <= at,
        (membership.c.left_at.is_(None)) | (membership.c.left_at > at),
    )


def build_present_conditions(at: datetime | None) -> list[ColumnElement[bool]]:
    """Conditions that no membership meets two of and that those meet together that hold now, or at an instant of just
    now: what was open then is open still, or ended since. Each has an index of its own."""
    if at is None:
        return [membership.c.left_at.is_(None)]
    micros = to_micros(at)
    # Not as a bound of the index of beginnings, which nearly all that is open lies below.
    begun = membership.c.entered_at + 0 <= micros
    return [and_(membership.c.left_at.is_(None), begun), and_(Selective(membership.c.left_at > micros), begun)]


OPEN = "m.business_id = :business AND m.segment_id = :segment AND m.left_at IS NULL"
CLOSE = f"UPDATE membership AS m SET left_at = :at, left_by = :by WHERE {OPEN}"
ENTER = """INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source, entered_by)
    SELECT :business, :segment, {key}, :at, :source, :by FROM {found} AND NOT EXISTS
    (SELECT 1 FROM membership m WHERE {open} AND m.customer_id = {key})"""
ADD = ENTER.format(key="c.id", found="customer c WHERE c.business_id = :business AND c.id IN :customers", open=OPEN)
REMOVE = f"{CLOSE} AND m.customer_id IN :customers"
MANY = 5_000
"""Memberships changed by one write from which the store looks anew at how many there are."""
RULE = SOURCE_ORDER.index(MembershipSource.RULE)
# Of many segments at once; {flags} are rows of (segment, its bit, who does it).
FLAGGED = "WITH flagged (segment_id, flag, by) AS (VALUES {flags})"
# The lists within the statements: the driver of SQLite counts the rows only of what begins with its verb.
CLOSE_SOME = f"""UPDATE membership SET left_at = :at,
    left_by = ({FLAGGED} SELECT f.by FROM flagged f WHERE f.segment_id = membership.segment_id)
    WHERE business_id = :business AND left_at IS NULL AND source = {RULE} AND (segment_id, customer_id) IN
    ({FLAGGED} SELECT f.segment_id, e.customer_id FROM flagged f CROSS JOIN evaluated e WHERE (e.flags & f.flag) = 0)"""
CLOSE_OF_ALL = f"""UPDATE membership AS m SET left_at = :at, left_by = f.by
    FROM ({FLAGGED} SELECT segment_id, flag, by FROM flagged) AS f
    WHERE m.business_id = :business AND m.segment_id = f.segment_id AND m.left_at IS NULL AND m.source = {RULE}
    AND NOT EXISTS
    (SELECT 1 FROM evaluated e WHERE e.customer_id = m.customer_id AND (e.flags & f.flag) <> 0)"""
# Segment by segment, so that those of one stand next to each other, as they do in the table. Said which once more, or
# PostgreSQL would read the members of all segments.
OPEN_FLAGGED = f"""INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source, entered_by)
    {FLAGGED} SELECT :business, f.segment_id, e.customer_id, :at, {RULE}, f.by
    FROM flagged f CROSS JOIN evaluated e WHERE (e.flags & f.flag) <> 0 AND NOT EXISTS
    (SELECT 1 FROM membership m WHERE m.business_id = :business AND m.segment_id = f.segment_id
    AND m.segment_id IN ({{segments}}) AND m.customer_id = e.customer_id AND m.left_at IS NULL)"""
LOG_FLAGGED = f"""INSERT INTO membership_change (business_id, at, segment_id, entered, left_count, member_count)
    {FLAGGED} SELECT :business, :at, s.id, c.entered, c.gone, s.member_count + c.entered - c.gone FROM segment s JOIN
    (SELECT segment_id, SUM(entered) AS entered, SUM(gone) AS gone FROM (SELECT f.segment_id,
    (SELECT COUNT(*) FROM membership m WHERE m.business_id = :business AND m.segment_id = f.segment_id
    AND m.entered_at = :at) AS entered,
    (SELECT COUNT(*) FROM membership m WHERE m.business_id = :business AND m.segment_id = f.segment_id
    AND m.left_at = :at) AS gone FROM flagged f) AS m GROUP BY segment_id) AS c
    ON s.business_id = :business AND s.id = c.segment_id WHERE c.entered + c.gone > 0"""
COUNT_FLAGGED = f"""UPDATE segment SET member_count = (SELECT l.member_count FROM membership_change l
    WHERE l.business_id = :business AND l.at = :at AND l.segment_id = segment.id)
    WHERE business_id = :business AND id IN ({FLAGGED} SELECT l.segment_id FROM membership_change l
    WHERE l.business_id = :business AND l.at = :at AND l.segment_id IN (SELECT segment_id FROM flagged))"""
COUNT = """UPDATE segment SET member_count = member_count + :entered - :left
    WHERE business_id = :business AND id = :segment RETURNING member_count"""
# A unit has one instant, so whatever it does to a segment is one line of the log.
LOG = """INSERT INTO membership_change (business_id, at, segment_id, entered, left_count, member_count)
    {rows} ON CONFLICT (business_id, at, segment_id) DO UPDATE SET
    entered = membership_change.entered + excluded.entered,
    left_count = membership_change.left_count + excluded.left_count, member_count = excluded.member_count"""
LOG_ONE = LOG.format(rows="VALUES (:business, :at, :segment, :entered, :left, :count)")
OPEN_WANTED = ENTER.format(key="w.customer_id", found="wanted w WHERE w.customer_id > 0", open=OPEN)
CLOSE_OTHERS = f"{CLOSE} AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.customer_id = m.customer_id)"
COPY = """INSERT INTO membership (business_id, segment_id, customer_id, entered_at, source, entered_by)
    SELECT :business, :into, c.id, :at, :source, :by FROM membership m
    JOIN customer f ON f.business_id = :business AND f.id = m.customer_id
    JOIN customer c ON c.business_id = :business AND c.id = COALESCE(f.merged_into, f.id) AND NOT c.erased
    WHERE m.business_id = :business AND m.segment_id = :segment AND {covered} GROUP BY c.id"""
COPY_NOW = COPY.format(covered="m.left_at IS NULL")
COPY_THEN = COPY.format(covered="m.entered_at <= :then AND (m.left_at IS NULL OR m.left_at > :then)")
OF_CUSTOMER = """id IN (SELECT segment_id FROM membership
    WHERE business_id = :business AND {mine} AND left_at IS NULL)"""
COUNT_ALL = f"UPDATE segment SET member_count = member_count - 1 WHERE business_id = :business AND {OF_CUSTOMER}"
LOG_ALL = LOG.format(
    rows=f"""SELECT business_id, :at, id, 0, 1, member_count FROM segment
    WHERE business_id = :business AND {OF_CUSTOMER}"""
)
CLOSE_ALL = """UPDATE membership SET left_at = :at, left_by = :by
    WHERE business_id = :business AND {mine} AND left_at IS NULL"""


TEXT_COLUMNS = {"customer_id": "external_id", **{name: name for name in PROFILE_TEXTS}}
"""Columns of exports that are texts of customers, and where they stand."""


def is_of_segment(business_id: int, segment_id: int | ColumnElement[int]) -> ColumnElement[bool]:
    return and_(membership.c.business_id == business_id, membership.c.segment_id == segment_id)


async def load_records(
    connection: AsyncConnection, business_id: int, customers: Sequence[int]
) -> Mapping[int, CustomerRecord]:
    """The customers of pages of ids, which are found first: so no database goes through all customers for them."""
    if not customers:
        return {}
    statement = (
        select(*COLUMNS)
        .select_from(JOINED)
        .where(customer.c.business_id == business_id, customer.c.id.in_(select_numbers(customers)))
    )
    return {row.id: to_record(row) for row in await connection.execute(statement)}


@dataclass(slots=True)
class MembershipStore:
    """On one connection, of one business; what is asked for the present is answered for `as_of`, where it is set."""

    connection: AsyncConnection
    business_id: int
    as_of: datetime | None = None

    async def find_open_memberships(self, customers: Sequence[int]) -> Mapping[int, list[Membership]]:
        """The memberships of each customer that last, by name of the segment."""
        statement = (
            select(*MEMBERSHIP)
            .select_from(customer)
            .join(
                membership,
                and_(
                    membership.c.business_id == self.business_id, Selective(membership.c.customer_id == customer.c.id)
                ),
            )
            .join(segment, and_(segment.c.business_id == self.business_id, segment.c.id == membership.c.segment_id))
            .where(
                customer.c.business_id == self.business_id,
                customer.c.id.in_(customers),
                covers(self.as_of),
            )
            .order_by(segment.c.name_sort, segment.c.id)
        )
        memberships: dict[int, list[Membership]] = {key: [] for key in customers}
        for row in await self.connection.execute(statement):
            memberships[row.customer_id].append(to_membership(row))
        return memberships

    async def are_members(self, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those pairs of segment and customer where the customer is a member."""

        def select_member(_form: None, columns: Columns) -> list[Select[Any]]:
            segment_id, customer_id = columns
            mine = select(membership.c.entered_at).where(is_of_segment(self.business_id, segment_id))
            return [mine.where(membership.c.customer_id == customer_id, covers(self.as_of))]

        found = await gather_lists(self.connection, [(None, pair) for pair in pairs], select_member)
        return {pair for pair, rows in zip(pairs, found, strict=True) if rows}

    async def are_ascii(self, segment_id: int, as_of: datetime, columns: Sequence[str]) -> bool:
        """Whether what these columns say of the members, by their names in exports, holds nothing but ASCII."""
        named = [customer.c[TEXT_COLUMNS[name]] for name in columns if name in TEXT_COLUMNS]
        own = [name.removeprefix(ATTRIBUTE) for name in columns if name.startswith(ATTRIBUTE)]
        held = customer_attribute.c
        of_attribute = (
            select(1)
            .where(held.business_id == self.business_id, held.customer_id == customer.c.id, held.name.in_(own))
            .where(Negation(IsAscii(held.text)))
            .exists()
        )
        others = [Negation(IsAscii(column)) for column in named] + ([of_attribute] if own else [])
        if not others:
            return True
        joined = membership.join(
            customer, and_(customer.c.business_id == self.business_id, customer.c.id == membership.c.customer_id)
        )
        statement = (
            select(1)
            .select_from(joined)
            .where(is_of_segment(self.business_id, segment_id), covers(as_of), or_(*others))
            # So that customers are read one after the other, as they stand.
            .order_by(membership.c.customer_id)
            .limit(1)
        )
        return (await self.connection.execute(statement)).first() is None

    async def find_last_changes(self, segments: Sequence[int]) -> Mapping[int, datetime]:
        """When the members of each segment last changed, where they ever did."""
        log = membership_change.c

        def select_last(_form: None, columns: Columns) -> list[Select[Any]]:
            mine = select(log.at).where(log.business_id == self.business_id, log.segment_id == columns[0])
            return [mine.order_by(log.at.desc()).limit(1)]

        found = await gather_lists(self.connection, [(None, (key,)) for key in segments], select_last)
        return {key: from_micros(row.at) for key, rows in zip(segments, found, strict=True) for row in rows}

    async def compute_totals(
        self, segments: Sequence[int], today: int, inactive_days: int
    ) -> Mapping[int, MemberTotals]:
        """Of each segment; `inactive` are those without a qualifying purchase in the last days, today included."""
        metrics = customer_metrics.c
        inactive = or_(metrics.last_day.is_(None), metrics.last_day <= today - inactive_days)
        statement = (
            select(
                membership.c.segment_id,
                func.count(),
                func.sum(case((inactive, 1), else_=0)),
                func.sum(metrics.revenue),
                func.sum(metrics.order_count),
                func.sum(today - metrics.last_day),
                func.count(metrics.last_day),
            )
            .join(
                customer_metrics,
                and_(
                    metrics.business_id == membership.c.business_id,
                    metrics.customer_id == membership.c.customer_id,
                ),
            )
            .where(
                membership.c.business_id == self.business_id,
                membership.c.segment_id.in_(segments),
            )
            .group_by(membership.c.segment_id)
        )
        parts = union_all(*(statement.where(condition) for condition in build_present_conditions(self.as_of)))
        totals = {key: MemberTotals() for key in segments}
        for row in await self.connection.execute(parts):
            totals[row[0]] += MemberTotals(*(int(value or 0) for value in row[1:]))
        return totals

    async def add(
        self, segment_id: int, customers: Sequence[int], at: datetime, source: MembershipSource, by: str | None
    ) -> Difference:
        """Begin a membership for each customer who is not a member already; ids that do not exist are passed over."""
        statement = text(ADD).bindparams(bindparam("customers", expanding=True))
        more = {"source": SOURCE_ORDER.index(source), "by": by, "customers": sorted(set(customers))}
        return await self._update_count(segment_id, at, await self._run(statement, segment_id, at, **more), 0)

    async def remove(self, segment_id: int, customers: Sequence[int], at: datetime, by: str | None) -> Difference:
        """End the memberships of those who are members."""
        statement = text(REMOVE).bindparams(bindparam("customers", expanding=True))
        more = {"by": by, "customers": sorted(set(customers))}
        return await self._update_count(segment_id, at, 0, await self._run(statement, segment_id, at, **more))

    async def set_named(self, segment_id: int, at: datetime, source: MembershipSource, by: str | None) -> Difference:
        """Let exactly those be members whom the connection's list of customers means."""
        left = await self._run(text(CLOSE_OTHERS), segment_id, at, by=by)
        more = {"source": SOURCE_ORDER.index(source), "by": by}
        entered = await self._run(text(OPEN_WANTED), segment_id, at, **more)
        return await self._finish_many(segment_id, at, entered, left)

    async def copy(
        self, segment_id: int, into: int, then: datetime | None, at: datetime, source: MembershipSource, by: str | None
    ) -> Difference:
        """Let the members of a segment at an instant, None is now, begin memberships of another one that has none."""
        more = {"into": into, "source": SOURCE_ORDER.index(source), "by": by}
        if then is None:
            entered = await self._run(text(COPY_NOW), segment_id, at, **more)
        else:
            entered = await self._run(text(COPY_THEN), segment_id, at, then=to_micros(then), **more)
        return await self._finish_many(into, at, entered, 0)

    async def close_segment(self, segment_id: int, at: datetime, by: str | None) -> Difference:
        """End every membership of the segment."""
        return await self._update_count(segment_id, at, 0, await self._run(text(CLOSE), segment_id, at, by=by))

    async def sync_evaluated(
        self, flags: Mapping[int, int], at: datetime, by: Mapping[int, str | None], *, of_all: bool = False
    ) -> Mapping[int, Difference]:
        """Make RULE memberships of these segments agree with their bits in the temporary table `evaluated (customer_id,
        flags)` of this connection; `of_all` says that who is not in it leaves, too. So many statements whatever there
        is of segments and customers."""
        names = {who: f"by_{number}" for number, who in enumerate(dict.fromkeys(by.values()))}
        rows = ", ".join(f"({segment_id}, {flag}, :{names[by[segment_id]]})" for segment_id, flag in flags.items())
        values = {"business": self.business_id, "at": to_micros(at), **{name: who for who, name in names.items()}}
        listed = ", ".join(map(str, flags))

        async def run(statement: str) -> int:
            written = text(statement.format(flags=rows, segments=listed))
            return int((await self.connection.execute(written, values)).rowcount)

        changed = await run(CLOSE_OF_ALL if of_all else CLOSE_SOME) + await run(OPEN_FLAGGED)
        if changed >= MANY:
            await self._look_anew()
        if changed:
            await run(LOG_FLAGGED)
            await run(COUNT_FLAGGED)
        log, own = membership_change.c, segment.c
        logged = and_(log.business_id == own.business_id, log.at == to_micros(at), log.segment_id == own.id)
        statement = (
            select(own.id, func.coalesce(log.entered, 0), func.coalesce(log.left_count, 0), own.member_count)
            .outerjoin_from(segment, membership_change, logged)
            .where(own.business_id == self.business_id, own.id.in_(list(flags)))
        )
        return {row[0]: Difference(*row[1:]) for row in await self.connection.execute(statement)}

    async def close_customer(self, customer_id: int, at: datetime, by: str | None) -> int:
        """End every membership of one customer; how many there were."""
        values = {"business": self.business_id, "customer": customer_id, "at": to_micros(at), "by": by}
        mine = write_selective(self.connection.dialect.name, "customer_id = :customer")
        ended = 0
        for statement in (COUNT_ALL, LOG_ALL, CLOSE_ALL):
            ended = int((await self.connection.execute(text(statement.format(mine=mine)), values)).rowcount)
        return ended

    async def _run(self, statement: TextClause, segment_id: int, at: datetime, **more: object) -> int:
        values = {"business": self.business_id, "segment": segment_id, "at": to_micros(at), **more}
        return int((await self.connection.execute(statement, values)).rowcount)

    async def _finish_many(self, segment_id: int, at: datetime, entered: int, left: int) -> Difference:
        """The count and the log after a change of perhaps very many."""
        if entered + left >= MANY:
            await self._look_anew()
        return await self._update_count(segment_id, at, entered, left)

    async def _look_anew(self) -> None:
        # Segments that use one that changed are evaluated in a moment, before PostgreSQL would look by itself. It would
        # take the members for a few and compare each with every customer: minutes for 170,000.
        await self.connection.run_sync(analyze, "membership")

    async def _update_count(self, segment_id: int, at: datetime, entered: int, left: int) -> Difference:
        values = {"business": self.business_id, "segment": segment_id, "entered": entered, "left": left}
        count = int((await self.connection.execute(text(COUNT), values)).scalar_one())
        if entered or left:
            await self.connection.execute(text(LOG_ONE), {**values, "at": to_micros(at), "count": count})
        return Difference(entered, left, count)
