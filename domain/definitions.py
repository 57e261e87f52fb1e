"""Definitions of stored segments as rule trees, and the order in which segments that use each other are calculated."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.rules.context import dependency_order, references, uses_rank
from domain.rules.criteria import definition_tree
from domain.rules.tree import Condition
from domain.segment_model import Definition, Segment, SegmentKind


def tree_of(definition: Definition) -> Condition:
    """The tree; InvalidInput where nothing is asked for, InvalidRule where a rule cannot be understood."""
    tree = definition_tree(definition.rules, definition.criteria, definition.rfm_config)
    if tree is None:
        raise InvalidInput("The segment has no condition.")
    return tree


@dataclass(frozen=True, slots=True)
class Defined:
    """The automatic segments of a business with their trees, in an order in which each comes after those it uses.
    `broken` holds those whose definition cannot be understood, or that use each other in a circle."""

    segments: tuple[Segment, ...]
    trees: Mapping[str, Condition]
    broken: Mapping[str, str]

    def users_of(self, key: str) -> list[Segment]:
        """The segments whose rules use this one."""
        return [item for item in self.segments if item.key in self.trees and key in references(self.trees[item.key])]

    def ranks(self, key: str) -> bool:
        """Whether what one customer does can change the segment for another, by its own rule or one that it uses."""
        seen: set[str] = set()
        waiting = [key]
        while waiting:
            name = waiting.pop()
            tree = self.trees.get(name)
            if name in seen or tree is None:
                continue
            seen.add(name)
            if uses_rank(tree):
                return True
            waiting += references(tree)
        return False


def defined(segments: Iterable[Segment]) -> Defined:
    """Read every definition; what is wrong with one segment does not keep the others."""
    automatic = {item.key: item for item in segments if item.kind is SegmentKind.AUTOMATIC and item.deleted_at is None}
    trees: dict[str, Condition] = {}
    broken: dict[str, str] = {}
    for key, item in automatic.items():
        try:
            trees[key] = tree_of(item.definition)
        except Exception as error:
            broken[key] = str(error)
    ordered: list[str] = []
    while True:
        try:
            ordered = [key for key in dependency_order(trees) if key in automatic]
            break
        except Exception as error:
            # The circle's own members are set aside one by one until what is left can be ordered.
            key = _in_circle(trees)
            broken[key] = str(error)
            del trees[key]
    rest = [key for key in sorted(automatic) if key not in ordered]
    return Defined(tuple(automatic[key] for key in (*ordered, *rest)), trees, broken)


def _in_circle(trees: Mapping[str, Condition]) -> str:
    """A key that can be reached from itself."""
    for start in sorted(trees):
        seen: set[str] = set()
        waiting = list(references(trees[start]))
        while waiting:
            key = waiting.pop()
            if key == start:
                return start
            if key in trees and key not in seen:
                seen.add(key)
                waiting += references(trees[key])
    return min(trees)
