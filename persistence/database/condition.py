"""In what condition a store is: the file that an SQLite store lies in before it is opened, whether it can only be read,
and whether the database has answered that what it holds is damaged. Nothing that exists is ever taken for a new store:
a file that is empty or is not SQLite's is refused, for it may be all that is left of one."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote
from uuid import uuid4

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, ExceptionContext

from domain.errors import InvalidInput, StoreDamaged, Unavailable

PAGE_BYTES = 16_384
HEADER = b"SQLite format 3\0"
DAMAGED = "The store is damaged. Run: segments db check. Then restore a backup: segments restore FILE"
READ_ONLY = "The store can only be read here, so nothing can be written to it."
NOT_TEXT = "Could not decode to UTF-8"
"""What the driver says of a text whose bytes are none, without a code."""
REINSTATE = "Put a backup in its place with segments restore FILE, or remove it to begin with an empty store."


@dataclass(slots=True)
class Condition:
    """What the process knows of its store: `damaged` from the first answer that said so until the process ends. Of that
    one `tell` is told the code."""

    read_only: bool = False
    damaged: bool = False
    tell: Callable[[str], None] = lambda code: None

    def watch(self, engine: Engine) -> None:
        """Take note where an answer says that the store is damaged."""

        def note(context: ExceptionContext) -> None:
            if is_damaged(context.original_exception) and not self.damaged:
                self.damaged = True
                self.tell(_name(context.original_exception))

        event.listen(engine, "handle_error", note)


def is_damaged(error: BaseException) -> bool:
    """Whether the database says that it cannot read what it holds: a page, an index, a text."""
    original = getattr(error, "orig", None) or error
    if getattr(original, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return True
    if isinstance(original, sqlite3.OperationalError) and str(original).startswith(NOT_TEXT):
        return True
    state = getattr(original, "sqlstate", None)
    # Data or an index is corrupted; a file is gone, or a block of one cannot be read.
    said = str(original)
    unread = state in ("58P01", "58030") and ("could not open file" in said or "could not read" in said)
    return state in ("XX001", "XX002") or unread


def is_read_only(error: BaseException) -> bool:
    """Whether a write was refused because the store can only be read."""
    original = getattr(error, "orig", None) or error
    refused = getattr(original, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return refused or getattr(original, "sqlstate", None) == "25006"


def find_condition(error: BaseException) -> Unavailable | None:
    """What a caller is told where the store is damaged or can only be read. What the database said is left out: it may
    hold texts of customers."""
    if is_damaged(error):
        return StoreDamaged(DAMAGED)
    return Unavailable(READ_ONLY) if is_read_only(error) else None


@contextmanager
def translate_condition() -> Iterator[None]:
    """Unavailable where the store is damaged or can only be read; everything else passes."""
    try:
        yield
    except Exception as error:
        condition = find_condition(error)
        if condition is None:
            raise
        raise condition from None


def _name(error: BaseException) -> str:
    """The code of what the database said, which holds no data."""
    return str(getattr(error, "sqlite_errorname", None) or getattr(error, "sqlstate", None) or "no text")


def prepare_file(url: URL) -> tuple[URL, bool]:
    """The address by which the SQLite store is opened, and whether it can only be read. A file that is not there is
    made, with its folder; InvalidInput where what is there is no store."""
    path = Path(str(url.database))
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make_file(path)
    check_file(path)
    if can_write(path) and can_write(path.parent):
        return url, False
    name, _, query = find_name(path).partition("?")
    return url.set(database=name, query=dict(parse_qsl(f"{query}&uri=true"))), True


def find_name(path: Path) -> str:
    """The URI by which SQLite opens the file. Where it can write nothing beside it, it must be told that nobody else
    can: InvalidInput where something lies there that would be passed over then."""
    name = f"file:{quote(str(path))}"
    log_file, shared = path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")
    if can_write(path.parent) or shared.exists():
        return name
    if log_file.exists() and log_file.stat().st_size:
        raise InvalidInput(
            f"{path} can only be read here, and {log_file.name} beside it holds what was committed last, which can "
            "only be read where that folder can be written. Copy both to another folder"
        )
    return f"{name}?mode=ro&immutable=1"


def check_file(path: Path) -> None:
    """InvalidInput where the file is not one of SQLite's."""
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file. {REINSTATE}")
    with path.open("rb") as opened:
        start = opened.read(len(HEADER))
    if not start:
        raise InvalidInput(f"{path} is empty, and an empty file is no store. {REINSTATE}")
    if start != HEADER:
        raise InvalidInput(f"{path} is no store: its beginning is not that of an SQLite file. {REINSTATE}")


def refuse_empty(pages: int) -> None:
    """The error of SQLite for a file that is none, where one that is open has no pages: a store always has."""
    if pages == 0:
        error = sqlite3.DatabaseError("file is empty")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_NOTADB, "SQLITE_NOTADB"
        raise error


def can_write(path: Path) -> bool:
    """Whether this process may write to the file, or make files in the folder."""
    mode = os.W_OK | os.X_OK if path.is_dir() else os.W_OK
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)


def _make_file(path: Path) -> None:
    """A new store is never seen as a file that is still empty: it is made beside and then given its name."""
    unfinished = path.with_name(f"{path.name}.{uuid4().hex}")
    unfinished.touch()
    try:
        with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
        try:
            os.link(unfinished, path)
        except FileExistsError:
            # Another process was quicker.
            pass
        except OSError:
            # A file system on which a file has one name alone.
            unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
