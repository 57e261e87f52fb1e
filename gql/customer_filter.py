"""Which customers a list holds: by text, level, segments, labels and any rule. Labels are compiled as rules are, so
that they mean the same everywhere."""

from collections.abc import Iterator

import strawberry

from domain.errors import InvalidInput
from domain.model import Business
from domain.rules.criteria import FREQUENCIES, SPENDINGS, customer_rule
from domain.store import CustomerFilter as CustomerFilterEntity
from gql.context import Context
from gql.ids import numbers_of
from gql.scalars import JSON

MAXIMUM_TEXT = 1000


@strawberry.input(description="Which customers; every given part must hold.")
class CustomerFilter:
    """Which customers."""

    search: str | None = strawberry.field(
        default=None, description="Beginning of the external id, name, email or a word of the name; case ignored."
    )
    segment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Members of every one of these segments now; at most 20."
    )
    loyalty_levels: list[str] | None = strawberry.field(default=None, description="Any of these loyalty levels.")
    frequency: list[str] | None = strawberry.field(
        default=None, description=f"Any of these labels: {', '.join(FREQUENCIES)}."
    )
    spending: list[str] | None = strawberry.field(
        default=None, description=f"Any of these labels: {', '.join(SPENDINGS)}."
    )
    category: list[str] | None = strawberry.field(
        default=None, description="Any of these labels: the category that dominates, Family or Mixed."
    )
    rules: JSON | None = strawberry.field(
        default=None, description="One JSONLogic object, or a list that must all hold; see ruleVariables."
    )

    async def entity(self, context: Context, business: Business) -> CustomerFilterEntity:
        """The filter as the domain reads it."""
        if any(len(text) > MAXIMUM_TEXT or "\0" in text for text in self._texts()):
            raise InvalidInput("filter must hold texts of at most 1000 characters, without NUL", ("filter",))
        levels = None if self.loyalty_levels is None else tuple(self.loyalty_levels)
        plain = CustomerFilterEntity(self.search, levels)
        rule = customer_rule(self.rules, self.frequency, self.spending, self.category)
        if rule is None and self.segment_ids is None:
            return plain
        numbers = [numbers_of(value, "Segment", business.id, 1) for value in self.segment_ids or ()]
        ids = [None if found is None else found[0] for found in numbers]
        return await context.services.analysis.narrowed(business, plain, ids, rule)

    def _texts(self) -> Iterator[str]:
        if self.search is not None:
            yield self.search
        for texts in (self.loyalty_levels, self.frequency, self.spending, self.category):
            yield from texts or ()
