"""The folder that runs of the classification write into. A file is written beside the one it replaces and takes its
place only when all of it is on the disk; one run at a time has the folder, by a lock that dies with its process."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from json.encoder import encode_basestring
from operator import itemgetter
from pathlib import Path
from typing import TextIO

from domain.classification.pipeline import (
    LOCK_FILENAME,
    LOG_FILENAME,
    OUTPUT_FILENAME,
    QUESTION_FILENAME,
    RESERVED,
    STATUS_FILENAME,
    Part,
)
from domain.errors import AlreadyTaken, InvalidInput

NAMES = ("purchase_frequency", "spending", "category")
LOG_TAIL = 1 << 16
"""Bytes at the end of the log in which the last run is looked for."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One folder, held by this process."""

    path: Path
    filename: str = OUTPUT_FILENAME

    @classmethod
    @contextmanager
    def acquire(cls, path: Path, filename: str = OUTPUT_FILENAME) -> Iterator["RunFolder"]:
        """The folder, made where it is not there; AlreadyTaken where another run has it."""
        if Path(filename).name != filename or filename in ("", ".", "..", *RESERVED):
            raise InvalidInput(f"output_filename must be the name of a file in the folder, not {filename[:100]}")
        path = path.absolute()
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / LOCK_FILENAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise AlreadyTaken(
                    f"Another run writes into {path}. Wait until it has ended, or give another folder."
                ) from error
            yield cls(path, filename)
        finally:
            os.close(lock)

    @property
    def output(self) -> str:
        """The path of the output file."""
        return str(self.path / self.filename)

    def has_answer(self, question: str) -> bool:
        """Whether the output is there and is of the run that was asked this."""
        try:
            stored = json.loads((self.path / QUESTION_FILENAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return Path(self.output).is_file() and stored == question

    def read_status(self) -> Mapping[str, object]:
        """What the last run said; nothing where there was none, or where nobody can read it."""
        try:
            status = json.loads((self.path / STATUS_FILENAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    def write_status(self, status: Mapping[str, object]) -> None:
        """Say how things stand."""
        with replace_file(self.path / STATUS_FILENAME) as file:
            file.write(json.dumps(status, ensure_ascii=False, indent=2) + "\n")

    def read_distribution(self) -> Mapping[str, Mapping[str, int]]:
        """Dimension, label, number of customers as the last run that wrote the output counted them; nothing where the
        end of the log does not say it."""
        try:
            with (self.path / LOG_FILENAME).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
                lines = log.read().splitlines()
        except OSError:
            return {}
        for line in reversed(lines):
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("error") is None and not entry.get("skipped"):
                distribution: Mapping[str, Mapping[str, int]] = entry.get("distribution", {})
                return distribution
        return {}

    def append_log(self, entry: Mapping[str, object]) -> None:
        """One line more, whole or not at all."""
        line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
        handle = os.open(self.path / LOG_FILENAME, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                # What a run that died began to write becomes a line of its own.
                line = b"\n" + line
            written = os.write(handle, line)
            if written < len(line):
                os.ftruncate(handle, size)
                raise OSError(28, os.strerror(28), str(self.path / LOG_FILENAME))
            os.fsync(handle)
        finally:
            os.close(handle)

    def write_output(self, parts: Iterator[Part], further: Sequence[str], question: str) -> None:
        """The customers with their labels, as a list with one customer a line; `further` names added dimensions. What
        the output answers is kept beside it; in between nobody knows."""
        asked = self.path / QUESTION_FILENAME
        asked.unlink(missing_ok=True)
        texts = _Segmentations((*NAMES, *further))
        labels = itemgetter(*range(1, len(texts.names) + 1))
        with replace_file(Path(self.output)) as file:
            file.write("[")
            before = "\n"
            for part in parts:
                entries = [
                    f'{{"customer_id": {encode_basestring(row[0] or "")}, "segmentation": {texts[labels(row)]}}}'
                    for row in part
                ]
                file.write(before + ",\n".join(entries))
                before = ",\n"
            file.write("\n]\n")
        with replace_file(asked) as file:
            file.write(json.dumps(question))


class _Segmentations(dict[tuple[str | None, ...], str]):
    """The labels of a customer as JSON. They repeat, so what is made of them is remembered."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.names = names

    def __missing__(self, labels: tuple[str | None, ...]) -> str:
        self[labels] = text = json.dumps(dict(zip(self.names, labels, strict=True)), ensure_ascii=False)
        return text


@contextmanager
def replace_file(path: Path) -> Iterator[TextIO]:
    """A new file in the place of the old one, when the block is left in order and its text is on the disk."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
