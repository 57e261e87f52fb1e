"""What the program is made of: the advisories that `make audit` asks for, and the bill of materials of `make sbom`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.drivers.advisories import FURTHER, LOCK, main, read_lock

ROOT = Path(__file__).parent.parent


def answering(folder: Path, answer: object) -> str:
    """A program that says what pip-audit would."""
    program = folder / "pip-audit"
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(json.dumps(answer))})\n")
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(
        "one==1.0 \\\n    --hash=sha256:00\ntwo[extra]==2.0 ; python_version < '4' \\\n    --hash=sha256:00\n"
    )
    return path


def test_the_lock_file_is_read_whatever_stands_beside_a_version(lock: Path) -> None:
    assert read_lock(lock) == [("one", "1.0"), ("two", "2.0")]
    lines = [line for line in LOCK.read_text().splitlines() if line[:1].isalnum()]
    assert len(read_lock()) == len(lines) > 50


def test_no_package_is_locked_twice_and_serving_needs_none_of_the_tests() -> None:
    serving, testing = dict(read_lock()), dict(read_lock(FURTHER))

    assert serving.keys() & testing.keys() == set()
    assert {"pytest", "mypy", "ruff", "pandas", "numpy", "hypothesis"} <= testing.keys()
    assert len(serving) < 60


def test_a_known_fault_is_named_with_what_mends_it_and_makes_the_audit_fail(
    tmp_path: Path, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
    answer = [
        {"name": "one", "version": "1.0", "vulns": [fault]},
        {"name": "two", "version": "2.0", "vulns": []},
    ]

    code = main(answering(tmp_path, {"dependencies": answer}), lock)

    said = "Asked about 2 packages of requirements.lock; known faults: 1.\n  one 1.0: PYSEC-1, mended in 1.1\n"
    assert (code, capsys.readouterr().out) == (1, said)


def test_what_could_not_be_asked_is_no_fault_and_is_not_called_sound(
    tmp_path: Path, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = [{"name": "one", "version": "1.0", "vulns": []}, {"name": "two", "skip_reason": "not found"}]

    partly = main(answering(tmp_path, {"dependencies": answer}), lock), capsys.readouterr().out
    broken = main(answering(tmp_path, "no network"), lock), capsys.readouterr().out
    absent = main(str(tmp_path / "none"), lock), capsys.readouterr().out

    asked = "Asked about {} packages of requirements.lock; known faults: 0.\n"
    rest = "No advisories could be had for {}. They would be asked for:\n"
    assert partly == (0, f"{asked.format(1)}{rest.format(1)}  two 2.0\n")
    assert broken == absent == (0, f"{asked.format(0)}{rest.format(2)}  one 1.0\n  two 2.0\n")


@pytest.mark.tools
def test_the_bill_of_materials_lists_exactly_what_the_lock_file_does(tmp_path: Path) -> None:
    place = tmp_path / "sbom.json"
    made = subprocess.run(
        ["make", "sbom", f"SBOM={place}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    bill = json.loads(place.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "segments-server")
    assert sorted((one["name"], one["version"]) for one in bill["components"]) == sorted(read_lock())
