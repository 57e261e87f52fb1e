"""Criteria and RFM boxes as conditions of the same tree that rules become. Bounds are inclusive, levels compare
exactly, and whatever is asked for must hold together; so it is with filters of customers, the labels asked for and any
rule besides."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any

from domain.classification.labels import FREQUENCIES, SPENDINGS
from domain.errors import FieldProblem, InvalidInput, Sentence
from domain.model import NO_ATTRIBUTES, AttributeKinds
from domain.rules.context import uses_rank
from domain.rules.limits import LARGEST_LITERAL, MAXIMUM_NODES, MAXIMUM_TEXT_BYTES, SMALLEST_LITERAL, find_text_problem
from domain.rules.parser import parse_rule
from domain.rules.tree import Between, Comparison, Condition, Literal, OneOf, Op, Variable, join_conditions
from domain.rules.variables import CUSTOMER, Kind, build_catalogue

SCORES = ("recency_score", "frequency_score", "monetary_score")
BOX = re.compile(r"[1-5]{3}")
MONEY = ("min_lifetime_value", "max_lifetime_value")


@dataclass(frozen=True, slots=True)
class SegmentCriteria:
    """Bounds on a customer's metrics; money in major units. What is None asks for nothing."""

    min_lifetime_value: Decimal | None = None
    max_lifetime_value: Decimal | None = None
    min_orders: int | None = None
    max_orders: int | None = None
    min_days_since_last_purchase: int | None = None
    max_days_since_last_purchase: int | None = None
    min_purchase_frequency: float | None = None
    max_purchase_frequency: float | None = None
    min_tenure_days: int | None = None
    max_tenure_days: int | None = None
    loyalty_levels: tuple[str, ...] | None = None

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "SegmentCriteria":
        """The criteria that `as_json` wrote down."""
        read: dict[str, Any] = {name: Decimal(value) if name in MONEY else value for name, value in values.items()}
        if "loyalty_levels" in read:
            read["loyalty_levels"] = tuple(read["loyalty_levels"])
        return cls(**read)

    def as_json(self) -> dict[str, object]:
        """What is asked for as JSON values, money as text so that it stays exact."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        present = {name: value for name, value in values.items() if value is not None}
        plain = {name: format(value, "f") if name in MONEY else value for name, value in present.items()}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}


@dataclass(frozen=True, slots=True)
class RfmConfig:
    """A box of scores, digit by digit: "344" to "555" means R 3 to 5, F 4 to 5, M 4 to 5."""

    min_score: str
    max_score: str


BOUNDS = (
    ("lifetime_value", "total_revenue"),
    ("orders", "order_count"),
    ("days_since_last_purchase", "days_since_last_purchase"),
    ("purchase_frequency", "purchase_frequency"),
    ("tenure_days", "tenure_days"),
)
"""Each pair of bounds, and its variable."""


def build_definition_tree(
    rules: object | None,
    criteria: SegmentCriteria | None,
    rfm_config: RfmConfig | None,
    attributes: AttributeKinds = NO_ATTRIBUTES,
) -> Condition | None:
    """Everything that a definition asks for, in that order; None where it has no condition at all.

    InvalidInput names the wrong fields of criteria and rfm_config, InvalidRule the places in the rules.
    """
    problems: list[FieldProblem] = []
    bounds = [] if criteria is None else list(_build_criteria(criteria, problems))
    box = [] if rfm_config is None else list(_build_box(rfm_config, problems))
    if problems:
        raise InvalidInput.of(problems)
    own = [] if rules is None else [parse_rule(rules, build_catalogue(attributes))]
    conditions = (*own, *bounds, *box)
    return join_conditions(conditions) if conditions else None


def is_rfm(tree: Condition | None) -> bool:
    """Whether the definition uses ranks: an RFM box, or a rule with an RFM variable."""
    return tree is not None and uses_rank(tree)


def _make_variable(name: str) -> Variable:
    info = CUSTOMER[name]
    return Variable(name, info.kind, info.nullable)


def _build_criteria(criteria: SegmentCriteria, problems: list[FieldProblem]) -> Iterator[Condition]:
    for bound, name in BOUNDS:
        least, most = f"min_{bound}", f"max_{bound}"
        low, high = getattr(criteria, least), getattr(criteria, most)
        first = _build_bound(low, least, Op.AT_LEAST, name, problems)
        second = _build_bound(high, most, Op.AT_MOST, name, problems)
        if first is not None and second is not None and low > high:
            message = Sentence(f"{{{most}}} must be at least {{{least}}}.")
            problems.append(FieldProblem(("criteria", most), message))
        yield from (each for each in (first, second) if each is not None)
    if criteria.loyalty_levels is not None:
        yield from _build_levels(criteria.loyalty_levels, problems)


def _build_bound(
    value: Decimal | float | None, field: str, op: Op, name: str, problems: list[FieldProblem]
) -> Condition | None:
    if value is None:
        return None
    size = float(value) if math.isfinite(value) else -1.0
    if size and not SMALLEST_LITERAL <= size <= LARGEST_LITERAL:
        message = Sentence(f"{{{field}}} must be 0 or more, and at most 15 digits long.")
        problems.append(FieldProblem(("criteria", field), message))
        return None
    return Comparison(op, _make_variable(name), Literal(size + 0.0, Kind.NUMBER), Sentence(f"/criteria/{{{field}}}"))


def _build_levels(levels: tuple[str, ...], problems: list[FieldProblem]) -> Iterator[Condition]:
    place = ("criteria", "loyalty_levels")
    if not 1 <= len(levels) < MAXIMUM_NODES:
        message = Sentence("{loyalty_levels} must hold 1 to {} levels.", MAXIMUM_NODES - 1)
        problems.append(FieldProblem(place, message))
    elif any(not level or find_text_problem(level, "") for level in levels):
        message = Sentence("Each of {loyalty_levels} must be a text of 1 to {:,} bytes.", MAXIMUM_TEXT_BYTES)
        problems.append(FieldProblem(place, message))
    else:
        options = tuple(Literal(level, Kind.TEXT) for level in dict.fromkeys(levels))
        yield OneOf(_make_variable("loyalty_level"), options, Sentence("/criteria/{loyalty_levels}"))


def _build_box(config: RfmConfig, problems: list[FieldProblem]) -> Iterator[Condition]:
    wrong = [name for name, text in asdict(config).items() if not BOX.fullmatch(text)]
    for name in wrong:
        message = Sentence(f"{{{name}}} must be three digits from 1 to 5, such as 344.")
        problems.append(FieldProblem(("rfm_config", name), message))
    if wrong:
        return
    pairs = list(zip(SCORES, config.min_score, config.max_score, strict=True))
    if any(low > high for _, low, high in pairs):
        message = Sentence("{max_score} must be at least {min_score} in each of its digits.")
        problems.append(FieldProblem(("rfm_config", "max_score"), message))
        return
    for name, low, high in pairs:
        ends = [Literal(float(digit), Kind.NUMBER) for digit in (low, high)]
        yield Between(Op.AT_MOST, ends[0], _make_variable(name), ends[1], Sentence("/{rfm_config}"))


MAXIMUM_LABELS = 100


def build_customer_rule(
    rules: object | None,
    frequency: Sequence[str] | None = None,
    spending: Sequence[str] | None = None,
    category: Sequence[str] | None = None,
    attributes: AttributeKinds = NO_ATTRIBUTES,
) -> Condition | None:
    """The rule of a filter; None where it has none. InvalidInput names the labels that do not exist, InvalidRule the
    places in the rules."""
    conditions: list[Condition] = []
    problems: list[FieldProblem] = []
    for name, variable, labels, known in (
        ("frequency", "purchase_frequency_label", frequency, FREQUENCIES),
        ("spending", "spending_label", spending, SPENDINGS),
        ("category", "category_label", category, None),
    ):
        if labels is not None:
            problems += _find_label_problems(name, labels, known)
            conditions.append(_build_any_of(variable, labels))
    if problems:
        raise InvalidInput.of(problems)
    if rules is not None:
        conditions.append(parse_rule(rules, build_catalogue(attributes)))
    return join_conditions(tuple(conditions)) if conditions else None


def _find_label_problems(name: str, labels: Sequence[str], known: Sequence[str] | None) -> list[FieldProblem]:
    if len(labels) > MAXIMUM_LABELS:
        return [FieldProblem(("filter", name), f"{name} must hold at most {MAXIMUM_LABELS} labels")]
    problems = []
    for place, label in enumerate(labels):
        field = ("filter", name, str(place))
        if known is not None and label not in known:
            problems.append(FieldProblem(field, f"{name} must hold only these labels: {', '.join(known)}"))
        elif find_text_problem(label, ""):
            problems.append(FieldProblem(field, f"{name} must hold texts that can be a category"))
    return problems


def _build_any_of(variable: str, labels: Sequence[str]) -> Condition:
    info = CUSTOMER[variable]
    options = tuple(Literal(label, Kind.TEXT) for label in dict.fromkeys(labels))
    return OneOf(Variable(info.name, info.kind, info.nullable), options)
