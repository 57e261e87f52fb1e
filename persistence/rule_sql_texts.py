"""What is done to texts inside rule statements: order, search and parts, by code point on both databases. What must
differ between the databases stands here, once each."""

from typing import Any

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class ByCodePoint(FunctionElement[Any]):
    """A text whose order is that of code points, as SQLite's is."""

    inherit_cache = False


@compiles(ByCodePoint)
def _by_code_point(element: ByCodePoint, compiler: SQLCompiler, **kw: Any) -> str:
    return f'({compiler.process(element.clauses, **kw)} COLLATE "C")'


@compiles(ByCodePoint, "sqlite")
def _by_code_point_sqlite(element: ByCodePoint, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


class Holds(FunctionElement[Any]):
    """(text, needle): the text holds the needle, exactly; LIKE would not be exact."""

    inherit_cache = False


@compiles(Holds)
def _holds(element: Holds, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **kw)}) > 0)"


@compiles(Holds, "sqlite")
def _holds_sqlite(element: Holds, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **kw)}) > 0)"


class Tail(FunctionElement[Any]):
    """(text, n): its last n code points, the whole of it where it has fewer."""

    inherit_cache = False


@compiles(Tail)
def _tail(element: Tail, compiler: SQLCompiler, **kw: Any) -> str:
    return f"right({compiler.process(element.clauses, **kw)})"


@compiles(Tail, "sqlite")
def _tail_sqlite(element: Tail, compiler: SQLCompiler, **kw: Any) -> str:
    text, count = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"substr({text}, -{count})"


class Shortened(FunctionElement[Any]):
    """(text, n): without its last n code points, empty where it has fewer."""

    inherit_cache = False


@compiles(Shortened)
def _shortened(element: Shortened, compiler: SQLCompiler, **kw: Any) -> str:
    text, count = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"left({text}, -{count})"


@compiles(Shortened, "sqlite")
def _shortened_sqlite(element: Shortened, compiler: SQLCompiler, **kw: Any) -> str:
    text, count = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"substr({text}, -{count}, -2147483647)"
