"""What is loaded only when it is asked for: by one place alone, under the law of the layers, and to some purpose."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_architecture import ALLOWED, LAYERS, PACKAGE_FILES, ROOT, composes, shown, tree


def test_only_one_place_imports_by_a_name_in_text() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in PACKAGE_FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and path != ROOT / "gql" / "cli" / "main.py"
        and ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}
    ]

    assert wrong == []


PLACE = re.compile(rf"((?:{'|'.join(LAYERS)})[a-z_.]*):([A-Za-z_]+)")


def test_what_is_loaded_on_demand_is_there_and_lies_beneath() -> None:
    wrong = []

    for path in PACKAGE_FILES:
        allowed = ALLOWED[shown(path).partition("/")[0]] | ({"persistence"} if composes(path) else set())
        for node in ast.walk(tree(path)):
            found = PLACE.fullmatch(str(node.value)) if isinstance(node, ast.Constant) else None
            if found is None:
                continue
            module = ROOT / f"{found[1].replace('.', '/')}.py"
            if found[1].partition(".")[0] not in allowed or found[2] not in named(module):
                wrong.append(f"{shown(path)}: {found[0]}")

    assert wrong == []


def named(path: Path) -> set[str]:
    """Names that a module has at its top."""
    names = set()
    for node in tree(path).body if path.is_file() else []:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.ImportFrom(names=aliases):
                names |= {alias.asname or alias.name for alias in aliases}
    return names


COMMANDS_HOLD = {
    "gql.cli.main": {"sqlalchemy", "graphql"},
    "gql.cli.classify": {"openpyxl", "pymongo", "alembic", "redis", "strawberry", "graphql", "numpy", "psycopg", "jwt"},
    "gql.cli.imports": {"openpyxl", "pymongo", "alembic", "redis", "strawberry", "graphql", "numpy", "jwt"},
}


@pytest.mark.parametrize("module", COMMANDS_HOLD)
def test_a_command_does_not_hold_what_only_others_need(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    held = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, encoding="utf-8")

    assert set(held.stdout.split()) & COMMANDS_HOLD[module] == set()
