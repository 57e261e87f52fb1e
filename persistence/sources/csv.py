"""Rows from a CSV file, plain or gzip, with `,` `;` or tab, as they are read: memory does not grow with the file."""

import csv
import gzip
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from domain.errors import InvalidInput

MAXIMUM_LINE = 1 << 20
MAXIMUM_COLUMNS = 1000
GZIP_MAGIC = b"\x1f\x8b"


class CsvSource:
    """One file. `header` is read at once; `rows` may be asked for again and begins anew."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.size = _checked_size(path)
        self.position = 0
        with self._open() as file:
            first = next(_lines(file), "")
        if not first.strip():
            raise InvalidInput(f"No data found in {self.name}.")
        self.delimiter = max(",;\t", key=first.count)
        with self._open() as file:
            self.header: list[str] = next(self._reader(file), [])
        if len(self.header) > MAXIMUM_COLUMNS:
            raise InvalidInput(f"{self.name} has {len(self.header)} columns; at most {MAXIMUM_COLUMNS} are read.")

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number of the row's beginning, and its cells; empty lines are left out."""
        with self._open() as file:
            reader = self._reader(file)
            try:
                next(reader, None)
                begins = reader.line_num + 1
                for cells in reader:
                    if cells:
                        yield begins, cells
                    begins = reader.line_num + 1
            except csv.Error as error:
                raise InvalidInput(f"{self.name}, line {reader.line_num}: {error}.") from error
            except (EOFError, gzip.BadGzipFile, OSError) as error:
                raise InvalidInput(f"{self.name} is damaged after line {reader.line_num}.") from error

    def _reader(self, file: IO[str]) -> Any:
        csv.field_size_limit(MAXIMUM_LINE)
        return csv.reader(_lines(file, self.name), delimiter=self.delimiter)

    @contextmanager
    def _open(self) -> Iterator[IO[str]]:
        with _Counting(self.path, self) as raw:
            magic = raw.peek_magic()
            stream: Any = gzip.GzipFile(fileobj=raw) if magic == GZIP_MAGIC else io.BufferedReader(raw)
            # What is not UTF-8 is kept apart, so that one bad row is one reject and not the end of the import.
            with io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                yield file


class _Counting(io.FileIO):
    """A file that tells its source how far it was read, for the progress bar."""

    def __init__(self, path: Path, source: CsvSource) -> None:
        super().__init__(path, "rb")
        self.source = source

    def peek_magic(self) -> bytes:
        """The first two bytes."""
        magic = super().read(2)
        self.seek(0)
        return magic or b""

    def readinto(self, buffer: object) -> int:
        """Read, and say where."""
        count = super().readinto(buffer)  # type: ignore[arg-type]
        self.source.position = self.tell()
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and say where."""
        data = super().read(size)
        self.source.position = self.tell()
        return data or b""


def _checked_size(path: Path) -> int:
    try:
        state = path.stat()
    except OSError as error:
        raise InvalidInput(f"No data found in {path.name}.") from error
    if not stat.S_ISREG(state.st_mode):
        raise InvalidInput(f"{path.name} is not a regular file.")
    if state.st_size == 0:
        raise InvalidInput(f"No data found in {path.name}.")
    return state.st_size


def _lines(file: IO[str], name: str = "") -> Iterator[str]:
    number = 0
    while line := file.readline(MAXIMUM_LINE):
        number += 1
        if len(line) == MAXIMUM_LINE and not line.endswith("\n"):
            raise InvalidInput(f"{name}, line {number} is longer than {MAXIMUM_LINE} characters.")
        yield line
