"""The official cases of JSONLogic. Each gives the official result, or for `missing` and `missing_some` its truth value,
or is refused for one of the reasons that the documentation lists with the cases themselves; none differs silently."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from domain.errors import InvalidRule
from domain.rules.evaluator import CustomerFacts, Element, Scalar, evaluate_value, holds
from domain.rules.parser import parse_rule, parse_value
from domain.rules.variables import Catalogue, Kind, ListInfo, VariableInfo
from tests.conftest import find_shared

DOCUMENT = Path(__file__).parents[3] / "docs" / "rules.md"
CASES, AT_LEAST = 277, 223
"""So many agree; there may only be more of them."""
KINDS = {bool: Kind.BOOLEAN, float: Kind.NUMBER, str: Kind.TEXT, type(None): Kind.NOTHING}
REASONS = {
    "`and` and `or` of different kinds, as a value": r"^(and|or) takes values of one kind",
    "A text where a number is wanted, or the other way round": r"takes values of one kind|takes a number here",
    "A list as a value": r"A list can only stand|gives a list|a filter stands only",
    "The operator makes lists": r"The operator (merge|map) is not supported",
    "The name of a variable is calculated": r"var takes the name of a variable|takes names of variables",
    "`reduce` that is neither a count nor a sum": r"reduce takes the accumulator",
    "There is no list of that name": r"There is no list",
}


def case_values(data: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The names that a dot path can reach in the data, and what stands there."""
    yield prefix, data
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        yield from case_values(value, f"{prefix}.{key}" if prefix else str(key))


def scalars(data: Any) -> dict[str, Scalar]:
    """Of the reachable values those that are no lists or objects; numbers as rules see them."""
    return {
        name: float(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        for name, value in case_values(data)
        if not isinstance(value, dict | list)
    }


def named(rule: Any) -> Iterator[str]:
    """The names that the rule asks for."""
    if isinstance(rule, list):
        for part in rule:
            yield from named(part)
    if isinstance(rule, dict):
        for operator, given in rule.items():
            if operator in ("var", "missing", "missing_some"):
                yield from texts(given)
            yield from named(given)


def texts(given: Any) -> Iterator[str]:
    parts = given if isinstance(given, list) else [given]
    for part in parts:
        if isinstance(part, list):
            yield from texts(part)
        elif not isinstance(part, dict | bool):
            yield "" if part is None else str(part)


def language(rule: Any, data: Any) -> tuple[Catalogue, CustomerFacts]:
    """What the case's data is as a customer, with everything that the rule names."""
    lists = {name: value for name, value in case_values(data) if isinstance(value, list) and name}
    absent = dict.fromkeys(name for name in named(rule) if name not in lists)
    elements = {name: [absent | scalars(item) for item in value] for name, value in lists.items()}
    values: dict[str, Scalar] = absent | scalars(data)
    listed = {
        name: ListInfo(name, "", "", "", None, infos(each[0] if each else absent)) for name, each in elements.items()
    }
    subject = CustomerFacts(
        values, {name: [Element(one) for one in each] for name, each in elements.items()}, ZoneInfo("UTC")
    )
    return Catalogue(infos(values), listed), subject


def infos(values: dict[str, Scalar]) -> dict[str, VariableInfo]:
    return {
        name: VariableInfo(name, KINDS[type(value)], "", name, None, nullable=value is None)
        for name, value in values.items()
    }


def outcome(rule: Any, data: Any, expected: Any) -> str:
    """ "same", "truth", "differs", or the reason of the refusal."""
    catalogue, subject = language(rule, data)
    text = json.dumps(rule)
    try:
        if isinstance(rule, dict) and next(iter(rule)) in ("missing", "missing_some"):
            same = holds(parse_rule(text, catalogue), subject) == bool(expected)
            return "truth" if same else "differs"
        found = evaluate_value(parse_value(text, catalogue), subject)
    except InvalidRule as error:
        message = error.problems[0].message
        return next((reason for reason, shape in REASONS.items() if re.search(shape, message)), message)
    same = found == expected and (isinstance(found, bool) == isinstance(expected, bool))
    return "same" if same else "differs"


def official() -> list[tuple[Any, Any, Any]]:
    given = json.loads(find_shared("jsonlogic", "official_tests.json").read_text(encoding="utf-8"))
    return [(rule, data, expected) for rule, data, expected in (case for case in given if isinstance(case, list))]


def documented() -> dict[str, list[str]]:
    """The refused cases of the documentation, by reason."""
    section = DOCUMENT.read_text(encoding="utf-8").partition("## Official cases that are refused")[2]
    parts = re.split(r"^### ", section, flags=re.MULTILINE)[1:]
    return {
        part.splitlines()[0]: sorted(re.findall(r"```json\n(.*?)```", part, flags=re.DOTALL)[0].splitlines())
        for part in parts
    }


def test_official_cases_agree_or_are_refused_for_a_documented_reason() -> None:
    outcomes = [(json.dumps(rule), outcome(rule, data, expected)) for rule, data, expected in official()]

    refused = [pair for pair in outcomes if pair[1] not in ("same", "truth", "differs")]
    agreeing = [pair for pair in outcomes if pair[1] in ("same", "truth")]
    print(f"{len(agreeing)} of {len(outcomes)} official cases agree, {len(refused)} are refused")
    assert [pair for pair in outcomes if pair[1] == "differs"] == []
    assert len(outcomes) == CASES
    assert len(agreeing) >= AT_LEAST
    by_reason = {
        reason: sorted(rule for rule, why in refused if why == reason) for reason in {why for _, why in refused}
    }
    assert by_reason == documented()
    page = " ".join(DOCUMENT.read_text(encoding="utf-8").split())
    assert f"Of the {CASES} cases of JSONLogic's own test suite {len(agreeing)} give the official result" in page
    assert f"none gives another one, and {len(refused)} are refused" in page
