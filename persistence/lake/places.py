"""Where copies are: a folder of this machine, or a bucket that speaks S3. A file appears under its name whole or not at
all, by one rename or one PUT, and no name is ever used twice; so what was fetched from a bucket once is read from this
machine afterwards."""

import os
import re
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from domain.errors import InvalidInput

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

BUCKET = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s?#]*)?(\?[^\s#]*)?")
OPTIONS = {"region": "region", "endpoint": "endpoint_override", "scheme": "scheme"}
PIECE = 1 << 20
UNFINISHED, UNFINISHED_SECONDS = ".unfinished", 3600
TOUCHED = "touched"
"""What the names of files begin with that hold who changed since a copy, followed by the second they were written in:
an engine of other machines reads them for the length of one statement."""
OWN = re.compile(r"([0-9a-f]{32}|" + TOUCHED + r"\.[0-9]+)\.")
"""What the names of all files begin with. Whatever has another name is somebody else's: a snapshot, a thumbnail, a file
that NFS keeps for whoever has it open."""


class Place(Protocol):
    """Where the files of one business are. OSError where it is gone, full or may only be read."""

    def address(self, name: str) -> str:
        """Where others find the file."""
        ...

    def list_names(self) -> list[str]:
        """Of all files of copies that are whole."""
        ...

    def fetch(self, name: str, ended: Event | None = None) -> Path:
        """The file on this machine. InterruptedError where nobody waits for it any more."""
        ...

    def put(self, name: str, write: Callable[[Path], None]) -> None:
        """Let what is written be the file, and be on the disk."""
        ...

    def remove(self, names: Iterable[str]) -> None:
        """Take files away; one that is gone already is no trouble."""
        ...

    def keep_fetched(self, names: Collection[str]) -> None:
        """Of what was fetched to this machine, let all others go."""
        ...

    def remove_unfinished(self) -> None:
        """Take away what was left by a writer that was killed an hour ago or more."""
        ...


def _settle(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _make_folder(folder: Path) -> None:
    """For the server alone: the first that is missing is made so, which shuts all below it."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    if missing:
        missing[-1].mkdir(0o700, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class Folder:
    """On this machine, or one that this machine has mounted."""

    root: Path

    def address(self, name: str) -> str:
        return str((self.root / name).absolute())

    def list_names(self) -> list[str]:
        names = (path.name for path in self.root.glob("*"))
        return sorted(name for name in names if OWN.match(name) and not name.endswith(UNFINISHED))

    def fetch(self, name: str, ended: Event | None = None) -> Path:
        return self.root / name

    def put(self, name: str, write: Callable[[Path], None]) -> None:
        _make_folder(self.root)
        unfinished = self.root / f"{name}.{uuid4().hex[:8]}{UNFINISHED}"
        try:
            write(unfinished)
            _settle(unfinished)
            unfinished.replace(self.root / name)
            _settle(self.root)
        finally:
            unfinished.unlink(missing_ok=True)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def keep_fetched(self, names: Collection[str]) -> None:
        """Nothing is fetched: the files are on this machine."""

    def remove_unfinished(self) -> None:
        for path in self.root.glob(f"*{UNFINISHED}"):
            with suppress(FileNotFoundError):
                if OWN.match(path.name) and path.stat().st_mtime < time.time() - UNFINISHED_SECONDS:
                    path.unlink()


@dataclass(frozen=True)
class Bucket:
    """In an object store. What was fetched lies in a folder of this machine, which a file that is gone from the bucket
    leaves, too."""

    path: str
    """Bucket and prefix."""
    options: tuple[tuple[str, str], ...]
    held: Folder

    @cached_property
    def _files(self) -> "S3FileSystem":
        from pyarrow.fs import S3FileSystem

        # What is small, as a manifest is, goes there by one request.
        return S3FileSystem(**dict(self.options), allow_delayed_open=True)

    def address(self, name: str) -> str:
        return f"s3://{self.path}/{name}"

    def list_names(self) -> list[str]:
        from pyarrow.fs import FileSelector

        found = self._files.get_file_info(FileSelector(self.path, allow_not_found=True))
        return sorted(info.base_name for info in found if OWN.match(info.base_name))

    def fetch(self, name: str, ended: Event | None = None) -> Path:
        known = self.held.fetch(name)
        if not known.exists():
            self.held.put(name, lambda path: self._copy_down(name, path, ended))
        return known

    def _copy_down(self, name: str, path: Path, ended: Event | None) -> None:
        with self._files.open_input_stream(f"{self.path}/{name}") as source, path.open("wb") as target:
            while piece := source.read(PIECE):
                if ended is not None and ended.is_set():
                    raise InterruptedError
                target.write(piece)

    def put(self, name: str, write: Callable[[Path], None]) -> None:
        self.held.put(name, write)
        with (
            self.held.fetch(name).open("rb") as source,
            # Nothing is there until the stream was closed.
            self._files.open_output_stream(f"{self.path}/{name}") as target,
        ):
            while piece := source.read(PIECE):
                target.write(piece)

    def remove(self, names: Iterable[str]) -> None:
        for name in names:
            with suppress(FileNotFoundError):
                self._files.delete_file(f"{self.path}/{name}")
            self.held.remove([name])

    def keep_fetched(self, names: Collection[str]) -> None:
        self.held.remove(name for name in self.held.list_names() if name not in names)

    def remove_unfinished(self) -> None:
        self.held.remove_unfinished()


@dataclass(frozen=True, slots=True)
class Address:
    """What SEGMENTS_LAKE says."""

    text: str
    held: Path
    """Where what was fetched from a bucket is kept."""

    def open(self, *folders: str) -> Place:
        """The place below it."""
        below = "/".join(folders)
        if not self.text.startswith("s3://"):
            return Folder(Path(self.text) / below)
        parts = urlsplit(self.text)
        options = tuple((OPTIONS[name], value) for name, value in parse_qsl(parts.query))
        prefix = "/".join(part for part in (parts.netloc, parts.path.strip("/"), below) if part)
        return Bucket(prefix, options, Folder(self.held / below))


def read_address(text: str, held: Path) -> Address:
    """InvalidInput, which does not show it, where it is neither a folder nor a bucket."""
    if "://" in text:
        known = {name for name, _ in parse_qsl(urlsplit(text).query)} <= OPTIONS.keys()
        if not BUCKET.fullmatch(text) or not known:
            raise InvalidInput(
                "SEGMENTS_LAKE must be a folder, or like s3://bucket/prefix, with ?region=, ?endpoint= and ?scheme= "
                "where they are needed"
            )
    return Address(text, held)
