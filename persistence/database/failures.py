"""What keeps a store from answering now, in one sentence each for whoever asked: a disk that is full, a lock, a store
that is too slow, one that is out of reach. All of them may pass; a statement that is wrong does not, and in what
condition a store is stands in `condition.py`."""

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

FULL = "The disk of the store, or the one of its temporary files, is full. Free space there and try again."
LOCKED = "The store is locked by another process. Try again in a moment."
SLOW = "The store took too long to answer. Try again in a moment."
BUSY = "The store is busy: all connections to it are in use. Try again in a moment."
UNREADABLE = "The disk of the store cannot be read or written now. See that it is there and has space, and try again."
BROKEN_OFF = "The replica of the store gave up a reading that had become too old. Try again in a moment."
UNREACHABLE = "The store is out of reach. Try again in a moment."

SQLITE = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_IOERR: UNREADABLE,
    sqlite3.SQLITE_CANTOPEN: UNREADABLE,
}
"""By the primary code of SQLite, the low byte of what it says."""
POSTGRESQL = {
    "53100": FULL,
    "53300": BUSY,
    "55P03": LOCKED,
    "40P01": LOCKED,
    "40001": BROKEN_OFF,
    "57014": SLOW,
    "58030": UNREADABLE,
}
"""By the state of PostgreSQL."""


def get_sqlite_code(error: BaseException) -> int | None:
    """The primary code that SQLite gave, None where it gave none."""
    code = getattr(getattr(error, "orig", None) or error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF


def is_interruption(error: BaseException) -> bool:
    """Whether the statement was broken off on demand."""
    return get_sqlite_code(error) == sqlite3.SQLITE_INTERRUPT


def is_wrong_statement(error: BaseException) -> bool:
    """Whether SQLite calls the statement wrong, which no second try would mend; only its code tells that from trouble
    of the store."""
    return get_sqlite_code(error) == sqlite3.SQLITE_ERROR


def describe_trouble(error: BaseException) -> str | None:
    """What keeps the store from answering now, as a sentence; None where the failure is of another kind. Drivers that
    are asked directly raise errors of their own, which SQLAlchemy has not wrapped."""
    if isinstance(error, PoolTimeout):
        return BUSY
    original = getattr(error, "orig", None) or error
    state = getattr(original, "sqlstate", None)
    known = POSTGRESQL.get(state or "") or SQLITE.get(get_sqlite_code(error) or 0)
    if known is not None:
        return known
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return UNREACHABLE
    raw = hasattr(original, "sqlstate") and type(original).__name__ == "OperationalError"
    lost = isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError) or raw
    return UNREACHABLE if lost and not is_wrong_statement(error) else None
