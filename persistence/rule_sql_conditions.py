"""The expressions of conditions. None is ever null: what compares a missing value is false, so that a negation is a
plain NOT and a rule and its negation split the population."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import case, false, func, literal, null, true

from domain.rules.tree import (
    AllOf,
    AnyOf,
    Between,
    Choice,
    Comparison,
    Contains,
    Equality,
    InSegment,
    Literal,
    Missing,
    Node,
    Not,
    OneOf,
    Op,
    Quantified,
    Truth,
    Value,
    Variable,
    kind_of,
    may_be_missing,
)
from domain.rules.variables import Kind
from persistence.database import dialects as sql
from persistence.database.dialects import ByCodePoint, Expression, Holds
from persistence.rule_sql_layers import Layers
from persistence.rule_sql_lists import quantified
from persistence.rule_sql_thresholds import threshold
from persistence.rule_sql_values import full, known, print_literal

ORDER: Mapping[Op, Callable[..., Expression]] = {
    Op.LESS: sql.Less,
    Op.AT_MOST: sql.AtMost,
    Op.MORE: sql.More,
    Op.AT_LEAST: sql.AtLeast,
}


def print_test(layers: Layers, node: Node, member: Callable[[str], Expression]) -> Expression:
    """Whether the condition holds; `member` answers for a stored segment."""
    match node:
        case Literal(value=value):
            return true() if value else false()
        case AllOf(operands=operands):
            return sql.bundled(sql.And, [layers.test(operand) for operand in operands])
        case AnyOf(operands=operands):
            return sql.bundled(sql.Or, [layers.test(operand) for operand in operands])
        case Not(operand=operand):
            return sql.Negation(layers.test(operand))
        case Choice(branches=branches, otherwise=otherwise):
            chosen = [(layers.test(test), layers.test(value)) for test, value in branches]
            return case(*chosen, else_=layers.test(otherwise))
        case Truth(operand=value):
            return full(layers, value)
        case Comparison(op=op, left=left, right=right):
            return _compared(layers, op, left, right)
        case Between(op=op, low=low, middle=middle, high=high):
            return sql.And(_compared(layers, op, low, middle), _compared(layers, op, middle, high))
        case Equality(left=left, right=right, negated=negated):
            same = _same(layers, left, right)
            return sql.Negation(same) if negated else same
        case OneOf(value=value, options=options):
            return _one_of(layers, value, options)
        case Contains(needle=needle, text=text):
            found = Holds(layers.typed(text, Kind.TEXT), layers.typed(needle, Kind.TEXT))
            return known(found, needle, text)
        case InSegment(key=key):
            return member(key)
        case Missing(variables=variables, need=need):
            return _missing(layers, variables, need)
        case Quantified(quantity=quantity, collection=collection, condition=condition):
            return quantified(layers, quantity, collection, condition)
        case _:
            raise TypeError(f"{type(node).__name__} is no condition")


def _compared(layers: Layers, op: Op, left: Value, right: Value) -> Expression:
    if kind_of(left) is Kind.NOTHING or kind_of(right) is Kind.NOTHING:
        return false()
    found = threshold(op, left, right, lambda name: layers.variables.whole(name, layers.list))
    if found is None:
        first = layers.value(left)
        ordered = ByCodePoint(first) if kind_of(left) is Kind.TEXT else first
        found = ORDER[op](ordered, layers.value(right))
    return known(found, left, right)


def _same(layers: Layers, left: Value, right: Value) -> Expression:
    if may_be_missing(left) and may_be_missing(right):
        return sql.Same(layers.value(left), layers.value(right))
    return known(sql.Equal(layers.value(left), layers.value(right)), left, right)


def _one_of(layers: Layers, value: Value, options: Sequence[Value]) -> Expression:
    plain = [each for each in options if isinstance(each, Literal) and each.value is not None]
    rest = [each for each in options if not (isinstance(each, Literal) and each.value is not None)]
    found = [_same(layers, value, each) for each in rest]
    if plain and kind_of(value) is not Kind.NOTHING:
        # In brackets of its own as an operand, and false where the value is missing.
        found.append(sql.Known(layers.value(value).in_([print_literal(layers, each) for each in plain])))
    return sql.bundled(sql.Or, found) if found else false()


def _missing(layers: Layers, variables: Sequence[Variable], need: int | None) -> Expression:
    gone = [_empty(layers, each) for each in variables]
    if not gone:
        return false()
    any_gone = sql.bundled(sql.Or, gone)
    if need is None or need > len(gone):
        return any_gone
    there: list[Expression] = [case((each, 0), else_=1) for each in gone]
    return sql.And(any_gone, sql.Less(sql.bundled(sql.Plus, there), literal(need)))


def _empty(layers: Layers, variable: Variable) -> Expression:
    column = layers.value(variable)
    if variable.kind is Kind.TEXT:
        return sql.Equal(func.coalesce(column, ""), literal(""))
    return sql.Same(column, null())
