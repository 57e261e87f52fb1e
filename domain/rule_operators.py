"""What each operator takes and which node it becomes. The table at the end is the whole language; an operator that is
not in it does not exist."""

from collections.abc import Mapping

from domain.rule_limits import pointer
from domain.rule_list_operators import missing, quantified, reduce
from domain.rule_reader import KINDS, Call, Handler, Reader
from domain.rule_variables import Kind
from domain.rules import (
    ALWAYS,
    NEVER,
    NULL,
    All,
    Any,
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
    Node,
    Not,
    OneOf,
    Op,
    Part,
    Quantified,
    Quantity,
    Reduction,
    Truth,
    Variable,
    kind_of,
    may_be_missing,
)

ORDERED = (Kind.NUMBER, Kind.TEXT, Kind.INSTANT, Kind.NOTHING)
LARGEST_POSITION = 2**31 - 1


def _values(reader: Reader, call: Call) -> tuple[list[Node], list[str]]:
    paths = [call.at(index) for index in range(len(call.arguments))]
    return [reader.value(raw, path, call.scope) for raw, path in zip(call.arguments, paths, strict=True)], paths


def _conditions(reader: Reader, call: Call) -> tuple[Condition, ...]:
    return tuple(reader.condition(raw, call.at(index), call.scope) for index, raw in enumerate(call.arguments))


def _variable(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 0 if call.listed else 1, 2):
        return NULL
    given = call.arguments[0] if call.arguments else ""
    name = "" if given is None else str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(name, str):
        return reader.wrong(call.at(0), "var takes the name of a variable, which cannot be calculated.")
    if call.condition and name in reader.catalogue.lists and not call.scope.element:
        return Quantified(Quantity.SOME, Collection(name), ALWAYS, call.path)
    found = reader.variable(name, call.path + pointer("var"), call.scope)
    if found is None or len(call.arguments) < 2:
        return found or NULL
    (_, other), kind = reader.unify(call, [found, reader.value(call.arguments[1], call.at(1), call.scope)],
                                    [call.at(0), call.at(1)])  # fmt: skip
    return found if other == NULL else Fallback(found, other, kind)  # type: ignore[arg-type]


def _order(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 2, 3):
        return NULL
    nodes, kind = reader.unify(call, *_values(reader, call))
    if kind not in ORDERED:
        return reader.wrong(call.path + pointer(call.operator), f"{KINDS[kind]} has no order.")
    if len(nodes) == 2:
        return Comparison(Op(call.operator), nodes[0], nodes[1], call.path)  # type: ignore[arg-type]
    return Between(Op(call.operator), nodes[0], nodes[1], nodes[2], call.path)  # type: ignore[arg-type]


def _equal(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 2, 2):
        return NULL
    (left, right), _ = reader.unify(call, *_values(reader, call))
    return Equality(left, right, call.operator.startswith("!"), call.path)  # type: ignore[arg-type]


def _logic(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 1):
        return NULL
    conjunction = call.operator == "and"
    if call.condition:
        operands = _conditions(reader, call)
    else:
        nodes, kind = reader.unify(call, *_values(reader, call))
        if len(nodes) == 1:
            return nodes[0]
        if kind is not Kind.BOOLEAN or any(may_be_missing(node) for node in nodes):
            return Either(conjunction, tuple(nodes), kind)  # type: ignore[arg-type]
        operands = tuple(holds(node, call.at(index)) for index, node in enumerate(nodes))
    if len(operands) == 1:
        return operands[0]
    return All(operands) if conjunction else Any(operands)


def holds(node: Node, path: str) -> Condition:
    """The condition that a boolean value is."""
    match node:
        case Variable() | Fallback() | Arithmetic() | Joined() | Part() | Either() | Reduction() | Choice():
            return Truth(node, path)
        case _:
            return node


def _not(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 1, 1):
        return NULL
    held = reader.condition(call.arguments[0], call.at(0), call.scope)
    if call.operator == "!!":
        return held
    match held:
        case Literal(value=value):
            return NEVER if value else ALWAYS
        case _:
            return Not(held)


def _if(reader: Reader, call: Call) -> Node:
    given = call.arguments
    if not given:
        return NULL
    tests = range(0, len(given) - 1, 2)
    held = [reader.condition(given[at], call.at(at), call.scope) for at in tests]
    at_values = [at + 1 for at in tests] + ([len(given) - 1] if len(given) % 2 else [])
    paths = [call.at(at) for at in at_values]
    if call.condition:
        nodes: list[Node] = [reader.condition(given[at], path, call.scope)
                             for at, path in zip(at_values, paths, strict=True)]  # fmt: skip
        kind, rest = Kind.BOOLEAN, NEVER
    else:
        values = [reader.value(given[at], path, call.scope) for at, path in zip(at_values, paths, strict=True)]
        (nodes, kind), rest = reader.unify(call, values, paths), NULL
    last = nodes[len(held)] if len(nodes) > len(held) else rest
    return Choice(tuple(zip(held, nodes, strict=False)), last, kind) if held else last


def _arithmetic(reader: Reader, call: Call) -> Node:
    low, high = {"-": (1, 2), "/": (2, 2), "%": (2, 2)}.get(call.operator, (1, None))
    if not reader.counted(call, low, high):
        return NULL
    nodes, _ = _values(reader, call)
    operands = tuple(reader.only(call, node, Kind.NUMBER, index) for index, node in enumerate(nodes))
    if len(operands) == 1 and call.operator != "-":
        return operands[0]
    return Arithmetic(Op(call.operator), operands)  # type: ignore[arg-type]


def _cat(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 1):
        return NULL
    nodes = []
    for index, node in enumerate(_values(reader, call)[0]):
        if isinstance(node, Literal) and isinstance(node.value, float):
            if node.value.is_integer():
                nodes.append(Literal(str(int(node.value)), Kind.TEXT))
            else:
                reader.wrong(call.at(index), "cat takes text and whole numbers that are written out, no fractions.")
        elif kind_of(node) is Kind.NUMBER:
            reader.wrong(call.at(index), "cat takes text and whole numbers that are written out, no variable numbers.")
        else:
            nodes.append(reader.only(call, node, Kind.TEXT, index))  # type: ignore[arg-type]
    return nodes[0] if len(nodes) == 1 else Joined(tuple(nodes))


def _substr(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 2, 3):
        return NULL
    text = reader.only(call, reader.value(call.arguments[0], call.at(0), call.scope), Kind.TEXT, 0)
    places: list[int] = []
    for index, raw in enumerate(call.arguments[1:], 1):
        whole = isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) <= LARGEST_POSITION
        if not whole or raw != int(raw):  # type: ignore[call-overload]
            return reader.wrong(call.at(index), "substr takes positions that are written out as whole numbers.")
        places.append(int(raw))  # type: ignore[call-overload]
    return Part(text, places[0], places[1] if len(places) > 1 else None)  # type: ignore[arg-type]


def _in(reader: Reader, call: Call) -> Node:
    if not reader.counted(call, 2, 2):
        return NULL
    needle, place = call.arguments
    value = reader.value(needle, call.at(0), call.scope)
    if isinstance(place, list):
        options = [reader.value(raw, call.at(1) + pointer(index), call.scope) for index, raw in enumerate(place)]
        paths = [call.at(0), *(call.at(1) + pointer(index) for index in range(len(options)))]
        nodes, _ = reader.unify(call, [value, *options], paths)
        return OneOf(nodes[0], tuple(nodes[1:]), call.path)  # type: ignore[arg-type]
    keys = reader.catalogue.memberships
    if keys is not None and place in ({"var": keys}, {"var": [keys]}) and not call.scope.element:
        if isinstance(value, Literal) and isinstance(value.value, str) and value.value:
            return InSegment(value.value, call.path)
        return reader.wrong(call.at(0), f"Only the key of a segment, written out, can be looked for in {keys}.")
    text = reader.only(call, reader.value(place, call.at(1), call.scope), Kind.TEXT, 1)
    return Contains(reader.only(call, value, Kind.TEXT, 0), text, call.path)  # type: ignore[arg-type]


OPERATORS: Mapping[str, Handler] = {
    "var": _variable,
    **dict.fromkeys(("==", "===", "!=", "!=="), _equal),
    **dict.fromkeys(("<", "<=", ">", ">="), _order),
    **dict.fromkeys(("and", "or"), _logic),
    **dict.fromkeys(("!", "!!"), _not),
    **dict.fromkeys(("if", "?:"), _if),
    "in": _in,
    **dict.fromkeys(("+", "-", "*", "/", "%", "min", "max"), _arithmetic),
    "cat": _cat,
    "substr": _substr,
    **dict.fromkeys(("missing", "missing_some"), missing),
    **dict.fromkeys(("some", "all", "none"), quantified),
    "reduce": reduce,
}
