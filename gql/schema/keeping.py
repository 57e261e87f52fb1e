"""Which answers may be kept until the business changes: those that follow from its data, its local date and the
permissions alone. What else an answer can follow from is named here by the types that show it, and nowhere else."""

from enum import Enum
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLSchema,
    InlineFragmentNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    get_operation_ast,
    is_composite_type,
)

UNKEPT = frozenset(
    {
        # How far work has come changes no data of the business, and neither does what is added to the audit log.
        "Job",
        "Recalculation",
        "RecalculationConnection",
        "PurchaseImport",
        "PurchaseImportConnection",
        "AuditEvent",
        "AuditEventConnection",
        # An id may be that of any of these.
        "Node",
        # The schema keeps descriptions of itself already.
        "__Schema",
        "__Type",
    }
)
"""Types of which nothing is kept."""
OF_CLASSIFIERS = frozenset({"CustomerClassification", "LabelCount"})
"""Types that show labels. Where classifiers of the server's own are installed, these may follow more than the store."""
OF_VIEWER = frozenset({"Viewer"})
"""Types that show who asks."""


class Keeping(Enum):
    """For whom an answer is kept."""

    NOBODY = "nobody"
    VIEWER = "viewer"
    PERMISSIONS = "permissions"


def find_keeping(
    schema: GraphQLSchema, document: DocumentNode, operation_name: str | None, unkept: frozenset[str] = UNKEPT
) -> Keeping:
    """For whom the answer of an operation of a valid document is kept, whatever its variables are; for nobody where it
    shows a type that is unkept."""
    operation = get_operation_ast(document, operation_name)
    if operation is None or operation.operation is not OperationType.QUERY:
        return Keeping.NOBODY
    shown = _find_types(schema, document, operation.selection_set)
    if shown & unkept:
        return Keeping.NOBODY
    return Keeping.VIEWER if shown & OF_VIEWER else Keeping.PERMISSIONS


def _find_types(schema: GraphQLSchema, document: DocumentNode, selection: SelectionSetNode) -> set[str]:
    """The names of all types that the selection reaches from the root. Each fragment is gone into once."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    waiting: list[tuple[SelectionSetNode, Any]] = [(selection, schema.query_type)]
    shown: set[str] = set()
    spread: set[str] = set()
    while waiting:
        part, parent = waiting.pop()
        for node in part.selections:
            if isinstance(node, FieldNode):
                definition = schema.get_field(parent, node.name.value) if is_composite_type(parent) else None
                if definition is not None and node.selection_set is not None:
                    kind: Any = get_named_type(definition.type)
                    shown.add(kind.name)
                    waiting.append((node.selection_set, kind))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                kind = parent if condition is None else schema.type_map.get(condition.name.value)
                waiting.append((node.selection_set, kind))
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                spread.add(node.name.value)
                fragment = fragments[node.name.value]
                waiting.append((fragment.selection_set, schema.type_map.get(fragment.type_condition.name.value)))
    return shown
