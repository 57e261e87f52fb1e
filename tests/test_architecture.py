"""The shape of the project, read from its files: who imports whom, how long a module is and what no file may hold.

Nothing here imports the code it looks at, so a rule is broken by what is written and not by what happens to run.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("gql", "domain", "persistence")
MIGRATIONS = ROOT / "persistence" / "migrations"
PURE = ("cronsim",)
"""Libraries that only compute, for which the domain need not write its own."""
ALLOWED = {"gql": {"gql", "domain"}, "domain": {"domain"}, "persistence": {"persistence", "domain"}}
MAXIMUM_LINES = 600
FORBIDDEN_NAMES = {"utils", "helpers", "common", "base", "manager"}
# In pieces, so that this file does not hold what it looks for.
REGISTRY_HOSTS = re.compile(
    "|".join(
        (
            "files\\.python" + "hosted",
            "test\\.py" + "pi\\.org",
            "\\bpy" + "pi\\.org/simple",
            "registry\\." + "npmjs",
            "registry\\." + "yarnpkg",
            "proxy\\." + "golang",
            "artifact" + "ory",
            "--(?:extra-)?index" + "-url",
            "index" + "-url *=",
        )
    )
)
LOCKS_WITH_ADDRESSES = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "pylock.toml", "package-lock.json"} | {
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PACKAGE_FILES = [path for path in modules(*LAYERS) if MIGRATIONS not in path.parents]
TEST_FILES = modules("tests")


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=shown(path))


def imported(node: ast.Import | ast.ImportFrom, path: Path) -> set[str]:
    """Top-level names of what one statement imports; a relative import is one of its own layer."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if node.level:
        return {path.relative_to(ROOT).parts[0]}
    return {(node.module or "").partition(".")[0]}


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in imported(node, path):
                yield node.lineno, name


def composes(path: Path) -> bool:
    """The composition root and the command line put the layers together, and `run_segmentation`, which a program calls
    without either; they alone know the store."""
    return path.parent == ROOT / "gql" and (
        path.name in ("app.py", "composition.py", "segmentation.py")
        or re.fullmatch(r"cli(_\w+)?\.py", path.name) is not None
    )


def test_layers_import_only_what_lies_beneath_them() -> None:
    wrong = []

    for path in PACKAGE_FILES:
        layer = path.relative_to(ROOT).parts[0]
        allowed = ALLOWED[layer] | ({"persistence"} if composes(path) else set())
        for line, name in imports(path):
            if name in {*LAYERS, "tests"} and name not in allowed:
                wrong.append(f"{shown(path)}:{line} imports {name}")

    assert wrong == []


def test_the_domain_imports_only_the_standard_library_and_itself() -> None:
    wrong = [
        f"{shown(path)}:{line} imports {name}"
        for path in modules("domain")
        for line, name in imports(path)
        if name not in {"domain", *PURE} and name not in sys.stdlib_module_names
    ]

    assert wrong == []


def test_no_import_stands_inside_a_function() -> None:
    wrong = sorted(
        {
            f"{shown(path)}:{node.lineno}"
            for path in PACKAGE_FILES + TEST_FILES
            for function in ast.walk(tree(path))
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )

    assert wrong == []


def test_no_file_is_longer_than_six_hundred_lines() -> None:
    lengths = {shown(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE_FILES + TEST_FILES}

    assert {name: lines for name, lines in lengths.items() if lines > MAXIMUM_LINES} == {}


def test_files_are_named_after_what_they_hold() -> None:
    parts = {part for path in PACKAGE_FILES + TEST_FILES for part in path.relative_to(ROOT).with_suffix("").parts}

    assert parts & FORBIDDEN_NAMES == set()


def test_every_file_opens_with_a_docstring() -> None:
    # A migration says in its docstring what it does, too.
    silent = [shown(path) for path in modules(*LAYERS, "tests") if not ast.get_docstring(tree(path))]

    assert silent == []


# What hangs one command group below another: a definition, though written as a call.
DEFINES = {"add_typer"}


def runs_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements of a module body, also below if, try and with, that do something rather than define it."""
    for statement in body:
        match statement:
            case ast.Expr(value=ast.Constant()):
                continue
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name))) if name in DEFINES:
                continue
            case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
                continue
            case ast.If(body=inner, orelse=other):
                yield from runs_at_import(inner + other)
            case ast.Try(body=inner, orelse=other, finalbody=final, handlers=handlers):
                yield from runs_at_import([*inner, *other, *final, *(line for h in handlers for line in h.body)])
            case ast.Expr() | ast.For() | ast.While() | ast.With() | ast.AsyncFor() | ast.AsyncWith() | ast.Delete():
                yield statement
            case _:
                continue


OPENS = {
    "open",
    "print",
    "exec",
    "eval",
    "create_engine",
    "create_async_engine",
    "run",
    "connect",
    "basicConfig",
    "getenv",
}


def does_work(value: ast.expr) -> bool:
    """Whether an assigned value opens, reads, prints or connects when the module is imported."""
    return any(
        isinstance(node, ast.Call)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")) in OPENS
        for node in ast.walk(value)
        if not isinstance(node, ast.Lambda)
    )


def test_no_module_does_work_when_it_is_imported() -> None:
    wrong = [
        f"{shown(path)}:{statement.lineno} {ast.unparse(statement).splitlines()[0]}"
        for path in PACKAGE_FILES
        if path.name != "__main__.py"
        for statement in [
            *runs_at_import(tree(path).body),
            *(
                line
                for line in tree(path).body
                if isinstance(line, ast.Assign | ast.AnnAssign) and line.value is not None and does_work(line.value)
            ),
        ]
    ]

    assert wrong == []


def test_nothing_that_would_shadow_our_own_packages_is_locked() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    names = {line.partition("==")[0].strip().lower() for line in lock.splitlines() if re.match(r"[A-Za-z0-9]", line)}

    assert len(names) > 10
    assert names & {*LAYERS, "python-jose", "json-logic"} == set()


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout, so there is no list of tracked files")
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def test_no_tracked_file_names_a_package_registry() -> None:
    wrong = []

    for path in tracked():
        text = path.read_bytes().decode("utf-8", errors="replace")
        wrong += [f"{shown(path)}: {found.group()}" for found in REGISTRY_HOSTS.finditer(text)]

    assert wrong == []


def test_no_tracked_lock_records_addresses() -> None:
    files = tracked()
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert [shown(path) for path in files if path.name in LOCKS_WITH_ADDRESSES] == []
    assert [line for line in lock.splitlines() if re.search(r"https?://", line)] == []
