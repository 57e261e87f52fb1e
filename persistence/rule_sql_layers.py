"""How deep a statement is printed. SQLite's parser gives up on about thirty nested expressions, so a deep rule is
printed in shallow layers: what lies too deep becomes a column of a one-row table that the expression above reads."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Boolean, Double, Text, cast, literal_column, null
from sqlalchemy import types as sqltypes

from domain.rule_context import RuleContext
from domain.rule_variables import Kind
from domain.rules import Literal, Node, Variable, kind_of
from persistence.rule_sql_constructs import Expression, Let
from persistence.rule_sql_variables import DERIVED, Variables

# Levels that are printed inside each other; a variable that is itself a long expression counts for more.
LEVELS, LEVELS_BEFORE_DERIVED = 6, 2
TYPES: Mapping[Kind, sqltypes.TypeEngine[Any]] = {
    Kind.BOOLEAN: Boolean(),
    Kind.NUMBER: Double(),
    Kind.TEXT: Text(),
    Kind.INSTANT: sqltypes.BigInteger(),
}


class Layers(ABC):
    """The state of one compilation; `list` is the list whose elements are looked at, None for the customer."""

    def __init__(self, context: RuleContext) -> None:
        self.context = context
        self.variables = Variables(context)
        self.list: str | None = None
        self._level = 0
        self._layers = 0
        self._name = ""
        self._kept: list[Expression] = []

    @abstractmethod
    def print_value(self, node: Node) -> Expression:
        """The expression of a value."""

    @abstractmethod
    def print_test(self, node: Node) -> Expression:
        """The expression of a condition, never null."""

    def value(self, node: Node) -> Expression:
        """An operand that is a value."""
        return self._below(node, self.print_value)

    def test(self, node: Node) -> Expression:
        """An operand that is a condition."""
        return self._below(node, self.print_test)

    def typed(self, node: Node, kind: Kind) -> Expression:
        """An operand of that kind; PostgreSQL must be told of which type a null is."""
        return cast(null(), TYPES[kind]) if kind_of(node) is Kind.NOTHING else self.value(node)

    def whole(self, node: Node) -> Expression:
        """A condition with layers of its own."""
        return self._whole(node, self.print_test)

    def inside(self, name: str, test: Node) -> Expression:
        """A condition on an element of the list."""
        outer, self.list = self.list, name
        held = self.whole(test)
        self.list = outer
        return held

    def column(self, name: str) -> Expression:
        """A variable of what is looked at."""
        return self.variables.customer(name) if self.list is None else self.variables.element(name, self.list)

    def _whole(self, node: Node, printed: Callable[[Node], Expression]) -> Expression:
        outer = self._level, self._name, self._kept
        self._layers += 1
        self._level, self._name, self._kept = 0, f"_l{self._layers}", []
        body = printed(node)
        if self._kept:
            body = Let(literal_column(self._name), body, *self._kept)
        self._level, self._name, self._kept = outer
        return body

    def _below(self, node: Node, printed: Callable[[Node], Expression]) -> Expression:
        derived = isinstance(node, Variable) and node.name in DERIVED and self.list is None
        plain = isinstance(node, Literal) or (isinstance(node, Variable) and not derived)
        if plain or self._level < (LEVELS_BEFORE_DERIVED if derived else LEVELS):
            self._level += 1
            found = printed(node)
            self._level -= 1
            return found
        place = len(self._kept)
        # Its place is taken before what is below it takes places of its own.
        self._kept.append(null())
        self._kept[place] = self._whole(node, printed)
        return literal_column(f"{self._name}.c{place}")
