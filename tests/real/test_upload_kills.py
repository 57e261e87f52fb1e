"""A sweep of kills over uploads: a server is killed at moments of all kinds while it works on several files, and the
next one goes on. What was accepted is imported, each file once and whole. Line I3 of the reliability requirements."""

import os
import random
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.server import Server, run, running, until
from tests.real.test_upload_restart import file_of, send_file, state

pytestmark = pytest.mark.slow
FILES, ROWS, KILLS = 4, 20_000, 6
DRAW = random.Random(7)


def as_if_half_a_minute_had_passed(place: Path) -> None:
    """Since the last sign of life; and nobody is taken for one whom his work kills."""
    with closing(sqlite3.connect(place / "data" / "segments.sqlite", timeout=30)) as connection, connection:
        connection.execute("UPDATE job SET heartbeat_at = heartbeat_at - 31000000, attempts = 0")


def kill_process(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def wait_for_end(server: Server, number: str) -> Any:
    until(lambda: state(server, number)["status"] not in ("QUEUED", "RUNNING"), 120)
    return state(server, number)


def test_i3_what_was_accepted_is_imported_however_often_the_server_is_killed(tmp_path: Path) -> None:
    made = run(tmp_path, "businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR")
    assert made.returncode == 0, made.stderr
    numbers: list[str] = []
    for kill in range(KILLS):
        with running(tmp_path, "--workers", "2") as server:
            if kill < FILES:
                numbers.append(send_file(server, file_of(ROWS + kill)))
            time.sleep(DRAW.random() * 2)
            # One of them first, whose place is taken, and then all.
            kill_process(min(server.workers))
            time.sleep(DRAW.random())
            workers = server.workers
            server.process.kill()
            for pid in workers:
                kill_process(pid)
            server.wait_end()
        as_if_half_a_minute_had_passed(tmp_path)

    with running(tmp_path) as server:
        ends = [wait_for_end(server, number) for number in numbers]

    assert [(end["status"], end["error"]) for end in ends] == [("SUCCEEDED", None)] * FILES
    assert [end["rowsRead"] for end in ends] == [ROWS + kill for kill in range(FILES)]
    assert list((tmp_path / "data" / "imports").iterdir()) == []
    assert run(tmp_path, "db", "check").stdout == "The store is sound.\n"
