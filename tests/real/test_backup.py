"""Copies of a store while a real server uses it."""

from pathlib import Path

import pytest

from tests.drivers.server import run, running

OPEN = "Error: A server or another command has the store open. Stop it, then restore.\n"
NAME = "{ viewer { business { name } } }"


@pytest.mark.slow
def test_a_store_is_copied_beside_a_server_and_restored_when_it_has_ended(tmp_path: Path) -> None:
    copied = tmp_path / "copy.sqlite"
    assert run(tmp_path, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR").returncode == 0

    with running(tmp_path) as server:
        made = run(tmp_path, "backup", str(copied))
        changed = run(tmp_path, "businesses", "set", "shop", "--name", "Changed")
        refused = run(tmp_path, "restore", str(copied))
        after = server.query(NAME)
    restored = run(tmp_path, "restore", str(copied))
    with running(tmp_path) as server:
        again = server.query(NAME)

    assert (made.returncode, changed.returncode) == (0, 0)
    assert (refused.returncode, refused.stderr) == (1, OPEN)
    assert after == {"viewer": {"business": {"name": "Changed"}}}
    assert restored.returncode == 0, restored.stderr
    assert again == {"viewer": {"business": {"name": "shop"}}}
