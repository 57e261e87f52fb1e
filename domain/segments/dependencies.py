"""Segments whose rules use other segments, in the order in which they are calculated: what is used must be there,
nobody uses itself in a circle, and what is used is not deleted."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from domain.errors import DomainError, FieldProblem, InvalidRule, RuleProblem, RuleProblemCode
from domain.rules.context import collect_references, sort_by_dependency, split_statements, uses_rank
from domain.rules.tree import Condition
from domain.segments.model import Segment, SegmentKind
from domain.segments.validation import to_field_problems
from domain.store import MOST_TOGETHER


@dataclass(frozen=True, slots=True)
class SegmentDefinitions:
    """The automatic segments of a business with their trees, in an order in which each comes after those it uses.
    `broken` holds those whose definition cannot be understood, or that use each other in a circle."""

    segments: tuple[Segment, ...]
    trees: Mapping[str, Condition]
    broken: Mapping[str, str]

    def find_dependents(self, key: str) -> list[Segment]:
        """The segments whose rules use this one."""
        return [item for item in self.segments if key in self.list_used(item.key)]

    def list_used(self, key: str) -> Collection[str]:
        """The keys that the segment's rule uses; none where it has no rule that can be understood."""
        tree = self.trees.get(key)
        return () if tree is None else collect_references(tree)

    def list_absent(self, key: str, known: Collection[str]) -> list[str]:
        """Keys that the segment's rule uses and that are not known."""
        return sorted(set(self.list_used(key)) - set(known))

    def split_waves(self, keys: Collection[str]) -> list[dict[int, Condition]]:
        """The rules of these segments by their ids, in portions that are evaluated one after the other: in none of them
        one uses another, and each is of as many as are evaluated together."""
        waves: list[dict[int, Condition]] = []
        left = [item for item in self.segments if item.key in keys]
        while left:
            waits = {item.key for item in left}
            free = {item.id: self.trees[item.key] for item in left if waits.isdisjoint(self.list_used(item.key))}
            waves += split_statements(free, MOST_TOGETHER)
            left = [item for item in left if item.id not in free]
        return waves

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
            waiting += collect_references(tree)
        return False


def read_definitions(segments: Iterable[Segment]) -> SegmentDefinitions:
    """Read every definition; what is wrong with one segment does not keep the others."""
    automatic = {item.key: item for item in segments if item.kind is SegmentKind.AUTOMATIC and item.deleted_at is None}
    trees: dict[str, Condition] = {}
    broken: dict[str, str] = {}
    for key, item in automatic.items():
        try:
            tree = item.definition.parse()
        except DomainError as error:
            broken[key] = error.message
            continue
        if tree is None:
            broken[key] = "The segment has no condition."
        else:
            trees[key] = tree
    ordered: list[str] = []
    while True:
        try:
            ordered = [key for key in sort_by_dependency(trees) if key in automatic]
            break
        except InvalidRule as error:
            # The circle's own members are set aside one by one until what is left can be ordered.
            key = _find_key_in_cycle(trees)
            broken[key] = error.message
            del trees[key]
    rest = [key for key in sorted(automatic) if key not in ordered]
    return SegmentDefinitions(tuple(automatic[key] for key in (*ordered, *rest)), trees, broken)


def _find_key_in_cycle(trees: Mapping[str, Condition]) -> str:
    """A key that can be reached from itself."""
    for start in sorted(trees):
        seen: set[str] = set()
        waiting = list(collect_references(trees[start]))
        while waiting:
            key = waiting.pop()
            if key == start:
                return start
            if key in trees and key not in seen:
                seen.add(key)
                waiting += collect_references(trees[key])
    return min(trees)


def find_reference_problems(key: str, tree: Condition | None, stored: Sequence[Segment]) -> list[FieldProblem]:
    """Why the segment of that key cannot have this definition: it uses what is not there, or itself."""
    used = {} if tree is None else collect_references(tree)
    known = {segment.key: segment for segment in stored}
    missing = [
        RuleProblem(path, _describe_unknown(name, known), None, RuleProblemCode.UNKNOWN_VARIABLE)
        for name, path in used.items()
        if name not in known and name != key
    ]
    if missing or tree is None:
        return to_field_problems(missing)
    problems: list[RuleProblem] = []
    for name, path in used.items():
        below = _collect_trees(name, key, known)
        try:
            sort_by_dependency({**below, key: tree})
        except InvalidRule as error:
            if name == key or any(key in collect_references(each) for each in below.values()):
                # Said of the place in this rule, wherever the circle was met.
                problems += [replace(each, path=path) for each in error.problems]
    return to_field_problems(problems[:1])


def find_dependents(key: str, stored: Sequence[Segment]) -> list[Segment]:
    """The segments whose rules use the one of that key."""
    # Reading a rule is dear; one that uses the key holds its text.
    near = [each for each in stored if json.dumps(key) in json.dumps(each.definition.rules)]
    return [
        each for each in near if (tree := each.definition.build_tree()) is not None and key in collect_references(tree)
    ]


def _collect_trees(start: str, end: str, known: Mapping[str, Segment]) -> dict[str, Condition]:
    """The trees of the segment and of all that it uses, without going on from the end."""
    trees: dict[str, Condition] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end or name in trees or name not in known:
            continue
        tree = known[name].definition.build_tree()
        if tree is not None:
            trees[name] = tree
            waiting += collect_references(tree)
    return trees


def _describe_unknown(name: str, known: Mapping[str, Segment]) -> str:
    close = get_close_matches(name, known, 1)
    return f"There is no segment with the key {name}." + (f" Did you mean {close[0]}?" if close else "")
