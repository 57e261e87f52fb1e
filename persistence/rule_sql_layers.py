"""How deep a statement is printed. SQLite's parser gives up on about thirty nested expressions, so a deep rule is
printed in shallow pieces: what lies too deep becomes a one-row table that the expression above reads, and so does a
long expression that is used again."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Boolean, Double, Text, cast, literal_column, null
from sqlalchemy import types as sqltypes

from domain.rules.context import RuleContext
from domain.rules.tree import (
    Arithmetic,
    Choice,
    Either,
    Literal,
    Node,
    Op,
    Quantified,
    Reduction,
    Variable,
    kind_of,
    walk,
)
from domain.rules.variables import Kind
from persistence.database.dialects import Expression, Let
from persistence.rule_sql_variables import DERIVED, Variables

# Levels that are printed inside each other; what is itself a long expression counts for several.
LEVELS, HEAVY = 6, 4
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
        self._names = 0
        self._kept: list[tuple[str, Expression]] = []
        self._once: dict[str, str | None] = {}

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
        outer = self._level, self._kept, self._once
        used = Counter(each.name for each in walk(node) if isinstance(each, Variable) and self._derived(each))
        self._level, self._kept = 0, []
        self._once = {name: None for name, times in used.items() if times > 1}
        body = printed(node)
        if self._kept:
            body = Let(body, *(value for _, value in self._kept), names=[name for name, _ in self._kept])
        self._level, self._kept, self._once = outer
        return body

    def _below(self, node: Node, printed: Callable[[Node], Expression]) -> Expression:
        weight, outer = self._weight(node), self._level
        if isinstance(node, Variable) and self._derived(node) and node.name in self._once:
            if self._once[node.name] is None:
                self._once[node.name] = self._keep(printed(node))
            return literal_column(f"(SELECT c FROM {self._once[node.name]})")
        if not weight or outer + weight <= LEVELS:
            self._level = outer + weight
            found = printed(node)
            self._level = outer
            return found
        self._level = weight
        value = printed(node)
        self._level = outer
        return literal_column(f"(SELECT c FROM {self._keep(value)})")

    def _keep(self, value: Expression) -> str:
        # What lies below the value was kept before it, so each is printed after those that it reads.
        name = f"_k{self._names}"
        self._names += 1
        self._kept.append((name, value))
        return name

    def _derived(self, variable: Variable) -> bool:
        return self.list is None and variable.name in DERIVED

    def _weight(self, node: Node) -> int:
        match node:
            case Variable():
                return HEAVY if self._derived(node) else 0
            case Literal():
                return 0
            case Arithmetic(op=Op.REST) | Choice() | Either() | Reduction() | Quantified():
                return HEAVY
            case _:
                return 1
