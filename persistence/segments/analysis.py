"""Questions about rules over all customers, each one statement: how many match, who would enter and leave, which rules
hold, how segments overlap. A stored segment that a rule names stands for its open memberships; who was erased, or
merged into another, belongs to no segment and is left out. In a unit of one moment the memberships are those of that
moment."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    ScalarSelect,
    Select,
    and_,
    case,
    exists,
    func,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.model import Business
from domain.rules.context import RuleContext, collect_variable_names, split_statements
from domain.rules.listing import RuleValue
from domain.rules.tree import Condition
from domain.segments.customer_facts import build_rule_context
from domain.store import CustomerFilter, CustomerRecord, RuleSizes, Side, Unit
from persistence.customers import COLUMNS, JOINED, to_record
from persistence.database.dialects import Expression, Negation
from persistence.lake.analysis import Analysis
from persistence.reports.reports import find_reported
from persistence.rules.compiler import Lookup, RuleCompiler, select_matching, select_members
from persistence.rules.values import VariableValues
from persistence.segments.memberships import build_present_conditions, covers
from persistence.tables.customers import PRESENT, customer
from persistence.tables.segments import membership, segment

MAXIMUM_RULES = 500
"""Of one statement, as PostgreSQL bounds its columns."""
COPIED = frozenset(
    {
        "purchases",
        "order_count",
        "total_revenue",
        "average_order_value",
        "purchase_frequency",
        "days_since_last_purchase",
        "recency_score",
        "frequency_score",
        "monetary_score",
        "rfm_segment",
        "rfm_segment_name",
        "spending_label",
    }
)
"""What rules may read that are asked of a columnar copy. It has no names, and of lines no amounts; labels of frequency
and category it looks up more slowly than the store does."""


def is_member(
    business: Business,
    segment_id: ColumnElement[int] | ScalarSelect[int] | int,
    bounds: tuple[ColumnElement[int], ColumnElement[int]] | None = None,
) -> ColumnElement[bool]:
    """Whether the row of `customer`, whose id lies within the bounds, has an open membership of the segment; never
    null."""
    within = [] if bounds is None else [membership.c.customer_id.between(*bounds)]
    return exists().where(
        *within,
        membership.c.business_id == business.id,
        membership.c.segment_id == segment_id,
        membership.c.customer_id == customer.c.id,
        covers(business.as_of),
    )


def by_membership(business: Business) -> Lookup:
    """Answers a rule's reference to a stored segment with its open memberships."""

    def lookup(key: str) -> Expression:
        named = (
            select(segment.c.id)
            .where(segment.c.business_id == business.id, segment.c.key == key, segment.c.deleted_at.is_(None))
            .scalar_subquery()
        )
        return is_member(business, named)

    return lookup


def _select_row(parts: Sequence[Select[Any]]) -> Select[Any]:
    """What each of the parts counts, in one row."""
    return select(*(part.scalar_subquery().label(f"n{place}") for place, part in enumerate(parts)))


class RuleAnalysisStore:
    """Questions about the rules of one business within one unit; what looks at all customers goes through `analysis`
    where a copy is faster."""

    def __init__(self, connection: AsyncConnection, unit: Unit, now: datetime, analysis: Analysis) -> None:
        self.connection = connection
        self.analysis = analysis
        self.unit = unit
        self.now = now
        self.business_id = unit.business.id

    def _make_compiler(self, context: RuleContext) -> RuleCompiler:
        return RuleCompiler(context, by_membership(self.unit.business))

    async def build_condition(self, where: CustomerFilter) -> ColumnElement[bool]:
        """Whether the row of `customer` is a member of the filter's segments, its rule holds and reports count it."""
        parts = [is_member(self.unit.business, key) for key in where.segment_ids]
        parts += [await find_reported(self.analysis, each) for each in where.reported]
        if where.rule is not None:
            context = await build_rule_context(self.unit, self.now, [where.rule], where.quintiles)
            parts.append(self._make_compiler(context).compile_condition(where.rule))
        return and_(true(), *parts)

    async def count_population(self) -> int:
        return int((await self.connection.execute(self._select_everybody())).scalar_one())

    def _select_everybody(self) -> Select[Any]:
        return select(func.count()).select_from(customer).where(customer.c.business_id == self.business_id, PRESENT)

    async def compute_sizes(self, context: RuleContext, tree: Condition, against: int | None) -> RuleSizes:
        """How many there are and match; of the members of the other segment too, where one is given."""
        held = self._make_compiler(context).compile_condition(tree)
        whom = select_members(context, held).where(PRESENT).with_only_columns(func.count(), maintain_column_froms=True)
        parts = [self._select_everybody(), whom]
        sizes = await self._ask_copy(tree, parts)
        parts = parts[len(sizes) :]
        if against is not None:
            each = self._open([against]).subquery()
            parts.append(select(func.count()).select_from(each))
            parts.append(whom.where(is_member(self.unit.business, against)))
        if parts:
            sizes += (await self.connection.execute(_select_row(parts))).one()
        return RuleSizes(*map(int, sizes))

    async def _ask_copy(self, tree: Condition, parts: Sequence[Select[Any]]) -> list[int]:
        """What the parts count, by the copy; nothing where none answers."""
        lake = self.analysis.lake
        if lake is None or not lake.engine.runs_rules or not collect_variable_names(tree) <= COPIED:
            return []
        copied = await self.analysis.ask_copy(_select_row(parts))
        return [] if copied is None else list(copied[0])

    async def load_sample(
        self, context: RuleContext, tree: Condition, side: Side, against: int | None, size: int
    ) -> list[CustomerRecord]:
        """The first customers by id for whom the rule holds, or who would enter or leave the other segment."""
        held = self._make_compiler(context).compile_condition(tree)
        conditions: list[ColumnElement[bool]] = [customer.c.business_id == self.business_id, PRESENT]
        conditions.append(Negation(held) if side is Side.LEAVING else held)
        if side is not Side.MATCHING and against is not None:
            inside = is_member(self.unit.business, against)
            conditions.append(inside if side is Side.LEAVING else Negation(inside))
        statement = select(*COLUMNS).select_from(JOINED).where(*conditions).order_by(customer.c.id).limit(size)
        return [to_record(row) for row in await self.connection.execute(statement)]

    async def find_matching(
        self, context: RuleContext, trees: Mapping[int, Condition], customers: Sequence[int]
    ) -> dict[int, set[int]]:
        """The keys of the rules that hold for each of the customers."""
        matching: dict[int, set[int]] = {key: set() for key in customers}
        for part in split_statements(trees, MAXIMUM_RULES):
            compiler = self._make_compiler(context)
            columns = {}
            for key, tree in part.items():
                columns[f"r{key}"] = compiler.compile_condition(tree)
                await asyncio.sleep(0)
            statement = select_matching(context, columns).where(customer.c.id.in_(customers), PRESENT)
            for row in await self.connection.execute(statement):
                matching[row.id].update(key for key, holds in zip(part, row[1:], strict=True) if holds)
        return matching

    async def load_values(self, context: RuleContext) -> dict[str, list[RuleValue]]:
        """The values that variables have, the most frequent first."""
        return await VariableValues(self.connection, context).load()

    async def count_overlap(self, segments: Sequence[int]) -> dict[int, int]:
        """How many customers are in exactly which of the segments; bit n of the key stands for the nth."""
        bits = {key: 1 << place for place, key in enumerate(segments)}
        held = self._open(segments).subquery()
        mine: Select[Any] = select(
            held.c.customer_id, func.sum(case(bits, value=held.c.segment_id)).label("pattern")
        ).group_by(held.c.customer_id)
        each = mine.subquery()
        statement = select(each.c.pattern, func.count()).group_by(each.c.pattern)
        return {int(pattern): int(count) for pattern, count in await self.connection.execute(statement)}

    def _open(self, segments: Sequence[int]) -> CompoundSelect[Any]:
        """Customer and segment of each membership of the segments that lasts."""
        mine = select(membership.c.customer_id, membership.c.segment_id).where(
            membership.c.business_id == self.business_id, membership.c.segment_id.in_(segments)
        )
        return union_all(*(mine.where(condition) for condition in build_present_conditions(self.unit.business.as_of)))
