"""What is loaded only when it is asked for: by one place alone, under the law of the layers, and to some purpose."""

import ast
import re
from pathlib import Path

from tests.test_architecture import LAYERS, PACKAGE_FILES, ROOT, room_of, shown, tree

COMMANDS = ROOT / "gql" / "cli" / "main.py"


def test_only_the_list_of_commands_imports_by_a_name_in_text() -> None:
    wrong = [
        f"{shown(path)}:{node.lineno}"
        for path in PACKAGE_FILES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and path != COMMANDS
        and ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}
    ]

    assert wrong == []


PLACE = re.compile(rf"((?:{'|'.join(LAYERS)})[a-z_.]*):([A-Za-z_]+)")


def test_every_command_is_where_the_list_says() -> None:
    places = [
        found
        for node in ast.walk(tree(COMMANDS))
        if isinstance(node, ast.Constant) and (found := PLACE.fullmatch(str(node.value)))
    ]

    assert len(places) > 10
    for found in places:
        assert room_of(found[1]).startswith("gql.cli")
        assert found[2] in named(ROOT / f"{found[1].replace('.', '/')}.py")


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
