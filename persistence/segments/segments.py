"""Segments: definitions and what is kept of each. Deleted ones stay for history and are seen only where asked for. The
member count is written by memberships alone, so that it always agrees with them. In a unit of one moment, count and
last calculation are those of that moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    case,
    cast,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from domain.calendar import from_micros, to_micros
from domain.errors import fold_text
from domain.model import AttributeKinds, Business
from domain.pages import Page, PageRequest, build_page
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.segments.model import Definition, NewSegment, Segment, SegmentKind
from domain.store import SegmentFilter, SegmentSort
from persistence.database.dialects import ContainsText
from persistence.database.pages import apply_keyset, begins_with, bind_keyset
from persistence.tables.businesses import business as table
from persistence.tables.columns import FAR_FUTURE, is_storable, to_optional_instant, to_optional_micros
from persistence.tables.segments import SegmentRow, membership_change, segment, snapshot


@dataclass(frozen=True, slots=True)
class Columns:
    """What is told of segments: the columns of the table, with member count and last calculation as of some moment."""

    member_count: ColumnElement[int]
    last_calculated: ColumnElement[int | None]

    def select(self) -> Select[Any]:
        named: Mapping[str, ColumnElement[Any]] = {
            "member_count": self.member_count,
            "last_calculated": self.last_calculated,
        }
        return select(*(named.get(column.name, column).label(column.name) for column in segment.c))

    def choose_sort_column(self, sort: SegmentSort) -> ColumnElement[Any]:
        """What a list is ordered by."""
        columns: Mapping[SegmentSort, ColumnElement[Any]] = {
            SegmentSort.NAME: segment.c.name_sort,
            SegmentSort.CREATED_AT: segment.c.created_at,
            SegmentSort.LAST_CALCULATED: func.coalesce(self.last_calculated, FAR_FUTURE),
            SegmentSort.MEMBER_COUNT: self.member_count,
        }
        return columns[sort]


KEPT = Columns(segment.c.member_count, segment.c.last_calculated)


def build_columns_at(at: datetime) -> Columns:
    """As of an instant of just now: the kept count without what was written later, and the last calculation until then,
    as every one left a snapshot."""
    micros, log, last = to_micros(at), membership_change.c, segment.c.last_calculated
    later = select(func.coalesce(func.sum(log.entered - log.left_count), 0)).where(
        log.business_id == segment.c.business_id, log.segment_id == segment.c.id, log.at > micros
    )
    earlier = select(func.max(snapshot.c.at)).where(
        snapshot.c.business_id == segment.c.business_id,
        snapshot.c.segment_id == segment.c.id,
        snapshot.c.at <= micros,
        snapshot.c.job_id.is_not(None),
    )
    return Columns(
        cast(segment.c.member_count - later.scalar_subquery(), BigInteger),
        case((last > micros, earlier.scalar_subquery()), else_=last),
    )


class SegmentStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, session: AsyncSession, business: Business) -> None:
        self.connection = connection
        self.session = session
        self.business_id = business.id
        self.as_of = business.as_of
        self.to_segment = partial(to_segment, attributes=business.attributes)

    async def load_page(
        self, request: PageRequest, where: SegmentFilter, sort: SegmentSort, reverse: bool
    ) -> Page[Segment]:
        """One page in the order asked for; ties stand by id."""

        def build_select(columns: Columns) -> Select[Any]:
            value = columns.choose_sort_column(sort)
            statement = columns.select().add_columns(value.label("sort_value")).where(*self._build_conditions(where))
            return apply_keyset(statement, value, segment.c.id, request, reverse).params(bind_keyset(request))

        rows = await self._load_rows(build_select)
        return build_page(rows, request, lambda row: (row.sort_value, row.id)).map(self.to_segment)

    async def count(self, where: SegmentFilter) -> int:
        statement = select(func.count()).select_from(segment).where(*self._build_conditions(where))
        return int((await self.connection.execute(statement)).scalar_one())

    async def load_all(self, *, automatic: bool = False) -> list[Segment]:
        """Those that are not deleted, by name; only AUTOMATIC ones where asked."""
        where = self._build_conditions(SegmentFilter(kind=SegmentKind.AUTOMATIC if automatic else None))
        order = (segment.c.name_sort, segment.c.id)
        rows = await self._load_rows(lambda columns: columns.select().where(*where).order_by(*order))
        return [self.to_segment(row) for row in rows]

    async def get(self, segment_id: int) -> Segment | None:
        """The one of that id, where it is not deleted."""
        if self.as_of is not None:
            return (await self.find_by_ids([segment_id])).get(segment_id)
        row = await self.session.get(SegmentRow, (self.business_id, segment_id), populate_existing=True)
        return None if row is None or row.deleted_at is not None else self.to_segment(row)

    async def find_by_ids(self, ids: Sequence[int], *, deleted: bool = False) -> Mapping[int, Segment]:
        """Those that exist; deleted ones too where asked."""
        where = [segment.c.business_id == self.business_id, segment.c.id.in_(ids)]
        if not deleted:
            where.append(segment.c.deleted_at.is_(None))
        return {
            row.id: self.to_segment(row)
            for row in await self._load_rows(lambda columns: columns.select().where(*where))
        }

    async def find_by_keys(self, keys: Sequence[str]) -> Mapping[str, Segment]:
        """Those that exist and are not deleted."""
        where = (*self._build_conditions(SegmentFilter()), segment.c.key.in_([key for key in keys if is_storable(key)]))
        return {
            row.key: self.to_segment(row)
            for row in await self._load_rows(lambda columns: columns.select().where(*where))
        }

    async def add(self, new: NewSegment, at: datetime) -> Segment:
        """Keep a segment whose key and name are free; its id is never given again."""
        last = select(func.coalesce(func.max(segment.c.id), 0)).where(segment.c.business_id == self.business_id)
        added = Segment(
            id=int((await self.connection.execute(last)).scalar_one()) + 1,
            key=new.key,
            name=new.name,
            description=new.description,
            kind=new.kind,
            is_dynamic=new.is_dynamic,
            is_rfm=new.is_rfm,
            definition=new.definition,
            schedule=new.schedule,
            version=1,
            created_at=at,
            updated_at=at,
            defined_at=at,
            created_by=new.created_by,
            deleted_at=None,
            next_run_at=new.next_run_at,
            last_calculated=None,
            member_count=0,
            seen_at=at,
        )
        row = SegmentRow(
            business_id=self.business_id,
            id=added.id,
            key=added.key,
            kind=added.kind.value,
            created_at=to_micros(added.created_at),
            created_by=added.created_by,
            **_build_changeable(added),
        )
        self.session.add(row)
        await self.session.flush()
        return added

    async def change(self, changed: Segment) -> None:
        """Write what may change of a segment, all but the member count."""
        # All of it: a session that compares with the row as it was takes a rule's 1 and 1.0 for the same.
        statement = update(SegmentRow).where(segment.c.business_id == self.business_id, segment.c.id == changed.id)
        await self.session.execute(statement.values(**_build_changeable(changed)))

    async def mark_calculated(self, ids: Sequence[int], at: datetime) -> None:
        """Write when the members of these were made to agree with their rules."""
        statement = update(SegmentRow).where(segment.c.business_id == self.business_id, segment.c.id.in_(ids))
        await self.session.execute(statement.values(last_calculated=to_micros(at)))

    async def _load_rows(self, build_select: Callable[[Columns], Select[Any]]) -> Sequence[Any]:
        """The rows that are asked for. In a unit of one moment they come with the instant of the newest write; only
        where that is later they are read once more, as of the moment, which takes the log of changes."""
        if self.as_of is None:
            return list(await self.connection.execute(build_select(KEPT)))
        newest = select(table.c.last_instant).where(table.c.id == self.business_id).scalar_subquery()
        rows = list(await self.connection.execute(build_select(KEPT).add_columns(newest.label("newest"))))
        if not rows or rows[0].newest <= to_micros(self.as_of):
            return rows
        return list(await self.connection.execute(build_select(build_columns_at(self.as_of))))

    def _build_conditions(self, where: SegmentFilter) -> list[ColumnElement[bool]]:
        conditions = [segment.c.business_id == self.business_id, segment.c.deleted_at.is_(None)]
        for column, wanted in (
            (segment.c.kind, where.kind),
            (segment.c.is_rfm, where.is_rfm),
            (segment.c.is_dynamic, where.is_dynamic),
        ):
            if wanted is not None:
                conditions.append(column == wanted)
        if where.search and not is_storable(where.search):
            conditions.append(false())
        elif where.search and (prefix := fold_text(where.search)):
            names = segment.c.name_sort
            conditions.append(
                or_(begins_with(names, prefix), ContainsText(names, f" {prefix}"), begins_with(segment.c.key, prefix))
            )
        return conditions


def to_segment(row: Any, attributes: AttributeKinds) -> Segment:
    """The entity of a row of the whole table, of a business with these attributes."""
    box = None if row.rfm_min is None else RfmConfig(row.rfm_min, row.rfm_max)
    criteria = None if row.criteria is None else SegmentCriteria.of_json(row.criteria)
    return Segment(
        id=row.id,
        key=row.key,
        name=row.name,
        description=row.description,
        kind=SegmentKind(row.kind),
        is_dynamic=bool(row.is_dynamic),
        is_rfm=bool(row.is_rfm),
        definition=Definition(row.rules, criteria, box, attributes),
        schedule=row.schedule,
        version=row.version,
        created_at=from_micros(row.created_at),
        updated_at=from_micros(row.updated_at),
        defined_at=from_micros(row.defined_at),
        created_by=row.created_by,
        deleted_at=to_optional_instant(row.deleted_at),
        next_run_at=to_optional_instant(row.next_run_at),
        last_calculated=to_optional_instant(row.last_calculated),
        member_count=row.member_count,
    )


def _build_changeable(held: Segment) -> dict[str, Any]:
    box = held.definition.rfm_config
    return {
        "name": held.name,
        "name_sort": fold_text(held.name),
        "description": held.description,
        "is_dynamic": held.is_dynamic,
        "is_rfm": held.is_rfm,
        "rules": held.definition.rules,
        "criteria": None if held.definition.criteria is None else held.definition.criteria.as_json(),
        "rfm_min": None if box is None else box.min_score,
        "rfm_max": None if box is None else box.max_score,
        "schedule": held.schedule,
        "version": held.version,
        "updated_at": to_micros(held.updated_at),
        "defined_at": to_micros(held.defined_at),
        "deleted_at": to_optional_micros(held.deleted_at),
        "next_run_at": to_optional_micros(held.next_run_at),
        "last_calculated": to_optional_micros(held.last_calculated),
    }
