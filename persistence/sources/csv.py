"""Rows from a text file, plain or packed, in whatever encoding and with whatever delimiter, as they are read: memory
does not grow with the file."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

from domain.errors import InvalidInput, Sentence
from domain.imports.columns import MAXIMUM_CELLS, count_noun
from domain.imports.rows import Batch, PlainText
from domain.imports.sources import PLAIN, FileForm
from persistence.sources.encodings import UTF8, RecodedStream, find_encoding, read_samples
from persistence.sources.headers import (
    NO_QUOTE,
    WHITESPACE,
    RateHeader,
    SilentLines,
    check_delimiter,
    check_quote,
    check_skipped,
    describe_repeats,
    describe_skipped,
    find_layout,
    make_reader,
    rate_plainly,
    take_first_lines,
)
from persistence.sources.packing import DAMAGE, check_size, open_bytes

MAXIMUM_LINE = 1 << 20
FIRST = 1 << 16
"""Bytes read first: enough for a header, little enough that damage further on is found by the import itself."""
SAMPLE = 1 << 20
"""Bytes of the beginning by which the encoding is judged."""
SAMPLES = 8
"""Further pieces of a file that is not packed, spread over it, by which it is judged as well."""
PIECES_OF_A_ROW = 4
"""A row that goes on over more pieces of the file than so many refuses it."""
BATCH = 500
"""Rows handed on at a time: few enough that what is made of them stays in the processor's cache. Fewer where a piece of
the file ends before."""
MEND = ". Mend it, or give {quote} none"
PLAIN_PIECE = 1 << 22
"""Characters of plain rows that are handed on at a time."""
WARNED = 5
"""Cells that seem to hold rows of which a file is told."""
LINE_BREAK = re.compile("\r\n|\r|\n")
CONTROL, UNREAD = re.compile("[\x01-\x08\x0e-\x1f]"), re.compile("[\udc80-\udcff]")
"""What no text holds together: control characters, and bytes that are not UTF-8."""
MARKUP = ("<html", "<table", "<!doctype", "<?xml", "<meta", "<workbook")
"""How what some shops call an .xls begins."""
END = "\ud800"
ENDED = [END, END]
"""A row after those of the file, such as no file can hold: one that goes on into it has a quote that never ends."""


class CsvSource:
    """One file. `header` is read at once and stands on `header_line`; `read_batches` and `read_rows` may be asked for
    again and begin anew. `notes` says what was found and done, and fills while rows are read."""

    typed = False

    def __init__(self, path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> None:
        self.path = path
        self.name = path.name
        self.size = check_size(path)
        self.quote = check_quote(form.quote)
        delimiter = check_delimiter(form.delimiter)
        check_skipped(form.skip_lines)
        self.position = 0
        self.encoding, self.notes = find_encoding(form.encoding, self._read_samples(), self.name)
        with self._open() as text:
            lines = text.read_lines()
            passed = len(list(islice(lines, form.skip_lines or 0)))
            blank, first = take_first_lines(lines, FIRST, SilentLines(self.name))
        if not first or (form.skip_lines is not None and blank):
            raise self._build_empty(form.skip_lines)
        if first[0].lstrip().lower().startswith(MARKUP):
            what = "is a web page or XML, whatever it is called. Open it in a spreadsheet and save it as CSV"
            raise InvalidInput(f"{self.name} {what}.")
        self.given = list(form.header)
        if self.given:
            # There is no header: what is read begins with the names that are told.
            found, before = delimiter or find_layout(first, delimiter, self.quote, rate_header)[0], -1
        elif form.skip_lines is None:
            found, before, _ = find_layout(first, delimiter, self.quote, rate_header)
        else:
            # Exactly so many lines: the next one is the header, whatever it looks like.
            found, before = find_layout(first, delimiter, self.quote, rate_header)[0], 0
        self.delimiter = found
        self.separator = " " if found == WHITESPACE else found
        self.header_line = passed + blank + before + 1
        self.notes += describe_skipped(self.header_line) if form.skip_lines is None and not self.given else []
        with self._open() as text:
            self.header: list[str] = self._read(self._make_reader(text), text, 1)[0]
        names = "".join(self.header)
        if "\0" in names or (CONTROL.search(names) and UNREAD.search(names)):
            raise InvalidInput(f"{self.name} is not a text file; give a CSV file.")
        if len(self.header) > MAXIMUM_CELLS:
            raise InvalidInput(f"{self.name} has more than {MAXIMUM_CELLS:,} columns, which are the most.")

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows after the header, empty lines among them as rows without cells. Where a row is the header again it
        is left out, and cells beyond the header that are empty are cut."""
        for part in self.read_parts(lambda: False):
            assert isinstance(part, Batch)
            yield part

    def read_parts(self, takes_text: Callable[[], bool]) -> Generator[Batch | PlainText, None, None]:
        """The same, but where text is taken many rows at once as they stand there, as long as they are plain."""
        width, repeats, swallowed = len(self.header), 0, 0
        silent = SilentLines(self.name)
        with self._open() as text:
            reader = self._make_reader(text)
            self._read(reader, text, 1)
            while True:
                begins = self._count_lines(reader, text)
                if text.at_end and takes_text() and (plain := self._take_plain(text, begins)) is not None:
                    silent.rows += plain.rows
                    yield plain
                    continue
                text.clean = text.piece_is_clean
                rows = self._read(reader, text, BATCH)
                of_one_line = self._count_lines(reader, text) - begins == len(rows)
                if rows and rows[-1] == ENDED:
                    rows.pop()
                if not rows:
                    break
                silent.count_rows(rows)
                lines = range(begins, begins + len(rows)) if of_one_line else _find_beginnings(rows, begins)
                if not of_one_line and swallowed < WARNED:
                    swallowed += self._note_swallowed(lines, rows)
                if self.header in rows:
                    repeats += rows.count(self.header)
                    rows = [[] if cells == self.header else cells for cells in rows]
                if max(map(len, rows)) > width:
                    rows = [cells if any(cells[width:]) else cells[:width] for cells in rows]
                faults = {} if text.clean or self.encoding == UTF8 else self._find_unread(lines, rows)
                yield Batch(lines, rows, text.clean, faults=faults)
        if repeats and (says := describe_repeats(repeats)) not in self.notes:
            self.notes.append(says)

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
        """The rows from the header on."""
        csv.field_size_limit(MAXIMUM_LINE)
        lines: Iterator[str] = islice(text.read_lines(), max(0, self.header_line - (not self.given)), None)
        if self.given:
            lines = chain((f"{self.separator.join(self.given)}\n",), lines)
        return make_reader(chain(lines, (self.separator.join(ENDED),)), self.delimiter, self.quote)

    def _read_samples(self) -> list[bytes]:
        """Pieces of the file in whole lines, the beginning first."""
        with open_bytes(self.path, self._report) as stream:
            head = read_samples(stream, SAMPLE, DAMAGE)
        # The last line may be cut inside a character.
        cut = head.rfind(b"\n") + 1 if len(head) == SAMPLE else 0
        samples = [head[:cut] or head]
        with self.path.open("rb") as file:
            if self.size > SAMPLE and not samples[0].startswith(file.read(4)):
                return samples
            for place in range(SAMPLE, self.size, max(SAMPLE, self.size // SAMPLES)):
                file.seek(place)
                samples.append(file.read(FIRST).partition(b"\n")[2].rpartition(b"\n")[0])
        return samples

    def _report(self, position: int) -> None:
        self.position = position

    def _build_empty(self, skip_lines: int | None) -> InvalidInput:
        if skip_lines is None:
            return InvalidInput(f"No data found in {self.name}.")
        template = "No data found in {} after {skip_lines} {}: the header must follow at once."
        return InvalidInput(Sentence(template, self.name, skip_lines), ("skip_lines",))

    def _take_plain(self, text: "_Text", begins: int) -> PlainText | None:
        """The next rows, where they are plain."""
        taken: list[str] = []
        rows = size = 0
        while size < PLAIN_PIECE:
            # Between two rows: whatever was read, none goes on into this piece.
            text.row_began = text.pieces
            piece = text.peek()
            plain = None if piece is None or not text.piece_is_clean else self._find_plain(piece)
            if plain is None:
                break
            size += len(text.take())
            taken.append(plain[0])
            rows += plain[1]
        text.passed += rows
        return PlainText(begins, rows, "".join(taken), self.delimiter, self.quote) if taken else None

    def _find_plain(self, piece: str) -> tuple[str, int] | None:
        """The text with plain ends of lines, and how many rows it has; None where a row of it is not plain."""
        delimiter, quote = self.delimiter, self.quote
        if "\r" in piece:
            piece = piece.replace("\r\n", "\n")
        if not piece.endswith("\n"):
            piece += "\n"
        if "\r" in piece or not f"{delimiter}{quote}".isascii() or all(name in piece for name in self.header):
            return None
        bare, quoted = piece, quote != NO_QUOTE and quote in piece
        if quoted:
            bare = _make_quoted_pattern(delimiter, quote).sub("", piece)
            if quote in bare or _make_silent_pattern(delimiter, quote).search(piece):
                return None
        many = len(self.header) - 1
        lines = bare[:-1].split("\n")
        if {line.count(delimiter) for line in lines} != {many} or (not quoted and delimiter * many in lines):
            return None
        return piece, len(lines)

    def _count_lines(self, reader: Any, text: "_Text") -> int:
        """The line that the next row begins on."""
        return int(reader.line_num) + text.passed + self.header_line

    def _find_unread(self, lines: Sequence[int], rows: list[list[str]]) -> dict[int, str]:
        """Why rows cannot be read that hold what is no text in the file's encoding."""
        template = "the row is not {} text: mend it, or give another {encoding} for the whole file"
        return {
            line: Sentence(template, self.encoding)
            for line, cells in zip(lines, rows, strict=True)
            if UNREAD.search("".join(cells))
        }

    def _note_swallowed(self, lines: Sequence[int], rows: list[list[str]]) -> int:
        """Tell of cells over several lines that look as if a quote had swallowed rows; how many there are."""
        found = 0
        many = len(self.header) - 1
        for line, cells in zip(lines, rows, strict=True):
            for place, cell in enumerate(cells):
                inner = LINE_BREAK.split(cell)[1:] if many and len(cells) <= len(self.header) else []
                whole = sum(1 for one in inner if one.count(self.separator) == many)
                if not whole:
                    continue
                found += 1
                template = (
                    "Line {}: the quoted cell of the column {} holds line breaks and what looks like {}. "
                    "If its quote is no quote, mend it or give {quote} none."
                )
                says = Sentence(template, line, self.header[place].strip() or place + 1, count_noun(whole, "whole row"))
                if says not in self.notes:
                    self.notes.append(says)
        return found

    def _read(self, reader: Any, text: "_Text", count: int) -> list[list[str]]:
        """The next rows, cut where they have far too many cells; what is wrong with the file as a whole is a sentence
        that says where."""
        begins = self._count_lines(reader, text)
        rows: list[list[str]] = []
        text.row_began = text.pieces
        try:
            for cells in reader:
                if len(cells) > MAXIMUM_CELLS:
                    del cells[MAXIMUM_CELLS + 1 :]
                rows.append(cells)
                if len(rows) == count or text.at_end:
                    break
        except _RowTooLong as error:
            longest = f"a row goes on for more than {PIECES_OF_A_ROW * MAXIMUM_LINE:,} bytes"
            raise self._build_error(rows, begins, longest) from error
        except csv.Error as error:
            # Lines are shorter than the longest cell, so only a quoted one over several lines comes here.
            raise self._build_error(
                rows,
                begins,
                f"a quote is opened and not closed within {MAXIMUM_LINE} characters{MEND}",
            ) from error
        except DAMAGE as error:
            line = self.find_line(self._count_lines(reader, text) - 1)
            raise InvalidInput(f"{self.name} is damaged after line {line}.") from error
        if rows and rows[-1] and rows[-1][-1].endswith(END) and rows[-1] != ENDED:
            raise self._build_error(rows[:-1], begins, f"a quote is opened and never closed{MEND}")
        return rows

    def _build_error(self, rows: list[list[str]], begins: int, what: str) -> InvalidInput:
        """What is said of the row that follows these rows, the first of which begins on the line."""
        line = self.find_line(_find_beginnings([*rows, []], begins)[-1])
        return InvalidInput(Sentence(f"{{}}, line {{}}: {what}.", self.name, line))

    @contextmanager
    def _open(self) -> Iterator["_Text"]:
        with open_bytes(self.path, self._report) as stream:
            plain = stream if self.encoding == UTF8 else cast(BinaryIO, RecodedStream(stream, self.encoding))
            yield _Text(plain, self.name, self.find_line)


class _Text:
    """The text of a file, in pieces that end with a line. What is not UTF-8 is kept apart, so that one bad row is one
    reject and not the end of the import; `clean` is False from there until it is set again. `at_end`: all lines of the
    piece were handed out, so that the next may be taken whole; `passed` counts lines that were."""

    def __init__(self, stream: BinaryIO, name: str, place: Callable[[int], int]) -> None:
        self.stream = stream
        self.name = name
        self.place = place
        self.clean = True
        self.piece_is_clean = True
        self.pieces = self.row_began = 0
        self.at_end = False
        self.passed = 0
        self._pieces = self._read_pieces()
        self._next: str | None = None

    def read_lines(self) -> Iterator[str]:
        """Every line with its end."""
        while self.peek() is not None:
            *lines, last = io.StringIO(self.take(), newline="")
            self.at_end = False
            yield from lines
            self.at_end = True
            yield last

    def peek(self) -> str | None:
        """The next piece, which stays the next one; None at the end."""
        if self._next is None:
            self._next = next(self._pieces, None)
        return self._next

    def take(self) -> str:
        """The next piece, of which no lines will be handed out."""
        piece, self._next = self._next or "", None
        return piece

    def _read_pieces(self) -> Iterator[str]:
        rest = b""
        before = 0
        first = True
        while data := self._read(FIRST if first else MAXIMUM_LINE, before):
            block = rest + data
            if first:
                first = False
                block = block.removeprefix(codecs.BOM_UTF8)
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
        except DAMAGE as error:
            raise InvalidInput(f"{self.name} is damaged after line {self.place(line)}.") from error

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


@lru_cache(maxsize=8)
def _make_quoted_pattern(delimiter: str, quote: str) -> re.Pattern[str]:
    """Cells between quotes, of which nobody could doubt where they end."""
    edge, mark = rf"[^{re.escape(delimiter)}\n]", re.escape(quote)
    return re.compile(rf"(?<!{edge}){mark}[^{mark}\n]*(?:{mark}{mark}[^{mark}\n]*)*{mark}(?!{edge})")


@lru_cache(maxsize=8)
def _make_silent_pattern(delimiter: str, quote: str) -> re.Pattern[str]:
    """Lines that say nothing."""
    nothing = f"(?:{re.escape(quote * 2)})?"
    return re.compile(rf"^{nothing}(?:{re.escape(delimiter)}{nothing})*$", re.MULTILINE)


def _find_beginnings(rows: list[list[str]], line: int) -> list[int]:
    """The line that each row begins on, where quoted cells hold line breaks."""
    beginnings = []
    for cells in rows:
        beginnings.append(line)
        line += 1 + sum(len(LINE_BREAK.findall(cell)) for cell in cells)
    return beginnings
