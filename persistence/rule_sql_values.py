"""The expressions of values: literals, variables, calculations and choices, null where the value is missing. Operands
are printed in written order and calculated as doubles."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import BigInteger, Text, bindparam, case, false, func, literal, null, true

from domain.calendar import read_instant, to_micros
from domain.rules.tree import (
    Arithmetic,
    Choice,
    Either,
    Fallback,
    Joined,
    Literal,
    Node,
    Op,
    Part,
    Reduction,
    Value,
    Variable,
    kind_of,
    may_be_missing,
)
from domain.rules.variables import Kind
from persistence.database import dialects as sql
from persistence.database.dialects import Expression, Shortened, Tail, constant
from persistence.rule_sql_layers import Layers
from persistence.rule_sql_lists import reduced

COMBINE: Mapping[Op, Callable[..., Expression]] = {
    Op.PLUS: sql.Plus,
    Op.MINUS: sql.Minus,
    Op.TIMES: sql.Times,
    Op.REST: sql.Remainder,
    Op.SMALLEST: sql.Smallest,
    Op.LARGEST: sql.Largest,
}
# No stored text is as long.
FARTHEST = 10**9


def print_value(layers: Layers, node: Node) -> Expression:
    """The value; conditions among values are printed by the caller."""
    if kind_of(node) is Kind.NOTHING:
        return null()
    match node:
        case Literal():
            return print_literal(layers, node)
        case Variable(name=name):
            return layers.column(name)
        case Fallback(variable=variable, other=other):
            return func.coalesce(layers.value(variable), layers.value(other))
        case Arithmetic(op=op, operands=operands):
            return _calculated(layers, op, operands)
        case Joined(operands=operands):
            return sql.bundled(sql.Append, [layers.typed(operand, Kind.TEXT) for operand in operands])
        case Part(text=text, start=start, length=length):
            return _part(layers.typed(text, Kind.TEXT), start, length)
        case Choice(branches=branches, otherwise=otherwise):
            chosen = [(layers.test(test), layers.value(value)) for test, value in branches]
            return case(*chosen, else_=layers.value(otherwise))
        case Either(conjunction=conjunction, operands=(*firsts, last)):
            tests = [full(layers, each) for each in firsts]
            stops = [sql.Negation(test) if conjunction else test for test in tests]
            return case(*zip(stops, map(layers.value, firsts), strict=True), else_=layers.value(last))
        case Reduction(collection=collection, addend=addend):
            return reduced(layers, collection, addend)
        case _:
            return layers.print_test(node)


def print_literal(layers: Layers, node: Literal) -> Expression:
    """A bound constant."""
    match node.value:
        case None:
            return null()
        case bool(value):
            return true() if value else false()
        case float(value):
            return constant(value)
        case str(text) if node.kind is Kind.INSTANT:
            micros = to_micros(read_instant(text, layers.context.zone))
            return bindparam(None, micros, type_=BigInteger, unique=True)
        case text:
            return bindparam(None, text, type_=Text, unique=True)


def known(expression: Expression, *operands: Node) -> Expression:
    """The condition, or false where an operand is missing."""
    return sql.Known(expression) if any(may_be_missing(operand) for operand in operands) else expression


def full(layers: Layers, node: Value) -> Expression:
    """Whether the value is there and not empty."""
    if isinstance(node, Literal):
        return true() if node.value else false()
    match kind_of(node):
        case Kind.NOTHING:
            return false()
        case Kind.NUMBER:
            return known(sql.Negation(sql.Equal(layers.value(node), constant(0.0))), node)
        case Kind.TEXT:
            return known(sql.Negation(sql.Equal(layers.value(node), literal(""))), node)
        case Kind.BOOLEAN:
            return known(layers.value(node), node)
        case _:
            return sql.Negation(sql.Same(layers.value(node), null()))


def _calculated(layers: Layers, op: Op, operands: Sequence[Value]) -> Expression:
    values = [layers.typed(operand, Kind.NUMBER) for operand in operands]
    if op is Op.MINUS and len(values) == 1:
        return sql.Times(constant(-1.0), values[0])
    if op is Op.DIVIDED:
        return sql.Over(values[0], func.nullif(values[1], constant(0.0)))
    return COMBINE[op](*values)


def _part(text: Expression, start: int, length: int | None) -> Expression:
    if start:
        count = literal(min(abs(start), FARTHEST))
        text = Tail(text, count) if start < 0 else func.substr(text, literal(min(start, FARTHEST) + 1))
    if length is None:
        return text
    count = literal(min(abs(length), FARTHEST))
    return Shortened(text, count) if length < 0 else func.substr(text, literal(1), count)
