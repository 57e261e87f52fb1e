"""The folder that scheduled reports are written to: a folder for each business, in it the last ten files of each
report. A file is written beside the others and has its name only when all of it is on the disk, so whoever takes files
from there finds none that is half written."""

import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from domain.calendar import load_zone
from domain.model import Business
from domain.reports.handler import WrittenFile
from domain.reports.scheduled import FORMATS, ScheduledReport

KEPT = 10
FOLDER_MODE, FILE_MODE = 0o750, 0o640
"""The owner writes, the group reads: a mail program or a share, that is given the group."""
STAMP = r"\d{4}-\d{2}-\d{2}-\d{4}"
UNFINISHED = ".unfinished-"
"""What names begin with until they are whole."""


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """Files of every business, below one folder."""

    path: Path

    def write(self, business: Business, report: ScheduledReport, at: datetime, body: bytes) -> WrittenFile:
        """Write it beside the others; its name says the report and when it was written, in the business's zone.
        OSError where that cannot be done, and nothing of it is left."""
        folder = self.path / business.key
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        name = f"{report.name}-{at.astimezone(load_zone(business.time_zone)):%Y-%m-%d-%H%M}.{report.format}"
        # What a process that died began to write.
        for left in folder.glob(f"{UNFINISHED}{report.name}-*"):
            left.unlink(missing_ok=True)
        beside = folder / f"{UNFINISHED}{report.name}-{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
                # Whatever the mask of the process is.
                os.fchmod(file.fileno(), FILE_MODE)
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(folder / name)) from error
        publish, drop = partial(_publish, beside, folder / name, report.name), partial(beside.unlink, missing_ok=True)
        return WrittenFile(f"{business.key}/{name}", publish, drop)


def _publish(beside: Path, path: Path, report: str) -> None:
    """Give the file its name, and take away all but the newest of the report's."""
    beside.replace(path)
    ours = re.compile(rf"{re.escape(report)}-{STAMP}\.({'|'.join(FORMATS)})")
    for older in sorted(one.name for one in path.parent.iterdir() if ours.fullmatch(one.name))[:-KEPT]:
        (path.parent / older).unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
