"""From what a user gives to the typed tree: one JSONLogic object, or a list of them that must all hold, or either as
JSON text. A rule is understood wholly or refused with every problem that was found."""

from typing import TypeVar

from domain.errors import InvalidRule
from domain.rule_limits import read_json, size_problem, statement_problem
from domain.rule_operators import OPERATORS
from domain.rule_reader import Reader, Scope
from domain.rule_variables import CATALOGUE, Catalogue
from domain.rules import Condition, Node, both

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
