"""The bytes of a file, plain, gzip or the one file of a zip, as they are read: nothing is unpacked before it is asked
for, and what would unpack to far more than its size is refused."""

import gzip
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO, cast

from domain.errors import InvalidInput

GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = b"PK\x03\x04"
MAXIMUM_RATIO = 300
RATIO_FROM = 64 << 20
DAMAGE = (EOFError, OSError, zlib.error, zipfile.BadZipFile, lzma.LZMAError, struct.error)
"""What reading a damaged file ends in."""
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
ENCRYPTED = 1
NAMED = 5
"""Files of a zip that a refusal names."""


def go_on() -> None:
    """Nobody stops whoever reads."""


_check_reading: ContextVar[Callable[[], None]] = ContextVar("check_reading", default=go_on)


@contextmanager
def watch_reading(check: Callable[[], None]) -> Iterator[None]:
    """Within the block, in this thread, `check` is asked before each piece of a file; what it raises ends the
    reading, also of a source that is only being opened."""
    token = _check_reading.set(check)
    try:
        yield
    finally:
        _check_reading.reset(token)


def check_reading() -> None:
    """For readers of files that are unpacked by others."""
    _check_reading.get()()


def check_size(path: Path) -> int:
    """The size of a regular file that holds anything; InvalidInput otherwise."""
    try:
        state = path.stat()
    except OSError as error:
        raise InvalidInput(f"No data found in {path.name}.") from error
    if not stat.S_ISREG(state.st_mode):
        raise InvalidInput(f"{path.name} is not a regular file.")
    if state.st_size == 0:
        raise InvalidInput(f"No data found in {path.name}.")
    return state.st_size


def is_package(path: Path) -> bool:
    """Whether the zip file is a document of parts, such as a workbook, and not a packed file."""
    try:
        with zipfile.ZipFile(path) as package:
            names = package.namelist()
    except (*DAMAGE, ValueError):
        # A workbook that is cut off has lost the list of its parts.
        return path.suffix.lower() != ".zip"
    return "[Content_Types].xml" in names or "mimetype" in names


@contextmanager
def open_bytes(path: Path, report: Callable[[int], None]) -> Iterator[BinaryIO]:
    """What the file holds, unpacked; `report` is told how far the file itself was read."""
    with _CountingFile(path) as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic.startswith(GZIP_MAGIC):
            raw.report = report
            yield cast(BinaryIO, _BoundedGzip(raw, path.name))
        elif magic == ZIP_MAGIC:
            try:
                package = zipfile.ZipFile(raw)
                file = package.open(_find_only_file(package, path.name))
            except (*DAMAGE, ValueError, NotImplementedError, RuntimeError) as error:
                raise InvalidInput(f"{path.name} is damaged, or not a zip file.") from error
            with package, file:
                raw.report = report
                yield cast(BinaryIO, file)
        else:
            raw.report = report
            yield cast(BinaryIO, raw)


def _find_only_file(package: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """The one file that there is, beside those that macOS adds; InvalidInput says why it is not read."""
    files = [
        one
        for one in package.infolist()
        if not one.is_dir() and not one.filename.startswith("__MACOSX/") and not one.filename.endswith(".DS_Store")
    ]
    if len(files) != 1:
        names = ", ".join(one.filename[:60] for one in files[:NAMED]) + (", …" if len(files) > NAMED else "")
        what = f"{len(files):,} files: {names}. Unpack it and give one of them" if files else "no file"
        raise InvalidInput(f"{name} holds {what}.")
    (only,) = files
    if only.flag_bits & ENCRYPTED or only.compress_type not in METHODS:
        why = "has a password" if only.flag_bits & ENCRYPTED else "is packed in an unusual way"
        raise InvalidInput(f"{name} {why}. Unpack it and give {only.filename[:60]}.")
    if only.file_size > RATIO_FROM and only.file_size > only.compress_size * MAXIMUM_RATIO:
        size = f"{only.file_size >> 20:,} MiB"
        raise InvalidInput(f"{name} would unpack to {size}, which is far more than its size. Unpack it first.")
    return only


class _BoundedGzip(gzip.GzipFile):
    """A gzip file, which does not say what it unpacks to; InvalidInput once that is far more than its size."""

    def __init__(self, raw: "_CountingFile", name: str) -> None:
        super().__init__(fileobj=raw, mode="rb")
        self.raw_file = raw
        self.called = name
        self.unpacked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Unpack so much."""
        data = super().read(size)
        self.unpacked += len(data)
        if self.unpacked > RATIO_FROM and self.unpacked > self.raw_file.tell() * MAXIMUM_RATIO:
            raise InvalidInput(
                f"{self.called} unpacks to more than {MAXIMUM_RATIO} times its size, {self.unpacked >> 20:,} MiB so "
                "far. Unpack it first."
            )
        return data


class _CountingFile(io.FileIO):
    """A file that tells how far it was read, for the progress bar."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")
        self.report: Callable[[int], None] | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and say where."""
        check_reading()
        data = super().read(size)
        if self.report is not None:
            self.report(self.tell())
        return data or b""
