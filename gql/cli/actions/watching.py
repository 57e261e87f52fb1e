"""A file or a folder of files under watch. What counts is how a file looks, compared again and again; the watcher of
the system only wakes sooner."""

import fcntl
import hashlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType
from zoneinfo import ZoneInfo

import typer
from watchfiles import watch as watch_folder

from domain.classification.pipeline import Segmentation
from domain.errors import AlreadyTaken, DomainError, Unavailable
from domain.imports.columns import count_noun
from domain.imports.sources import FILE_TYPES
from gql.cli.actions.classifying import read_reasons
from gql.cli.actions.imported import name_remedy
from gql.cli.main import describe_failure
from gql.cli.output import clean_line
from gql.composition import check_folder, read_system_clock, translate_folder_errors
from gql.settings import Settings

ENDINGS = tuple(ending for one in FILE_TYPES for ending in one.endings)
"""Files of a folder that are taken for purchases."""
TICK = 0.5
"""Seconds until files are looked at again, whatever the system says."""
LATER = 30.0
"""Seconds until a run is tried again that met a busy store."""
FileState = tuple[int, int, int, int]
"""How a file looks: device, inode, size, time of the last change."""


@dataclass(slots=True)
class WatchedFile:
    """One file: how it looked, since when, and how it looked when it was last run."""

    look: FileState | None = None
    since: float = 0.0
    done: FileState | None = None
    again_at: float = 0.0


@dataclass(slots=True)
class Watcher:
    """Decides which file is due; `run` does it and says what came of it, at times in that zone."""

    path: Path
    settle: float
    run: Callable[[Path], list[str]]
    zone: ZoneInfo
    files: dict[Path, WatchedFile] = field(default_factory=dict)

    def run_due_files(self, stop: Event) -> None:
        """Look at every file once, and run those that are due, one after the other."""
        for path in sorted({*self.files, *self._list_files()}):
            if stop.is_set():
                return
            file = self.files.setdefault(path, WatchedFile())
            now, look = time.monotonic(), read_file_state(path)
            if look != file.look:
                if look is None:
                    self.print_line(f"{path.name} is gone. It is imported again when it is back.")
                file.look, file.since, file.again_at = look, now, 0.0
            if look is not None and look != file.done and now >= max(file.since + self.settle, file.again_at):
                self._run(path, file, look)

    def _list_files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path] if self.path.exists() else []
        names = [one for one in self.path.iterdir() if one.name.lower().endswith(ENDINGS)]
        return [one for one in names if not one.name.startswith((".", "~")) and one.is_file()]

    def _run(self, path: Path, file: WatchedFile, look: FileState) -> None:
        try:
            for sentence in self.run(path):
                self.print_line(sentence)
        except Exception as error:
            for sentence in describe_failure(error)[0]:
                self.print_line(f"Error: {path.name}: {sentence}", err=True)
            if isinstance(error, AlreadyTaken | Unavailable) or not isinstance(error, DomainError):
                file.again_at = time.monotonic() + LATER
                return
        # Where it was written meanwhile, it does not look like this any more and its turn comes again.
        file.done = look

    def print_line(self, sentence: str, *, err: bool = False) -> None:
        """A line with its time, at once."""
        typer.echo(f"{read_system_clock().astimezone(self.zone):%Y-%m-%d %H:%M:%S} {clean_line(sentence)}", err=err)


def describe_run(name: str, result: Segmentation) -> list[str]:
    """What a run changed: rows, reasons of rejected ones, labels and segments, a line each."""
    metadata = result["metadata"]
    if metadata["skipped"]:
        return [f"{name} has not changed since it was classified."]
    rows = ", ".join(
        (
            f"{metadata['created']:,} created",
            f"{metadata['updated']:,} updated",
            f"{metadata['unchanged']:,} unchanged",
            f"{metadata['rejected']:,} rejected",
        )
    )
    lines = [f"{name}: {rows}"]
    for reason in read_reasons(metadata):
        helps = f" {remedy}" if (remedy := name_remedy(reason)) else ""
        lines.append(
            f"{name}: {count_noun(reason.count, 'row')} from line {reason.first_line:,}: {reason.reason}.{helps}"
        )
    lines.append(f"{name}: {metadata['total_customers']:,} customers classified: {result['output_file']}")
    for dimension, labels in metadata["labels"].items():
        lines.append(f"{name}: {dimension}: {', '.join(f'{label} {more:+,}' for label, more in labels.items())}")
    for key, (entered, left) in metadata["segments"].items():
        lines.append(f"{name}: segment {key}: {entered:,} entered, {left:,} left")
    return lines


def read_file_state(path: Path) -> FileState | None:
    """How the file looks; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


@contextmanager
def watch_alone(settings: Settings, path: Path) -> Iterator[None]:
    """This process alone watches the path, by a lock that dies with it; AlreadyTaken where another does."""
    with translate_folder_errors():
        check_folder(settings.data)
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = os.open(settings.data / f".watch-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyTaken(f"{path} is watched by another process already.") from error
        yield
    finally:
        os.close(lock)


@contextmanager
def stop_on_signals() -> Iterator[Event]:
    """Set by the first SIGINT or SIGTERM; what runs then comes to its end. The second interrupts it."""
    stop = Event()

    def obey(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {one: signal.signal(one, obey) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def keep_watch(watcher: Watcher, stop: Event) -> None:
    """Turn after turn until the end. The folder may vanish and come back: looking goes on without the system's help."""
    folder = watcher.path if watcher.path.is_dir() else watcher.path.absolute().parent
    while not stop.is_set():
        watcher.run_due_files(stop)
        if not folder.is_dir():
            stop.wait(TICK)
            continue
        try:
            for _ in watch_folder(
                folder,
                watch_filter=None,
                stop_event=stop,
                debounce=100,
                step=50,
                rust_timeout=int(TICK * 1000),
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
            ):
                watcher.run_due_files(stop)
                if stop.is_set() or not folder.is_dir():
                    break
        except (OSError, RuntimeError):
            stop.wait(TICK)
