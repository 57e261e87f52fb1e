"""The files of the console, read as they stand: what they ask the API for, and what no file of it may hold. Nothing
here needs a browser."""

import re
import tomllib
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest
from graphql import (
    DocumentNode,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    VariableDefinitionNode,
    parse,
    specified_rules,
    validate,
)
from graphql.language.printer import print_ast

from gql.schema.limits import MAXIMUM_COST, MAXIMUM_DEPTH, MAXIMUM_TOKENS, check_limits
from gql.schema.schema import make_schema
from gql.settings import Settings
from tests.drivers.documents import ROOT

CONSOLE = ROOT / "gql" / "console"
FILES = sorted(path for path in CONSOLE.rglob("*") if path.suffix in (".js", ".css", ".html", ".svg"))
SCRIPTS = [path for path in FILES if path.suffix == ".js"]
DOCUMENT = re.compile(r"^(?:export )?const ([A-Z][A-Z_0-9]*) = /\* GraphQL \*/ `([^`]*)`;$", re.MULTILINE)
MOST_LINES = 7_500
ITEMS = 50
"""What a page of a list holds where it is asked by a variable."""
FORBIDDEN = {
    r"https?://(?!www\.w3\.org/2000/svg\b)": "an address of another server",
    r"['\"`(]\s*(?:wss?:)?//\w": "an address of another server",
    r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|DOMParser|document\.write": "markup of text",
    r"\beval\(|\bnew Function\b|javascript:": "code of text",
    r"['\"]style['\"]|[{,]\s*style:|\sstyle=|<style|<script|\son\w+=\"": "what the policy refuses",
    r"localStorage|indexedDB|document\.cookie": "a place that outlives the tab",
    r"['\"`]#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})['\"`]|\b(?:rgb|hsl|oklch)a?\(": "a colour",
    r"console\.(?:log|debug|info)\(|\bdebugger\b|TODO|FIXME": "what was left behind",
}
"""What no script may hold. Colours stand in the stylesheet, which knows both themes."""


def shown(path: Path) -> str:
    return path.relative_to(CONSOLE).as_posix()


@cache
def schema() -> GraphQLSchema:
    return make_schema(Settings())._schema


def find_documents() -> list[tuple[str, str, str]]:
    """The file, the name and the text of each."""
    texts = [(shown(path), path.read_text(encoding="utf-8")) for path in SCRIPTS]
    return [(file, name, text) for file, script in texts for name, text in DOCUMENT.findall(script)]


DOCUMENTS = find_documents()
each_document = pytest.mark.parametrize("text", [pytest.param(text, id=f"{f}:{n}") for f, n, text in DOCUMENTS])
each_script = pytest.mark.parametrize("path", [pytest.param(path, id=shown(path)) for path in SCRIPTS])


def operation(document: DocumentNode) -> OperationDefinitionNode:
    (found,) = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return found


def usual_value(definition: VariableDefinitionNode) -> object:
    """A page of fifty; of lists, as many; of days, a month."""
    form = print_ast(definition.type).rstrip("!")
    if form == "Date":
        return "2026-11-01" if definition.variable.name.value == "from" else "2026-11-30"
    return ITEMS if form == "Int" else ["any"] * ITEMS if form.startswith("[") else "any"


@each_document
def test_a_document_is_what_the_schema_knows_and_nothing_that_will_go(text: str) -> None:
    problems = validate(schema(), parse(text, max_tokens=MAXIMUM_TOKENS), [*specified_rules, NoDeprecatedCustomRule])

    assert [problem.message for problem in problems] == []


@each_document
def test_a_document_stands_within_the_limits(text: str) -> None:
    document = parse(text)
    variables = {each.variable.name.value: usual_value(each) for each in operation(document).variable_definitions or ()}

    measure = check_limits(schema(), document, None, variables)

    assert measure.depth <= MAXIMUM_DEPTH
    assert measure.cost <= MAXIMUM_COST


def test_every_document_has_a_name_and_is_asked() -> None:
    nameless = [f"{file}: {name}" for file, name, text in DOCUMENTS if operation(parse(text)).name is None]
    scripts = {shown(path): path.read_text(encoding="utf-8") for path in SCRIPTS}
    unused = [
        f"{file}: {name}"
        for file, name, _ in DOCUMENTS
        if len(re.findall(rf"\b{name}\b", scripts[file])) < 2
        and not any(re.search(rf"import {{[^}}]*\b{name}\b", text) for text in scripts.values())
    ]

    assert len(DOCUMENTS) > 0
    assert nameless == []
    assert unused == []


@each_script
def test_what_is_asked_stands_as_a_document_on_top(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    marked = text.count("/* GraphQL */")
    known = "|".join(re.findall(r"\b(?:ask|follow)\b", " ".join(re.findall(r"import {([^}]*)}", text)))) or "ask"
    asked = re.findall(rf"(?<![.\w])(?:{known})\(\s*([^\s,)]+)", text)

    assert len(DOCUMENT.findall(text)) == marked
    assert "${" not in "".join(body for _, body in DOCUMENT.findall(text))
    if path.name not in ("api.js", "live.js"):
        assert [each for each in asked if not re.fullmatch(r"[A-Z][A-Z_0-9]*", each)] == []


@each_script
def test_a_script_holds_nothing_that_it_must_not(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    wrong = [
        f"{shown(path)}:{number} holds {what}: {line.strip()}"
        for number, line in enumerate(lines, 1)
        for pattern, what in FORBIDDEN.items()
        if re.search(pattern, line)
    ]

    assert wrong == []


def test_the_page_and_its_style_ask_nobody_else_and_hold_no_script() -> None:
    page, style = ((CONSOLE / name).read_text(encoding="utf-8") for name in ("index.html", "console.css"))

    assert re.findall(r"https?:|['\"(]//|url\(|@import", page + style) == []
    assert re.findall(r"<script(?! type=\"module\" src=)|<style|\sstyle=|\son\w+=", page) == []


def test_every_address_has_its_module() -> None:
    table = re.search(r"const PAGES = \[(.*?)\n\];", (CONSOLE / "main.js").read_text(encoding="utf-8"), re.DOTALL)
    assert table
    named = {module for _, module in re.findall(r"\['([^']*)', '([^']+)'\]", table[1])}

    assert named == {path.stem for path in (CONSOLE / "pages").glob("*.js")}


def test_a_wheel_holds_every_file() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["gql"]
    files = [path.relative_to(ROOT / "gql") for path in CONSOLE.rglob("*") if path.is_file()]
    plain = [path for path in files if path.suffix not in (".py", ".pyc")]

    # A star of these patterns stays within its folder, as fnmatch's does not.
    missing = [
        str(path)
        for path in plain
        if not any(fnmatch(str(path), each) and each.count("/") == len(path.parts) - 1 for each in patterns)
    ]

    assert missing == []


def test_the_console_stays_small() -> None:
    lines = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert sum(lines.values()) < MOST_LINES, lines
