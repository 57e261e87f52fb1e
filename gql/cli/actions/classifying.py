"""Runs of the classification: one, or one at each time of a schedule. Scheduled runs go one at a time and times that
pass meanwhile are left out; SIGTERM and SIGINT end them at once while they wait, and in the middle of a run after its
transaction, with the output of the run before."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from types import FrameType
from typing import Any, cast

import typer

from domain.calendar import find_next_run
from domain.classification.pipeline import Metadata, Segmentation
from domain.errors import DomainError, InvalidInput
from domain.imports.model import RejectReason
from gql.cli.actions.imported import build_reason_documents, print_reasons
from gql.cli.main import FAULT, INTERRUPTED, describe_failure
from gql.cli.output import clean_line, format_minute, print_json
from gql.composition import read_system_clock
from gql.segmentation import Segmenter

DONE, SKIPPED, PARTLY, FAILED = 0, 10, 11, 12
LONGEST_WAIT = 20.0
"""Seconds between two looks at the clock, which somebody may set."""


class StopSignal:
    """Whether a signal has come."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.running = False

    def announce(self, number: int, frame: FrameType | None) -> None:
        self.event.set()
        if self.running:
            raise KeyboardInterrupt

    @contextmanager
    def catch_signals(self) -> Iterator[None]:
        """While the block runs, the signals are ours."""
        before = {number: signal.signal(number, self.announce) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait_until(self, instant: datetime) -> bool:
        """Whether it came to the instant, and no signal before."""
        while not self.event.is_set():
            left = (instant - read_system_clock()).total_seconds()
            if left <= 0:
                return True
            self.event.wait(min(left, LONGEST_WAIT))
        return False

    def run(self, one: Callable[[], int]) -> None:
        """One run, which a signal stops."""
        self.running = True
        try:
            if not self.event.is_set():
                one()
        except KeyboardInterrupt:
            self.event.set()
        finally:
            self.running = False


def classify_once(one: Callable[[], int]) -> int:
    """One run, which a signal stops as an interruption does: status and log say so. Its exit code."""
    ending = StopSignal()
    with ending.catch_signals():
        ending.running = True
        return one()


def classify_every(segmenter: Segmenter, one: Callable[[], int], every: str) -> None:
    """Until a signal ends it."""
    ending = StopSignal()
    with ending.catch_signals():
        zone = segmenter.find_zone()
        while not ending.event.is_set():
            segmenter.next_run = due = find_next_run(every, read_system_clock(), zone)
            if due is None:
                raise InvalidInput("--every must come again within the next years", ("every",))
            announce(segmenter)
            typer.echo(f"The next run is at {format_minute(due, zone)} ({zone}).")
            if ending.wait_until(due):
                segmenter.next_run = find_next_run(every, read_system_clock(), zone)
                ending.run(one)
        segmenter.next_run = None
        announce(segmenter)
    typer.echo("Ended.")


def announce(segmenter: Segmenter) -> None:
    """Say in the status file when the next run is; one who runs now says it later."""
    try:
        segmenter.announce()
    except (DomainError, OSError) as error:
        typer.echo(f"The status cannot be written: {clean_line(str(error))}", err=True)


@dataclass(frozen=True, slots=True)
class Run:
    """One run, reported in the terminal."""

    segmenter: Segmenter
    as_of: date | None
    check_freshness: bool
    force: bool
    format: str

    def __call__(self) -> int:
        """The exit code."""
        try:
            result = self.segmenter.run(as_of=self.as_of, check_freshness=self.check_freshness, force=self.force)
        except Exception as error:
            sentences, code = describe_failure(error)
            for sentence in sentences:
                typer.echo(f"Error: {clean_line(sentence)}", err=True)
            return code if code in (FAULT, INTERRUPTED) or not self.segmenter.begun else FAILED
        return report_result(result, self.format)


def read_reasons(metadata: Metadata) -> list[RejectReason]:
    """Why rows of the source were rejected."""
    return [RejectReason(**cast(dict[str, Any], one)) for one in metadata["reject_reasons"]]


def report_result(result: Segmentation, format: str) -> int:
    """Say how a run ended; its exit code."""
    metadata, file = result["metadata"], clean_line(result["output_file"])
    if format == "json":
        reasons = build_reason_documents(read_reasons(metadata))
        print_json({**result, "metadata": {**metadata, "reject_reasons": reasons}})
        return SKIPPED if metadata["skipped"] else PARTLY if metadata["rejected"] else DONE
    if metadata["skipped"]:
        typer.echo(f"Skipped: the source has not changed since the last run that succeeded. {file} is as it was.")
        return SKIPPED
    typer.echo(f"{metadata['total_customers']:,} customers classified: {file}")
    if metadata["rejected"]:
        rejected = metadata["rejected"]
        typer.echo(f"{rejected:,} {'row was' if rejected == 1 else 'rows were'} rejected.", err=True)
        print_reasons(read_reasons(metadata), err=True)
        return PARTLY
    return DONE
