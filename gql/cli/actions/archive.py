"""The archive of memberships that leave the history: compressed CSV, whole and on the disk before anything is
removed."""

import csv
import gzip
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path

from domain.errors import InvalidInput
from domain.formulas import protect_text
from domain.model import Business
from domain.segments.history import Compaction
from domain.segments.model import ArchivedMembership

HEADER = ("segment", "customer_id", "entered_at", "left_at", "source", "entered_by", "left_by")


def check_archive(archive: Path) -> None:
    """InvalidInput where the file is there already, or is not named as what it will be."""
    if archive.suffix != ".gz":
        raise InvalidInput(f"--archive must end in .gz, such as {archive.with_suffix('.csv.gz')}")
    if archive.exists():
        raise InvalidInput(f"--archive: {archive} exists already.")


async def write_archive(archive: Path, compaction: Compaction, business: Business, horizon: datetime) -> int:
    """Write what ended before the horizon; how many memberships that are."""
    unfinished = archive.with_name(f"{archive.name}.unfinished")
    try:
        with unfinished.open("wb") as raw:
            with (
                gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed,
                TextIOWrapper(packed, encoding="utf-8", newline="") as text,
            ):
                writer = csv.writer(text)
                writer.writerow(HEADER)

                def write_rows(memberships: Sequence[ArchivedMembership]) -> None:
                    writer.writerows(map(build_archive_row, memberships))

                count = await compaction.archive(business, horizon, write_rows)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.rename(archive)
    except OSError as error:
        raise InvalidInput(f"--archive: {archive} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def build_archive_row(item: ArchivedMembership) -> tuple[str, ...]:
    """The row of a membership, safe for spreadsheets."""
    membership = item.membership
    ends = (membership.entered_at, membership.left_at)
    instants = ["" if at is None else at.astimezone(UTC).isoformat() for at in ends]
    texts = (protect_text(text or "") for text in (membership.entered_by, membership.left_by))
    return (item.segment_key, protect_text(item.customer_external_id), *instants, membership.source.value, *texts)
