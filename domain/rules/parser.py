"""From what a user gives to the typed tree: one JSONLogic object, or a list of them that must all hold, or either as
JSON text. The two tables of operators are the whole language: what each gives where its value is used, and what where
it is only asked whether it holds; an operator that is in neither does not exist. A rule is understood wholly or refused
with every problem that was found."""

from collections.abc import Mapping
from typing import TypeVar

from domain.errors import InvalidRule, RuleProblem, RuleProblemCode
from domain.rules import tree
from domain.rules.limits import build_pointer, compute_magnitude, find_size_problem, find_statement_problem, read_json
from domain.rules.operators import ONLY, TAKEN
from domain.rules.reader import KINDS, Call, ConditionHandler, Reader, Scope, ValueHandler
from domain.rules.variables import CATALOGUE, Catalogue, Kind

LARGEST_POSITION = 2**31 - 1
MAXIMUM_PROBLEMS = 20
V = TypeVar("V", bound=tree.Value)


def _list_paths(call: Call) -> list[str]:
    return [call.build_path(index) for index in range(len(call.arguments))]


def _read_values(reader: Reader, call: Call) -> list[tree.Value]:
    return [
        reader.read_value(raw, path, call.scope) for raw, path in zip(call.arguments, _list_paths(call), strict=True)
    ]


def _read_conditions(reader: Reader, call: Call) -> tuple[tree.Condition, ...]:
    return tuple(
        reader.read_condition(raw, path, call.scope)
        for raw, path in zip(call.arguments, _list_paths(call), strict=True)
    )


def _read_variable_name(reader: Reader, call: Call) -> str | None:
    if not reader.has_arguments(call, 0 if call.listed else 1, 2):
        return None
    match call.arguments[0] if call.arguments else None:
        case None:
            return ""
        case str(name):
            return name
        case int(index) if not isinstance(index, bool):
            return str(index)
        case _:
            reader.report(call.build_path(0), "var takes the name of a variable, which cannot be calculated.")
            return None


def read_variable(reader: Reader, call: Call) -> tree.Value:
    """A variable, or another value where it is missing."""
    name = _read_variable_name(reader, call)
    variable = None if name is None else reader.find_variable(name, call.path + build_pointer("var"), call.scope)
    if variable is None or len(call.arguments) < 2:
        return variable or tree.NULL
    other = reader.read_value(call.arguments[1], call.build_path(1), call.scope)
    (_, other), kind = reader.unify(call, [variable, other], [call.build_path(0), call.build_path(1)])
    return variable if other == tree.NULL else tree.Default(variable, other, kind)


def read_presence(reader: Reader, call: Call) -> tree.Condition:
    """Whether a list has elements, or a variable is there and not empty."""
    match call.arguments:
        case [str(name)] | [str(name), _] if name in reader.catalogue.lists and not call.scope.element:
            return tree.Quantified(tree.Quantity.SOME, tree.Collection(name), tree.ALWAYS, call.path)
        case _:
            return reader.make_truth(read_variable(reader, call), call.path)


def read_order(reader: Reader, call: Call) -> tree.Condition:
    """A comparison of two values, or of three with the middle one between the others."""
    if not reader.has_arguments(call, 2, 3):
        return tree.NULL
    values, kind = reader.unify(call, _read_values(reader, call), _list_paths(call))
    if kind not in TAKEN[call.operator] | {Kind.NOTHING}:
        return reader.report_mismatch(call.path + build_pointer(call.operator), f"{KINDS[kind]} has no order.")
    if len(values) == 2:
        return tree.Comparison(tree.Op(call.operator), values[0], values[1], call.path)
    return tree.Between(tree.Op(call.operator), values[0], values[1], values[2], call.path)


def read_equality(reader: Reader, call: Call) -> tree.Condition:
    """Whether two values are the same, or both missing."""
    if not reader.has_arguments(call, 2, 2):
        return tree.NULL
    (left, right), _ = reader.unify(call, _read_values(reader, call), _list_paths(call))
    return tree.Equality(left, right, call.operator.startswith("!"), call.path)


def _combine(call: Call, operands: tuple[tree.Condition, ...]) -> tree.Condition:
    if len(operands) == 1:
        return operands[0]
    return tree.AllOf(operands) if call.operator == "and" else tree.AnyOf(operands)


def read_logic(reader: Reader, call: Call) -> tree.Condition:
    """Whether all operands hold, or at least one."""
    return _combine(call, _read_conditions(reader, call)) if reader.has_arguments(call, 1) else tree.NULL


def read_short_circuit(reader: Reader, call: Call) -> tree.Value:
    """The operand that decides; where all are true or false, whether they hold."""
    if not reader.has_arguments(call, 1):
        return tree.NULL
    values, kind = reader.unify(call, _read_values(reader, call), _list_paths(call))
    if len(values) == 1:
        return values[0]
    if kind is not Kind.BOOLEAN or any(map(tree.may_be_missing, values)):
        return tree.ShortCircuit(call.operator == "and", tuple(values), kind)
    return _combine(call, tuple(map(reader.make_truth, values, _list_paths(call))))


def read_negation(reader: Reader, call: Call) -> tree.Condition:
    """Whether the operand does not hold, or, with two marks, does."""
    if not reader.has_arguments(call, 1, 1):
        return tree.NULL
    condition = reader.read_condition(call.arguments[0], call.build_path(0), call.scope)
    if call.operator == "!!":
        return condition
    match condition:
        case tree.Literal(value=value):
            return tree.NEVER if value else tree.ALWAYS
        case _:
            return tree.Not(condition)


def _read_tests(reader: Reader, call: Call) -> tuple[list[tree.Condition], list[int]]:
    """The tests of a choice, and where its values stand."""
    count = len(call.arguments)
    places = range(0, count - 1, 2)
    tests = [reader.read_condition(call.arguments[at], call.build_path(at), call.scope) for at in places]
    return tests, [at + 1 for at in places] + ([count - 1] if count % 2 else [])


def _choose(tests: list[tree.Condition], values: list[V], otherwise: V, kind: Kind) -> V | tree.Choice:
    last = values[len(tests)] if len(values) > len(tests) else otherwise
    return tree.Choice(tuple(zip(tests, values, strict=False)), last, kind) if tests else last


def read_choice_of_conditions(reader: Reader, call: Call) -> tree.Condition:
    """The condition after the first test that holds, or the last one, or never."""
    tests, places = _read_tests(reader, call)
    conditions = [reader.read_condition(call.arguments[at], call.build_path(at), call.scope) for at in places]
    return _choose(tests, conditions, tree.NEVER, Kind.BOOLEAN)


def read_choice(reader: Reader, call: Call) -> tree.Value:
    """The value after the first test that holds, or the last one, or null."""
    tests, places = _read_tests(reader, call)
    values = [reader.read_value(call.arguments[at], call.build_path(at), call.scope) for at in places]
    values, kind = reader.unify(call, values, [call.build_path(at) for at in places])
    return _choose(tests, values, tree.NULL, kind)


def read_arithmetic(reader: Reader, call: Call) -> tree.Value:
    """Numbers combined, as long as the result stays within those that every database calculates alike."""
    low, high = {"-": (1, 2), "/": (2, 2), "%": (2, 2)}.get(call.operator, (1, None))
    if not reader.has_arguments(call, low, high):
        return tree.NULL
    values = _read_values(reader, call)
    operands = tuple(reader.require_kind(call, value, ONLY[call.operator], index) for index, value in enumerate(values))
    if len(operands) == 1 and call.operator != "-":
        return operands[0]
    arithmetic = tree.Arithmetic(tree.Op(call.operator), operands)
    if compute_magnitude(arithmetic).safe:
        return arithmetic
    message = "This calculation could leave the range of numbers, 1e-300 to 1e300."
    path = call.path + build_pointer(call.operator)
    return reader.report(path, message, None, RuleProblemCode.LIMIT_REACHED)


def read_concat(reader: Reader, call: Call) -> tree.Value:
    """Texts, and whole numbers that are written out, one after the other."""
    if not reader.has_arguments(call, 1):
        return tree.NULL
    texts: list[tree.Value] = []
    for index, value in enumerate(_read_values(reader, call)):
        if isinstance(value, tree.Literal) and isinstance(value.value, float):
            if value.value.is_integer():
                texts.append(tree.Literal(str(int(value.value)), Kind.TEXT))
            else:
                reader.report(
                    call.build_path(index), "cat takes text and whole numbers that are written out, no fractions."
                )
        elif tree.get_kind(value) is Kind.NUMBER:
            message = "cat takes text and whole numbers that are written out, no variable numbers."
            reader.report_mismatch(call.build_path(index), message)
        else:
            texts.append(reader.require_kind(call, value, ONLY[call.operator], index))
    return texts[0] if len(texts) == 1 else tree.Concat(tuple(texts))


def read_substring(reader: Reader, call: Call) -> tree.Value:
    """A part of a text, from a position and, where it is given, of a length."""
    if not reader.has_arguments(call, 2, 3):
        return tree.NULL
    text = reader.read_value(call.arguments[0], call.build_path(0), call.scope)
    text = reader.require_kind(call, text, ONLY[call.operator], 0)
    places: list[int] = []
    for index, raw in enumerate(call.arguments[1:], 1):
        number = raw if isinstance(raw, int | float) and not isinstance(raw, bool) else None
        if number is None or abs(number) > LARGEST_POSITION or number != int(number):
            return reader.report(
                call.build_path(index), "substr takes positions that are written out as whole numbers."
            )
        places.append(int(number))
    return tree.Substring(text, places[0], places[1] if len(places) > 1 else None)


def read_membership(reader: Reader, call: Call) -> tree.Condition:
    """Whether a value is one of a list's, a text stands in another, or the customer is in a segment."""
    if not reader.has_arguments(call, 2, 2):
        return tree.NULL
    needle, place = call.arguments
    value = reader.read_value(needle, call.build_path(0), call.scope)
    if isinstance(place, list):
        paths = [call.build_path(1) + build_pointer(index) for index in range(len(place))]
        options = [reader.read_value(raw, path, call.scope) for raw, path in zip(place, paths, strict=True)]
        (value, *options), _ = reader.unify(call, [value, *options], [call.build_path(0), *paths])
        return tree.OneOf(value, tuple(options), call.path)
    keys = reader.catalogue.memberships
    if keys is not None and place in ({"var": keys}, {"var": [keys]}) and not call.scope.element:
        if isinstance(value, tree.Literal) and isinstance(value.value, str) and value.value:
            return tree.InSegment(value.value, call.path)
        return reader.report(
            call.build_path(0), f"Only the key of a segment, written out, can be looked for in {keys}."
        )
    text = reader.require_kind(call, reader.read_value(place, call.build_path(1), call.scope), Kind.TEXT, 1)
    return tree.Contains(reader.require_kind(call, value, Kind.TEXT, 0), text, call.path)


def read_missing(reader: Reader, call: Call) -> tree.Condition:
    """Whether variables are missing: any of them, or so many that fewer than a number are there."""
    arguments, base, need = call.arguments, call.path + build_pointer(call.operator), None
    if call.operator == "missing_some":
        match arguments:
            case [int(count), list(names)] if not isinstance(count, bool):
                arguments, base, need = names, base + build_pointer(1), count
            case _:
                return reader.report(base, "missing_some takes a whole number and a list of names of variables.")
    elif len(arguments) == 1 and isinstance(arguments[0], list):
        arguments, base = arguments[0], base + build_pointer(0)
    variables = []
    for index, name in enumerate(arguments):
        path = base + build_pointer(index) if call.listed else base
        if isinstance(name, str):
            variables.append(reader.find_variable(name, path, call.scope))
        else:
            reader.report(path, f"{call.operator} takes names of variables, written out.")
    return tree.Missing(tuple(each for each in variables if each is not None), need, call.path)


def refuse_missing_value(reader: Reader, call: Call) -> tree.Value:
    """What `missing` gives is a list, which is no value."""
    where = "it gives a list, which can only stand where a condition stands"
    path = call.path + build_pointer(call.operator)
    return reader.report(path, f"{call.operator} cannot be used as a value: {where}.")


def read_quantified(reader: Reader, call: Call) -> tree.Condition:
    """Whether some, all or none of a list's elements satisfy a condition."""
    if not reader.has_arguments(call, 2, 2):
        return tree.NULL
    collection = reader.read_collection(call.arguments[0], call.build_path(0), call.scope)
    condition = reader.read_condition(call.arguments[1], call.build_path(1), reader.build_element_scope(collection))
    return tree.Quantified(tree.Quantity(call.operator), collection, condition, call.path)


def read_aggregate(reader: Reader, call: Call) -> tree.Value:
    """A count or a sum of a list's elements; nothing else can be reduced."""
    if not reader.has_arguments(call, 3, 3):
        return tree.NULL
    collection = reader.read_collection(call.arguments[0], call.build_path(0), call.scope)
    shape = "reduce takes the accumulator + 1, or + a number of the element, from 0."
    if isinstance(call.arguments[2], bool) or call.arguments[2] != 0:
        return reader.report(call.build_path(2), shape)
    match call.arguments[1]:
        case {"+": [{"var": "accumulator"}, addend]}:
            place = 1
        case {"+": [addend, {"var": "accumulator"}]}:
            place = 0
        case _:
            return reader.report(call.build_path(1), shape)
    match addend:
        case int() | float() if addend == 1 and not isinstance(addend, bool):
            return tree.Aggregate(collection, None)
        case {"var": str(name)} if name == "current" or name.startswith("current."):
            path, scope = call.build_path(1) + build_pointer("+", place, "var"), reader.build_element_scope(collection)
            variable = reader.find_variable(name[8:], path, scope) if collection.name else None
            if variable is None:
                return tree.NULL
            if variable.kind is ONLY[call.operator]:
                return tree.Aggregate(collection, variable)
            return reader.report_mismatch(call.build_path(1), shape)
    return reader.report(call.build_path(1), shape)


VALUE_OPERATORS: Mapping[str, ValueHandler] = {
    "var": read_variable,
    **dict.fromkeys(("and", "or"), read_short_circuit),
    **dict.fromkeys(("if", "?:"), read_choice),
    **dict.fromkeys(("+", "-", "*", "/", "%", "min", "max"), read_arithmetic),
    "cat": read_concat,
    "substr": read_substring,
    "reduce": read_aggregate,
    **dict.fromkeys(("missing", "missing_some"), refuse_missing_value),
}
CONDITION_OPERATORS: Mapping[str, ConditionHandler] = {
    "var": read_presence,
    **dict.fromkeys(("and", "or"), read_logic),
    **dict.fromkeys(("if", "?:"), read_choice_of_conditions),
    **dict.fromkeys(("==", "===", "!=", "!=="), read_equality),
    **dict.fromkeys(("<", "<=", ">", ">="), read_order),
    **dict.fromkeys(("!", "!!"), read_negation),
    "in": read_membership,
    **dict.fromkeys(("missing", "missing_some"), read_missing),
    **dict.fromkeys(("some", "all", "none"), read_quantified),
}


def parse_rule(rule: object, catalogue: Catalogue = CATALOGUE) -> tree.Condition:
    """The tree of a rule; InvalidRule carries every problem with its path."""
    reader, raw = _open(rule, catalogue)
    scope = Scope(catalogue.variables)
    match raw:
        case dict():
            return _finish(reader, reader.read_condition(raw, "", scope))
        case list() if raw and all(isinstance(item, dict) for item in raw):
            conditions = tuple(
                reader.read_condition(item, build_pointer(index), scope) for index, item in enumerate(raw)
            )
            return _finish(reader, tree.join_conditions(conditions))
        case []:
            problem = "A rule must hold at least one condition."
        case _:
            problem = "A rule is one JSONLogic object, or a list of them that must all hold."
    raise InvalidRule([RuleProblem("", problem)])


def parse_value(expression: object, catalogue: Catalogue) -> tree.Value:
    """The tree of an expression whose value is asked for."""
    reader, raw = _open(expression, catalogue)
    return _finish(reader, reader.read_value(raw, "", Scope(catalogue.variables)))


def _open(raw: object, catalogue: Catalogue) -> tuple[Reader, object]:
    """A reader, and the JSON that it is to read; InvalidRule where that is none or too large."""
    if isinstance(raw, str):
        raw = read_json(raw)
    if problem := find_size_problem(raw):
        raise InvalidRule([problem])
    return Reader(catalogue, VALUE_OPERATORS, CONDITION_OPERATORS), raw


def _finish(reader: Reader, node: V) -> V:
    """The tree; InvalidRule where the reader found problems, or its statement would be too large."""
    if reader.problems:
        raise InvalidRule(reader.problems[:MAXIMUM_PROBLEMS])
    if problem := find_statement_problem(node):
        raise InvalidRule([problem])
    return node
