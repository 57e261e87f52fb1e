"""A rule tree as one boolean expression over `customer` joined with `customer_metrics`, never null, on both databases.
It can stand in any statement over them, restricted to any customers, and many can stand in one."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import CTE, ColumnElement, Select, select

from domain.errors import InvalidRule, RuleProblem
from domain.rules.context import RuleContext
from domain.rules.tree import Condition, Node
from persistence.customers import JOINED
from persistence.database.dialects import Expression, Known
from persistence.rule_sql_conditions import print_test
from persistence.rule_sql_layers import Layers
from persistence.rule_sql_values import print_value
from persistence.tables import customer

Lookup = Callable[[str], Condition | Expression]
"""How a rule's reference to a stored segment is answered: with a condition over `customer`, or with its tree."""


def no_segments(key: str) -> Condition | Expression:
    """A lookup for rules that use no stored segments."""
    raise InvalidRule([RuleProblem("", f"There is no segment with the key {key}.")])


class RuleSql(Layers):
    """Compiles the rules of one statement; segments that are answered by their tree stand in it once each."""

    def __init__(self, context: RuleContext, segments: Lookup = no_segments) -> None:
        super().__init__(context)
        self.segments = segments
        self._shared: dict[str, CTE] = {}
        self._open: list[str] = []

    def condition(self, tree: Condition) -> Expression:
        """Whether the rule holds for the row of `customer`."""
        return self.whole(tree)

    def print_value(self, node: Node) -> Expression:
        """The expression of a value."""
        return print_value(self, node)

    def print_test(self, node: Node) -> Expression:
        """The expression of a condition, never null."""
        return print_test(self, node, self._member)

    def _member(self, key: str) -> Expression:
        if key not in self._shared:
            answer = self.segments(key)
            if isinstance(answer, ColumnElement):
                return answer
            self._shared[key] = self._customers_of(key, answer)
        return Known(customer.c.id.in_(select(self._shared[key].c.id)))

    def _customers_of(self, key: str, tree: Condition) -> CTE:
        if key in self._open:
            way = " uses ".join([*self._open[self._open.index(key) :], key])
            message = f"Segments must not use each other in a circle: {way}."
            raise InvalidRule([RuleProblem("", message, None, "CIRCULAR_REFERENCE")])
        self._open.append(key)
        held = self.whole(tree)
        self._open.pop()
        ids = select(customer.c.id).select_from(JOINED).where(customer.c.business_id == self.context.business.id, held)
        return ids.cte(f"_segment_{len(self._shared)}")


def matching(context: RuleContext, expressions: Mapping[str, Expression]) -> Select[Any]:
    """Ids of customers with one boolean column a rule; restrict it by `customer.c.id`."""
    columns = [expression.label(name) for name, expression in expressions.items()]
    statement = select(customer.c.id, *columns).select_from(JOINED)
    return statement.where(customer.c.business_id == context.business.id)


def members(
    context: RuleContext, expression: Expression, low: int | None = None, high: int | None = None
) -> Select[Any]:
    """Ids of the customers for whom the rule holds, from `low` to `high`, both included, where they are given."""
    mine = customer.c.business_id == context.business.id
    statement = select(customer.c.id).select_from(JOINED).where(mine, expression)
    if low is not None:
        statement = statement.where(customer.c.id >= low)
    return statement if high is None else statement.where(customer.c.id <= high)
