"""The shape of the project, read from its files: which room imports which, what a file may be and what none may hold.

Nothing here imports the code it looks at, and no law looks at a file's name where it could look at an import: a rule is
broken by what is written and not by what happens to run or how a file is called.
"""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("gql", "domain", "persistence")
MIGRATIONS = ROOT / "persistence" / "migrations"
PURE = ("cronsim",)
"""Libraries that only compute, for which the domain need not write its own."""
VALUES = (
    "domain.errors",
    "domain.texts",
    "domain.model",
    "domain.calendar",
    "domain.money",
    "domain.pages",
    "domain.identifiers",
    "domain.formulas",
    "domain.json_text",
    "domain.classifiers",
    "domain.attributes",
)
"""What every room shares."""
PURE_ROOMS = (*VALUES, "domain.classification", "domain.rules", "domain.jobs.model")
"""Values and functions, which know no store."""
NOUNS = (*PURE_ROOMS, "domain.segments.model", "domain.imports.model", "domain.imports.quality")
PORTS = (*NOUNS, "domain.store", "domain.audit")
DATABASE = ("persistence.database", "persistence.tables")
REPOSITORIES = (
    "persistence.agenda",
    "persistence.audit",
    "persistence.customers",
    "persistence.purchases",
    "persistence.merge",
    "persistence.erasure",
    "persistence.idempotency",
    "persistence.jobs",
    "persistence.lake",
    "persistence.reports",
    "persistence.revocations",
    "persistence.rules",
    "persistence.segments",
    "persistence.labels.classifiers",
    "persistence.labels.labels",
    "persistence.labels.sql",
    "persistence.imports.changed_since",
    "persistence.imports.imports",
    "persistence.imports.formats",
)
TYPES = ("domain", "gql.schema.context", "gql.schema.errors", "gql.schema.types")
ROOMS: dict[str, tuple[str, ...]] = {
    # The root, each module knowing those before it.
    "domain.texts": (),
    "domain.errors": ("domain.texts",),
    "domain.model": ("domain.errors",),
    "domain.calendar": ("domain.errors", "domain.model"),
    "domain.money": ("domain.errors",),
    "domain.attributes": ("domain.texts", "domain.errors", "domain.model", "domain.calendar"),
    "domain.pages": ("domain.errors",),
    "domain.formulas": (),
    "domain.identifiers": ("domain.errors", "domain.formulas", "domain.texts"),
    "domain.json_text": (),
    "domain.classifiers": ("domain.errors",),
    "domain.classification": VALUES,
    "domain.rules": (*VALUES, "domain.classification"),
    "domain.jobs.model": VALUES,
    "domain.segments.model": PURE_ROOMS,
    "domain.imports.model": (*PURE_ROOMS, "domain.imports.quality"),
    "domain.imports.quality": PURE_ROOMS,
    "domain.store": NOUNS,
    "domain.audit": PORTS,
    "domain.demo": (*PORTS, "domain.segments"),
    # Services, each knowing those before it.
    "domain.jobs": PORTS,
    "domain.imports": (*PORTS, "domain.jobs"),
    "domain.customers": (*PORTS, "domain.imports"),
    "domain.segments": (*PORTS, "domain.jobs", "domain.imports", "domain.customers"),
    "domain.reports": (*PORTS, "domain.jobs", "domain.imports", "domain.customers", "domain.segments"),
    "domain.businesses": (
        *PORTS,
        "domain.jobs",
        "domain.imports",
        "domain.customers",
        "domain.segments",
        "domain.reports",
    ),
    "persistence.tables": VALUES,
    "persistence.database": (*VALUES, "persistence.tables"),
    "persistence.migrations": (*VALUES, *DATABASE),
    **dict.fromkeys(REPOSITORIES, ("domain", *DATABASE, *REPOSITORIES)),
    "persistence.unit": ("domain", *DATABASE, *REPOSITORIES),
    "persistence.evaluation": ("domain", *DATABASE, *REPOSITORIES, "persistence.unit"),
    "persistence.store": ("domain", *DATABASE, *REPOSITORIES, "persistence.unit", "persistence.evaluation"),
    "persistence.imports": ("domain", *DATABASE, *REPOSITORIES, "persistence.store", "persistence.sources"),
    "persistence.mongodb_section": ("domain",),
    "persistence.sources": (
        "domain",
        *DATABASE,
        *REPOSITORIES,
        "persistence.store",
        "persistence.imports",
        "persistence.mongodb_section",
    ),
    "persistence.soundness": ("domain", *DATABASE, *REPOSITORIES, "persistence.migrations"),
    "persistence.labels.run_folder": ("domain",),
    "persistence.labels.run_sources": (
        "domain",
        *DATABASE,
        *REPOSITORIES,
        "persistence.store",
        "persistence.imports",
        "persistence.sources",
    ),
    "persistence.exports": ("domain",),
    "persistence.alerts": ("domain",),
    "persistence.buckets": ("domain", *DATABASE, *REPOSITORIES),
    "gql.settings": (*VALUES, "gql.logs"),
    "gql.logs": (),
    "gql.counters": ("domain", "gql.logs"),
    "gql.tracing": ("gql.logs",),
    "gql.auth": (*VALUES, "gql.settings"),
    "gql.file_formats": ("domain",),
    "gql.parameters": ("domain", "gql.file_formats"),
    "gql.signed_links": ("domain", "gql.auth", "gql.parameters", "gql.settings"),
    "gql.composition": ("domain", "persistence", "gql.settings", "gql.logs"),
    "gql.segmentation": ("domain", "persistence", "gql.settings", "gql.composition"),
    "gql.schema.context": (
        "domain",
        "gql.composition",
        "gql.schema.loaders",
        "gql.schema.types.ids",
        "gql.schema.pacing",
        "gql.signed_links",
    ),
    "gql.schema.cost": ("gql.schema.limits",),
    "gql.schema.errors": ("domain",),
    "gql.schema.executor": ("gql.schema.fields", "gql.schema.pacing"),
    "gql.schema.fields": (),
    "gql.schema.inputs": TYPES,
    "gql.schema.keeping": (),
    "gql.schema.answers": ("domain", "gql.counters", "gql.schema.keeping", "gql.schema.limits"),
    "gql.schema.limits": ("domain", "gql.schema.keeping", "gql.settings"),
    "gql.schema.loaders": ("domain", "gql.composition", "gql.schema.limits", "gql.schema.pacing"),
    "gql.schema.mutations": (
        *TYPES,
        "gql.file_formats",
        "gql.parameters",
        "gql.schema.inputs",
        "gql.schema.segment_mutations",
    ),
    "gql.schema.pacing": (),
    "gql.schema.queries": (*TYPES, "gql.parameters", "gql.schema.inputs", "gql.schema.loaders"),
    "gql.schema.schema": ("domain", "gql.schema", "gql.settings"),
    "gql.schema.segment_mutations": (*TYPES, "gql.schema.inputs"),
    "gql.schema.subscriptions": (*TYPES, "gql.schema.queries"),
    "gql.schema.types": TYPES,
    "gql.http": (
        "domain",
        "gql.schema",
        "gql.auth",
        "gql.composition",
        "gql.counters",
        "gql.file_formats",
        "gql.logs",
        "gql.parameters",
        "gql.settings",
        "gql.signed_links",
        "gql.tracing",
    ),
    "gql.console": (),
    "gql.app": ("domain", "persistence", "gql"),
    "gql.cli.serve": ("domain", "gql"),
    "gql.cli.actions.serving": ("domain", "gql"),
    "gql.cli.tokens": ("domain", "gql.auth", "gql.cli", "gql.composition", "gql.settings"),
    "gql.cli": (
        "domain",
        "gql.composition",
        "gql.file_formats",
        "gql.logs",
        "gql.parameters",
        "gql.schema",
        "gql.segmentation",
        "gql.settings",
    ),
}
"""What each room may import besides itself, the standard library and packages. The longest name that fits a module is
its room."""
CIRCLE = {f"gql.schema.types.{noun}" for noun in ("customer", "segment", "membership", "job")}
"""The nouns of the schema that truly refer to each other; nothing else imports in a circle."""
LOADED_LATE = {
    "gql/cli/session.py": {"asyncio", "domain.jobs.progress", "gql.composition"},
    "gql/cli/actions/terminal.py": {"rich"},
    "gql/tracing.py": {"opentelemetry"},
    "persistence/database/dialects.py": {"sqlalchemy"},
    "persistence/imports/scratch.py": {"duckdb"},
    "persistence/lake/engines.py": {"duckdb"},
    "persistence/lake/places.py": {"pyarrow"},
    "persistence/lake/rows.py": {"pyarrow"},
    "persistence/lake/spark.py": {"pyarrow", "pyspark"},
    "persistence/lake/writing.py": {"pyarrow"},
    "persistence/migrations/migrate.py": {"alembic", "persistence.tables.metadata"},
    "persistence/reports/cache.py": {"aiocache", "redis"},
    "persistence/sources/calamine.py": {"persistence.sources.xlsx"},
    "persistence/sources/encodings.py": {"charset_normalizer"},
    "persistence/sources/opening.py": {"persistence.sources.mongodb"},
}
"""Imports inside functions, where loading costs more than 100 ms that others need not wait for."""
MADE_WHEN_ASKED = {"gql/composition.py", "persistence/store.py", "persistence/unit.py"}
"""These hand out what is loaded with the first question to it, services and repositories among it: a small command asks
for two, and would wait for all as long as for the rest of what it does. There a function may import what it makes, of
ours; tests/cli/test_costs.py holds what is not loaded then."""
COMMANDS = ROOT / "gql" / "cli"
"""The modules of this folder declare commands, and are loaded for every help text: there a function may import what it
works with. tests/cli/test_costs.py holds what a help text then loads."""
SCHEMA_NAME = re.compile(r"(?<![%\w])[a-z][a-z0-9]*[A-Z]\w*")
"""A name in the way of GraphQL, such as segmentId; the domain says segment_id, and each face translates."""
STORED_NAMES = {"assignSegment", "removeSegment", "memberCount", "externalId"}
"""Those that are no fields of an input: what the audit log keeps, and the key of an order in an explanation."""
LONG_LINES, TINY_LINES, MOST_MODULES, SAME_PREFIX = 600, 60, 16, 4
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
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-dev.lock")
LOCKS_WITH_ADDRESSES = {"uv.lock", "poetry.lock", "Pipfile.lock", "pdm.lock", "pylock.toml", "package-lock.json"} | {
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


PACKAGE_FILES = [
    path for path in modules(*LAYERS) if MIGRATIONS / "versions" not in path.parents and path.name != "env.py"
]
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


def dotted(path: Path) -> str:
    return shown(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


MODULES = {dotted(path): path for path in PACKAGE_FILES}


def modules_of(path: Path) -> Iterator[tuple[int, str]]:
    """Our own modules that a file imports, wherever in it, each with its line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield node.lineno, name if name in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def room_of(module: str) -> str:
    return max((room for room in ROOMS if within(module, room)), key=len, default="")


def test_a_room_imports_only_the_rooms_that_it_may() -> None:
    wrong = []

    for module, path in MODULES.items():
        if path.name == "__init__.py":
            continue
        room = room_of(module)
        assert room, f"{shown(path)} stands in no room that the laws know"
        for line, other in modules_of(path):
            if other.partition(".")[0] not in LAYERS or within(other, room):
                continue
            if not any(within(other, allowed) for allowed in ROOMS[room]):
                wrong.append(f"{shown(path)}:{line} imports {other}")

    assert wrong == []


def test_only_three_modules_of_the_face_know_the_store_and_none_speaks_sql() -> None:
    knowing = {
        dotted(path) for path in modules("gql") for _, name in imports(path) if name in ("persistence", "sqlalchemy")
    }
    speaking = [
        shown(path) for path in modules("gql") for _, name in imports(path) if name in ("sqlalchemy", "sqlmodel")
    ]

    assert knowing == {"gql.app", "gql.composition", "gql.segmentation"}
    assert speaking == []


def test_nothing_imports_in_a_circle_but_the_nouns_of_the_schema() -> None:
    graph = {module: {other for _, other in modules_of(path) if other in MODULES} for module, path in MODULES.items()}

    assert {frozenset(circle) for circle in circles(graph)} <= {frozenset(CIRCLE)}


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules of which each imports, over others or not, every other."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            if (module := waiting.pop()) not in seen:
                seen.add(module)
                waiting += graph[module]
        reached[start] = seen
    return [
        {other for other in reached[module] if module in reached[other]}
        for module in graph
        if module in reached[module]
    ]


def test_the_domain_imports_only_the_standard_library_and_itself() -> None:
    wrong = [
        f"{shown(path)}:{line} imports {name}"
        for path in modules("domain")
        for line, name in imports(path)
        if name not in {"domain", *PURE} and name not in sys.stdlib_module_names
    ]

    assert wrong == []


def test_the_domain_speaks_no_names_of_the_schema() -> None:
    wrong = [
        f"{shown(path)}:{text.lineno} says {name}"
        for path in modules("domain")
        for text in texts_of(tree(path))
        for name in SCHEMA_NAME.findall(text.value)
        if name not in STORED_NAMES
    ]

    assert wrong == []


def texts_of(module: ast.Module) -> list[Any]:
    """The texts that may reach a client: no docstring, and nothing of a call that writes to the audit log."""
    silent: set[ast.AST] = set()
    for node in ast.walk(module):
        match node:
            case ast.Expr(value=ast.Constant() as docstring):
                silent.add(docstring)
            case ast.Call(func=ast.Attribute(attr="audit")):
                silent |= set(ast.walk(node))
            case _:
                pass
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in silent
    ]


def test_imports_inside_functions_are_those_that_cost_too_much_elsewhere() -> None:
    late = defaultdict(set)
    for path in PACKAGE_FILES + TEST_FILES:
        if shown(path) in MADE_WHEN_ASKED or (path.parent == COMMANDS and path.name != "session.py"):
            continue
        for function in ast.walk(tree(path)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                for node in ast.walk(function):
                    if isinstance(node, ast.Import | ast.ImportFrom):
                        ours = isinstance(node, ast.ImportFrom) and node.module in MODULES
                        late[shown(path)] |= {node.module} if ours else imported(node, path)

    assert late == LOADED_LATE


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_a_file_of_more_than_six_hundred_lines_says_why() -> None:
    silent = {
        shown(path): lines_of(path)
        for path in PACKAGE_FILES + TEST_FILES
        if lines_of(path) > LONG_LINES and "long because" not in (ast.get_docstring(tree(path)) or "")
    }

    assert silent == {}


def test_no_small_file_has_a_single_reader() -> None:
    readers = Counter(module for path in PACKAGE_FILES for module in {other for _, other in modules_of(path)})
    small = [
        shown(path)
        for module, path in MODULES.items()
        if path.name != "__init__.py" and lines_of(path) < TINY_LINES and readers[module] == 1
    ]

    assert small == []


def test_a_folder_can_be_looked_over() -> None:
    files = [path for path in PACKAGE_FILES if path.name != "__init__.py"]
    folders = Counter(shown(path.parent) for path in files)
    prefixes = Counter(
        f"{shown(path.parent)}/{path.stem.partition('_')[0]}_*" for path in files if "_" in path.stem.strip("_")
    )

    assert {folder: size for folder, size in folders.items() if size > MOST_MODULES} == {}
    assert {prefix: size for prefix, size in prefixes.items() if size >= SAME_PREFIX} == {}


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
    lock = "".join(path.read_text(encoding="utf-8") for path in LOCKS)
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
    lock = "".join(path.read_text(encoding="utf-8") for path in LOCKS)

    assert [shown(path) for path in files if path.name in LOCKS_WITH_ADDRESSES] == []
    assert [line for line in lock.splitlines() if re.search(r"https?://", line)] == []
