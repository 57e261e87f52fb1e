"""Compaction of history from the command line. The archive is whole and on the disk before anything is removed."""

import csv
import gzip
import os
from collections.abc import Sequence
from datetime import UTC, date
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from domain.segments.history import Compaction
from domain.segments.model import ArchivedMembership
from domain.store import Actor
from gql.cli_import import guarded
from gql.cli_run import BusinessOption, run
from gql.clock import system_clock
from gql.services import Services
from persistence.database.engines import Database
from persistence.evaluation import WorkingStore

history_app = typer.Typer(no_args_is_help=True, help="The history of memberships.")
ACTOR = Actor("command line")
HEADER = ("segment", "customer_id", "entered_at", "left_at", "source", "entered_by", "left_by")


@history_app.command()
def compact(
    context: typer.Context,
    before: Annotated[str, typer.Option(help="Memberships that ended before this date go, such as 2024-01-01.")],
    archive: Annotated[Path, typer.Option(help="File for what is removed, FILE.csv.gz; must not exist yet.")],
    business: BusinessOption = None,
) -> None:
    """Archive and remove old memberships. Example: segments history compact --before 2024-01-01 --archive old.csv.gz"""

    async def work(services: Services, database: Database) -> None:
        chosen = await services.businesses.choose(business, context.obj.business)
        compaction = Compaction(WorkingStore(database, system_clock), system_clock)
        horizon = compaction.horizon(chosen, checked_date(before))
        if archive.suffix != ".gz":
            raise InvalidInput(f"--archive must end in .gz, such as {archive.with_suffix('.csv.gz')}")
        if archive.exists():
            raise InvalidInput(f"--archive: {archive} exists already.")
        unfinished = archive.with_name(f"{archive.name}.unfinished")
        try:
            with unfinished.open("wb") as raw:
                with (
                    gzip.GzipFile(fileobj=raw, mode="wb", filename="") as packed,
                    TextIOWrapper(packed, encoding="utf-8", newline="") as text,
                ):
                    writer = csv.writer(text)
                    writer.writerow(HEADER)

                    def keep(found: Sequence[ArchivedMembership]) -> None:
                        writer.writerows(map(archived, found))

                    count = await compaction.archive(chosen, horizon, keep)
                raw.flush()
                os.fsync(raw.fileno())
            unfinished.rename(archive)
        except OSError as error:
            raise InvalidInput(f"--archive: {archive} cannot be written: {error.strerror}.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        removed = await compaction.remove(chosen, horizon, ACTOR)
        typer.echo(f"{count:,} memberships are in {archive}; {removed:,} were removed.")

    run(context.obj, work)


def checked_date(text: str) -> date:
    """The date; InvalidInput where the text is none."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--before must be a date such as 2024-01-01, not {text}") from error


def archived(item: ArchivedMembership) -> tuple[str, ...]:
    """The row of a membership, safe for spreadsheets."""
    kept = item.membership
    ends = (kept.entered_at, kept.left_at)
    instants = ["" if at is None else at.astimezone(UTC).isoformat() for at in ends]
    texts = (guarded(text or "") for text in (kept.entered_by, kept.left_by))
    return (item.segment_key, guarded(item.customer_external_id), *instants, kept.source.value, *texts)
