"""Which kinds of values each operator takes. The parser refuses by these tables, and what a builder is offered for a
variable is read from them, so that the two cannot disagree."""

from collections.abc import Mapping

from domain.rules.variables import Kind

VALUES = frozenset(Kind) - {Kind.NOTHING}
ADDS_UP = "reduce"
"""The operator that adds up a number of a list's elements, or counts them."""
ONLY: Mapping[str, Kind] = {
    **dict.fromkeys(("+", "-", "*", "/", "%", "min", "max", ADDS_UP), Kind.NUMBER),
    **dict.fromkeys(("cat", "substr"), Kind.TEXT),
}
"""Operators that take values of one kind."""
TRUTH = ("!", "!!", "and", "or", "if", "?:")
"""Operators that ask whether something holds: a value of any kind, or a list."""
TAKEN: Mapping[str, frozenset[Kind]] = {
    **dict.fromkeys(("==", "===", "!=", "!=="), VALUES),
    **dict.fromkeys(("<", "<=", ">", ">="), VALUES - {Kind.BOOLEAN}),
    "in": VALUES,
    **{operator: frozenset({kind}) for operator, kind in ONLY.items()},
    **dict.fromkeys(("missing", "missing_some", *TRUTH), VALUES),
}
OF_LISTS = ("some", "all", "none", "filter", ADDS_UP, *TRUTH)
OF_MEMBERSHIPS = ("in",)


def list_operators(kind: Kind, *, element: bool = False) -> tuple[str, ...]:
    """The operators that take a variable of the kind, of a customer or of a list's element."""
    return tuple(name for name, kinds in TAKEN.items() if kind in kinds and (element or name != ADDS_UP))
