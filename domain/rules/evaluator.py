"""What a rule says of one customer, read from the tree alone. It answers as the statement in the database does, to the
last bit: doubles in written order, missing values that never hold, text by code point."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import add, ge, gt, le, lt, mul, sub
from typing import Any as Anything
from zoneinfo import ZoneInfo

from domain.calendar import read_instant, to_micros
from domain.rules.tree import (
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Choice,
    Collection,
    Comparison,
    Condition,
    Contains,
    Either,
    Equality,
    Fallback,
    InSegment,
    Joined,
    Literal,
    Missing,
    Node,
    Not,
    OneOf,
    Op,
    Part,
    Quantified,
    Quantity,
    Reduction,
    Truth,
    Value,
    Variable,
)
from domain.rules.variables import Kind

Scalar = bool | float | str | int | None
"""A value of a variable; instants are whole microseconds since 1970, numbers are floats, missing is None."""
ORDERS: Mapping[Op, Callable[[Anything, Anything], bool]] = {
    Op.LESS: lt,
    Op.AT_MOST: le,
    Op.MORE: gt,
    Op.AT_LEAST: ge,
}


@dataclass(frozen=True, slots=True)
class Element:
    """One purchase or line. `whole` holds its summable numbers as exact integers, `scale` what divides them."""

    values: Mapping[str, Scalar]
    whole: Mapping[str, int] = field(default_factory=dict)
    scale: Mapping[str, float] = field(default_factory=dict)
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """One customer as rules see it."""

    values: Mapping[str, Scalar]
    lists: Mapping[str, Sequence[Element]]
    zone: ZoneInfo
    segments: frozenset[str] = frozenset()


def holds(condition: Condition, subject: Subject) -> bool:
    """Whether the customer satisfies the rule."""
    return _holds(condition, subject, subject.values)


def value_of(node: Node, subject: Subject, values: Mapping[str, Scalar] | None = None) -> Scalar:
    """The value for the customer, or for an element of its with those values; None where it is missing."""
    here = subject.values if values is None else values
    match node:
        case Literal(value=str(text), kind=Kind.INSTANT):
            return to_micros(read_instant(text, subject.zone))
        case Literal(value=value):
            return value
        case Variable(name=name):
            return here[name]
        case Fallback(variable=variable, other=other):
            found = here[variable.name]
            return value_of(other, subject, here) if found is None else found
        case Arithmetic(op=op, operands=operands):
            return _calculated(op, [value_of(operand, subject, here) for operand in operands])
        case Joined(operands=operands):
            parts = [value_of(operand, subject, here) for operand in operands]
            return None if None in parts else "".join(str(part) for part in parts)
        case Part(text=text, start=start, length=length):
            return _part(value_of(text, subject, here), start, length)
        case Choice(branches=branches, otherwise=otherwise):
            chosen = next((value for test, value in branches if _holds(test, subject, here)), otherwise)
            return value_of(chosen, subject, here)
        case Either(conjunction=conjunction, operands=operands):
            found = None
            for operand in operands:
                found = value_of(operand, subject, here)
                if bool(found) != conjunction:
                    break
            return found
        case Reduction(collection=collection, addend=addend):
            return _reduced(elements(collection, subject), addend)
        case _:
            return _holds(node, subject, here)


def _holds(condition: Node, subject: Subject, here: Mapping[str, Scalar]) -> bool:
    match condition:
        case AllOf(operands=operands):
            return all(_holds(operand, subject, here) for operand in operands)
        case AnyOf(operands=operands):
            return any(_holds(operand, subject, here) for operand in operands)
        case Not(operand=operand):
            return not _holds(operand, subject, here)
        case Truth(operand=value):
            return _full(value, value_of(value, subject, here))
        case Comparison(op=op, left=left, right=right):
            return _ordered(op, value_of(left, subject, here), value_of(right, subject, here))
        case Between(op=op, low=low, middle=middle, high=high):
            between = value_of(middle, subject, here)
            return _ordered(op, value_of(low, subject, here), between) and _ordered(
                op, between, value_of(high, subject, here)
            )
        case Equality(left=left, right=right, negated=negated):
            return (value_of(left, subject, here) == value_of(right, subject, here)) != negated
        case OneOf(value=value, options=options):
            wanted = value_of(value, subject, here)
            return any(value_of(option, subject, here) == wanted for option in options)
        case Contains(needle=needle, text=text):
            inner, outer = value_of(needle, subject, here), value_of(text, subject, here)
            return isinstance(inner, str) and isinstance(outer, str) and inner in outer
        case InSegment(key=key):
            return key in subject.segments
        case Missing(variables=variables, need=need):
            present = sum(here[variable.name] not in (None, "") for variable in variables)
            return present < len(variables) and (need is None or present < need)
        case Quantified(quantity=quantity, collection=collection, condition=test):
            return _quantified(quantity, [_holds(test, subject, each.values) for each in elements(collection, subject)])
        case _:
            return bool(value_of(condition, subject, here))


def elements(collection: Collection, subject: Subject) -> list[Element]:
    """The customer's elements that satisfy the filters."""
    return [
        each
        for each in subject.lists.get(collection.name, ())
        if all(_holds(test, subject, each.values) for test in collection.filters)
    ]


def satisfying(quantified: Quantified, subject: Subject) -> list[Element]:
    """Those that satisfy the condition."""
    return [
        each for each in elements(quantified.collection, subject) if _holds(quantified.condition, subject, each.values)
    ]


def _quantified(quantity: Quantity, answers: list[bool]) -> bool:
    if quantity is Quantity.ALL:
        return bool(answers) and all(answers)
    return any(answers) == (quantity is Quantity.SOME)


def _full(node: Value, value: Scalar) -> bool:
    # An instant is there or not; the first microsecond of 1970 is no empty one.
    return value is not None if node.kind is Kind.INSTANT else bool(value)


def _ordered(op: Op, left: Scalar, right: Scalar) -> bool:
    return left is not None and right is not None and ORDERS[op](left, right)


def _calculated(op: Op, operands: list[Scalar]) -> float | None:
    numbers = [float(operand) for operand in operands if operand is not None]
    if len(numbers) < len(operands):
        return None
    first, rest = numbers[0], numbers[1:]
    match op:
        case Op.SMALLEST:
            return min(numbers)
        case Op.LARGEST:
            return max(numbers)
        case Op.MINUS if not rest:
            return -first
        case Op.DIVIDED:
            return first / rest[0] if rest[0] else None
        case Op.REST:
            return first - rest[0] * float(math.trunc(first / rest[0])) if rest[0] else None
    combine = {Op.PLUS: add, Op.MINUS: sub, Op.TIMES: mul}[op]
    for number in rest:
        first = combine(first, number)
    return first


def _part(text: Scalar, start: int, length: int | None) -> str | None:
    if not isinstance(text, str):
        return None
    rest = text[max(len(text) + start, 0) :] if start < 0 else text[start:]
    if length is None:
        return rest
    return rest[: max(len(rest) + length, 0)] if length < 0 else rest[:length]


# A sum is taken of high and low halves, which no number of purchases can overflow on any database.
HALF = 1 << 20


def _reduced(found: Sequence[Element], addend: Variable | None) -> float:
    if addend is None:
        return float(len(found))
    if not found:
        return 0.0
    if not found[0].whole:
        return float(sum(float(each.values[addend.name] or 0) for each in found))
    high = sum(_towards_zero(each.whole[addend.name]) for each in found)
    low = sum(each.whole[addend.name] - HALF * _towards_zero(each.whole[addend.name]) for each in found)
    return (float(high) * float(HALF) + float(low)) / found[0].scale.get(addend.name, 1.0)


def _towards_zero(whole: int) -> int:
    return whole // HALF if whole >= 0 else -(-whole // HALF)
