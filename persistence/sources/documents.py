"""Rows from a file of JSON: lines of objects, or a list of them, read object by object so that memory does not grow
with the file. What stands in objects within is a column by its path, and an order that lists its lines is a row for
each of them."""

import codecs
import json
import re
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, cast

from domain.errors import InvalidInput
from domain.imports.columns import LINES, MAXIMUM_CELLS, normalise_header
from domain.imports.rows import Batch
from domain.imports.sources import PLAIN, FileForm
from persistence.sources.encodings import UTF8, RecodedStream, find_encoding, read_samples
from persistence.sources.headers import MOST_SILENT, SilentLines
from persistence.sources.packing import DAMAGE, check_size, open_bytes
from persistence.sources.sheets import BATCH, BATCH_TEXT, is_clean

PIECE = 1 << 16
LONGEST = 4 << 20
"""Characters of one object."""
DEEPEST = 8
"""Objects within objects of which each value is a column of its own; what lies deeper is one text."""
LISTS = r"orders|purchases|transactions|data|results|records"
"""What an object calls the list of all orders that it holds."""
BEGINNING = re.compile(r'\s*(?:\[|\{\s*"(?P<name>' + LISTS + r')"\s*:\s*\[\s*(?=[\]{]))')
KNOWN = re.compile(rb'\s*(?:\[\s*)?\{\s*(?:["}]|$)|\s*\[\s*\]')
MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
BLANK, PARTED = re.compile(r"\s*"), re.compile(r"[\s,]*")
NOTHING: tuple[Any, ...] = (None, "", [], {})
DIGITS = 60
"""Digits of a number that are written out."""
Names = tuple[str, ...]
"""The names by which a value is reached in an object."""


def is_json(path: Path) -> bool:
    """Whether the file begins as objects, or a list of them, do."""
    try:
        with open_bytes(path, _ignore) as stream:
            head = read_samples(stream, PIECE >> 4, DAMAGE)
    except OSError:
        return False
    for mark in MARKS:
        head = head.removeprefix(mark)
    return KNOWN.match(head.replace(b"\0", b"")) is not None


class DocumentSource:
    """One file. Its columns are all paths that any of its objects has, so it is looked through when it is opened; line
    numbers count the rows."""

    typed = True
    delimiter: str | None = None

    def __init__(self, path: Path, form: FileForm = PLAIN) -> None:
        self.path = path
        self.name = path.name
        self.size = check_size(path)
        self.position = 0
        self.header_line = 1
        self.decimal = form.decimal
        with open_bytes(path, self._report) as stream:
            self.encoding, self.notes = find_encoding(form.encoding, [read_samples(stream, PIECE, DAMAGE)], self.name)
        paths: dict[Names, None] = {}
        for row in self._read_objects():
            paths.update(dict.fromkeys(row))
            if len(paths) > MAXIMUM_CELLS:
                raise InvalidInput(f"{self.name} has more than {MAXIMUM_CELLS:,} columns, which are the most.")
        if not paths:
            raise InvalidInput(f"No data found in {self.name}.")
        self.paths = list(paths)
        self.header = [".".join(one) for one in self.paths]
        self.lists_lines = any(len(one) > 1 and is_list_of_lines(one[0]) for one in self.paths)

    def read_batches(self) -> Generator[Batch, None, None]:
        """The lines of the orders, in the order of the file."""
        rows: list[list[str]] = []
        first, size = 1, 0
        for row in self._read_objects():
            cells = [_format_text(row.get(path), self.decimal) for path in self.paths]
            rows.append(cells)
            size += sum(map(len, cells))
            if len(rows) == BATCH or size > BATCH_TEXT:
                yield Batch(range(first, first + len(rows)), rows, is_clean(rows))
                first, rows, size = first + len(rows), [], 0
        if rows:
            yield Batch(range(first, first + len(rows)), rows, is_clean(rows))

    def read_rows(self) -> Iterator[tuple[int, list[str]]]:
        """Every row with its number."""
        for batch in self.read_batches():
            yield from zip(batch.lines, batch.rows, strict=True)

    def _read_objects(self) -> Iterator[dict[Names, Any]]:
        """The values of each row by their paths."""
        decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
        with self._open() as stream:
            reader, silent = _ObjectReader(stream, decoder, self.name), SilentLines(self.name)
            for document in reader:
                for row in _split_lines(document):
                    if all(value in NOTHING for value in row.values()):
                        silent.count()
                    else:
                        silent.rows += 1
                    yield row
            self.notes += (one for one in reader.notes if one not in self.notes)

    @contextmanager
    def _open(self) -> Iterator[BinaryIO]:
        with open_bytes(self.path, self._report) as stream:
            yield stream if self.encoding == UTF8 else cast(BinaryIO, RecodedStream(stream, self.encoding))

    def _report(self, position: int) -> None:
        self.position = position


class _ObjectReader:
    """The objects of a stream of UTF-8, one after the other."""

    def __init__(self, stream: BinaryIO, decoder: json.JSONDecoder, name: str) -> None:
        self.notes: list[str] = []
        self.stream = stream
        self.decoder = decoder
        self.name = name
        self.text = codecs.getincrementaldecoder(UTF8)("surrogateescape")
        self.held = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        self._read_more()
        self.held = self.held.removeprefix("\ufeff")
        while BLANK.fullmatch(self.held) and self._read_more():
            pass
        begins = BEGINNING.match(self.held)
        if begins is not None:
            self.at = begins.end()
        while self._skip_blank(PARTED):
            if begins is not None and self.held[self.at] == "]":
                self.at += 1
                self._read_end(begins["name"])
                return
            yield self._read_object()
        if begins is not None:
            self._refuse("the list does not end")

    def _read_end(self, name: str | None) -> None:
        """What follows the list: nothing, or the end of the object that holds it under the name."""
        while len(self.held) - self.at <= LONGEST and self._read_more():
            pass
        rest = self.held[self.at :]
        try:
            others = json.loads(f'{{"{name}": 0{rest}') if name else {}
        except (ValueError, RecursionError):
            others = None
        if others is None or (not name and rest.strip()):
            self._refuse("something follows the list")
        if len(others) > 1:
            left = ", ".join(one for one in others if one != name)
            self.notes.append(f"Read the list {name}; left out: {left[:200]}.")

    def _read_object(self) -> Mapping[str, Any]:
        while True:
            try:
                document, end = self.decoder.raw_decode(self.held, self.at)
            except (ValueError, RecursionError) as error:
                # It may go on in what was not read yet.
                if len(self.held) - self.at <= LONGEST and self._read_more():
                    continue
                says = error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:100]
                self._refuse(f"this is not JSON, or an object too large to be read ({says})")
            if not isinstance(document, dict):
                self._refuse("this is no object of names and values")
            self._move(end)
            return document

    def _skip_blank(self, blank: re.Pattern[str]) -> bool:
        """Whether anything follows what is blank."""
        passed = 0
        while True:
            found = blank.match(self.held, self.at)
            passed += 0 if found is None else found.end() - self.at
            if passed > MOST_SILENT:
                self._refuse(f"more than {MOST_SILENT:,} blanks follow each other")
            self._move(found.end() if found is not None else self.at)
            if self.at < len(self.held):
                return True
            if not self._read_more():
                return False

    def _move(self, end: int) -> None:
        self.line += self.held.count("\n", self.at, end)
        self.at = end

    def _read_more(self) -> bool:
        """Hold more of the file; False at its end."""
        if self.ended:
            return False
        try:
            data = self.stream.read(max(PIECE, len(self.held) - self.at))
        except DAMAGE as error:
            raise InvalidInput(f"{self.name} is damaged after line {self.line}.") from error
        self.ended = not data
        self.held = self.held[self.at :] + self.text.decode(data, self.ended)
        self.at = 0
        return not self.ended

    def _refuse(self, why: str) -> NoReturn:
        raise InvalidInput(f"{self.name}, line {self.line}: {why}.")


def is_list_of_lines(name: str) -> bool:
    """Whether an order's lines stand under the name."""
    return normalise_header(name) in LINES


def _split_lines(document: Mapping[str, Any]) -> Iterator[dict[Names, Any]]:
    """A row for each line that the order lists, else the order alone."""
    listed = next(
        (
            name
            for name, value in document.items()
            if is_list_of_lines(name)
            and isinstance(value, list)
            and value
            and all(isinstance(one, dict) for one in value)
        ),
        None,
    )
    order = _flatten({name: value for name, value in document.items() if name != listed})
    if listed is None:
        yield order
        return
    for line in document[listed]:
        yield {**order, **_flatten(line, (listed,))}


def _flatten(document: Mapping[str, Any], before: Names = ()) -> dict[Names, Any]:
    values: dict[Names, Any] = {}
    for name, value in document.items():
        path = (*before, name)
        if isinstance(value, dict) and value and len(path) < DEEPEST:
            values.update(_flatten(value, path))
        else:
            values[path] = value
    return values


def _format_text(value: Any, decimal: str) -> str:
    """The value as a file of text would have it."""
    if isinstance(value, str):
        return value
    if value is None or value == [] or value == {}:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, Decimal):
        plain = f"{value:f}" if value.is_finite() and abs(value.adjusted()) <= DIGITS else str(value)
        return plain.replace(".", decimal)
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False, default=str)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _ignore(_: int) -> None:
    """How far a file was read does not matter yet."""
