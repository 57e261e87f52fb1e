"""Segments whose rules use other segments, in the order in which they are calculated: what is used must be there,
nobody uses itself in a circle, and what is used is not deleted."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache

from domain.errors import DomainError, FieldProblem, InvalidRule, RuleProblem, RuleProblemCode
from domain.model import AttributeKinds
from domain.rules.context import collect_references, sort_by_dependency, split_statements, uses_rank
from domain.rules.criteria import RfmConfig, SegmentCriteria
from domain.rules.tree import Condition
from domain.segments.model import Definition, Segment, SegmentKind
from domain.segments.validation import to_field_problems
from domain.store import MOST_TOGETHER

KEPT_RULES = 500
"""Rules that a process keeps as they were read."""


@dataclass(frozen=True, slots=True)
class SegmentDefinitions:
    """The automatic segments of a business with their trees, the keys that each uses and which rank, in an order in
    which each comes after those it uses. `broken` holds those whose definition cannot be understood, or that use each
    other in a circle."""

    segments: tuple[Segment, ...]
    trees: Mapping[str, Condition]
    used: Mapping[str, Collection[str]]
    ranked: Collection[str]
    broken: Mapping[str, str]

    def find_dependents(self, key: str) -> list[Segment]:
        """The segments whose rules use this one."""
        return [item for item in self.segments if key in self.list_used(item.key)]

    def list_used(self, key: str) -> Collection[str]:
        """The keys that the segment's rule uses; none where it has no rule that can be understood."""
        return self.used.get(key, ())

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
            if name in seen or name not in self.trees:
                continue
            seen.add(name)
            if name in self.ranked:
                return True
            waiting += self.used[name]
        return False


def read_definitions(segments: Iterable[Segment]) -> SegmentDefinitions:
    """Read every definition; what is wrong with one segment does not keep the others."""
    automatic = {item.key: item for item in segments if item.kind is SegmentKind.AUTOMATIC and item.deleted_at is None}
    trees: dict[str, Condition] = {}
    used: dict[str, Collection[str]] = {}
    ranked: set[str] = set()
    broken: dict[str, str] = {}
    for key, item in automatic.items():
        asked = item.definition
        try:
            rule = _read_rule(json.dumps(asked.rules), asked.criteria, asked.rfm_config, asked.attributes)
        except DomainError as error:
            broken[key] = error.message
            continue
        if rule is None:
            broken[key] = "The segment has no condition."
        else:
            trees[key], used[key], ranks = rule
            ranked |= {key} if ranks else set()
    ordered: list[str] = []
    while True:
        try:
            ordered = [key for key in sort_by_dependency(trees) if key in automatic]
            break
        except InvalidRule as error:
            # The circle's own members are set aside one by one until what is left can be ordered.
            key = _find_key_in_cycle(trees)
            broken[key] = error.message
            del trees[key], used[key]
    rest = [key for key in sorted(automatic) if key not in ordered]
    return SegmentDefinitions(tuple(automatic[key] for key in (*ordered, *rest)), trees, used, ranked, broken)


@lru_cache(maxsize=KEPT_RULES)
def _read_rule(
    rules: str, criteria: SegmentCriteria | None, rfm_config: RfmConfig | None, attributes: AttributeKinds
) -> tuple[Condition, Collection[str], bool] | None:
    """The rule of a definition, the keys that it uses and whether it ranks, read once: the same definitions are read
    whenever a customer has changed. None where there is no condition."""
    tree = Definition(json.loads(rules), criteria, rfm_config, attributes).parse()
    return None if tree is None else (tree, tuple(collect_references(tree)), uses_rank(tree))


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
