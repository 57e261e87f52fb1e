"""What a segment must be like before it is written. Everything that is wrong is said at once, each with its field and,
inside a rule, with its path; what depends on other segments is left to the service, which sees them."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from domain.calendar import check as check_schedule
from domain.errors import FieldProblem, InvalidInput, InvalidRule, RuleProblem, Sentence, find_text_problems
from domain.model import NO_ATTRIBUTES, AttributeKinds
from domain.money import find_exponent, to_minor
from domain.rules.criteria import MONEY, SegmentCriteria, build_definition_tree, is_rfm
from domain.rules.tree import Condition
from domain.segments.model import Definition, SegmentKind
from domain.texts import compose_text

MAXIMUM_NAME = 255
MAXIMUM_KEY = 64
MAXIMUM_SCHEDULE = 255
BY_HAND = "for a MANUAL segment, whose members are put in by hand"
KEY = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
FIELDS = ("rules", "criteria", "rfm_config")


@dataclass(frozen=True, slots=True)
class Draft:
    """A segment as a caller states it; what is None is not given. Without a key, one is made from the name."""

    name: str
    kind: SegmentKind = SegmentKind.AUTOMATIC
    key: str | None = None
    description: str | None = None
    is_dynamic: bool | None = None
    is_rfm: bool | None = None
    definition: Definition = field(default_factory=Definition)
    schedule: str | None = None


@dataclass(frozen=True, slots=True)
class ValidDraft:
    """A draft with every value as it is kept, and the tree of its definition."""

    draft: Draft
    tree: Condition | None

    @property
    def dynamic(self) -> bool:
        """An automatic segment follows by itself unless it is told not to."""
        return self.draft.kind is SegmentKind.AUTOMATIC and self.draft.is_dynamic is not False

    @property
    def rfm(self) -> bool:
        """Whether the definition uses RFM scores."""
        return is_rfm(self.tree)


def validate_draft(draft: Draft, currency: str, attributes: AttributeKinds = NO_ATTRIBUTES) -> ValidDraft:
    """The draft as it is kept, in a business with these attributes; InvalidInput carries everything that is
    wrong with it."""
    problems: list[FieldProblem] = []
    valid = replace(
        draft,
        name=compose_text(draft.name.strip()),
        description=(draft.description or "").strip() or None,
        schedule=_read_schedule(draft, problems),
    )
    problems = [*_find_text_faults(valid), *_find_flag_faults(valid), *problems]
    tree = None
    if draft.kind is SegmentKind.MANUAL:
        problems += [
            _make_problem(name, f"{{{name}}} must be left out {BY_HAND}")
            for name in FIELDS
            if getattr(draft.definition, name) is not None
        ]
    else:
        valid = replace(valid, definition=replace(_drop_empty_criteria(draft.definition), attributes=attributes))
        tree = _read_tree(valid.definition, currency, problems)
        if tree is not None and draft.is_rfm is not None and draft.is_rfm != is_rfm(tree):
            problems.append(_make_problem("is_rfm", WRONG_RFM[draft.is_rfm]))
    if problems:
        raise InvalidInput.of(problems)
    return ValidDraft(valid, tree)


WRONG_RFM = {
    True: "{is_rfm} must be left out or false where neither {rfm_config} is given nor a rule uses an RFM variable",
    False: "{is_rfm} must be left out or true where {rfm_config} is given or a rule uses an RFM variable",
}


def to_field_problems(problems: Iterable[RuleProblem]) -> list[FieldProblem]:
    """What is wrong inside the rules, as problems of the input."""
    return [FieldProblem(("input", "rules"), each.message, each.code, each.path) for each in problems]


def make_slug(name: str) -> str:
    """A key made from a name: its Latin letters and digits in lower case, the rest as hyphens."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:MAXIMUM_KEY].strip("-") or "segment"


def find_free_key(wanted: str, taken: Iterable[str]) -> str:
    """The key, or the same with the first number from 2 on that makes it free."""
    known, key, number = set(taken), wanted, 1
    while key in known:
        number += 1
        end = f"-{number}"
        key = wanted[: MAXIMUM_KEY - len(end)].rstrip("-") + end
    return key


def _make_problem(field: str, template: str, code: str = "INVALID") -> FieldProblem:
    return FieldProblem(("input", field), Sentence(template), code)


def _find_text_faults(draft: Draft) -> list[FieldProblem]:
    problems = [] if draft.name else [_make_problem("name", "name must not be blank", "BLANK")]
    problems += find_text_problems(("input", "name"), draft.name, MAXIMUM_NAME)
    if draft.key is not None and not draft.key.strip():
        problems.append(
            _make_problem("key", "key must not be blank; leave it out to have it made from the name", "BLANK")
        )
    elif draft.key is not None and len(draft.key) > MAXIMUM_KEY:
        problems.append(_make_problem("key", f"key must be at most {MAXIMUM_KEY} characters", "TOO_LONG"))
    elif draft.key is not None and KEY.fullmatch(draft.key) is None:
        problems.append(_make_problem("key", "key must be lower-case letters, digits or hyphens, such as high-value"))
    return problems + find_text_problems(("input", "description"), draft.description, name=False)


def _find_flag_faults(draft: Draft) -> list[FieldProblem]:
    if draft.kind is SegmentKind.AUTOMATIC:
        if draft.schedule is not None and draft.is_dynamic is False:
            template = "schedule must be null where {is_dynamic} is false: the segment never follows"
            return [_make_problem("schedule", template)]
        return []
    problems = []
    if draft.is_dynamic:
        problems.append(_make_problem("is_dynamic", f"{{is_dynamic}} must be left out or false {BY_HAND}"))
    if draft.is_rfm:
        problems.append(_make_problem("is_rfm", f"{{is_rfm}} must be left out or false {BY_HAND}"))
    if draft.schedule is not None:
        problems.append(_make_problem("schedule", f"schedule must be left out {BY_HAND}"))
    return problems


def _read_schedule(draft: Draft, problems: list[FieldProblem]) -> str | None:
    if draft.schedule is None:
        return None
    if wrong := find_text_problems(("input", "schedule"), draft.schedule, MAXIMUM_SCHEDULE):
        problems += wrong
        return draft.schedule
    try:
        return check_schedule(draft.schedule)
    except InvalidInput as error:
        problems += error.problems
        return draft.schedule


def _drop_empty_criteria(definition: Definition) -> Definition:
    # Criteria in which every field is null ask for nothing.
    return replace(definition, criteria=None) if definition.criteria == SegmentCriteria() else definition


def _read_tree(definition: Definition, currency: str, problems: list[FieldProblem]) -> Condition | None:
    if definition.empty:
        template = "rules, criteria or {rfm_config} must hold a condition for an AUTOMATIC segment"
        problems.append(_make_problem("rules", template))
        return None
    before = len(problems)
    try:
        build_definition_tree(definition.rules, None, None, definition.attributes)
    except InvalidRule as error:
        found = to_field_problems(error.problems)
        # Nothing at all is no fault of the rule's language.
        problems += [replace(each, code="INVALID") for each in found] if definition.rules in ([], {}) else found
    problems += _find_amount_faults(definition.criteria, currency)
    try:
        build_definition_tree(None, definition.criteria, definition.rfm_config)
    except InvalidInput as error:
        known = {problem.field for problem in problems}
        own = [replace(each, field=("input", *each.field)) for each in error.problems]
        problems += [each for each in own if each.field not in known]
    if len(problems) > before:
        return None
    return definition.parse()


def _find_amount_faults(criteria: SegmentCriteria | None, currency: str) -> list[FieldProblem]:
    problems = []
    for name in () if criteria is None else MONEY:
        value = getattr(criteria, name)
        try:
            if value is not None and value.is_finite() and value >= 0:
                to_minor(value, find_exponent(currency))
        except ValueError as error:
            problems.append(FieldProblem(("input", "criteria", name), Sentence(f"{{{name}}} {{}}", error)))
    return problems
