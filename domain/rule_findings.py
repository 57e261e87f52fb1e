"""What is to be said of a definition before it is saved: everything that is wrong with it, each with its path, and what
its author may not have meant. A definition with an error has no answer, one with a warning has."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.criteria import definition_tree
from domain.errors import InvalidInput, InvalidRule, RuleProblem
from domain.rule_limits import pointer
from domain.rule_references import dependency_order, references
from domain.rules import Condition, both
from domain.segment_model import Definition, Segment, SegmentKind
from domain.segment_ports import RuleSizes


class ProblemSeverity(StrEnum):
    """Whether a definition can be used in spite of what was found."""

    ERROR = "ERROR"
    WARNING = "WARNING"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say of a definition; `path` is a JSON pointer into the rules, or to a field of the others."""

    path: str
    code: str
    message: str
    severity: ProblemSeverity


def understood(definition: Definition) -> tuple[Condition | None, list[RuleProblem]]:
    """The definition's tree, or every problem of each of its parts."""
    parts = (
        (definition.rules, None, None),
        (None, definition.criteria, None),
        (None, None, definition.rfm_config),
    )
    trees: list[Condition] = []
    problems: list[RuleProblem] = []
    for part in parts:
        try:
            tree = definition_tree(*part)
        except InvalidRule as error:
            problems += error.problems
        except InvalidInput as error:
            problems += [RuleProblem(pointer(*each.field), each.message, None, each.code) for each in error.problems]
        else:
            trees += [] if tree is None else [tree]
    if not trees and not problems:
        problems.append(
            RuleProblem("", "definition must hold a condition in rules, criteria or rfmConfig.", None, "INVALID")
        )
    return (None if problems else both(tuple(trees))), problems


def tree_of(segment: Segment) -> Condition | None:
    """The tree of a stored segment; None where it has none, or where an older program accepted what is refused now."""
    return understood(segment.definition)[0]


def unknown_segments(tree: Condition, known: Mapping[str, Segment]) -> list[RuleProblem]:
    """The segments that the rule uses and that are not there."""
    return [
        RuleProblem(path, f"There is no segment with the key {key}.", None, "NOT_FOUND")
        for key, path in references(tree).items()
        if key not in known
    ]


def circles(key: str, tree: Condition, stored: Iterable[Segment]) -> list[RuleProblem]:
    """The circle that there would be, if this tree were the definition of the segment of that key."""
    trees = {each.key: known for each in stored if (known := tree_of(each)) is not None}
    try:
        dependency_order({**trees, key: tree})
    except InvalidRule as error:
        return list(error.problems)
    return []


def errors(problems: Iterable[RuleProblem]) -> list[Finding]:
    """The problems as findings that stand in the way."""
    return [Finding(each.path, each.code, each.message, ProblemSeverity.ERROR) for each in problems]


def warnings(tree: Condition, used: Mapping[str, Segment], sizes: RuleSizes) -> list[Finding]:
    """What the author may not have meant."""
    found = [
        Finding(
            path,
            "NEVER_CALCULATED",
            f"The segment {key} was never calculated, so it has no members yet.",
            ProblemSeverity.WARNING,
        )
        for key, path in references(tree).items()
        if (segment := used.get(key)) is not None
        and segment.kind is SegmentKind.AUTOMATIC
        and segment.last_calculated is None
    ]
    if sizes.population and not sizes.matching:
        found.append(Finding("", "NOBODY_MATCHES", "No customer matches the definition.", ProblemSeverity.WARNING))
    if sizes.population and sizes.matching == sizes.population:
        found.append(
            Finding("", "EVERYBODY_MATCHES", "Every customer matches the definition.", ProblemSeverity.WARNING)
        )
    return found
