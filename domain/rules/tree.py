"""The typed tree of a rule. Every way to say a rule (JSONLogic, criteria, an RFM box) becomes these nodes, and all that
reads a rule (SQL, the row evaluator, the sentence) reads only them. A value has one kind and may be missing; a
condition is a boolean that never is. Paths say where a node stood in what was given and do not count for equality."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum

from domain.rules.variables import Kind


class Op(StrEnum):
    """Operators of comparisons and arithmetic, as they are written."""

    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    DIVIDED = "/"
    MODULO = "%"
    SMALLEST = "min"
    LARGEST = "max"


def _path() -> str:
    return field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. An INSTANT keeps its ISO text, because the business's zone decides which instant it is."""

    value: bool | float | str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Variable:
    """What a customer, or inside a list an element, has."""

    name: str
    kind: Kind
    nullable: bool = True
    element: bool = False


@dataclass(frozen=True, slots=True)
class Default:
    """The variable, or the other value where it is missing."""

    variable: Variable
    other: "Value"
    kind: Kind


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Numbers combined in written order; MINUS of one operand is its negative."""

    op: Op
    operands: tuple["Value", ...]
    kind: Kind = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class Concat:
    """Text and whole literals, one after the other."""

    operands: tuple["Value", ...]
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Substring:
    """Code points of a text from `start` (below 0: from the end); below 0 `length` leaves that many off the end."""

    text: "Value"
    start: int
    length: int | None
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Choice:
    """The value after the first test that holds, or the last one. Where its values are conditions, it is one."""

    branches: tuple[tuple["Condition", "Value"], ...]
    otherwise: "Value"
    kind: Kind


@dataclass(frozen=True, slots=True)
class ShortCircuit:
    """`and`/`or` used as a value: the first operand that is empty (and) or is not (or), or else the last."""

    conjunction: bool
    operands: tuple["Value", ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Collection:
    """Elements of a customer that satisfy every filter: `purchases`, `all_purchases` or the lines of either."""

    name: str
    filters: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How many elements there are, or the sum of a number of theirs: 0 over none, missing where one misses it."""

    collection: Collection
    addend: Variable | None
    kind: Kind = Kind.NUMBER


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every operand holds."""

    operands: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one operand holds."""

    operands: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The plain complement."""

    operand: "Condition"


@dataclass(frozen=True, slots=True)
class Truth:
    """The value is there and not empty: a number other than 0, a text of a character or more, true."""

    operand: "Value"
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Comparison:
    """An order of two numbers, texts or instants; false where one is missing."""

    op: Op
    left: "Value"
    right: "Value"
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Between:
    """low op middle op high."""

    op: Op
    low: "Value"
    middle: "Value"
    high: "Value"
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Equality:
    """The same value, or both missing; or, negated, not so."""

    left: "Value"
    right: "Value"
    negated: bool = False
    path: str = _path()


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value equals one of the options."""

    value: "Value"
    options: tuple["Value", ...]
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Contains:
    """The text holds the other text, exactly; false where one is missing."""

    needle: "Value"
    text: "Value"
    path: str = _path()


@dataclass(frozen=True, slots=True)
class InSegment:
    """The customer is a member of the stored segment of that key."""

    key: str
    path: str = _path()


@dataclass(frozen=True, slots=True)
class Missing:
    """One of the variables is missing or an empty text and, where `need` is given, fewer than that many are there."""

    variables: tuple[Variable, ...]
    need: int | None = None
    path: str = _path()


class Quantity(StrEnum):
    """How many elements must satisfy a condition. ALL does not hold over none."""

    SOME = "some"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Quantified:
    """Some, all or none of the elements satisfy the condition."""

    quantity: Quantity
    collection: Collection
    condition: "Condition"
    path: str = _path()


Leaf = Truth | Comparison | Between | Equality | OneOf | Contains | InSegment | Missing | Quantified
Condition = Literal | AllOf | AnyOf | Not | Choice | Leaf
Value = Variable | Default | Arithmetic | Concat | Substring | ShortCircuit | Aggregate | Condition
"""A condition is a value too: a boolean that is never missing."""
Node = Value | Collection
ALWAYS = Literal(True, Kind.BOOLEAN)
NEVER = Literal(False, Kind.BOOLEAN)
NULL = Literal(None, Kind.NOTHING)
CONDITIONS = (AllOf, AnyOf, Not, Truth, Comparison, Between, Equality, OneOf, Contains, InSegment, Missing, Quantified)


def list_children(node: Node) -> Iterator[Node]:
    """The nodes directly below, in written order."""
    for each in fields(node):
        yield from _list_nodes(getattr(node, each.name))


def _list_nodes(value: object) -> Iterator[Node]:
    if isinstance(value, tuple):
        for item in value:
            yield from _list_nodes(item)
    elif hasattr(value, "__dataclass_fields__"):
        yield value  # type: ignore[misc]


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in written order."""
    yield node
    for child in list_children(node):
        yield from walk(child)


def join_conditions(conditions: tuple[Condition, ...]) -> Condition:
    """All of them, without a wrapper around a single one."""
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def get_kind(node: Value) -> Kind:
    """What the node's value is; a condition is a boolean."""
    return Kind.BOOLEAN if isinstance(node, CONDITIONS) else node.kind


def may_be_missing(node: Value) -> bool:
    """Whether there can be customers or elements for which the node has no value."""
    match node:
        case Literal(value=value):
            return value is None
        case Variable(nullable=nullable):
            return nullable
        case Default(other=other):
            return may_be_missing(other)
        case Arithmetic(op=Op.DIVIDED | Op.MODULO, operands=(first, Literal(value=float(divisor)))) if divisor:
            return may_be_missing(first)
        case Arithmetic(op=op, operands=operands):
            return op in (Op.DIVIDED, Op.MODULO) or any(may_be_missing(operand) for operand in operands)
        case Concat(operands=operands) | ShortCircuit(operands=operands):
            return any(may_be_missing(operand) for operand in operands)
        case Substring(text=text):
            return may_be_missing(text)
        case Aggregate(addend=Variable(nullable=nullable)):
            return nullable
        case Choice(branches=branches, otherwise=otherwise):
            return may_be_missing(otherwise) or any(may_be_missing(value) for _, value in branches)
        case _:
            return False
