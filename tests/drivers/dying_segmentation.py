"""A run of the classification that is gone as if the power had failed: `python -m tests.drivers.dying_segmentation DATA
FILE STAGE`. The stage is the beginning of a statement, or `open` or `rename` and the file that is about to be opened or
moved. With `limit` and a number of bytes, no file can become larger."""

import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from gql.segmentation import run_segmentation
from gql.settings import Settings

SHOP = {"business": "shop", "time_zone": "UTC", "currency": "EUR"}


def now() -> datetime:
    """The instant of the tests."""
    return datetime(2024, 6, 15, 12, tzinfo=UTC)


def die_at(stage: str) -> None:
    """Kill this process when it comes to the stage."""
    kind, _, name = stage.partition(" ")

    def watch(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        if " ".join(statement.split()).startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(happens: str, given: tuple[object, ...]) -> None:
        if happens == f"os.{kind}" or happens == kind:
            # What is opened, or what it is moved to.
            path = given[1] if kind == "rename" else given[0]
            if isinstance(path, str | Path) and Path(path).name == name:
                os.kill(os.getpid(), signal.SIGKILL)

    if kind in ("open", "rename"):
        sys.addaudithook(heard)
    else:
        event.listen(Engine, "before_cursor_execute", watch)


def main(data: str, file: str, stage: str) -> None:
    """Run until the stage."""
    kind, _, limit = stage.partition(" ")
    given: dict[str, Any] = dict(SHOP)
    if kind == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
        given["as_of"] = now().date().replace(day=1)
    else:
        die_at(stage)
    run_segmentation("csv", file, settings=Settings(data=Path(data)), clock=now, output=Path(data) / "labels", **given)


if __name__ == "__main__":
    main(*sys.argv[1:])
