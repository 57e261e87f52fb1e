"""Segments whose rules use other segments: what is used must be there, nobody uses itself in a circle, and what is used
is not deleted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from domain.errors import DomainError, FieldProblem, InvalidRule, RuleProblem
from domain.rules.context import dependency_order, references
from domain.rules.criteria import definition_tree
from domain.rules.tree import Condition
from domain.segment_checks import rule_problems
from domain.segment_model import Segment


def reference_problems(key: str, tree: Condition | None, stored: Sequence[Segment]) -> list[FieldProblem]:
    """Why the segment of that key cannot have this definition: it uses what is not there, or itself."""
    used = {} if tree is None else references(tree)
    known = {segment.key: segment for segment in stored}
    missing = [RuleProblem(path, _unknown(name, known), None, "NOT_FOUND") for name, path in used.items()
               if name not in known and name != key]  # fmt: skip
    if missing or tree is None:
        return rule_problems(missing)
    found: list[RuleProblem] = []
    for name, path in used.items():
        below = _reached(name, key, known)
        try:
            dependency_order({**below, key: tree})
        except InvalidRule as error:
            if name == key or any(key in references(each) for each in below.values()):
                # Said of the place in this rule, wherever the circle was met.
                found += [replace(each, path=path) for each in error.problems]
    return rule_problems(found[:1])


def users_of(key: str, stored: Sequence[Segment]) -> list[Segment]:
    """The segments whose rules use the one of that key."""
    # Reading a rule is dear; one that uses the key holds its text.
    near = [each for each in stored if json.dumps(key) in json.dumps(each.definition.rules)]
    return [each for each in near if (tree := _tree_of(each)) is not None and key in references(tree)]


def _reached(start: str, end: str, known: Mapping[str, Segment]) -> dict[str, Condition]:
    """The trees of the segment and of all that it uses, without going on from the end."""
    trees: dict[str, Condition] = {}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end or name in trees or name not in known:
            continue
        tree = _tree_of(known[name])
        if tree is not None:
            trees[name] = tree
            waiting += references(tree)
    return trees


def _tree_of(segment: Segment) -> Condition | None:
    """None where there is no definition, or one of an older program that is not understood any more."""
    definition = segment.definition
    try:
        return definition_tree(definition.rules, definition.criteria, definition.rfm_config)
    except DomainError:
        return None


def _unknown(name: str, known: Mapping[str, Segment]) -> str:
    close = get_close_matches(name, known, 1)
    return f"There is no segment with the key {name}." + (f" Did you mean {close[0]}?" if close else "")
