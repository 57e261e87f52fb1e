"""What is to be said of a definition before it is saved: everything that is wrong with it, each with its path, and what
its author may not have meant. A definition with an error has no answer, one with a warning has."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.errors import DomainError, FieldProblem, InvalidInput, RuleProblem
from domain.rules.context import references
from domain.rules.criteria import definition_tree
from domain.rules.limits import pointer
from domain.rules.tree import Condition
from domain.segment_checks import Draft, checked
from domain.segment_model import Definition, Segment, SegmentKind
from domain.segment_ports import RuleSizes
from domain.segment_references import reference_problems


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


def understood(definition: Definition, currency: str) -> tuple[Condition | None, list[RuleProblem]]:
    """The definition's tree, or everything that a segment with it would be refused for."""
    try:
        return checked(Draft("preview", definition=definition), currency).tree, []
    except InvalidInput as error:
        return None, [_inside(each) for each in error.problems]


def tree_of(segment: Segment) -> Condition | None:
    """The tree of a stored segment; None where it has none, or where an older program accepted what is refused now."""
    definition = segment.definition
    try:
        return definition_tree(definition.rules, definition.criteria, definition.rfm_config)
    except DomainError:
        return None


def wrong_references(tree: Condition, stored: Sequence[Segment], key: str = "") -> list[RuleProblem]:
    """Segments that the rule uses and that are not there, or that use the segment of that key, whose rule it is."""
    return [_inside(each) for each in reference_problems(key, tree, stored)]


def _inside(problem: FieldProblem) -> RuleProblem:
    # The first step is the input as a whole.
    path = pointer(*problem.field[1:]) if problem.path is None else problem.path
    return RuleProblem(path, problem.message, None, problem.code)


def errors(problems: Iterable[RuleProblem]) -> list[Finding]:
    """The problems as findings that stand in the way."""
    return [Finding(each.path, each.code, each.message, ProblemSeverity.ERROR) for each in problems]


def warnings(tree: Condition, stored: Iterable[Segment], sizes: RuleSizes) -> list[Finding]:
    """What the author may not have meant."""
    by_key = {each.key: each for each in stored}
    found = [
        Finding(
            path,
            "NEVER_CALCULATED",
            f"The segment {key} was never calculated, so it has no members yet.",
            ProblemSeverity.WARNING,
        )
        for key, path in references(tree).items()
        if (segment := by_key.get(key)) is not None
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
