"""Filters of customers as a rule: the labels asked for, and any rule besides. All of it must hold."""

from collections.abc import Sequence

from domain.classification.labels import LABELS
from domain.errors import FieldProblem, InvalidInput
from domain.rule_limits import text_problem
from domain.rule_parsing import parse_rule
from domain.rule_variables import CUSTOMER, Kind
from domain.rules import Condition, Literal, OneOf, Variable, both

FREQUENCIES = (*LABELS.values(), "Regular")
SPENDINGS = ("High Value", "Medium Value", "Low Value")
MAXIMUM_LABELS = 100


def customer_rule(
    rules: object | None,
    frequency: Sequence[str] | None = None,
    spending: Sequence[str] | None = None,
    category: Sequence[str] | None = None,
) -> Condition | None:
    """The rule of a filter; None where it has none. InvalidInput names the labels that do not exist, InvalidRule the
    places in the rules."""
    conditions: list[Condition] = []
    problems: list[FieldProblem] = []
    for name, variable, given, known in (
        ("frequency", "purchase_frequency_label", frequency, FREQUENCIES),
        ("spending", "spending_label", spending, SPENDINGS),
        ("category", "category_label", category, None),
    ):
        if given is not None:
            problems += _label_problems(name, given, known)
            conditions.append(_any_of(variable, given))
    if problems:
        raise InvalidInput.of(problems)
    if rules is not None:
        conditions.append(parse_rule(rules))
    return both(tuple(conditions)) if conditions else None


def _label_problems(name: str, given: Sequence[str], known: Sequence[str] | None) -> list[FieldProblem]:
    if len(given) > MAXIMUM_LABELS:
        return [FieldProblem(("filter", name), f"{name} must hold at most {MAXIMUM_LABELS} labels")]
    problems = []
    for place, label in enumerate(given):
        field = ("filter", name, str(place))
        if known is not None and label not in known:
            problems.append(FieldProblem(field, f"{name} must hold only these labels: {', '.join(known)}"))
        elif text_problem(label, ""):
            problems.append(FieldProblem(field, f"{name} must hold texts that can be a category"))
    return problems


def _any_of(variable: str, labels: Sequence[str]) -> Condition:
    info = CUSTOMER[variable]
    options = tuple(Literal(label, Kind.TEXT) for label in dict.fromkeys(labels))
    return OneOf(Variable(info.name, info.kind, info.nullable), options)
