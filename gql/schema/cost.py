"""What an answer came to, in objects: one for each that a list returned, and what fields cost beside. It is counted in
the answer by the document that asked for it, so that what a fragment repeats counts once, as it was computed once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
    get_operation_ast,
)

from gql.schema.limits import FIELD_COSTS, ITEM_COSTS

Fragments = Mapping[str, FragmentDefinitionNode]


@dataclass(slots=True)
class CountedField:
    """A field that costs something, or has something below it that may; what is below is found once it is there."""

    key: str
    cost: int
    item_cost: float
    nodes: list[FieldNode]
    below: "list[CountedField] | None" = None


def count_objects(document: DocumentNode, operation_name: str | None, data: Mapping[str, Any]) -> int:
    """What the data came to that the operation of a valid document returned."""
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        return 0
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    return _count(_find_fields([operation.selection_set], fragments), data, fragments)


def _count(fields: list[CountedField], data: Mapping[str, Any], fragments: Fragments) -> int:
    """What one object and all below it came to. Fields of types that the object is not of are not in its data."""
    total = 0
    for one in fields:
        value = data.get(one.key)
        if value is None:
            continue
        total += one.cost
        if one.below is None:
            one.below = _find_fields((node.selection_set for node in one.nodes if node.selection_set), fragments)
        if isinstance(value, dict):
            total += _count(one.below, value, fragments)
            continue
        if isinstance(value, list):
            total += int(len(value) * one.item_cost)
        if one.nodes[0].selection_set is not None:
            total += len(value)
            if one.below:
                total += sum(_count(one.below, item, fragments) for item in value if item is not None)
    return total


def _find_fields(selections: Iterable[SelectionSetNode], fragments: Fragments) -> list[CountedField]:
    found: dict[str, list[FieldNode]] = {}
    _collect(selections, fragments, found, set())
    names = {key: nodes[0].name.value for key, nodes in found.items()}
    return [
        CountedField(key, FIELD_COSTS.get(names[key], 0), ITEM_COSTS.get(names[key], 0), nodes)
        for key, nodes in found.items()
        if nodes[0].selection_set is not None or names[key] in FIELD_COSTS or names[key] in ITEM_COSTS
    ]


def _collect(
    selections: Iterable[SelectionSetNode], fragments: Fragments, found: dict[str, list[FieldNode]], seen: set[str]
) -> None:
    """Fields by their keys in the answer, each fragment once."""
    for node in (node for selection in selections for node in selection.selections):
        if isinstance(node, FieldNode):
            found.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        elif isinstance(node, InlineFragmentNode):
            _collect([node.selection_set], fragments, found, seen)
        elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
            seen.add(node.name.value)
            _collect([fragments[node.name.value].selection_set], fragments, found, seen)
