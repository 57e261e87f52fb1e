"""What a document may ask for, and how a wrong value in it is named. Every fragment is measured once, so the work grows
with the document and not with what its fragments unfold to; everything is refused before a resolver runs, and what is
too much before validation, which costs more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInputType,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    NoSchemaIntrospectionCustomRule,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableDefinitionNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
    specified_rules,
)
from graphql.language import SKIP, VisitorAction
from graphql.utilities import validate_input_literal
from strawberry.extensions import ParserCache, ValidationCache

from domain.businesses.settings import SETTINGS
from domain.calendar import MAXIMUM_POINTS as SERIES_POINTS
from domain.pages import DEFAULT_FIRST, DEFAULT_IDS, MAXIMUM_FIRST, MAXIMUM_IDS
from domain.reports.report import SCORES
from domain.reports.transitions import MAXIMUM_POINTS as TREND_POINTS
from domain.reports.transitions import MONTHS
from gql.schema.keeping import UNKEPT


class InputLiteralRule(ValuesOfCorrectTypeRule):
    """The library's rule for values that stand in the document. Of a variable it names the argument and the place
    itself; of a literal that a scalar of ours refuses it does not, so that is added here."""

    argument = ""

    def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
        self.argument = node.name.value

    def enter_variable_definition(self, node: VariableDefinitionNode, *_args: Any) -> None:
        self.argument = f"${node.variable.name.value}"

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Whether the value is one of its type; what lies within it is looked at with it."""

        def report(error: GraphQLError, path: list[str | int]) -> None:
            if error.nodes:
                self.report_error(error)
                return
            place = [self.argument, *map(str, path)]
            message = f"{'.'.join(place)}: {error.message}"
            self.report_error(GraphQLError(message, find_value(node, path), extensions={"field": place}))

        if input_type is not None:
            validate_input_literal(node, input_type, report, None, None, self.context.hide_suggestions)
        return SKIP


def find_value(node: ValueNode, path: list[str | int]) -> ValueNode:
    """The value at the path; a value that stands for a list of one is itself its item."""
    for step in path:
        if isinstance(node, ObjectValueNode):
            node = next(field.value for field in node.fields if field.name.value == step)
        elif isinstance(node, ListValueNode) and isinstance(step, int):
            node = node.values[step]
    return node


RULES = tuple(InputLiteralRule if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules)
"""The library's, with ours in the place of its own."""
HIDING_RULES = (*RULES, NoSchemaIntrospectionCustomRule)
"""The same where nobody is told what the schema holds."""
MAXIMUM_DEPTH = 15
MAXIMUM_INTROSPECTION_DEPTH = 20
MAXIMUM_ALIASES = 15
MAXIMUM_COST = 20_000
MAXIMUM_TOKENS = 1_000
CACHED_DOCUMENTS = 128
UNPAGED = 10
"""What a list without a page size counts."""
LIST_SIZES = {
    ("Business", "settingDetails"): len(SETTINGS),
    ("SegmentationReport", "cells"): len(SCORES),
    ("SegmentationReport", "trend"): MONTHS * UNPAGED,
    ("RfmScore", "thresholds"): 3,
    ("RfmScore", "scale"): 15,
}
"""What those count whose length is known, by type and field: that of cells is the most there can be."""
FIELD_COSTS = {
    "metrics": 1,
    "rfm": 1,
    "classification": 1,
    "segmentationReport": 100,
    "totalCount": 10,
    "sizeSeries": 100,
    "trend": MONTHS * 100,
    "segmentTransitions": 200,
    "classificationStatistics": 200,
    "segmentPreview": 100,
    "sample": 50,
    "enteringSample": 50,
    "leavingSample": 50,
    "segmentOverlap": 50,
    "values": 20,
    "duplicateSegment": 100,
    "freezeSegment": 100,
    "setSegmentMembers": 100,
}
"""What a field costs beside what is below it. That of a report covers the window before, which is measured once."""
SLOW = {
    "segmentationReport",
    "exportSegmentationReport",
    "segmentationTrend",
    "segmentPreview",
    "segmentOverlap",
    "segmentTransitions",
    "classificationStatistics",
    "values",
}
"""Fields that have the deadline of a report."""
REPORT_COST = FIELD_COSTS["segmentationReport"]
SHORTEST = {"DAY": 1, "WEEK": 7, "MONTH": 28}
"""Days that an interval has at least."""
IDS_AN_OBJECT = 10
"""So many ids of a list cost as much as an object."""
ITEM_COSTS = {"segmentationTrend": REPORT_COST // UNPAGED, "memberIds": 1 / IDS_AN_OBJECT}
"""What an item of a list cost beside its object: a point of a trend is a report of some ten groups."""
MANY = 10**9
"""Stands for more than any limit, so that sums stay small."""


@dataclass(slots=True)
class Measure:
    """Depth, aliases and cost of a selection, relative to where it stands. `whole` is how often it asks for every type
    of the schema, `each` what one item of a page costs, `slow` whether it may take as long as a report, and `unkept`
    whether it shows what may change without a change of the business."""

    depth: int = 0
    introspection: int = 0
    aliases: int = 0
    whole: int = 0
    cost: int = 0
    each: int = 0
    slow: bool = False
    unkept: bool = False

    def add(self, other: "Measure") -> None:
        """Side by side: the deeper counts, the rest adds up."""
        self.depth = max(self.depth, other.depth)
        self.introspection = max(self.introspection, other.introspection)
        self.aliases = min(self.aliases + other.aliases, MANY)
        self.whole = min(self.whole + other.whole, MANY)
        self.cost = min(self.cost + other.cost, MANY)
        self.each = min(self.each + other.each, MANY)
        self.slow = self.slow or other.slow
        self.unkept = self.unkept or other.unkept


@dataclass(slots=True)
class Measurer:
    """Measures one document with its variables."""

    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    known: dict[str, Measure] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    def measure_selection(self, node: SelectionSetNode | None, parent: GraphQLNamedType | None) -> Measure:
        """What the selection needs by itself."""
        total = Measure()
        for part in node.selections if node is not None else ():
            if isinstance(part, FragmentSpreadNode):
                total.add(self.measure_fragment(part.name.value))
            elif isinstance(part, InlineFragmentNode):
                name = part.type_condition.name.value if part.type_condition is not None else None
                total.add(
                    self.measure_selection(part.selection_set, self.schema.type_map.get(name) if name else parent)
                )
            elif isinstance(part, FieldNode):
                total.add(self.measure_field(part, parent))
        return total

    def measure_fragment(self, name: str) -> Measure:
        """A fragment, measured once; a circle is validation's to refuse."""
        if name not in self.known:
            definition = self.fragments.get(name)
            if definition is None or name in self.open:
                return Measure()
            self.open.add(name)
            condition = self.schema.type_map.get(definition.type_condition.name.value)
            self.known[name] = self.measure_selection(definition.selection_set, condition)
            self.open.discard(name)
        return self.known[name]

    def measure_field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Measure:
        """A field with all that is below it."""
        name = node.name.value
        known = parent is not None and is_composite_type(parent)
        definition = self.schema.get_field(parent, name) if known else None  # type: ignore[arg-type]
        kind = None if definition is None else get_named_type(definition.type)
        inner = self.measure_selection(node.selection_set, kind)
        inner.aliases += int(node.alias is not None)
        inner.slow = inner.slow or name in SLOW
        inner.unkept = inner.unkept or (kind is not None and kind.name in UNKEPT)
        page = kind is not None and kind.name.endswith("Connection")
        listed = definition is not None and is_list_type(get_nullable_type(definition.type)) and is_composite_type(kind)
        if page:
            inner.cost += self.read_page_size(node) * (inner.each + 1)
            inner.each = 0
        elif listed and parent is not None and parent.name.endswith("Connection"):
            inner.each, inner.cost = inner.cost, 0
        elif listed and parent is not None and parent.name.startswith("__"):
            inner.cost = self.count_introspected(name) * (inner.cost + 1)
            inner.whole += int(name == "types")
        elif name == "segmentationTrend":
            # Each of its points is a report, of some ten groups.
            inner.cost = self.count_points(node, TREND_POINTS, "MONTH") * (UNPAGED * (inner.cost + 1) + REPORT_COST)
        elif name == "sizeSeries":
            inner.cost = self.count_points(node, SERIES_POINTS, "DAY") * (inner.cost + 1)
        elif name == "memberIds":
            inner.cost = self.count_items(node, DEFAULT_IDS, MAXIMUM_IDS) // IDS_AN_OBJECT
        elif listed:
            size = LIST_SIZES.get(("" if parent is None else parent.name, name), UNPAGED)
            inner.cost = self.count_items(node, size) * (inner.cost + 1)
        inner.cost = min(inner.cost + FIELD_COSTS.get(name, 0), MANY)
        if name.startswith("__"):
            return Measure(0, inner.depth + 1 + inner.introspection, inner.aliases, inner.whole, inner.cost)
        inner.depth += 1
        return inner

    def read_page_size(self, node: FieldNode) -> int:
        """The page size; GraphQLError where it is out of bounds."""
        size = DEFAULT_FIRST
        for argument in node.arguments or ():
            value = self.read_number(argument) if argument.name.value in ("first", "last") else None
            if value is not None:
                if not 1 <= value <= MAXIMUM_FIRST:
                    message = f"{argument.name.value} must be between 1 and {MAXIMUM_FIRST}"
                    raise GraphQLError(message, node, extensions={"code": "BAD_USER_INPUT"})
                size = int(value)
        return size

    def read(self, value: ValueNode) -> Any:
        """A number, text, enum value or list, or what the variables hold; None for anything else."""
        if isinstance(value, VariableNode):
            return self.variables.get(value.name.value)
        return read_literal(value)

    def read_number(self, argument: ArgumentNode) -> int | float | None:
        """The number that an argument is given; None where it is given none."""
        value = self.read(argument.value)
        # JSON's 250.0 is the integer 250 to GraphQL.
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def count_items(self, node: FieldNode, otherwise: int = UNPAGED, most: int = MAXIMUM_FIRST) -> int:
        """How many objects a list without pages may return: as many as asked for, or one for each id given."""
        for argument in node.arguments or ():
            if argument.name.value == "first" and (size := self.read_number(argument)) is not None:
                # Such lists have bounds of their own, which their resolvers check.
                return int(min(max(size, 1), most))
            if argument.name.value == "ids":
                value = self.read(argument.value)
                return len(value) if isinstance(value, list) else 1
        return otherwise

    def count_points(self, node: FieldNode, most: int, otherwise: str) -> int:
        """How many dates lie between two, `otherwise` so far apart; as many as there may be where they are unclear."""
        given = {argument.name.value: self.read(argument.value) for argument in node.arguments or ()}
        try:
            first, last = (date.fromisoformat(str(given.get(name))) for name in ("from", "to"))
        except ValueError:
            return most
        interval = SHORTEST.get(str(given.get("interval", otherwise)), 1)
        return min(max((last - first).days // interval + 1, 1), most)

    def count_introspected(self, name: str) -> int:
        """How many items a list of the schema's own description has, at least on average."""
        return len(self.schema.type_map) if name == "types" else UNPAGED if name == "fields" else 1


def read_literal(value: ValueNode | None) -> Any:
    """A number, text, enum value or list of them; None for anything else."""
    if isinstance(value, IntValueNode):
        return int(value.value) if len(value.value) < 12 else MANY
    if isinstance(value, ListValueNode):
        return [read_literal(item) for item in value.values]
    return value.value if isinstance(value, StringValueNode | EnumValueNode) else None


def check_limits(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, variables: dict[str, Any]
) -> Measure:
    """What the operation comes to; GraphQLError with LIMIT_EXCEEDED where it asks for too much."""
    measure = Measure()
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if not isinstance(node, OperationDefinitionNode):
            continue
        if operation_name is not None and (node.name is None or node.name.value != operation_name):
            continue
        defaults = {
            definition.variable.name.value: read_literal(definition.default_value)
            for definition in node.variable_definitions or ()
        }
        root = schema.get_root_type(node.operation)
        measure = Measurer(schema, fragments, {**defaults, **variables}).measure_selection(node.selection_set, root)
        for what, value, limit in (
            ("depth", measure.depth, MAXIMUM_DEPTH),
            ("introspection depth", measure.introspection, MAXIMUM_INTROSPECTION_DEPTH),
            ("number of aliases", measure.aliases, MAXIMUM_ALIASES),
            ("number of lists of all types", measure.whole, 1),
            ("cost", measure.cost, MAXIMUM_COST),
        ):
            if value > limit:
                stated = value if value < MANY else "too much"
                raise build_limit_error(f"The {what} of the operation is {stated}, at most {limit} is allowed.")
    return measure


def build_limit_error(message: str) -> GraphQLError:
    return GraphQLError(message, extensions={"code": "LIMIT_EXCEEDED"})


class DocumentLimits(ParserCache, ValidationCache):
    """Refuses an operation before any resolver runs, and parses and validates a document once. It is made for each
    operation; its caches are bounded and outlive it. It is one extension, as the library looks for every step of an
    operation in every extension, which costs more than most steps."""

    def __init__(self, introspection: bool) -> None:
        ParserCache.__init__(self, CACHED_DOCUMENTS)
        ValidationCache.__init__(self, CACHED_DOCUMENTS)
        self.rules = RULES if introspection else HIDING_RULES

    def on_parse(self) -> Iterator[None]:
        """The parser stops at the limit by itself; comments count too."""
        self.execution_context.parse_options["max_tokens"] = MAXIMUM_TOKENS
        self.execution_context.validation_rules = self.rules
        yield from super().on_parse()

    def on_validate(self) -> Iterator[None]:
        """The document is not yet valid here: unknown names and circles count nothing."""
        context = self.execution_context
        document = context.graphql_document
        if document is not None:
            operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
            # The library would take the first.
            if len(operations) > 1 and context._provided_operation_name is None:
                message = "operationName must name an operation of the document."
                raise GraphQLError(message, extensions={"code": "BAD_USER_INPUT"})
            try:
                schema, variables = context.schema._schema, context.variables or {}
                measure = check_limits(schema, document, context.operation_name, variables)
            except RecursionError as error:
                raise build_limit_error("The document is nested too deeply.") from error
            context.context.cost.is_slow = measure.slow
            # How new a replica is tells nothing of what may change without a change of the business.
            reads = all(one.operation is OperationType.QUERY for one in operations)
            context.context.only_reads = reads and not measure.unkept
            context.context.cost.charge(measure.cost, document, context.operation_name)
        yield from super().on_validate()
