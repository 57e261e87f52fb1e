"""Runs of the classification by a schedule, in the zone of the business. One run at a time; times that pass while one
runs are left out. A run that fails is said, and the next one comes. SIGTERM and SIGINT end it: at once while it waits,
and in the middle of a run after its transaction, with the output of the run before."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import FrameType

import typer

from domain.calendar import next_run
from domain.errors import DomainError, InvalidInput
from gql.cli_text import plain
from gql.clock import system_clock
from gql.segmentation import Segmenter

LONGEST_WAIT = 20.0
"""Seconds between two looks at the clock, which somebody may set."""


class Ending:
    """Whether a signal has come."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.running = False

    def announce(self, number: int, frame: FrameType | None) -> None:
        """The signal."""
        self.event.set()
        if self.running:
            raise KeyboardInterrupt

    @contextmanager
    def heard(self) -> Iterator[None]:
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
            left = (instant - system_clock()).total_seconds()
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
    ending = Ending()
    with ending.heard():
        ending.running = True
        return one()


def classify_every(segmenter: Segmenter, one: Callable[[], int], every: str) -> None:
    """Until a signal ends it."""
    ending = Ending()
    with ending.heard():
        zone = segmenter.zone()
        while not ending.event.is_set():
            segmenter.next_run = due = next_run(every, system_clock(), zone)
            if due is None:
                raise InvalidInput("--every must come again within the next years", ("every",))
            announce(segmenter)
            typer.echo(f"The next run is at {due.isoformat(timespec='minutes').replace('+00:00', 'Z')}.")
            if ending.wait_until(due):
                segmenter.next_run = next_run(every, system_clock(), zone)
                ending.run(one)
        segmenter.next_run = None
        announce(segmenter)
    typer.echo("Ended.")


def announce(segmenter: Segmenter) -> None:
    """Say in the status file when the next run is; one who runs now says it later."""
    try:
        segmenter.announce()
    except (DomainError, OSError) as error:
        typer.echo(f"The status cannot be written: {plain(str(error))}", err=True)
