"""Completion in the shell: commands, those of groups among them, options and their values; and nothing is loaded for it
that a command works with."""

import subprocess
import sys

import pytest

from tests.cli.conftest import Segments
from tests.drivers.documents import ROOT

RUN = """
import sys
from gql.cli.main import main
try:
    main()
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def complete(segments: Segments, shell: str, *words: str) -> tuple[list[str], set[str]]:
    """The lines that the shell is given while the last word is being written, and the packages loaded for it."""
    line = " ".join(("segments", *words))
    asked = {
        "_SEGMENTS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        env=segments.environment(**asked),
        cwd=ROOT,
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=60,
    )
    return done.stdout.splitlines(), set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (("seg",), ["segment"]),
        (("segment", "cr"), ["create", "create-standard"]),
        (("token", "rev"), ["revoke"]),
        (("report", "--me"), ["--method"]),
        (("classify", "--dec"), ["--decimal"]),
        (("segment", "list", "--sort", "na"), ["NAME"]),
        (("report", "--format", "x"), ["xlsx"]),
        (("report", "--method", "be"), ["behavior"]),
        (("report", "--scheme", ""), ["eight", "eleven"]),
        (("inspect", "--format", "t"), ["table", "toml"]),
        (("status", "--format", "j"), ["json"]),
    ],
)
def test_commands_options_and_values_are_completed(
    segments: Segments, words: tuple[str, ...], completed: list[str]
) -> None:
    lines, loaded = complete(segments, "bash", *words)

    assert lines == completed
    assert loaded & {"sqlalchemy", "strawberry", "rich", "persistence"} == set()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_show_what_a_command_does(segments: Segments, shell: str) -> None:
    lines, _ = complete(segments, shell, "segment", "dup")

    assert "duplicate" in lines[0]
    assert "Create a segment like another one." in lines[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_ask(segments: Segments, shell: str) -> None:
    done = subprocess.run(
        **segments.apart(env=segments.environment(_SEGMENTS_COMPLETE=f"source_{shell}")), timeout=60, check=True
    )

    assert f"_SEGMENTS_COMPLETE=complete_{shell}" in done.stdout
