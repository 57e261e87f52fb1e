"""Members for files: one statement reads the texts and numbers of a whole page of rows, and no entity is made of them.
The page's members are found first and all else is looked up for each of them, so that no database goes through all
customers or purchases for a page."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, Text, and_, bindparam, case, cast, false, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import Span
from domain.classification.rfm import Quintiles, build_rank_conditions
from domain.model import AttributeKind
from domain.rules.variables import ATTRIBUTE
from domain.segments.model import SOURCE_ORDER
from domain.store import MemberPage
from persistence.database.dialects import prefer_index_joins
from persistence.database.lists import GatheredColumn
from persistence.reports.windows import build_score, build_window_conditions, score_recency
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
    ) -> tuple[int, MemberPage] | None:
        held = tuple(
            self.kinds[name.removeprefix(ATTRIBUTE)] if name.startswith(ATTRIBUTE) else None for name in columns
        )
        statement = _select_page(self.business_id, segment_id, at, tuple(columns), held, scored, size)
        await self.connection.run_sync(prefer_index_joins)
        row = (await self.connection.execute(statement, {"after": after})).one()
        return None if row[0] is None else (row[0], await asyncio.to_thread(_read_columns, row[1:]))


def _read_columns(texts: Sequence[str]) -> MemberPage:
    return [json.loads(text) for text in texts]


@lru_cache(maxsize=8)
def _select_page(
    business_id: int,
    segment_id: int,
    at: datetime,
    columns: tuple[str, ...],
    held: tuple[AttributeKind | None, ...],
    scored: tuple[Span, Quintiles] | None,
    size: int,
) -> Select[*tuple[Any, ...]]:
    """The page after the customer `after`, each column as one text: a row for each member would cost as much again as
    to find it. It is made once for all pages of a file."""
    metrics, number = customer_metrics.c, membership.c.customer_id
    made: dict[str, ColumnElement[Any]] = {
        **{name: customer.c[column] for name, column in TEXT_COLUMNS.items()},
        "assigned_at": membership.c.entered_at,
        "source": case(*((membership.c.source == place, one.value) for place, one in enumerate(SOURCE_ORDER))),
        "order_count": metrics.order_count,
        "total_revenue": metrics.revenue,
        "last_purchase_at": metrics.last_at,
    }
    if scored is not None:
        made["rfm_segment"] = _write_score(business_id, *scored, number)
    chosen = [
        made[name] if kind is None else _select_attribute(business_id, name.removeprefix(ATTRIBUTE), kind, number)
        for name, kind in zip(columns, held, strict=True)
    ]
    members = (
        select(number, *(cells.label(f"column_{place}") for place, cells in enumerate(chosen)))
        .select_from(membership)
        .join(customer, and_(customer.c.business_id == business_id, customer.c.id == number))
        .join(customer_metrics, and_(metrics.business_id == business_id, metrics.customer_id == number))
        .where(is_of_segment(business_id, segment_id), number > bindparam("after", type_=BigInteger), covers(at))
        .where(customer.c.erased == false())
        .order_by(number)
        .limit(size)
        .subquery("members")
    )
    last, *told = members.c
    return select(func.max(last), *map(GatheredColumn, told))


def _select_attribute(
    business_id: int, name: str, kind: AttributeKind, number: ColumnElement[int]
) -> ColumnElement[Any]:
    """One by one, since no database joins as many tables as there may be attributes."""
    held = customer_attribute.c
    mine = (held.business_id == business_id, held.customer_id == number, held.name == name)
    return select(STORED[kind]).where(*mine).scalar_subquery()


def _write_score(business_id: int, span: Span, quintiles: Quintiles, number: ColumnElement[int]) -> ColumnElement[str]:
    """The digits of a customer's own scores, as `score_customer` of the domain finds them. Whoever bought in the
    window and at no other time has the kept totals there; only of the others who may have bought in it are
    purchases read."""
    metrics, bought = customer_metrics.c, purchase.c
    inside = and_(metrics.first_day >= span.first_day, metrics.last_day <= span.last_day)
    across = and_(metrics.last_day >= span.first_day, metrics.first_day <= span.last_day)
    kept = _write_digits(span, quintiles, metrics.order_count, metrics.revenue, metrics.last_day)
    found = _write_digits(span, quintiles, func.count(), func.sum(bought.amount), func.max(bought.local_day))
    theirs = select(found).where(*build_window_conditions(business_id, span), bought.customer_id == number)
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
    frequency = build_score(build_rank_conditions(orders, quintiles.orders))
    monetary = build_score(build_rank_conditions(spend, quintiles.spend))
    return cast(100 * score_recency(last_day, span) + 10 * frequency + monetary, Text)
