"""A text file that only grew since it was read: how it is known again, its new rows as a source of their own together
with what the store holds of the orders that they go on with, and how far each source of a business was read. A file
that could be read otherwise than as the old part and then the new one is not taken for such, and a state that is lost
costs a whole reading, never a row."""

import csv
import hashlib
import io
import os
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select, text

from domain.calendar import from_micros, to_micros
from domain.imports.rows import Batch, StagedColumns
from domain.imports.sources import PLAIN, FileForm
from persistence.database.dialects import analyze, create, load
from persistence.database.transactions import open_blocking_session
from persistence.sources.csv import CsvSource, _Text
from persistence.sources.encodings import UTF8
from persistence.sources.headers import WHITESPACE, RateHeader, make_reader, rate_plainly
from persistence.sources.packing import GZIP_MAGIC, ZIP_MAGIC
from persistence.tables.businesses import business as business_table
from persistence.tables.imports import SourceStateRow, source_state

PORTION = 1 << 20
LARGEST_TAIL = 1 << 25
"""Bytes of a tail that is held in memory while its orders are looked for."""


@dataclass(frozen=True, slots=True)
class FileMark:
    """What a file is known by. `head` is the hash of the beginning that was asked for, None where it is shorter;
    `lines` counts line ends, `plain` says that they are all of one kind and the last one ends the file."""

    size: int
    modified: int
    inode: int
    digest: str
    head: str | None
    lines: int
    plain: bool

    @classmethod
    def of(cls, path: Path, head: int | None = None) -> "FileMark":
        """Read the file once, as far as it reaches now."""
        whole, before = hashlib.sha256(), None
        lines = returns = pairs = at = 0
        last = b""
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            magic = file.peek(4)[:4]
            while at < state.st_size:
                wanted = min(PORTION, state.st_size - at)
                if head is not None and at < head:
                    wanted = min(wanted, head - at)
                data = file.read(wanted)
                if not data:
                    break
                whole.update(data)
                at += len(data)
                lines += data.count(b"\n")
                if here := data.count(b"\r"):
                    returns += here
                    pairs += data.count(b"\r\n")
                pairs += last == b"\r" and data[:1] == b"\n"
                last = data[-1:]
                if at == head:
                    before = whole.hexdigest()
        packed = magic.startswith((GZIP_MAGIC, ZIP_MAGIC))
        plain = not packed and last == b"\n" and returns == pairs
        return cls(at, state.st_mtime_ns, state.st_ino, whole.hexdigest(), before, lines, plain)

    def is_unchanged(self, path: Path) -> bool:
        """Whether the file is the one that was read, by what the system says of it."""
        try:
            state = path.stat()
        except OSError:
            return False
        return (state.st_size, state.st_mtime_ns, state.st_ino) == (self.size, self.modified, self.inode)


class WatchedCsv(CsvSource):
    """A file that remembers on which line its last row begins, once all were read."""

    def __init__(self, path: Path, form: FileForm = PLAIN, rate_header: RateHeader = rate_plainly) -> None:
        super().__init__(path, form, rate_header)
        self.last = 0

    def read_batches(self) -> Generator[Batch, None, None]:
        last = 0
        for batch in super().read_batches():
            last = batch.lines[-1]
            yield batch
        self.last = last

    @property
    def begins_plainly(self) -> bool:
        """Whether lines are bytes that end in a line feed, and the first of them is the header."""
        return self.header_line == 1 and self.encoding == UTF8 and self.delimiter != WHITESPACE

    def can_grow(self, mark: FileMark) -> bool:
        """Whether rows that are appended to the file as it was read cannot change what its rows are: its last row is
        one line, and that line is at its end outside all quotes."""
        if not mark.plain or not self.last or self.last != mark.lines or not self.begins_plainly:
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, mark.size - PORTION))
            line = file.read(mark.size - file.tell()).decode("utf-8", "surrogateescape").removesuffix("\n")
        line = line.rpartition("\n")[2]
        try:
            return len(list(make_reader([f"{line}\n", "x\n"], self.delimiter, self.quote))) == 2
        except csv.Error:
            return False


class AppendedCsv(WatchedCsv):
    """The rows of a file from a place on, under its header, with the line numbers that they have in the file. `lines`
    is how many line ends there are before the place."""

    def __init__(
        self,
        path: Path,
        start: int,
        lines: int,
        form: FileForm = PLAIN,
        rate_header: RateHeader = rate_plainly,
    ) -> None:
        self.start: int | None = None
        self.lines = 0
        super().__init__(path, form, rate_header)
        with path.open("rb") as file:
            self.head = file.readline()
        self.start, self.lines = start, lines

    @property
    def sound(self) -> bool:
        """Whether the header is one line, so that the rows' line numbers follow from it."""
        try:
            rows = list(make_reader([self.head.decode("utf-8-sig"), "x\n"], self.delimiter, self.quote))
        except (csv.Error, UnicodeDecodeError):
            return False
        return self.begins_plainly and len(rows) == 2 and rows[0] == self.header

    def read_batches(self) -> Generator[Batch, None, None]:
        """The rows after the place."""
        for batch in super().read_batches():
            yield replace(batch, lines=list(map(self.find_line, batch.lines)))
        self.last = self.find_line(self.last)

    def find_line(self, line: int) -> int:
        """The lines after the header stand further down."""
        return line + self.lines - 1 if line > 1 and self.start is not None else line

    @contextmanager
    def _open(self) -> Iterator[_Text]:
        if self.start is None:
            with super()._open() as text:
                yield text
            return
        with self.path.open("rb") as file:
            file.seek(self.start)
            yield _Text(io.BufferedReader(_JoinedFile(self.head, file)), self.name, self.find_line)


class _JoinedFile(io.RawIOBase):
    """The header, then the rest of the file."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        super().__init__()
        self.head = head
        self.rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.head[: len(buffer)] or self.rest.read(len(buffer))
        self.head = self.head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


ROWS = """SELECT p.external_id, c.external_id, p.purchased_at, p.local_day, k.status, k.amount, k.category, s.key,
    p.channel, k.product, k.sku, k.quantity, p.attributes, p.written_by
    FROM continued w JOIN purchase p ON p.business_id = :business AND p.external_id = w.order_id
    JOIN customer c ON c.business_id = :business AND c.id = p.customer_id
    LEFT JOIN storefront s ON s.business_id = :business AND s.id = p.storefront_id
    LEFT JOIN purchase_line k ON k.business_id = :business AND k.customer_id = p.customer_id AND k.purchase_id = p.id
    ORDER BY p.customer_id, p.id, k.position"""
OTHERS = """SELECT (SELECT COUNT(*) FROM audit_event WHERE business_id = :business AND change_number > :change),
    (SELECT COUNT(*) FROM job WHERE business_id = :business AND kind = 'IMPORT'
    AND (id > :change OR status IN ('QUEUED', 'RUNNING')))"""


def load_staged_rows(
    connection: Connection, business_id: int, orders: Collection[str], imports: Collection[int]
) -> StagedColumns | None:
    """The stored rows of those of the orders that the store holds, numbered from 2 on; None where one of them was not
    written by one of the imports, so that nobody can say what the file stated."""
    create(connection, "continued", "order_id {text} PRIMARY KEY")
    load(connection, "continued", ("order_id",), [(order,) for order in sorted(orders)])
    analyze(connection, "continued")
    rows = connection.execute(text(ROWS), {"business": business_id}).all()
    if any(row[-1] not in imports or row[4] is None for row in rows):
        return None
    lines: Sequence[int] = range(2, len(rows) + 2)
    if not rows:
        return StagedColumns._make([()] * len(StagedColumns._fields))
    return StagedColumns(lines, *zip(*(row[:-1] for row in rows), strict=True))


def has_no_other_writes(connection: Connection, business_id: int, change: int, writes: int) -> bool:
    """Whether since the change number nobody wrote but one import, which has ended, and so many times on its behalf."""
    audits, imports = connection.execute(text(OTHERS), {"business": business_id, "change": change}).one()
    return (audits, imports) == (1 + writes, 1)


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source's state, the data version that the business had right after it was read, and when that was."""

    state: Mapping[str, Any]
    data_version: int
    at: datetime


def read_state(connection: Connection, business_id: int, source: str) -> SourceState | None:
    """What was kept of the source; None where nothing was."""
    with open_blocking_session(connection) as session:
        row = session.get(SourceStateRow, (business_id, source))
    return None if row is None else SourceState(dict(row.state), row.data_version, from_micros(row.at))


def write_state(
    connection: Connection, business_id: int, source: str, state: Mapping[str, Any], data_version: int, now: datetime
) -> None:
    """Keep the state; in the caller's transaction. `source` names it among the business's, such as `csv:/shop.csv`."""
    forget_state(connection, business_id, source)
    row = SourceStateRow(
        business_id=business_id, source=source, state=dict(state), data_version=data_version, at=to_micros(now)
    )
    with open_blocking_session(connection) as session:
        session.add(row)
        session.flush()


def forget_state(connection: Connection, business_id: int, source: str) -> None:
    """Keep nothing of the source, so that it is read whole."""
    column = source_state.c
    connection.execute(delete(source_state).where(column.business_id == business_id, column.source == source))


def read_data_version(connection: Connection, business_id: int) -> int:
    """The business's data version in this transaction."""
    statement = select(business_table.c.data_version).where(business_table.c.id == business_id)
    return int(connection.execute(statement).scalar_one())
