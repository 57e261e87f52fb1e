"""What a document may ask for. Every fragment is measured once, so the work grows with the document and not with what
its fragments unfold to; everything is refused before a resolver runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)
from strawberry.extensions import MaxTokensLimiter, ParserCache, SchemaExtension, ValidationCache

from domain.pages import DEFAULT_FIRST, MAXIMUM_FIRST
from gql.settings import Settings

MAXIMUM_DEPTH = 15
MAXIMUM_INTROSPECTION_DEPTH = 20
MAXIMUM_ALIASES = 15
MAXIMUM_COST = 20_000
MAXIMUM_TOKENS = 1_000
CACHED_DOCUMENTS = 500
CONNECTIONS = frozenset({"customers", "purchases", "segments", "members", "snapshots", "imports", "recalculations"})
LISTS = frozenset({"storefronts", "lines"})
SINGLE = {"metrics": 1, "rfm": 1, "classification": 1, "segmentationReport": 100, "totalCount": 10}
MANY = 10**9
"""Stands for more than any limit, so that sums stay small."""


@dataclass(slots=True)
class Measure:
    """Depth, aliases and cost of a selection, relative to where it stands."""

    depth: int = 0
    introspection: int = 0
    aliases: int = 0
    cost: int = 0


@dataclass(slots=True)
class Measurer:
    """Measures one document with its variables."""

    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    known: dict[str, Measure] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def selection(self, node: SelectionSetNode | None) -> Measure:
        """What the selection needs by itself."""
        total = Measure()
        for part in node.selections if node is not None else ():
            found = self.part(part)
            total.depth = max(total.depth, found.depth)
            total.introspection = max(total.introspection, found.introspection)
            total.aliases = min(total.aliases + found.aliases, MANY)
            total.cost = min(total.cost + found.cost, MANY)
        return total

    def part(self, part: Any) -> Measure:
        """A field, an inline fragment or a spread."""
        if isinstance(part, FragmentSpreadNode):
            return self.fragment(part.name.value)
        if isinstance(part, InlineFragmentNode):
            return self.selection(part.selection_set)
        node: FieldNode = part
        name = node.name.value
        inner = self.selection(node.selection_set)
        alias = int(node.alias is not None)
        if name.startswith("__"):
            return Measure(0, inner.depth + 1 + inner.introspection, inner.aliases + alias, 0)
        cost = (inner.cost + 1) * self.size(node, name) if self.many(name) else inner.cost + SINGLE.get(name, 0)
        return Measure(inner.depth + 1, inner.introspection, inner.aliases + alias, min(cost, MANY))

    def fragment(self, name: str) -> Measure:
        """A fragment, measured once; a circle is validation's to refuse."""
        if name not in self.known:
            definition = self.fragments.get(name)
            if definition is None or name in self.open:
                return Measure()
            self.open.add(name)
            self.known[name] = self.selection(definition.selection_set)
            self.open.discard(name)
        return self.known[name]

    def many(self, name: str) -> bool:
        """Whether the field returns a list of objects."""
        return name in CONNECTIONS or name in LISTS

    def size(self, node: FieldNode, name: str) -> int:
        """How many objects the field may return; GraphQLError where a page size is out of bounds."""
        size = 10 if name in LISTS else DEFAULT_FIRST
        for argument in node.arguments or ():
            if argument.name.value in ("first", "last"):
                value: Any = None
                if isinstance(argument.value, IntValueNode):
                    value = int(argument.value.value) if len(argument.value.value) < 12 else MANY
                elif isinstance(argument.value, VariableNode):
                    value = self.variables.get(argument.value.name.value)
                if isinstance(value, int) and not isinstance(value, bool):
                    if not 1 <= value <= MAXIMUM_FIRST:
                        message = f"{argument.name.value} must be between 1 and {MAXIMUM_FIRST}"
                        raise GraphQLError(message, node, extensions={"code": "BAD_USER_INPUT"})
                    size = value
        return size


def check(document: DocumentNode, operation_name: str | None, variables: dict[str, Any]) -> None:
    """GraphQLError with LIMIT_EXCEEDED where the operation asks for too much."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if operation_name is not None and (node.name is None or node.name.value != operation_name):
            continue
        defaults = {
            definition.variable.name.value: int(definition.default_value.value)
            for definition in node.variable_definitions or ()
            if isinstance(definition.default_value, IntValueNode) and len(definition.default_value.value) < 12
        }
        found = Measurer(fragments, {**defaults, **variables}).selection(node.selection_set)
        for what, value, limit in (
            ("depth", found.depth, MAXIMUM_DEPTH),
            ("introspection depth", found.introspection, MAXIMUM_INTROSPECTION_DEPTH),
            ("number of aliases", found.aliases, MAXIMUM_ALIASES),
            ("cost", found.cost, MAXIMUM_COST),
        ):
            if value > limit:
                shown = value if value < MANY else "too much"
                raise GraphQLError(
                    f"The {what} of the operation is {shown}, at most {limit} is allowed.",
                    extensions={"code": "LIMIT_EXCEEDED"},
                )


class DocumentLimits(SchemaExtension):
    """Refuses an operation before any resolver runs."""

    def on_execute(self) -> Iterator[None]:
        """The document is valid here, so there are no circles and no unknown fragments."""
        context = self.execution_context
        if context.graphql_document is not None:
            check(context.graphql_document, context.operation_name, context.variables or {})
        yield


def extensions(settings: Settings) -> list[Callable[[], SchemaExtension]]:
    """The extensions of the schema; caches are bounded and live as long as the schema."""
    parser, validation = ParserCache(maxsize=CACHED_DOCUMENTS), ValidationCache(maxsize=CACHED_DOCUMENTS)
    tokens = MaxTokensLimiter(max_token_count=MAXIMUM_TOKENS)
    return [lambda: tokens, lambda: parser, lambda: validation, DocumentLimits]
