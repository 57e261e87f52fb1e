"""The operators that look at lists: which variables are missing, and counts, sums and quantities of a customer's
purchases or lines. They become nodes as the other operators do."""

from domain.rule_limits import pointer
from domain.rule_reader import Call, Reader
from domain.rule_variables import Kind
from domain.rules import NULL, Missing, Node, Quantified, Quantity, Reduction


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
            return Reduction(collection, None)
        case {"var": str(name)} if name == "current" or name.startswith("current."):
            path = call.at(1) + pointer("+", place, "var")
            found = reader.variable(name[8:], path, reader.elements(collection)) if collection.name else None
            if found is None or (found.kind is Kind.NUMBER and not found.nullable):
                return NULL if found is None else Reduction(collection, found)
    return reader.wrong(call.at(1), f"{shape}.")
