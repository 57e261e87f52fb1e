"""The processes of a soak: the server with two workers over a store of its own, what is killed and restarted meanwhile,
and what the workers hold."""

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.drivers.postgresql import Cluster, cluster
from tests.drivers.server import Server, run, running
from tests.soak.client import AFTER_KILL, AFTER_RESTART, Record, Trouble

LOCKED_SECONDS = 3.0
MEGABYTE = 1_000_000
BUSINESS = ("businesses", "create", "shop", "--time-zone", "UTC", "--currency", "EUR")


@dataclass(frozen=True, slots=True)
class Held:
    """What the workers hold: bytes of memory, and open files, of the one that holds most."""

    memory: int
    files: int


@dataclass(slots=True)
class Machine:
    """A server and what may be done to it."""

    server: Server
    folder: Path
    settings: dict[str, str]
    record: Record
    database: Cluster | None

    def measure(self) -> Held:
        """What the workers hold now."""
        workers = self.server.workers
        return Held(max(map(count_memory, workers), default=0), max(map(count_files, workers), default=0))

    def kill_worker(self) -> None:
        """One of them ends at once; the other one serves meanwhile."""
        workers = sorted(self.server.workers)
        if len(workers) < 2:
            return
        now = time.monotonic()
        self.record.troubles.append(Trouble("a worker killed", now, now + AFTER_KILL))
        with suppress(ProcessLookupError):
            os.kill(random.choice(workers), signal.SIGKILL)

    def restart_database(self) -> None:
        """PostgreSQL is stopped and started; of SQLite another process holds the write lock for a while."""
        now = time.monotonic()
        if self.database is None:
            self.record.troubles.append(Trouble("the store locked", now, now + LOCKED_SECONDS))
            with closing(sqlite3.connect(self.folder / "data" / "segments.sqlite", timeout=30)) as store:
                store.isolation_level = None
                store.execute("BEGIN IMMEDIATE")
                time.sleep(LOCKED_SECONDS)
                store.execute("ROLLBACK")
            return
        trouble = Trouble("the database restarted", now, now + AFTER_RESTART)
        self.record.troubles.append(trouble)
        self.database.restart()
        trouble.until = time.monotonic() + AFTER_RESTART

    async def disturb(self, seconds: float, every: float, ending: asyncio.Event) -> None:
        """Kill a worker now and then, and restart the database once, at half time."""
        began, restarted, next_kill = time.monotonic(), False, every / 2
        while not ending.is_set():
            passed = time.monotonic() - began
            if not restarted and passed > seconds / 2:
                restarted = True
                await asyncio.to_thread(self.restart_database)
            elif passed > next_kill:
                next_kill += every
                self.kill_worker()
            await asyncio.sleep(0.2)

    def check_store(self) -> str:
        """What the program itself says of the store when the server has ended; empty where it is sound."""
        done = run(self.folder, "db", "check", **self.settings)
        return "" if done.returncode == 0 else (done.stdout + done.stderr)[-1000:]


def count_memory(pid: int) -> int:
    """Bytes of memory that the process holds; none where it has ended."""
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    return 0


def count_files(pid: int) -> int:
    with suppress(OSError):
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return 0


@contextmanager
def open_machine(folder: Path, kind: str, record: Record) -> Iterator[Machine]:
    """A server over an empty store of that kind, `sqlite` or `postgresql`."""
    if kind == "sqlite":
        with serve(folder, {}, record, None) as made:
            yield made
        return
    with (
        cluster(folder / "cluster") as database,
        serve(folder, {"SEGMENTS_DATABASE_URL": database.url}, record, database) as made,
    ):
        yield made


@contextmanager
def serve(folder: Path, settings: dict[str, str], record: Record, database: Cluster | None) -> Iterator[Machine]:
    done = run(folder, *BUSINESS, **settings)
    assert done.returncode == 0, done.stderr
    with running(folder, "--workers", "2", **settings) as server:
        yield Machine(server, folder, settings, record, database)
