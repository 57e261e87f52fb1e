"""Writers of a columnar copy that kill themselves the hard way: `python -m tests.drivers.dying_lake URL FOLDER` reads
lines of an instant, in microseconds since 1970, `base` or `delta`, and a place. For each a process of its own writes
the copy of the first business at that instant, and at the place-th moment is gone: after a step of the writing, or when
a file has been written that has no name yet. It says `killed`, or `done` where there are fewer moments."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pyarrow
import pyarrow.parquet

from domain.calendar import from_micros
from persistence.database.engines import open_database
from persistence.lake import places
from persistence.lake.engines import DuckDbEngine
from persistence.lake.places import read_address
from persistence.lake.reading import Lake
from persistence.lake.renewal import Renewal


def write_and_die(url: str, folder: Path, instant: int, whole: bool, place: int) -> None:
    """Write the copy until the moment has come."""
    seen, settle = count(1), places._settle

    def pass_moment(what: object) -> None:
        if next(seen) == place:
            os.kill(os.getpid(), signal.SIGKILL)

    def settle_later(path: Path) -> None:
        pass_moment(path)
        settle(path)

    places._settle = settle_later
    lake = Lake(read_address(str(folder), folder), DuckDbEngine(), 1)
    renewal = Renewal(open_database(url), lake, lambda: from_micros(instant), step=pass_moment)
    asyncio.run(renewal.renew_now(1, whole=whole))


def run_apart(work: Callable[[], None]) -> str:
    """Let a process of its own do it; how that ended."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return "killed" if status == signal.SIGKILL else "done" if status == 0 else "failed"


def main(url: str, folder: Path) -> None:
    """Until the input ends."""
    pyarrow.set_cpu_count(1)
    for line in sys.stdin:
        instant, kind, place = line.split()

        def work(instant: str = instant, kind: str = kind, place: str = place) -> None:
            write_and_die(url, folder, int(instant), kind == "base", int(place))

        print(run_apart(work), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
