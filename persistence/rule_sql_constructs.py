"""What rule statements are built of. Every construct prints its own brackets and nothing is simplified, so calculations
keep their written order; what must differ between the databases stands here, once each. Statements that hold one are
not kept compiled: they are large, and each rule is another one."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Double, bindparam, cast, false
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

Expression = ColumnElement[Any]
# SQLite functions take at most 127 arguments.
MAXIMUM_ARGUMENTS = 100


class Chain(FunctionElement[Any]):
    """Operands with an operator between them, in brackets."""

    inherit_cache = False
    symbol = ""


class Plus(Chain):
    """Sum, from left to right."""

    inherit_cache = False
    symbol = "+"


class Minus(Chain):
    """Difference, from left to right."""

    inherit_cache = False
    symbol = "-"


class Times(Chain):
    """Product, from left to right."""

    inherit_cache = False
    symbol = "*"


class Over(Chain):
    """Quotient; of whole numbers, cut towards zero. The divisor must not be zero."""

    inherit_cache = False
    symbol = "/"


class Less(Chain):
    """a < b."""

    inherit_cache = False
    symbol = "<"


class AtMost(Chain):
    """a <= b."""

    inherit_cache = False
    symbol = "<="


class More(Chain):
    """a > b."""

    inherit_cache = False
    symbol = ">"


class AtLeast(Chain):
    """a >= b."""

    inherit_cache = False
    symbol = ">="


class Equal(Chain):
    """a = b, for operands that are there."""

    inherit_cache = False
    symbol = "="


class Same(Chain):
    """a and b are the same, or both missing."""

    inherit_cache = False
    symbol = "IS NOT DISTINCT FROM"


class And(Chain):
    """All hold."""

    inherit_cache = False
    symbol = "AND"


class Or(Chain):
    """At least one holds."""

    inherit_cache = False
    symbol = "OR"


class Append(Chain):
    """Texts one after the other."""

    inherit_cache = False
    symbol = "||"


def bundled(chain: type[Chain], operands: Sequence[Expression], size: int = 50) -> Expression:
    """The chain in nested bundles, where only the result counts and not the order: SQLite bounds the depth."""
    terms = list(operands)
    while len(terms) > 1:
        bundles = [terms[at : at + size] for at in range(0, len(terms), size)]
        terms = [chain(*bundle) if len(bundle) > 1 else bundle[0] for bundle in bundles]
    return terms[0]


@compiles(Chain)
def _chain(element: Chain, compiler: SQLCompiler, **kw: Any) -> str:
    between = f" {element.symbol} "
    return f"({between.join(compiler.process(clause, **kw) for clause in element.clauses)})"


@compiles(Same, "sqlite")
def _same(element: Same, compiler: SQLCompiler, **kw: Any) -> str:
    return f"({' IS '.join(compiler.process(clause, **kw) for clause in element.clauses)})"


class Negation(FunctionElement[Any]):
    """Does not hold; its operand is never null, so this is the plain complement."""

    inherit_cache = False


@compiles(Negation)
def _negation(element: Negation, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(NOT {compiler.process(element.clauses, **kw)})"


class Known(FunctionElement[Any]):
    """The condition, or false where it is null."""

    inherit_cache = False


@compiles(Known)
def _known(element: Known, compiler: SQLCompiler, **kw: Any) -> str:
    return f"coalesce({compiler.process(element.clauses, **kw)}, {compiler.process(false())})"


class Remainder(FunctionElement[Any]):
    """a - b * trunc(a / b); null where b is zero. Each operand is printed once, so nesting does not multiply."""

    inherit_cache = False


@compiles(Remainder)
def _remainder(element: Remainder, compiler: SQLCompiler, **kw: Any) -> str:
    a, b = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(SELECT _o.a - _o.b * trunc(_o.a / nullif(_o.b, 0)) FROM (SELECT {a} AS a, {b} AS b OFFSET 0) AS _o)"


@compiles(Remainder, "sqlite")
def _remainder_sqlite(element: Remainder, compiler: SQLCompiler, **kw: Any) -> str:
    a, b = (compiler.process(clause, **kw) for clause in element.clauses)
    # Doubles from 2^53 on are whole already; below it, an integer holds them.
    whole = "CASE WHEN abs(_q.q) < 9007199254740992.0 THEN CAST(CAST(_q.q AS INTEGER) AS REAL) ELSE _q.q END"
    operands = f"(SELECT {a} AS a, {b} AS b LIMIT -1 OFFSET 0) AS _o"
    quotient = f"(SELECT _o.a AS a, _o.b AS b, _o.a / nullif(_o.b, 0) AS q FROM {operands} LIMIT -1 OFFSET 0) AS _q"
    return f"(SELECT _q.a - _q.b * {whole} FROM {quotient})"


class Extreme(FunctionElement[Any]):
    """The smallest or largest of two numbers or more, null where one of them is."""

    inherit_cache = False
    word = ""


class Smallest(Extreme):
    """The smallest."""

    inherit_cache = False
    word = "min"


class Largest(Extreme):
    """The largest."""

    inherit_cache = False
    word = "max"


@compiles(Extreme)
def _extreme(element: Extreme, compiler: SQLCompiler, **kw: Any) -> str:
    # greatest and least leave nulls out; this does not, and prints each operand once.
    values = ", ".join(f"({compiler.process(clause, **kw)})" for clause in element.clauses)
    return f"(SELECT CASE WHEN count(*) = count(_v.v) THEN {element.word}(_v.v) END FROM (VALUES {values}) AS _v(v))"


@compiles(Extreme, "sqlite")
def _extreme_sqlite(element: Extreme, compiler: SQLCompiler, **kw: Any) -> str:
    parts = [compiler.process(clause, **kw) for clause in element.clauses]
    while len(parts) > 1:
        chunks = [parts[at : at + MAXIMUM_ARGUMENTS] for at in range(0, len(parts), MAXIMUM_ARGUMENTS)]
        parts = [f"{element.word}({', '.join(chunk)})" if len(chunk) > 1 else chunk[0] for chunk in chunks]
    return parts[0]


class Let(FunctionElement[Any]):
    """(body, value, …): the body, in which one-row tables of those names, each with the column c, hold the values.

    One table stands after the other, so the depth of what is printed does not grow with their number.
    """

    inherit_cache = False

    def __init__(self, body: Expression, *values: Expression, names: Sequence[str]) -> None:
        super().__init__(body, *values)
        self.names = tuple(names)


@compiles(Let)
def _let(element: Let, compiler: SQLCompiler, **kw: Any) -> str:
    body, *values = (compiler.process(clause, **kw) for clause in element.clauses)
    tables = ", ".join(f"{name}(c) AS (SELECT {value})" for name, value in zip(element.names, values, strict=True))
    return f"(WITH {tables} SELECT {body})"


def number(column: Expression) -> Expression:
    """A whole column as a double."""
    return cast(column, Double)


def constant(value: float) -> Expression:
    """A bound double."""
    return bindparam(None, value, type_=Double, unique=True)
