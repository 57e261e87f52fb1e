"""What commands cost before they do anything: a help text loads the declarations of its commands and nothing that
works, and a command loads nothing that only others need. What is counted is what is loaded, not seconds, which depend
on the machine."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Segments
from tests.cli.test_help import OPTIONS
from tests.drivers.documents import ROOT
from tests.drivers.face import SECRET

WORKING = {
    *("sqlalchemy", "sqlmodel", "alembic", "aiosqlite", "psycopg", "strawberry", "graphql", "starlette", "uvicorn"),
    *("openpyxl", "typst", "tomlkit", "pymongo", "redis", "jwt", "python_calamine", "watchfiles", "rich", "asyncio"),
    *("persistence", "domain.store", "domain.rules", "domain.segments", "domain.reports", "gql.composition"),
    *("gql.cli.actions", "gql.cli.inspection"),
}
"""What a command works with."""
HELD = """
import json, resource, sys
import typer
bare = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
from gql.cli.main import main
for command in json.loads(sys.argv.pop()):
    sys.argv[1:] = [*command.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert end.code == 0, command
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"held": sorted(sys.modules), "memory": peak / bare}))
"""
MOST_MEMORY = 2.5
"""Of every help text together, against the memory that the option parser alone takes."""


def test_no_help_text_loads_what_commands_work_with(segments: Segments) -> None:
    groups = {command.split()[0] for command in OPTIONS if " " in command}

    held = show_help(segments, ["", *groups, *OPTIONS])

    loaded = [name for name in held["held"] if any(name == one or name.startswith(f"{one}.") for one in WORKING)]
    assert loaded == []
    assert held["memory"] < MOST_MEMORY


def show_help(segments: Segments, commands: list[str]) -> Any:
    """What a process holds that showed the help of these commands, and its memory against that of the parser alone."""
    given = [sys.executable, "-c", HELD, json.dumps(commands)]
    done = subprocess.run(
        given, env=segments.environment(), cwd=ROOT, capture_output=True, check=True, encoding="utf-8", timeout=60
    )
    return json.loads(done.stdout.splitlines()[-1])


RUN = """
import json, sys
from gql.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print(json.dumps(sorted(sys.modules)))
"""
UNNEEDED = {"strawberry", "graphql", "starlette", "uvicorn", "openpyxl", "alembic", "pymongo", "watchfiles"}
TABLES: dict[str, set[str]] = {
    "businesses list": set(),
    "token": set(),
    "settings show": set(),
    "segment list": {"segments"},
    "status": {"segments", "jobs"},
}
"""The tables that a small command asks, beside that of businesses."""
OTHERS = ("sqlalchemy.dialects.postgresql", "rich.console", "persistence.sources", "domain.reports.document")
"""What none of them loads over the embedded store."""


@pytest.mark.parametrize(
    "command", ["businesses list", "status", "settings show", "segment list", "report", "customers"]
)
def test_a_small_command_does_not_load_what_only_others_need(shop: Segments, command: str) -> None:
    assert {name.partition(".")[0] for name in run_command(shop, command)} & UNNEEDED == set()


@pytest.mark.parametrize("command", TABLES)
def test_a_small_command_loads_the_tables_that_it_asks_and_nothing_that_reads_files(
    shop: Segments, command: str
) -> None:
    loaded = run_command(shop, command)

    tables = {name.rpartition(".")[2] for name in loaded if name.startswith("persistence.tables.")}
    assert tables == {"columns", "businesses", *TABLES[command]}
    assert [name for name in loaded if name.startswith(OTHERS)] == []


def run_command(segments: Segments, command: str) -> list[str]:
    """The modules that a process holds which ran the command."""
    given = [sys.executable, "-c", RUN, *command.split()]
    environ = segments.environment(SEGMENTS_JWT_SECRET=SECRET)
    done = subprocess.run(given, env=environ, cwd=ROOT, capture_output=True, check=True, encoding="utf-8", timeout=60)
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded
