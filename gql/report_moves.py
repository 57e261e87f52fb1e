"""Groups over time as the schema shows them: transitions, trend and label counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from hashlib import sha256

import strawberry

from domain.model import Business
from domain.money import to_decimal
from domain.pages import Page, PageRequest
from domain.reports.transitions import LabelCount as LabelCountEntity
from domain.reports.transitions import MovedGroup, Movements, Transitions
from domain.reports.transitions import TrendPoint as TrendPointEntity
from domain.store import CustomerRecord, Move
from gql.context import Info
from gql.customer import Customer, customers_connection
from gql.pagination import After, Connection, First, order_of, requested, settled


@dataclass(slots=True, eq=False)
class MovesSource:
    """Transitions with what can be asked about them later."""

    business: Business
    transitions: Transitions
    movements: Movements
    _orders: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._orders = frozenset(map(cell_order, self.transitions.moves))

    def owner(self, cursor: str) -> str | None:
        """The order of the cell that the cursor is of; None where it is of none of these cells."""
        made = order_of(cursor)
        return made if made in self._orders else None

    async def pages(self, keys: Sequence[Move], request: PageRequest) -> Mapping[Move, Page[CustomerRecord]]:
        """A page of the customers of each move."""
        return await self.movements.moved_customers(self.business, self.transitions, keys, request)


def cell_order(moved: MovedGroup) -> str:
    """The order that cursors of the cell are made in; short however long the names of its groups are."""
    codes = [None if group is None else group.code for group in (moved.before, moved.after)]
    return f"move {sha256(repr((moved.move.dimension, *codes)).encode()).hexdigest()[:32]}"


@strawberry.type(description="The customers who went from one group to another between two windows.")
class TransitionCell:
    """The customers of one move."""

    dimension: str = strawberry.field(description="What the groups divide the customers by: rfm, value, category …")
    from_segment: str | None = strawberry.field(
        description="Name of the group in the first window; null for customers who were not in it."
    )
    from_code: str | None = strawberry.field(description="Code of the group in the first window.")
    to_segment: str | None = strawberry.field(
        description="Name of the group in the second window; null for customers who are not in it."
    )
    to_code: str | None = strawberry.field(description="Code of the group in the second window.")
    customer_count: int = strawberry.field(description="Number of customers who went this way.")
    from_revenue: Decimal = strawberry.field(description="What they spent in the first window.")
    to_revenue: Decimal = strawberry.field(description="What they spent in the second window.")
    moved: strawberry.Private[MovedGroup]
    source: strawberry.Private[MovesSource]

    @classmethod
    def of(cls, source: MovesSource, moved: MovedGroup) -> "TransitionCell":
        """The move as the schema shows it."""
        decimals = source.transitions.decimals
        before, after = moved.before, moved.after
        return cls(
            dimension=moved.move.dimension,
            from_segment=None if before is None else before.name,
            from_code=None if before is None else before.code,
            to_segment=None if after is None else after.name,
            to_code=None if after is None else after.code,
            customer_count=moved.customers,
            from_revenue=to_decimal(moved.spend_before, decimals),
            to_revenue=to_decimal(moved.spend_after, decimals),
            moved=moved,
            source=source,
        )

    @strawberry.field(
        description="The customers who went this way, by id. One cursor goes to all cells: the one that it is of"
        " answers with its next page, the others with an empty one."
    )
    async def customers(self, info: Info, first: First = None, after: After = None) -> Connection[Customer]:
        """A page; the pages of all cells come in one statement."""
        order = cell_order(self.moved)
        page: Page[CustomerRecord] = Page([], [], has_next=False, has_previous=False)
        if after is None or self.source.owner(after) in (order, None):
            request = requested(order, int, first, after)
            page = await info.context.loaders.group_pages.load((self.source, self.moved.move, request))
        return customers_connection(self.source.business, page, order, lambda: settled(self.customer_count))


@strawberry.type(
    description="Who went from which group to which between two windows. In each dimension the rows add up to the"
    " customers of the first window, and the columns to those of the second."
)
class SegmentTransitions:
    """The moves between two windows."""

    from_: date = strawberry.field(name="from", description="Last day of the first window.")
    to: date = strawberry.field(description="Last day of the second window.")
    cells: list[TransitionCell] = strawberry.field(
        description="Every move that a customer made, by dimension and group; newcomers last, leavers after the others."
    )

    @classmethod
    def of(cls, source: MovesSource) -> "SegmentTransitions":
        """The transitions as the schema shows them."""
        found = source.transitions
        return cls(
            from_=date.fromordinal(found.before.last_day),
            to=date.fromordinal(found.after.last_day),
            cells=[TransitionCell.of(source, moved) for moved in found.moves],
        )


@strawberry.type(description="A group of the report whose window ends with the date.")
class TrendPoint:
    """A group at a date."""

    day: date = strawberry.field(name="date", description="Last day of the window.")
    dimension: str = strawberry.field(description="What the group divides the customers by: rfm, value, category …")
    segment_name: str = strawberry.field(description="Name of the group.")
    segment_code: str = strawberry.field(description="Code of the group.")
    customer_count: int = strawberry.field(description="Number of customers in the group.")
    total_revenue: Decimal = strawberry.field(description="Revenue of the group in the business's currency.")

    @classmethod
    def of(cls, entity: TrendPointEntity, decimals: int) -> "TrendPoint":
        """The point as the schema shows it."""
        return cls(
            day=entity.date,
            dimension=entity.kind.dimension,
            segment_name=entity.kind.name,
            segment_code=entity.kind.code,
            customer_count=entity.customers,
            total_revenue=to_decimal(entity.revenue, decimals),
        )


@strawberry.type(description="How many customers have a label of classification.")
class LabelCount:
    """A label and its customers."""

    dimension: str = strawberry.field(description="What the label is of: frequency, spending or category.")
    label: str = strawberry.field(description="The label.")
    customer_count: int = strawberry.field(description="Number of customers who have it.")
    share: float = strawberry.field(description="Share of the customers with a qualifying purchase, 0 to 1.")

    @classmethod
    def of(cls, entity: LabelCountEntity) -> "LabelCount":
        """The count as the schema shows it."""
        return cls(
            dimension=entity.dimension,
            label=entity.label,
            customer_count=entity.customers,
            share=entity.share,
        )
