"""Comparing a whole column with a number without calculating on every row: the number becomes the whole threshold from
which the comparison holds, found by bisection over the same doubles, so that an index on the column can be used."""

from collections.abc import Callable

from sqlalchemy import BigInteger, bindparam

from domain.rules.evaluator import ORDERS
from domain.rules.tree import Literal, Node, Op, Variable
from persistence.database.dialects import AtLeast, AtMost, Expression, Less, More
from persistence.rule_sql_variables import Whole

MIRRORED = {Op.LESS: Op.MORE, Op.AT_MOST: Op.AT_LEAST, Op.MORE: Op.LESS, Op.AT_LEAST: Op.AT_MOST}
LOWEST, HIGHEST = -(2**62), 2**62


def threshold(op: Op, left: Node, right: Node, whole: Callable[[str], Whole | None]) -> Expression | None:
    """The comparison on the column itself; None where the two are not a whole variable and a number."""
    match left, right:
        case Variable(name=name), Literal(value=float(limit)):
            pass
        case Literal(value=float(limit)), Variable(name=name):
            op = MIRRORED[op]
        case _:
            return None
    column = whole(name)
    return None if column is None else _on_column(op, column, limit)


def _on_column(op: Op, whole: Whole, limit: float) -> Expression:
    rising = op in (Op.MORE, Op.AT_LEAST)
    compare = ORDERS[op]

    def holds(value: int) -> bool:
        return compare(float(value) / whole.scale, limit)

    # The lowest value for which it holds (rising), or for which it no longer does.
    low, high = LOWEST, HIGHEST
    while low < high:
        middle = (low + high) // 2
        if holds(middle) == rising:
            high = middle
        else:
            low = middle + 1
    if whole.origin is None:
        return (AtLeast if rising else Less)(whole.column, _bound(low))
    return (AtMost if rising else More)(whole.column, _bound(whole.origin - low))


def _bound(value: int) -> Expression:
    return bindparam(None, value, type_=BigInteger, unique=True)
