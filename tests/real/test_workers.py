"""Several processes that serve on one address: they have time to start, one that died or says nothing is replaced, and
the log says why."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.drivers.server import SECRET, Server, environment, free_port, running, until, wait_until_ready

SLOW_START = """
import sys
import time
if "--multiprocessing-fork" in sys.orig_argv:
    time.sleep(7)
"""
IMPATIENT = """
import gql.http.processes
gql.http.processes.ANSWER_SECONDS = 4
from gql.cli.main import main
main()
"""
REPLACED = re.compile(r"worker (\d+) (.*); worker \d+ takes its place")


def reasons(server: Server) -> dict[int, str]:
    """Who was replaced, and why."""
    return {int(pid): why for pid, why in REPLACED.findall(server.log.read_text())}


def test_workers_that_take_long_to_start_are_left_alone(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_START)
    with running(folder, "--workers", "2", PYTHONPATH=str(tmp_path)) as server:
        serving = server.workers
        time.sleep(2)
        after = server.workers
        answer = server.query("{ viewer { subject } }")

    assert len(serving) == 2
    assert serving == after
    assert answer == {"viewer": {"subject": "tester"}}
    assert reasons(server) == {}


def test_a_worker_that_died_is_replaced_and_the_log_says_why(folder: Path) -> None:
    with running(folder, "--workers", "2") as server:
        until(lambda: len(server.workers) == 2)
        first, second = sorted(server.workers)
        os.kill(first, signal.SIGKILL)
        until(lambda: reasons(server))
        until(lambda: len(server.workers) == 2)
        after = server.workers
        answer = server.query("{ viewer { subject } }")

    assert reasons(server) == {first: "was ended by SIGKILL"}
    assert second in after and first not in after
    assert answer == {"viewer": {"subject": "tester"}}


def test_a_worker_that_says_nothing_is_replaced_and_the_log_says_why(folder: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    command = [sys.executable, "-c", IMPATIENT, "serve", "--workers", "2"]
    given = environment(folder, PORT=str(port), SEGMENTS_JWT_SECRET=SECRET)
    with (
        log.open("w") as errors,
        subprocess.Popen(command, env=given, stderr=errors, stdout=subprocess.DEVNULL, text=True) as process,
    ):
        server = Server(f"http://127.0.0.1:{port}", "", process, log)
        wait_until_ready(server.url, process, log)
        until(lambda: len(server.workers) == 2)
        silent = min(server.workers)
        os.kill(silent, signal.SIGSTOP)
        until(lambda: silent in reasons(server))
        process.send_signal(signal.SIGTERM)
        code = server.wait_end()

    assert re.fullmatch(r"did not answer for \d s", reasons(server)[silent])
    assert code == 0
