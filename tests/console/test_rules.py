"""Rules as the rows of the console's builder: whatever a rule is, its rows give it back."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings

from domain.classification.rfm import RfmScheme
from domain.segments.segments import list_standard_drafts
from tests.conftest import examples
from tests.drivers.documents import ROOT
from tests.shops.rule_noise import ANYTHING
from tests.shops.rule_strategies import rules

pytestmark = pytest.mark.tools
MODULE = ROOT / "gql" / "console" / "rules.js"
READ = f"""
import {{ createInterface }} from 'node:readline';
import {{ findNode, format, listRows, printRule, readRule }} from {json.dumps(MODULE.as_uri())};
for await (const line of createInterface({{ input: process.stdin }})) {{
  const given = JSON.parse(line);
  const [made, root] = [new Map(), readRule(given.rule)];
  const printed = printRule(root, made);
  console.log(JSON.stringify({{
    given: given.rule, printed, text: printed === null ? null : JSON.parse(format(printed)),
    rows: listRows(root).map(({{ kind, name, formula }}) => [kind, name ?? formula ?? '']),
    places: given.paths?.map(path => findNode(printed, path, made)).map(({{ kind, name }}) => [kind, name ?? '']),
  }}));
}}
"""
Ask = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """What becomes of a rule, asked of one process for all of them."""
    node = shutil.which("node")
    assert node is not None, "Node is not installed"
    command = [node, "--input-type=module", "--eval", READ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        written, answers = process.stdin, process.stdout
        assert written is not None
        assert answers is not None

        def answer(rule: object, *paths: str) -> dict[str, Any]:
            print(json.dumps({"rule": rule, "paths": paths}), file=written, flush=True)
            found: dict[str, Any] = json.loads(answers.readline())
            return found

        yield answer
        written.close()


def is_json(value: object) -> bool:
    """Whether it can be sent: NaN and infinities cannot."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


@given(rule=rules())
@settings(max_examples=examples(200, 3000), deadline=None)
def test_rows_of_any_rule_give_it_back(ask: Ask, rule: object) -> None:
    found = ask(rule)

    assert found["printed"] == found["text"] == rule


@given(rule=ANYTHING.filter(is_json))
@settings(max_examples=examples(100, 1000), deadline=None)
def test_what_is_no_rule_is_kept_as_it_is(ask: Ask, rule: object) -> None:
    found = ask(rule)

    # Numbers are those of JavaScript, whose doubles hold whatever a rule may hold.
    assert found["printed"] == found["text"] == found["given"]


DOCUMENTED = re.findall(r"```json\n([^`]*)```\n> ", (ROOT / "docs" / "rules.md").read_text("utf-8"))
STANDARD = [draft.definition.rules for scheme in RfmScheme for draft in list_standard_drafts(scheme)]


@pytest.mark.parametrize("rule", [*map(json.loads, DOCUMENTED), *STANDARD], ids=json.dumps)
def test_documented_rules_and_those_of_standard_segments_are_shown_as_rows(ask: Ask, rule: object) -> None:
    found = ask(rule)

    assert found["printed"] == rule
    assert "text" not in [kind for kind, _ in found["rows"]]


@pytest.mark.parametrize(
    ("value", "formula"),
    [
        ({"+": [{"+": [1, 2]}, 3]}, "(1 + 2) + 3"),
        ({"+": [1, 2, 3]}, "1 + 2 + 3"),
        ({"-": [{"+": [1, 2]}, {"-": [3, 4]}]}, "1 + 2 - (3 - 4)"),
        ({"*": [{"-": [{"var": "a.b"}]}, {"+": [-1, 2.5]}]}, "-a.b * (-1 + 2.5)"),
        ({"-": [{"-": [{"+": [1, {"var": "x"}]}]}]}, "--(1 + x)"),
        ({"max": [{"/": [{"var": "x"}, 3]}, {"%": [1e-7, 2]}]}, "max(x / 3, 1e-7 % 2)"),
        ({"cat": ['say "a"\\', {"substr": [{"var": "Größe"}, -2]}]}, 'cat("say \\"a\\"\\\\", substr(Größe, -2))'),
    ],
)
def test_calculations_are_written_as_people_write_them(ask: Ask, value: object, formula: str) -> None:
    rule = {"==": [value, 5]}

    found = ask(rule)

    assert found["printed"] == rule
    assert found["rows"] == [["formula", formula]]


def test_a_problem_is_at_the_row_that_its_path_leads_to(ask: Ask) -> None:
    inner = {"or": [{"==": [{"var": "city"}, 5]}, {"!": [{"in": [{"var": "country"}, ["IT"]]}]}]}
    listed = {
        "some": [{"filter": [{"var": "purchases"}, {"<": [{"var": "days_ago"}, "x"]}]}, {">": [{"var": "amount"}, 1]}]
    }
    rule = {"and": [{">": [{"var": "totl"}, 1]}, inner, listed]}

    places = ask(
        rule,
        "/and/0/>/0/var",
        "/and/1/or/0/==/1",
        "/and/1/or/1/!/0/in/1/0",
        "/and/2/some/0/filter/1/</1",
        "/and/2/some/1/>/0",
        "/and/1",
        "",
    )["places"]

    rows = [["row", name] for name in ("totl", "city", "country", "days_ago", "amount")]
    assert places == [*rows, ["group", ""], ["group", ""]]
