"""The benchmarks run: each of them over few rows, where times mean nothing, but what is computed equals the peer's."""

import subprocess
import sys

import pytest

from tests.test_architecture import ROOT

NAMES = (
    "import-one", "import-ten", "postgresql-one", "postgresql-ten", "report", "requests", "page", "segments", "exports",
    "pipeline", "commands",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_comes_to_its_figures(name: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--rows", "2000", "--only", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", check=False)

    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")][2:]
    equal = [line for line in lines if "| equal " in line]

    assert lines, done.stderr
    assert "exit code" not in done.stdout
    assert [line for line in equal if not line.endswith("| yes  |")] == []
    assert bool(equal) == (name in ("report", "pipeline"))
