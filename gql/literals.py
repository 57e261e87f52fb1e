"""Values that stand in a document itself. Of a variable that is wrong the library says the name; of a literal that one
of our scalars refuses it says neither argument nor place, so that is added here."""

from collections.abc import Iterator
from typing import Any

from graphql import (
    ArgumentNode,
    GraphQLError,
    GraphQLInputType,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VariableDefinitionNode,
)
from graphql.language import SKIP, VisitorAction
from graphql.utilities import validate_input_literal
from strawberry.extensions import SchemaExtension


class NamedLiterals(ValuesOfCorrectTypeRule):
    """The library's rule, which says in addition what the value was for."""

    argument = ""

    def enter_argument(self, node: ArgumentNode, *_args: Any) -> None:
        """Its value comes next."""
        self.argument = node.name.value

    def enter_variable_definition(self, node: VariableDefinitionNode, *_args: Any) -> None:
        """Its default comes next."""
        self.argument = f"${node.variable.name.value}"

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        """Whether the value is one of its type; what lies within it is looked at with it."""

        def told(error: GraphQLError, path: list[str | int]) -> None:
            if error.nodes:
                self.report_error(error)
                return
            place = [self.argument, *map(str, path)]
            message = f"{'.'.join(place)}: {error.message}"
            self.report_error(GraphQLError(message, within(node, path), extensions={"field": place}))

        if input_type is not None:
            validate_input_literal(node, input_type, told, None, None, self.context.hide_suggestions)
        return SKIP


def within(node: ValueNode, path: list[str | int]) -> ValueNode:
    """The value at the path; a value that stands for a list of one is itself its item."""
    for step in path:
        if isinstance(node, ObjectValueNode):
            node = next(field.value for field in node.fields if field.name.value == step)
        elif isinstance(node, ListValueNode) and isinstance(step, int):
            node = node.values[step]
    return node


class NamingLiterals(SchemaExtension):
    """Puts the rule in the place of the library's."""

    def on_operation(self) -> Iterator[None]:
        """Before the document is validated."""
        rules = self.execution_context.validation_rules
        self.execution_context.validation_rules = tuple(
            NamedLiterals if rule is ValuesOfCorrectTypeRule else rule for rule in rules
        )
        yield
