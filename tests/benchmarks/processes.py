"""One child process and what it cost, work in it timed again and again, and the watcher that tries the write lock of a
SQLite file meanwhile.

The kernel counts a child's memory from the moment of the fork, when it is still the parent's: what starts children
here imports nothing large.
"""

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = ROOT / ".venv" / "bin" / "segments"
BUSINESS = ("--business", "bench", "--time-zone", "UTC", "--currency", "USD")
MEGABYTE = 1_000_000
# Linux gives kibibytes, macOS bytes.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
PAUSE = 0.001
Answer = TypeVar("Answer")


class Failed(Exception):
    """A measured process ended with an error; the message is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took: wall time, the most memory it held at once, what it printed, and time of the processor."""

    seconds: float
    megabytes: float
    output: str
    processor: float


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Cost:
    """Run to the end without input; Failed where the exit code is not zero."""
    env = {**os.environ, **(environ or {})}
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if child.returncode:
            last = (errors.read().strip() or output.read().strip()).splitlines()[-1:]
            raise Failed(f"exit code {child.returncode}: {''.join(last)}")
        memory, processor = usage.ru_maxrss * RSS_UNIT / MEGABYTE, usage.ru_utime + usage.ru_stime
        return Cost(seconds, memory, output.read(), processor)


def python(module: str, *arguments: str | Path) -> Cost:
    """Run a module of this package with this Python."""
    return run([sys.executable, "-m", f"tests.benchmarks.{module}", *arguments])


async def time_runs(runs: int, ask: Callable[[], Awaitable[Answer]]) -> tuple[list[float], Answer]:
    """Seconds of each run, after one that is not counted, and the last answer."""
    answer = await ask()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        answer = await ask()
        seconds.append(time.perf_counter() - start)
    return seconds, answer


@dataclass(slots=True)
class Watch:
    """The longest wait for the write lock; known once the watched block has ended."""

    longest: float = 0.0


@contextmanager
def watch_store(store: Path) -> Iterator[Watch]:
    """Try the write lock of the file from another process for as long as the block runs.

    What is found is what another writer would have waited: never less than the longest lock, and more where two locks
    follow each other without a gap.
    """
    watch = Watch()
    command = [sys.executable, "-m", "tests.benchmarks.processes", str(store)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield watch
        finally:
            output, _ = child.communicate()
            watch.longest = json.loads(output)


def try_lock(connection: sqlite3.Connection) -> float:
    """Seconds until the write lock was ours; it is given back at once.

    SQLite's own waiting sleeps up to a tenth of a second between tries and would take two locks with a short gap for
    one; a try each millisecond sees the gap.
    """
    start = time.perf_counter()
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            waited = time.perf_counter() - start
            connection.execute("ROLLBACK")
        except sqlite3.OperationalError as error:
            # The low byte is the kind of error, whatever its extension.
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(PAUSE)
        else:
            return waited


def watch_lock(store: Path) -> float:
    """The longest wait for the write lock, until the input is closed."""
    os.set_blocking(sys.stdin.fileno(), False)
    longest = 0.0
    with closing(sqlite3.connect(store, timeout=0, isolation_level=None)) as connection:
        while input_open():
            longest = max(longest, try_lock(connection))
            time.sleep(PAUSE)
    return longest


def input_open() -> bool:
    """Whether whoever started this process still holds its input."""
    try:
        return os.read(sys.stdin.fileno(), 1) != b""
    except BlockingIOError:
        return True


if __name__ == "__main__":
    print(json.dumps(watch_lock(Path(sys.argv[1]))))
