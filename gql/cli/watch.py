"""`segments watch`: a file or a folder of files is imported and classified whenever it has changed and nobody writes it
any more. What counts is how a file looks, compared again and again; the watcher of the system only wakes sooner."""

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
from typing import Annotated

import typer
from watchfiles import watch as watch_folder

from domain.errors import DomainError, InvalidInput, Taken, Unavailable
from domain.imports.columns import counted
from domain.imports.formats import ImportOptions
from gql.cli.imports import (
    AmountOption,
    CurrencyOption,
    DateFormatOption,
    DecimalOption,
    MapOption,
    PresetOption,
    SheetOption,
    SignOption,
    ThousandsOption,
    ZoneOption,
    read_mapping,
)
from gql.cli.main import explained
from gql.cli.output import plain
from gql.cli.session import BusinessOption
from gql.composition import check_folder, no_folder, system_clock
from gql.segmentation import run_segmentation
from gql.settings import Settings

watch_app = typer.Typer()
ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".xlsx")
"""Files of a folder that are taken for purchases."""
TICK = 0.5
"""Seconds until files are looked at again, whatever the system says."""
LATER = 30.0
"""Seconds until a run is tried again that met a busy store."""
Look = tuple[int, int, int, int]
"""How a file looks: device, inode, size, time of the last change."""


@dataclass(slots=True)
class Watched:
    """One file: how it looked, since when, and how it looked when it was last run."""

    look: Look | None = None
    since: float = 0.0
    done: Look | None = None
    again_at: float = 0.0


@dataclass(slots=True)
class Watcher:
    """Decides which file is due; `run` does it and says what came of it."""

    path: Path
    settle: float
    run: Callable[[Path], str]
    say: Callable[[str], None]
    complain: Callable[[str], None]
    files: dict[Path, Watched] = field(default_factory=dict)

    def turn(self, stop: Event) -> None:
        """Look at every file once, and run those that are due, one after the other."""
        for path in sorted({*self.files, *self._there()}):
            if stop.is_set():
                return
            file = self.files.setdefault(path, Watched())
            now, look = time.monotonic(), look_of(path)
            if look != file.look:
                if look is None:
                    self.say(f"{path.name} is gone. It is imported again when it is back.")
                file.look, file.since, file.again_at = look, now, 0.0
            if look is not None and look != file.done and now >= max(file.since + self.settle, file.again_at):
                self._run(path, file, look)

    def _there(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path] if self.path.exists() else []
        names = [one for one in self.path.iterdir() if one.name.lower().endswith(ENDINGS)]
        return [one for one in names if not one.name.startswith((".", "~")) and one.is_file()]

    def _run(self, path: Path, file: Watched, look: Look) -> None:
        try:
            self.say(self.run(path))
        except Exception as error:
            for sentence in explained(error)[0]:
                self.complain(f"{path.name}: {sentence}")
            if isinstance(error, Taken | Unavailable) or not isinstance(error, DomainError):
                file.again_at = time.monotonic() + LATER
                return
        # Where it was written meanwhile, it does not look like this any more and its turn comes again.
        file.done = look


def look_of(path: Path) -> Look | None:
    """How the file looks; None where there is none."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


@contextmanager
def held(settings: Settings, path: Path) -> Iterator[None]:
    """This process alone watches the path, by a lock that dies with it; Taken where another does."""
    try:
        check_folder(settings.data)
    except OSError as error:
        raise no_folder(error) from error
    name = hashlib.sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    lock = os.open(settings.data / f".watch-{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Taken(f"{path} is watched by another process already.") from error
        yield
    finally:
        os.close(lock)


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Set by the first SIGINT or SIGTERM; what runs then comes to its end. The second interrupts it."""
    stop = Event()

    def ended(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {one: signal.signal(one, ended) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def keep_watch(watcher: Watcher, stop: Event) -> None:
    """Turn after turn until the end. The folder may vanish and come back: looking goes on without the system's help."""
    folder = watcher.path if watcher.path.is_dir() else watcher.path.absolute().parent
    while not stop.is_set():
        watcher.turn(stop)
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
                watcher.turn(stop)
                if stop.is_set() or not folder.is_dir():
                    break
        except (OSError, RuntimeError):
            stop.wait(TICK)


@watch_app.command()
def watch(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="File of purchases, or a folder of such files.")],
    business: BusinessOption = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for the labels; the business's where absent.")
    ] = None,
    settle: Annotated[
        float, typer.Option("--settle", help="Seconds without a change until a file is read.", min=0.1, max=3600)
    ] = 2.0,
    map: MapOption = None,
    date_format: DateFormatOption = None,
    preset: PresetOption = None,
    amount: AmountOption = None,
    decimal: DecimalOption = None,
    thousands: ThousandsOption = None,
    currency_sign: SignOption = None,
    sheet: SheetOption = None,
    time_zone: ZoneOption = None,
    currency: CurrencyOption = None,
) -> None:
    """Import and classify whenever a file changes. Example: segments watch orders.csv --business shop"""
    settings: Settings = context.obj
    options = ImportOptions(
        read_mapping(map or ()), date_format, preset, amount, decimal, thousands, currency_sign, sheet
    ).checked()
    if not (path.is_dir() or path.absolute().parent.is_dir()):
        raise InvalidInput(f"The folder of {path} is not there, so nothing in it can be watched")

    def run(file: Path) -> str:
        found = run_segmentation(
            "csv",
            file,
            business=business,
            output=output,
            check_freshness=True,
            options=options,
            time_zone=time_zone,
            currency=currency,
            settings=settings,
        )
        told = found["metadata"]
        if told["skipped"]:
            return f"{file.name} has not changed since it was classified."
        refused = f", {counted(told['rejected'], 'row')} rejected" if told["rejected"] else ""
        return f"{file.name}: {told['total_customers']:,} customers classified{refused}: {found['output_file']}"

    with held(settings, path), stopped_by_signals() as stop:
        typer.echo(f"Watching {plain(str(path))}. A signal ends it.")
        keep_watch(Watcher(path, settle, run, said, complained), stop)
        typer.echo("Ended.")


def said(sentence: str) -> None:
    """A line with its time, at once."""
    typer.echo(f"{system_clock():%Y-%m-%d %H:%M:%SZ} {plain(sentence)}")


def complained(sentence: str) -> None:
    """The same on standard error."""
    typer.echo(f"{system_clock():%Y-%m-%d %H:%M:%SZ} Error: {plain(sentence)}", err=True)
