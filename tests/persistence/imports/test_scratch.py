"""Where an import sorts its rows: it is gone with the import, however that ended, and what breaks it off is told as
everywhere."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.errors import DomainError, InvalidInput, Unavailable
from persistence.imports import scratch
from persistence.imports.scratch import open_scratch

ENDLESS = "CREATE TABLE endless AS SELECT sum(hash(a.i * b.i)) FROM range(9000000) a(i), range(9000000) b(i)"
KILLED = """import os, signal
from persistence.imports.scratch import open_scratch
with open_scratch() as scratch:
    scratch.create("kept", {"n": "BIGINT"})
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    return tmp_path


def test_nothing_is_left_of_an_import_that_ended(place: Path) -> None:
    with open_scratch() as made:
        made.create("kept", {"n": "BIGINT"})
        made.load("kept", {"n": "BIGINT"}, ((n,) for n in range(10)))
        during = list(place.iterdir())

    assert during == [made.folder]
    assert list(place.iterdir()) == []


def test_the_next_import_removes_what_a_killed_one_left_and_nothing_of_one_at_work(place: Path) -> None:
    with open_scratch() as at_work:
        killed = subprocess.run([sys.executable, "-c", KILLED], check=False)
        left = set(place.iterdir()) - {at_work.folder}
        with open_scratch() as next_one:
            during = set(place.iterdir())

    assert killed.returncode == -signal.SIGKILL
    assert len(left) == 1
    assert during == {at_work.folder, next_one.folder}


def test_more_than_memory_holds_is_put_into_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "MEMORY_MIB", 16)

    with open_scratch() as made:
        made.execute("CREATE TABLE large AS SELECT i, md5(i::VARCHAR) AS text FROM range(600000) r(i)")
        spilled = list((made.folder / "spilled").iterdir())
        (count,) = made.read_one("SELECT count(DISTINCT text) FROM large")

    assert spilled
    assert count == 600_000


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C means what it does to a command, also where the tests run in the background, which does not hear it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_is_heard_in_the_middle_of_a_statement() -> None:
    with open_scratch() as made:
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            made.execute(ENDLESS)
        timer.join()


def test_a_disk_without_space_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_scratch() as made:
        made.create("kept", {"n": "BIGINT"})
        (made.folder / "kept.csv").symlink_to("/dev/full")
        with pytest.raises(Unavailable, match="is full"):
            made.load("kept", {"n": "BIGINT"}, [(1,)])


SPILLED = "CREATE TABLE spilled AS SELECT md5(i::VARCHAR) AS text FROM range(600000) r(i)"
HELD = "CREATE TABLE held AS SELECT list(md5(i::VARCHAR)) AS texts FROM range(600000) r(i)"


@pytest.mark.parametrize(
    ("space", "statement", "kind", "said"),
    [
        ("1MB", SPILLED, Unavailable, "is full"),
        ("1GB", HELD, InvalidInput, "128 MiB of memory"),
    ],
)
def test_what_finds_no_place_is_told_as_want_of_space_or_of_memory(
    monkeypatch: pytest.MonkeyPatch, space: str, statement: str, kind: type[DomainError], said: str
) -> None:
    monkeypatch.setattr(scratch, "MEMORY_MIB", 16)

    with open_scratch() as made:
        made.execute(f"SET max_temp_directory_size = '{space}'")
        with pytest.raises(kind, match=said):
            made.execute(statement)
