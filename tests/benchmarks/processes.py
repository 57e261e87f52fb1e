"""Child processes and what they cost: commands that end, workers that answer one question after another, servers whose
time of the processor is read while they run, and the watcher that tries the write lock of a SQLite file.

The kernel counts a child's memory from the moment of the fork, when it is still the parent's: what starts children
here imports nothing large.
"""

import json
import os
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from tests.benchmarks.comparison import Failed, Taken

ROOT = Path(__file__).resolve().parents[2]
SEGMENTS = (sys.executable, "-c", "from gql.cli.main import main; main()")
"""Our command, of this checkout."""
PEERS = ROOT / ".venv" / "peers" / "bin" / "python"
"""The Python of peers whose packages do not fit ours; `make peers` makes it."""
NODE_PEERS = ROOT / "node_modules" / ".peers"
BUSINESS = ("--business", "bench", "--time-zone", "UTC", "--currency", "USD")
SECRET = "k8Zr2-p0Qm5xWv9Yt3Ls7Nd1Bf6Hg4Jc"
MEGABYTE = 1_000_000
# Linux gives kibibytes, macOS bytes.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024
PAUSE = 0.001
START_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")


def make_environ(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a measured process is given: what it compiled once is loaded the next time, and no limit is told."""
    mine = {"SEGMENTS_DATABASE_URL": "", "SEGMENTS_BUSINESS": "", "SEGMENTS_JWT_SECRET": SECRET}
    return {**os.environ, **mine, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPATH": str(ROOT), **(more or {})}


def run(command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Taken:
    """Run to the end without input: what it cost and printed; Failed where the exit code is not zero."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, cwd=ROOT, env=make_environ(environ), stdin=subprocess.DEVNULL, stdout=output, stderr=errors
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if child.returncode:
            last = (errors.read().strip() or output.read().strip()).splitlines()[-1:]
            raise Failed(f"exit code {child.returncode}: {''.join(last)}")
        memory, processor = usage.ru_maxrss * RSS_UNIT / MEGABYTE, usage.ru_utime + usage.ru_stime
        return Taken(seconds, processor, memory, output.read())


def segments(data: Path, *arguments: str | Path, url: str = "") -> Taken:
    """Run our command on the store of a data folder, or at an address."""
    return run([*SEGMENTS, *arguments], {"SEGMENTS_DATA": str(data), "SEGMENTS_DATABASE_URL": url})


def python(module: str, *arguments: str | Path) -> Taken:
    """Run a module of this package with this Python."""
    return run([sys.executable, "-m", f"tests.benchmarks.{module}", *arguments])


def answer_questions(ask: Callable[..., object]) -> None:
    """What a worker does: each line of input is the arguments of a question; the answer, and what it took, is a line of
    output. An `ask` that measures itself answers with Taken."""
    for line in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        answer = ask(**json.loads(line))
        if not isinstance(answer, Taken):
            answer = Taken(time.perf_counter() - wall, time.process_time() - processor, 0.0, answer)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT / MEGABYTE
        print(json.dumps(asdict(replace(answer, megabytes=peak))), flush=True)


class Worker:
    """A process that answers one question after another, so that it is warm and so that two can take turns."""

    def __init__(self, module: str, *arguments: str | Path, environ: Mapping[str, str] | None = None) -> None:
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.child = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
            cwd=ROOT,
            env=make_environ(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def ask(self, **question: object) -> Taken:
        """The answer and what it took; Failed where the process ended instead."""
        assert self.child.stdin and self.child.stdout
        try:
            self.child.stdin.write(json.dumps(question) + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.child.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()[-1:]
            raise Failed(f"a worker ended: {''.join(said)[:300]}")
        return Taken(**json.loads(line))

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.child.stdin and self.child.stdout
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()
        self.errors.close()


@contextmanager
def serve(command: Sequence[str | Path], port: int, environ: Mapping[str, str] | None = None) -> Iterator[int]:
    """A server on a port, until the block ends: its process. Failed where it never listens."""
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            command, cwd=ROOT, env=make_environ(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait_for(child, port, log)
            yield child.pid
        finally:
            child.terminate()
            child.wait()


def wait_for(child: subprocess.Popen[bytes], port: int, log: IO[str]) -> None:
    """Return as soon as the port answers."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and child.poll() is None:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    log.seek(0)
    raise Failed(f"a server did not start: {log.read().strip()[-300:]}")


def find_port() -> int:
    """One that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def list_processes(pid: int) -> Iterator[Path]:
    """What Linux says of a living process and of those it started."""
    here = Path(f"/proc/{pid}")
    yield here
    for child in (here / f"task/{pid}/children").read_text().split():
        yield from list_processes(int(child))


def read_processor(pid: int) -> float:
    """Seconds of the processor that a living process, with its threads and the processes it started, has taken."""
    found = ((each / "stat").read_text().rpartition(")")[2].split() for each in list_processes(pid))
    return sum(int(fields[11]) + int(fields[12]) for fields in found) / TICKS


def read_memory(pid: int) -> float:
    """Megabytes that they hold."""
    pages = (int((each / "statm").read_text().split()[1]) for each in list_processes(pid))
    return sum(pages) * os.sysconf("SC_PAGE_SIZE") / MEGABYTE


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
