"""Why a customer does or does not satisfy a rule: one clause for every leaf of the tree, in its order, with what was
asked, what the customer has, and whether it holds. It reads the same values as the evaluator."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from domain.calendar import from_micros
from domain.rules import tree
from domain.rules.evaluator import (
    CustomerFacts,
    Element,
    Scalar,
    evaluate_value,
    holds,
    select_elements,
    select_satisfying,
)
from domain.rules.sentence import write_sentence
from domain.rules.variables import CATALOGUE, Catalogue, Kind

SHOWN = 5
"""So many purchases are shown of those that decided."""
Json = bool | int | float | str | None | list["Json"] | dict[str, "Json"]


class Verdict(StrEnum):
    """Whether a clause holds; MISSING where it does not because there is nothing to compare."""

    TRUE = "TRUE"
    FALSE = "FALSE"
    MISSING = "MISSING"


@dataclass(frozen=True, slots=True)
class Clause:
    """One leaf: `variable` where it asks for exactly one, `expected` its literals, `actual` what the customer has."""

    path: str
    text: str
    variable: str | None
    expected: Json
    actual: Json
    verdict: Verdict


def explain(
    condition: tree.Condition, customer: CustomerFacts, currency: str, catalogue: Catalogue = CATALOGUE
) -> list[Clause]:
    """The clauses of the rule for one customer; negations around a clause are not part of it."""
    return [_explain_leaf(leaf, customer, write_sentence(leaf, currency, catalogue)) for leaf in list_leaves(condition)]


def list_leaves(condition: tree.Value) -> Iterator[tree.Leaf]:
    """The leaves in written order; what is asked inside a leaf belongs to it."""
    match condition:
        case tree.AllOf(operands=operands) | tree.AnyOf(operands=operands):
            for operand in operands:
                yield from list_leaves(operand)
        case tree.Not(operand=operand):
            yield from list_leaves(operand)
        case tree.Choice(branches=branches, otherwise=otherwise):
            for test, value in branches:
                yield from list_leaves(test)
                yield from list_leaves(value)
            yield from list_leaves(otherwise)
        case _ if isinstance(condition, tree.Leaf):
            yield condition


def _explain_leaf(leaf: tree.Leaf, customer: CustomerFacts, text: str) -> Clause:
    match leaf:
        case tree.InSegment(key=key):
            variable, expected, actual = "segments", key, [*sorted(customer.segments)]
            return Clause(leaf.path, text, variable, expected, list(actual), _find_verdict(leaf, customer, False))
        case tree.Quantified(collection=collection):
            return Clause(leaf.path, text, collection.name, None, _describe_deciding(leaf, customer),
                          _find_verdict(leaf, customer, False))  # fmt: skip
        case _:
            pass
    operands = _list_operands(leaf)
    asked = [operand for operand in operands if not isinstance(operand, tree.Literal)]
    literals = [_evaluate_operand(operand, customer) for operand in operands if isinstance(operand, tree.Literal)]
    has = [_evaluate_operand(operand, customer) for operand in asked]
    nothing = None in [evaluate_value(operand, customer) for operand in operands]
    return Clause(
        leaf.path,
        text,
        _find_name(asked[0]) if len(asked) == 1 else None,
        literals[0] if len(literals) == 1 and not isinstance(leaf, tree.OneOf) else literals or None,
        has[0] if len(has) == 1 else has or None,
        _find_verdict(leaf, customer, nothing),
    )


def _list_operands(leaf: tree.Leaf) -> tuple[tree.Value, ...]:
    match leaf:
        case tree.Truth(operand=operand):
            return (operand,)
        case tree.Comparison(left=left, right=right) | tree.Equality(left=left, right=right):
            return (left, right)
        case tree.Between(low=low, middle=middle, high=high):
            return (low, middle, high)
        case tree.OneOf(value=value, options=options):
            return (value, *options)
        case tree.Contains(needle=needle, text=text):
            return (needle, text)
        case tree.Missing(variables=variables):
            return variables
        case _:
            return ()


def _find_name(node: tree.Value) -> str | None:
    match node:
        case tree.Variable(name=name) | tree.Default(variable=tree.Variable(name=name)):
            return name
        case tree.Aggregate(collection=collection):
            return collection.name
        case _:
            return None


def _find_verdict(leaf: tree.Leaf, customer: CustomerFacts, nothing: bool) -> Verdict:
    if holds(leaf, customer):
        return Verdict.TRUE
    compares = isinstance(leaf, tree.Truth | tree.Comparison | tree.Between | tree.Contains)
    return Verdict.MISSING if nothing and compares else Verdict.FALSE


def _evaluate_operand(node: tree.Value, customer: CustomerFacts) -> Json:
    if isinstance(node, tree.Literal):
        return strip_fraction(node.value)
    return present(evaluate_value(node, customer), tree.get_kind(node), customer)


def present(value: Scalar, kind: Kind, customer: CustomerFacts) -> Json:
    """A value as users see it: whole numbers without a fraction, instants in the business's zone."""
    if kind is Kind.INSTANT and isinstance(value, int):
        return from_micros(value).astimezone(customer.zone).isoformat()
    return strip_fraction(value)


def strip_fraction(value: Scalar) -> Json:
    """A number without a fraction where it has none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _describe_deciding(leaf: tree.Quantified, customer: CustomerFacts) -> Json:
    matching = select_satisfying(leaf, customer)
    every = select_elements(leaf.collection, customer)
    # What breaks an `all` are the others.
    deciding = [each for each in every if each not in matching] if leaf.quantity is tree.Quantity.ALL else matching
    return {
        "count": len(every),
        "satisfying": len(matching),
        "purchases": [_describe_purchase(each, customer) for each in deciding[:SHOWN]],
    }


def _describe_purchase(element: Element, customer: CustomerFacts) -> Json:
    purchase: dict[str, Json] = {} if element.external_id is None else {"externalId": element.external_id}
    for name, value in element.values.items():
        purchase[name] = present(value, Kind.INSTANT if name == "purchased_at" else Kind.NOTHING, customer)
    return purchase
