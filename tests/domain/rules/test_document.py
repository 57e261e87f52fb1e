"""The page on rules is true: its examples are rules and are said as it says, and no operator or variable is missing."""

import json
import re
from pathlib import Path

import pytest

from domain.errors import RuleProblemCode
from domain.rules.listing import list_rule_variables
from domain.rules.parser import CONDITION_OPERATORS, VALUE_OPERATORS, parse_rule
from domain.rules.sentence import write_sentence
from gql.schema.types.payloads import RULE_CODES

PAGE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
LANGUAGE = PAGE.partition("## Official cases")[0]
EXAMPLES = re.findall(r"```json\n(.*?)```\n(?:> (.*?)\n)?", LANGUAGE, flags=re.DOTALL)


@pytest.mark.parametrize(("rule", "said"), EXAMPLES)
def test_each_example_is_a_rule_and_is_said_as_the_page_says(rule: str, said: str) -> None:
    assert write_sentence(parse_rule(json.loads(rule)), "LKR") == said


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 17


def test_every_operator_is_on_the_page() -> None:
    table = LANGUAGE.partition("## Operators")[2].partition("```")[0]
    named = {name for row in table.splitlines() if row.startswith("| `") for name in cell(row)}

    assert named == {*VALUE_OPERATORS, *CONDITION_OPERATORS, "filter"}


def test_every_code_of_a_problem_is_on_the_page_with_that_of_a_mutation() -> None:
    table = LANGUAGE.partition("| code |")[2].partition("\n## ")[0]
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| `")]
    named = {name: cell(f"| {of_mutation}") for code, of_mutation, *_ in rows for name in cell(code)}

    assert named == {code: [RULE_CODES[code]] if code in RULE_CODES else [] for code in RuleProblemCode}


def test_every_variable_is_on_the_page_with_its_type_and_meaning() -> None:
    for variable in list_rule_variables("LKR"):
        assert f"| `{variable.name}` | {variable.type.value.lower()} | {variable.description} |\n" in LANGUAGE


def cell(row: str) -> list[str]:
    """The names in a row's first cell."""
    return re.findall(r"`([^`]+)`", row.split(" | ")[0])
