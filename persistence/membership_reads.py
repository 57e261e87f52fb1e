"""Reading memberships: who is in which segment, now or at an instant. Current sizes come from the kept count, those of
the past from the log of changes, so that counting reads no memberships. Where the unit is of one moment, now is it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import from_micros, to_micros
from domain.pages import Page, PageRequest, cut
from domain.segments.model import SOURCE_ORDER, Membership
from domain.store import Member, MemberKey
from persistence.customers import COLUMNS, JOINED, to_record
from persistence.database.dialects import Selective, gathered
from persistence.tables import customer, membership, membership_change, optional_instant, segment

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
        optional_instant(row.left_at),
        SOURCE_ORDER[row.source],
        row.entered_by,
        row.left_by,
    )


def covers(at: datetime | None) -> ColumnElement[bool]:
    """Whether a membership holds at the instant; None is now."""
    if at is None:
        return membership.c.left_at.is_(None)
    micros = to_micros(at)
    return and_(
        membership.c.entered_at <= micros,
        (membership.c.left_at.is_(None)) | (membership.c.left_at > micros),
    )


def present(at: datetime | None) -> list[ColumnElement[bool]]:
    """Conditions that no membership meets two of and that those meet together that hold now, or at an instant of just
    now: what was open then is open still, or ended since. Each has an index of its own."""
    if at is None:
        return [membership.c.left_at.is_(None)]
    micros = to_micros(at)
    # Not as a bound of the index of beginnings, which nearly all that is open lies below.
    begun = membership.c.entered_at + 0 <= micros
    return [and_(membership.c.left_at.is_(None), begun), and_(Selective(membership.c.left_at > micros), begun)]


@dataclass(slots=True)
class MembershipReads:
    """On one connection, of one business; what is asked for the present is answered for `as_of`, where it is set."""

    connection: AsyncConnection
    business_id: int
    as_of: datetime | None = None

    def _of(self, segment_id: int) -> ColumnElement[bool]:
        return and_(membership.c.business_id == self.business_id, membership.c.segment_id == segment_id)

    async def open_of(self, customers: Sequence[int]) -> Mapping[int, list[Membership]]:
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
        found: dict[int, list[Membership]] = {key: [] for key in customers}
        for row in await self.connection.execute(statement):
            found[row.customer_id].append(to_membership(row))
        return found

    async def are_members(self, pairs: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Those pairs of segment and customer where the customer is a member."""
        statement = select(membership.c.segment_id, membership.c.customer_id).where(
            membership.c.business_id == self.business_id,
            covers(self.as_of),
            membership.c.segment_id.in_({pair[0] for pair in pairs}),
            membership.c.customer_id.in_({pair[1] for pair in pairs}),
            tuple_(membership.c.segment_id, membership.c.customer_id).in_(list(set(pairs))),
        )
        return {(row[0], row[1]) for row in await self.connection.execute(statement)}

    async def members(self, segment_id: int, request: PageRequest, as_of: datetime | None = None) -> Page[Member]:
        """Members with their memberships, by customer."""
        return (await self.member_pages([(segment_id, request, as_of)]))[0]

    async def member_pages(self, keys: Sequence[MemberKey]) -> list[Page[Member]]:
        """Many pages at once, in the order of the keys."""
        lists, places, ids = [], [], membership.c.customer_id
        for place, (segment_id, request, as_of) in enumerate(keys):
            wanted = present(self.as_of) if as_of is None else [covers(as_of)]
            # Who left since the moment is found by when, and not among all who ever were members.
            lists += [
                self._part(segment_id, request, condition, ids + 0 if number else ids)
                for number, condition in enumerate(wanted)
            ]
            places += [place] * len(wanted)
        found: list[list[Any]] = [[] for _ in keys]
        for place, rows in zip(places, await gathered(self.connection, lists), strict=True):
            found[place] += rows
        return [
            cut(
                sorted(rows, key=lambda row: int(row.customer_id), reverse=request.backward),
                request,
                lambda row: (row.customer_id, row.customer_id),
            ).map(lambda row: (to_record(row), to_membership(row)))
            for (_, request, _), rows in zip(keys, found, strict=True)
        ]

    def _part(
        self, segment_id: int, request: PageRequest, condition: ColumnElement[bool], key: ColumnElement[int]
    ) -> Select[Any]:
        """The members of a page who meet a condition."""
        chosen = select(*MEMBERSHIP, membership.c.business_id).where(self._of(segment_id), condition)
        if request.after is not None:
            chosen = chosen.where(key > request.after[0])
        if request.before is not None:
            chosen = chosen.where(key < request.before[0])
        found = chosen.order_by(key.desc() if request.backward else key).limit(request.size + 1).subquery()
        own, its = customer.c.business_id == found.c.business_id, customer.c.id == found.c.customer_id
        columns = (found.c[column.name] for column in MEMBERSHIP)
        return select(*columns, *COLUMNS).select_from(found.join(JOINED, and_(own, its)))

    async def member_count(self, segment_id: int, as_of: datetime) -> int:
        """How many members there were at the instant, from the log."""
        statement = (
            select(membership_change.c.member_count)
            .where(
                membership_change.c.business_id == self.business_id,
                membership_change.c.segment_id == segment_id,
                membership_change.c.at <= to_micros(as_of),
            )
            .order_by(membership_change.c.at.desc())
            .limit(1)
        )
        return int((await self.connection.execute(statement)).scalar_one_or_none() or 0)

    async def last_changes(self, segments: Sequence[int]) -> Mapping[int, datetime]:
        """When the members of each segment last changed, where they ever did."""
        log = membership_change.c
        statement = (
            select(log.segment_id, func.max(log.at))
            .where(log.business_id == self.business_id, log.segment_id.in_(segments))
            .group_by(log.segment_id)
        )
        return {row[0]: from_micros(row[1]) for row in await self.connection.execute(statement)}
