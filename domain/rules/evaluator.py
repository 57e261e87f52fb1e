"""What a rule says of one customer, read from the tree alone. It answers as the statement in the database does, to the
last bit: doubles in written order, missing values that never hold, text by code point."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add, ge, gt, le, lt, mul, sub
from typing import Any
from zoneinfo import ZoneInfo

from domain.calendar import read_instant, to_micros
from domain.rules import tree
from domain.rules.variables import Kind

Scalar = bool | float | str | int | None
"""A value of a variable; instants are whole microseconds since 1970, numbers are floats, missing is None."""
ORDERS: Mapping[tree.Op, Callable[[Any, Any], bool]] = {
    tree.Op.LESS: lt,
    tree.Op.AT_MOST: le,
    tree.Op.MORE: gt,
    tree.Op.AT_LEAST: ge,
}


@dataclass(frozen=True, slots=True)
class Element:
    """One purchase or line. `whole` holds its summable numbers as exact integers, None where one is missing, `scale`
    what divides them."""

    values: Mapping[str, Scalar]
    whole: Mapping[str, int | None] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """One customer as rules see it."""

    values: Mapping[str, Scalar]
    lists: Mapping[str, Sequence[Element]]
    zone: ZoneInfo
    segments: frozenset[str] = frozenset()


def holds(condition: tree.Condition, customer: CustomerFacts) -> bool:
    """Whether the customer satisfies the rule."""
    return _holds(condition, customer, customer.values)


def evaluate_value(node: tree.Value, customer: CustomerFacts, values: Mapping[str, Scalar] | None = None) -> Scalar:
    """The value for the customer, or for an element of its with those values; None where it is missing."""
    here = customer.values if values is None else values
    match node:
        case tree.Literal(value=str(text), kind=Kind.INSTANT):
            return to_micros(read_instant(text, customer.zone))
        case tree.Literal(value=value):
            return value
        case tree.Variable(name=name):
            return here[name]
        case tree.Default(variable=variable, other=other):
            scalar = here[variable.name]
            return evaluate_value(other, customer, here) if scalar is None else scalar
        case tree.Arithmetic(op=op, operands=operands):
            return _calculate(op, [evaluate_value(operand, customer, here) for operand in operands])
        case tree.Concat(operands=operands):
            parts = [evaluate_value(operand, customer, here) for operand in operands]
            return None if None in parts else "".join(str(part) for part in parts)
        case tree.Substring(text=text, start=start, length=length):
            return _take_part(evaluate_value(text, customer, here), start, length)
        case tree.Choice(branches=branches, otherwise=otherwise):
            chosen = next((value for test, value in branches if _holds(test, customer, here)), otherwise)
            return evaluate_value(chosen, customer, here)
        case tree.ShortCircuit(conjunction=conjunction, operands=operands):
            scalar = None
            for operand in operands:
                scalar = evaluate_value(operand, customer, here)
                if bool(scalar) != conjunction:
                    break
            return scalar
        case tree.Aggregate(collection=collection, addend=addend):
            return _aggregate(select_elements(collection, customer), addend)
        case _:
            return _holds(node, customer, here)


def _holds(condition: tree.Value, customer: CustomerFacts, here: Mapping[str, Scalar]) -> bool:
    match condition:
        case tree.AllOf(operands=operands):
            return all(_holds(operand, customer, here) for operand in operands)
        case tree.AnyOf(operands=operands):
            return any(_holds(operand, customer, here) for operand in operands)
        case tree.Not(operand=operand):
            return not _holds(operand, customer, here)
        case tree.Truth(operand=value):
            return _is_full(value, evaluate_value(value, customer, here))
        case tree.Comparison(op=op, left=left, right=right):
            return _compare(op, evaluate_value(left, customer, here), evaluate_value(right, customer, here))
        case tree.Between(op=op, low=low, middle=middle, high=high):
            between = evaluate_value(middle, customer, here)
            return _compare(op, evaluate_value(low, customer, here), between) and _compare(
                op, between, evaluate_value(high, customer, here)
            )
        case tree.Equality(left=left, right=right, negated=negated):
            return (evaluate_value(left, customer, here) == evaluate_value(right, customer, here)) != negated
        case tree.OneOf(value=value, options=options):
            wanted = evaluate_value(value, customer, here)
            return any(evaluate_value(option, customer, here) == wanted for option in options)
        case tree.Contains(needle=needle, text=text):
            inner, outer = evaluate_value(needle, customer, here), evaluate_value(text, customer, here)
            return isinstance(inner, str) and isinstance(outer, str) and inner in outer
        case tree.InSegment(key=key):
            return key in customer.segments
        case tree.Missing(variables=variables, need=need):
            present = sum(here[variable.name] not in (None, "") for variable in variables)
            return present < len(variables) and (need is None or present < need)
        case tree.Quantified(quantity=quantity, collection=collection, condition=test):
            answers = [_holds(test, customer, each.values) for each in select_elements(collection, customer)]
            return _is_quantity(quantity, answers)
        case _:
            return bool(evaluate_value(condition, customer, here))


def select_elements(collection: tree.Collection, customer: CustomerFacts) -> list[Element]:
    """The customer's elements that satisfy the filters."""
    return [
        each
        for each in customer.lists.get(collection.name, ())
        if all(_holds(test, customer, each.values) for test in collection.filters)
    ]


def select_satisfying(quantified: tree.Quantified, customer: CustomerFacts) -> list[Element]:
    every = select_elements(quantified.collection, customer)
    return [each for each in every if _holds(quantified.condition, customer, each.values)]


def _is_quantity(quantity: tree.Quantity, answers: list[bool]) -> bool:
    if quantity is tree.Quantity.ALL:
        return bool(answers) and all(answers)
    return any(answers) == (quantity is tree.Quantity.SOME)


def _is_full(node: tree.Value, value: Scalar) -> bool:
    # An instant is there or not; the first microsecond of 1970 is no empty one.
    return value is not None if tree.get_kind(node) is Kind.INSTANT else bool(value)


def _compare(op: tree.Op, left: Scalar, right: Scalar) -> bool:
    return left is not None and right is not None and ORDERS[op](left, right)


def _calculate(op: tree.Op, operands: list[Scalar]) -> float | None:
    numbers = [float(operand) for operand in operands if operand is not None]
    if len(numbers) < len(operands):
        return None
    first, rest = numbers[0], numbers[1:]
    match op:
        case tree.Op.SMALLEST:
            return min(numbers)
        case tree.Op.LARGEST:
            return max(numbers)
        case tree.Op.MINUS if not rest:
            return -first
        case tree.Op.DIVIDED:
            return first / rest[0] if rest[0] else None
        case tree.Op.MODULO:
            return first - rest[0] * float(math.trunc(first / rest[0])) if rest[0] else None
    combine = {tree.Op.PLUS: add, tree.Op.MINUS: sub, tree.Op.TIMES: mul}[op]
    for number in rest:
        first = combine(first, number)
    return first


def _take_part(text: Scalar, start: int, length: int | None) -> str | None:
    if not isinstance(text, str):
        return None
    rest = text[max(len(text) + start, 0) :] if start < 0 else text[start:]
    if length is None:
        return rest
    return rest[: max(len(rest) + length, 0)] if length < 0 else rest[:length]


# A sum is taken of high and low halves, which no number of purchases can overflow on any database.
HALF = 1 << 20


def _aggregate(elements: Sequence[Element], addend: tree.Variable | None) -> float | None:
    if addend is None:
        return float(len(elements))
    if not elements:
        return 0.0
    if not elements[0].whole:
        return float(sum(float(each.values[addend.name] or 0) for each in elements))
    numbers = [number for each in elements if (number := each.whole[addend.name]) is not None]
    if len(numbers) < len(elements):
        return None
    high = sum(map(_round_towards_zero, numbers))
    low = sum(number - HALF * _round_towards_zero(number) for number in numbers)
    return (float(high) * float(HALF) + float(low)) / elements[0].scale.get(addend.name, 1.0)


def _round_towards_zero(whole: int) -> int:
    return whole // HALF if whole >= 0 else -(-whole // HALF)
