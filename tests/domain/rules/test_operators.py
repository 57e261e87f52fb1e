"""What builders are offered for a variable is what the parser takes: every operator that is listed makes a rule of the
variable, and every other one is refused."""

from typing import Any

import pytest

from domain.errors import InvalidRule
from domain.model import AttributeKind, AttributeKinds
from domain.rules.listing import RuleVariable, RuleVariableType, list_rule_variables
from domain.rules.operators import ADDS_UP, TAKEN, TRUTH
from domain.rules.parser import CONDITION_OPERATORS, VALUE_OPERATORS, parse_rule
from domain.rules.variables import CUSTOMER, build_catalogue

ATTRIBUTES = AttributeKinds(customer={each.value: each for each in AttributeKind})
CATALOGUE = build_catalogue(ATTRIBUTES)
LISTED = list_rule_variables("LKR", ATTRIBUTES)
EVERY = sorted({*VALUE_OPERATORS, *CONDITION_OPERATORS, "filter"} - {"var"})
KINDS = {RuleVariableType.BOOLEAN: True, RuleVariableType.NUMBER: 1, RuleVariableType.INSTANT: "2024-01-31"}
ALWAYS = {"==": [1, 1]}
SOME_NUMBERS = ("+", "-", "*", "/", "%", "min", "max")


def use(operator: str, name: str, other: object, collection: str | None) -> Any:
    """A condition in which the operator takes the variable, or the list, of that name beside a value of its kind."""
    variable = {"var": name}
    match operator:
        case "!" | "!!" | "and" | "or":
            return {operator: [variable]}
        case "if" | "?:":
            return {operator: [variable, ALWAYS, ALWAYS]}
        case "in":
            # Of keys of segments one is looked for in the list.
            return {"in": ["vip", variable] if name == "segments" else [variable, [other]]}
        case "cat":
            return {"==": [{"cat": [variable, "!"]}, "x"]}
        case "substr":
            return {"==": [{"substr": [variable, 0, 1]}, "x"]}
        case "missing":
            return {"missing": [name]}
        case "missing_some":
            return {"missing_some": [1, [name]]}
        case "some" | "all" | "none":
            return {operator: [variable, ALWAYS]}
        case "filter":
            return {"some": [{"filter": [variable, ALWAYS]}, ALWAYS]}
        case "reduce":
            of = name if collection is None else collection
            added = 1 if collection is None else {"var": f"current.{name}"}
            return {">": [{"reduce": [{"var": of}, {"+": [{"var": "accumulator"}, added]}, 0]}, 1]}
        case _ if operator in SOME_NUMBERS:
            return {">": [{operator: [variable, other]}, 1]}
        case _:
            return {operator: [variable, other]}


def accepts(operator: str, listed: RuleVariable) -> bool:
    """Whether the parser takes a rule of the operator and the variable."""
    collection, _, inner = listed.name.rpartition("[].")
    rule = use(operator, inner, KINDS.get(listed.type, "x"), collection or None)
    if collection and operator != "reduce":
        rule = {"some": [{"var": collection}, rule]}
    try:
        parse_rule(rule, CATALOGUE)
    except InvalidRule:
        return False
    return True


@pytest.mark.parametrize("listed", LISTED, ids=lambda each: each.name)
def test_the_operators_of_a_variable_are_those_that_the_parser_takes(listed: RuleVariable) -> None:
    assert {operator for operator in EVERY if accepts(operator, listed)} == {*listed.operators}
    assert len({*listed.operators}) == len(listed.operators)


def test_every_operator_takes_something_of_somebody() -> None:
    assert {operator for each in LISTED for operator in each.operators} == {*EVERY}
    assert {each.type for each in LISTED} == {*RuleVariableType}


def test_what_is_added_up_belongs_to_a_list() -> None:
    assert [each.name for each in LISTED if each.name in CUSTOMER and ADDS_UP in each.operators] == []
    assert ADDS_UP in TAKEN
    assert {*TRUTH} <= {*next(each for each in LISTED if each.name == "purchases").operators}
