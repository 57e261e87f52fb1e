"""From what a user gives to the typed tree: one JSONLogic object, or a list of them that must all hold, or either as
JSON text. A rule is understood wholly or refused with every problem that was found.

What each operator takes and which node it becomes. The table at the end is the whole language; an operator that is
not in it does not exist.

The operators that look at lists: which variables are missing, and counts, sums and quantities of a customer's
purchases or lines. They become nodes as the other operators do.
"""

from collections.abc import Mapping
from typing import TypeVar

from domain.errors import InvalidRule
from domain.rules.limits import pointer, read_json, size_problem, statement_problem
from domain.rules.reader import KINDS, Call, Handler, Reader, Scope
from domain.rules.tree import (
    ALWAYS,
    NEVER,
    NULL,
    Aggregate,
    AllOf,
    AnyOf,
    Arithmetic,
    Between,
    Choice,
    Collection,
    Comparison,
    Concat,
    Condition,
    Contains,
    Default,
    Equality,
    InSegment,
    Literal,
    Missing,
    Node,
    Not,
    OneOf,
    Op,
    Quantified,
    Quantity,
    ShortCircuit,
    Substring,
    Truth,
    Variable,
    both,
    kind_of,
    may_be_missing,
)
from domain.rules.variables import CATALOGUE, Catalogue, Kind


def missing(reader: Reader, call: Call) -> Node:
    """`missing` and `missing_some`, as conditions."""
    if not call.condition:
        where = "it gives a list, which can only stand where a condition stands"
        return reader.wrong(call.path + pointer(call.operator), f"{call.operator} cannot be used as a value: {where}.")
    given, base, need = call.arguments, call.path + pointer(call.operator), None
    if call.operator == "missing_some":
        match given:
            case [int(count), list(names)] if not isinstance(count, bool):
                given, base, need = names, base + pointer(1), count
            case _:
                return reader.wrong(base, "missing_some takes a whole number and a list of names of variables.")
    elif len(given) == 1 and isinstance(given[0], list):
        given, base = given[0], base + pointer(0)
    elif not call.listed:
        return _missing_of(reader, call, [(given[0], base)], None)
    return _missing_of(reader, call, [(name, base + pointer(index)) for index, name in enumerate(given)], need)


def _missing_of(reader: Reader, call: Call, given: list[tuple[object, str]], need: int | None) -> Node:
    found = []
    for name, path in given:
        if isinstance(name, str):
            found.append(reader.variable(name, path, call.scope))
        else:
            reader.wrong(path, f"{call.operator} takes names of variables, written out.")
    return Missing(tuple(each for each in found if each is not None), need, call.path)


def quantified(reader: Reader, call: Call) -> Node:
    """`some`, `all` and `none`."""
    if not reader.counted(call, 2, 2):
        return NULL
    collection = reader.collection(call.arguments[0], call.at(0), call.scope)
    held = reader.condition(call.arguments[1], call.at(1), reader.elements(collection))
    return Quantified(Quantity(call.operator), collection, held, call.path)


def reduce(reader: Reader, call: Call) -> Node:
    """A count or a sum; nothing else can be reduced."""
    if not reader.counted(call, 3, 3):
        return NULL
    collection = reader.collection(call.arguments[0], call.at(0), call.scope)
    shape = "reduce takes the accumulator + 1, or + a number of the element, from 0"
    if isinstance(call.arguments[2], bool) or call.arguments[2] != 0:
        return reader.wrong(call.at(2), f"{shape}.")
    match call.arguments[1]:
        case {"+": [{"var": "accumulator"}, addend]}:
            place = 1
        case {"+": [addend, {"var": "accumulator"}]}:
            place = 0
        case _:
            return reader.wrong(call.at(1), f"{shape}.")
    match addend:
        case int() | float() if addend == 1 and not isinstance(addend, bool):
            return Aggregate(collection, None)
        case {"var": str(name)} if name == "current" or name.startswith("current."):
            path = call.at(1) + pointer("+", place, "var")
            found = reader.variable(name[8:], path, reader.elements(collection)) if collection.name else None
            if found is None or (found.kind is Kind.NUMBER and not found.nullable):
                return NULL if found is None else Aggregate(collection, found)
    return reader.wrong(call.at(1), f"{shape}.")


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
    return found if other == NULL else Default(found, other, kind)  # type: ignore[arg-type]


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
            return ShortCircuit(conjunction, tuple(nodes), kind)  # type: ignore[arg-type]
        operands = tuple(holds(node, call.at(index)) for index, node in enumerate(nodes))
    if len(operands) == 1:
        return operands[0]
    return AllOf(operands) if conjunction else AnyOf(operands)


def holds(node: Node, path: str) -> Condition:
    """The condition that a boolean value is."""
    match node:
        case Variable() | Default() | Arithmetic() | Concat() | Substring() | ShortCircuit() | Aggregate() | Choice():
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
    return nodes[0] if len(nodes) == 1 else Concat(tuple(nodes))


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
    return Substring(text, places[0], places[1] if len(places) > 1 else None)  # type: ignore[arg-type]


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


MAXIMUM_PROBLEMS = 20
N = TypeVar("N", bound=Node)


def parse_rule(given: object, catalogue: Catalogue = CATALOGUE) -> Condition:
    """The tree of a rule; InvalidRule carries every problem with its path."""
    reader = Reader(catalogue, OPERATORS)
    raw = _sized(reader, given)
    scope = Scope(catalogue.variables)
    match raw:
        case dict():
            tree = reader.condition(raw, "", scope)
        case list() if raw and all(isinstance(item, dict) for item in raw):
            tree = both(tuple(reader.condition(item, f"/{index}", scope) for index, item in enumerate(raw)))
        case list() if not raw:
            reader.wrong("", "A rule must hold at least one condition.")
        case _:
            reader.wrong("", "A rule is one JSONLogic object, or a list of them that must all hold.")
    _refuse(reader)
    return _stated(reader, tree)


def parse_value(given: object, catalogue: Catalogue) -> Node:
    """The tree of an expression whose value is asked for."""
    reader = Reader(catalogue, OPERATORS)
    node = reader.value(_sized(reader, given), "", Scope(catalogue.variables))
    _refuse(reader)
    return _stated(reader, node)


def parse_condition(given: object, catalogue: Catalogue) -> Condition:
    """The tree of an expression that is asked whether it holds."""
    reader = Reader(catalogue, OPERATORS)
    node = reader.condition(_sized(reader, given), "", Scope(catalogue.variables))
    _refuse(reader)
    return _stated(reader, node)


def _sized(reader: Reader, given: object) -> object:
    if isinstance(given, str):
        try:
            given = read_json(given)
        except ValueError as error:
            reader.wrong("", str(error))
            _refuse(reader)
    if problem := size_problem(given):
        reader.problems.append(problem)
        _refuse(reader)
    return given


def _stated(reader: Reader, tree: N) -> N:
    if problem := statement_problem(tree):
        reader.problems.append(problem)
        _refuse(reader)
    return tree


def _refuse(reader: Reader) -> None:
    if reader.problems:
        raise InvalidRule(reader.problems[:MAXIMUM_PROBLEMS])
