"""Rows from a CSV file, plain or gzip, with `,` `;` or tab, as they are read: memory does not grow with the file."""

import codecs
import csv
import gzip
import io
import re
import stat
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from domain.errors import InvalidInput
from domain.imports.columns import MAXIMUM_CELLS
from domain.imports.rows import Batch

MAXIMUM_LINE = 1 << 20
FIRST = 1 << 16
"""Bytes read first: enough for a header, little enough that damage further on is found by the import itself."""
PIECES_OF_A_ROW = 4
"""A row that goes on over more pieces of the file than so many refuses it."""
BATCH = 500
"""Rows handed on at a time: few enough that what is made of them stays in the processor's cache. Fewer where a piece of
the file ends before."""
GZIP_MAGIC = b"\x1f\x8b"
OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
LINE_BREAK = re.compile("\r\n|\r|\n")
CONTROL, UNREAD = re.compile("[\x01-\x08\x0e-\x1f]"), re.compile("[\udc80-\udcff]")
"""What no text holds together: control characters, and bytes that are not UTF-8."""
END = "\ud800"
ENDED = [END, END]
"""A row after those of the file, such as no file can hold: one that goes on into it has a quote that never ends."""


class CsvSource:
    """One file. `header` is read at once; `read_batches` and `read_rows` may be asked for again and begin anew."""

    typed = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name
        self.size = _check_size(path)
        self.position = 0
        with self._open() as text:
            first = next(text.read_lines(), "")
        if not first.strip():
            raise InvalidInput(f"No data found in {self.name}.")
        self.delimiter = max(",;\t", key=first.count)
        with self._open() as text:
            self.header: list[str] = self._read(self._make_reader(text), text, 1)[0]
        names = "".join(self.header)
        if "\0" in names or (CONTROL.search(names) and UNREAD.search(names)):
            raise InvalidInput(f"{self.name} is not a text file; give a CSV file.")
        if len(self.header) > MAXIMUM_CELLS:
            raise InvalidInput(f"{self.name} has more than {MAXIMUM_CELLS:,} columns, which are the most.")

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows after the header, empty lines among them as rows without cells."""
        with self._open() as text:
            reader = self._make_reader(text)
            self._read(reader, text, 1)
            while True:
                begins = reader.line_num + 1
                text.clean = text.piece_is_clean
                rows = self._read(reader, text, BATCH)
                plain = reader.line_num - begins + 1 == len(rows)
                if rows and rows[-1] == ENDED:
                    rows.pop()
                if not rows:
                    return
                yield Batch(
                    range(begins, begins + len(rows)) if plain else _find_beginnings(rows, begins), rows, text.clean
                )

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number of the row's beginning, and its cells; empty lines are left out."""
        for batch in self.read_batches():
            for line, cells in zip(batch.lines, batch.rows, strict=True):
                if cells:
                    yield line, cells

    def find_line(self, line: int) -> int:
        """The line of the file that the line of what is read stands on."""
        return line

    def _make_reader(self, text: "_Text") -> Any:
        csv.field_size_limit(MAXIMUM_LINE)
        return csv.reader(chain(text.read_lines(), (self.delimiter.join(ENDED),)), delimiter=self.delimiter)

    def _read(self, reader: Any, text: "_Text", count: int) -> list[list[str]]:
        """The next rows, cut where they have far too many cells; what is wrong with the file as a whole is a sentence
        that says where."""
        begins = reader.line_num + 1
        rows: list[list[str]] = []
        first = text.row_began = text.pieces
        try:
            for cells in reader:
                if len(cells) > MAXIMUM_CELLS:
                    del cells[MAXIMUM_CELLS + 1 :]
                rows.append(cells)
                if len(rows) == count or text.pieces != first:
                    break
        except _RowTooLong as error:
            longest = f"a row goes on for more than {PIECES_OF_A_ROW * MAXIMUM_LINE:,} bytes"
            raise self._build_error(rows, begins, longest) from error
        except csv.Error as error:
            # Lines are shorter than the longest cell, so only a quoted one over several lines comes here.
            raise self._build_error(
                rows, begins, f"a quote is opened and not closed within {MAXIMUM_LINE} characters"
            ) from error
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidInput(f"{self.name} is damaged after line {self.find_line(reader.line_num)}.") from error
        if rows and rows[-1] and rows[-1][-1].endswith(END) and rows[-1] != ENDED:
            raise self._build_error(rows[:-1], begins, "a quote is opened and never closed")
        return rows

    def _build_error(self, rows: list[list[str]], begins: int, what: str) -> InvalidInput:
        """What is said of the row that follows these rows, the first of which begins on the line."""
        line = self.find_line(_find_beginnings([*rows, []], begins)[-1])
        return InvalidInput(f"{self.name}, line {line}: {what}.")

    @contextmanager
    def _open(self) -> Iterator["_Text"]:
        with _CountingFile(self.path, self) as raw:
            magic = raw.peek_magic()
            stream: Any = gzip.GzipFile(fileobj=raw) if magic == GZIP_MAGIC else raw
            yield _Text(cast(BinaryIO, stream), self.name, self.find_line)


class _Text:
    """The text of a file, in pieces that end with a line. What is not UTF-8 is kept apart, so that one bad row is one
    reject and not the end of the import; `clean` is False from there until it is set again."""

    def __init__(self, stream: BinaryIO, name: str, place: Callable[[int], int]) -> None:
        self.stream = stream
        self.name = name
        self.place = place
        self.clean = True
        self.piece_is_clean = True
        self.pieces = self.row_began = 0

    def read_lines(self) -> Iterator[str]:
        """Every line with its end."""
        return chain.from_iterable(io.StringIO(piece, newline="") for piece in self._read_pieces())

    def _read_pieces(self) -> Iterator[str]:
        rest = b""
        before = 0
        first = True
        while data := self._read(FIRST if first else MAXIMUM_LINE, before):
            block = rest + data
            if first:
                first = False
                block = self._strip_mark(block)
            cut, ends = block.rfind(b"\n") + 1, b"\n"
            if not cut and (cut := block.rfind(b"\r", 0, -1) + 1):
                ends = b"\r"
            if block.find(ends, 0, cut) > MAXIMUM_LINE or (not cut and len(block) > MAXIMUM_LINE):
                line = self.place(before + 1)
                raise InvalidInput(f"{self.name}, line {line} is longer than {MAXIMUM_LINE} characters.")
            if cut:
                before += block.count(ends, 0, cut)
                yield self._decode(block[:cut])
            rest = block[cut:]
        if rest:
            yield self._decode(rest)

    def _read(self, size: int, line: int) -> bytes:
        try:
            return self.stream.read(size)
        except (EOFError, OSError, zlib.error) as error:
            raise InvalidInput(f"{self.name} is damaged after line {self.place(line)}.") from error

    def _strip_mark(self, block: bytes) -> bytes:
        if block.startswith(OTHER_ENCODINGS) or b"\0" in block[:4]:
            raise InvalidInput(f"{self.name} is not UTF-8 text; save it as UTF-8.")
        return block.removeprefix(codecs.BOM_UTF8)

    def _decode(self, piece: bytes) -> str:
        self.pieces += 1
        if self.pieces > self.row_began + PIECES_OF_A_ROW:
            raise _RowTooLong
        try:
            text = piece.decode()
            self.piece_is_clean = "\0" not in text
        except UnicodeDecodeError:
            text = piece.decode("utf-8", "surrogateescape")
            self.piece_is_clean = False
        self.clean = self.clean and self.piece_is_clean
        return text


class _RowTooLong(Exception):
    """A row does not come to its end."""


class _CountingFile(io.FileIO):
    """A file that tells its source how far it was read, for the progress bar."""

    def __init__(self, path: Path, source: CsvSource) -> None:
        super().__init__(path, "rb")
        self.source = source

    def peek_magic(self) -> bytes:
        """The first two bytes."""
        magic = super().read(2)
        self.seek(0)
        return magic or b""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read, and say where."""
        data = super().read(size)
        self.source.position = self.tell()
        return data or b""


def _find_beginnings(rows: list[list[str]], line: int) -> list[int]:
    """The line that each row begins on, where quoted cells hold line breaks."""
    beginnings = []
    for cells in rows:
        beginnings.append(line)
        line += 1 + sum(len(LINE_BREAK.findall(cell)) for cell in cells)
    return beginnings


def _check_size(path: Path) -> int:
    try:
        state = path.stat()
    except OSError as error:
        raise InvalidInput(f"No data found in {path.name}.") from error
    if not stat.S_ISREG(state.st_mode):
        raise InvalidInput(f"{path.name} is not a regular file.")
    if state.st_size == 0:
        raise InvalidInput(f"No data found in {path.name}.")
    return state.st_size
