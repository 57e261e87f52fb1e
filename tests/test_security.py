"""docs/security.md is true as far as it names tests: each of them is there, every line says how it is shown, and no
line of the requirements is left out."""

import ast
import re
from functools import cache
from pathlib import Path

from tests.conftest import find_shared
from tests.drivers.documents import table_rows

ROOT = Path(__file__).parent.parent
LINES = table_rows("docs/security.md", "Lines")
LACKING = ("not kept: ", "in part: ")


@cache
def find_tests(path: Path) -> set[str]:
    """The names of the tests that a file has; none where there is no such file."""
    module = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    functions = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in functions if name.startswith("test_")}


def test_every_test_that_a_line_names_is_there() -> None:
    missing = []
    for line, _, tests in LINES:
        for test in tests.split(", ") if tests else ():
            file, _, name = test.partition("::")
            missing += [] if name in find_tests(ROOT / file) else [f"{line} names {test}"]

    assert missing == []


def test_every_line_says_what_is_done_and_by_which_tests_that_is_shown_or_why_it_is_not() -> None:
    unshown = [line for line, told, tests in LINES if not tests and not told.startswith(LACKING[0])]
    wordless = [line for line, told, _ in LINES if len(told.removeprefix(LACKING[0]).removeprefix(LACKING[1])) < 20]

    assert (unshown, wordless) == ([], [])


def test_no_line_of_the_requirements_is_left_out_and_none_is_there_twice() -> None:
    requirements = find_shared("requirements-reliability.md").read_text(encoding="utf-8")
    required = re.findall(r"^\| ([A-Z]\d+) \| [MS] \|", requirements, re.MULTILINE)

    assert [line for line, _, _ in LINES] == required
