"""Damage to the file of an SQLite store, as a disk does it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from persistence.database.condition import PAGE_BYTES


def smash(store: Path, name: str) -> None:
    """Overwrite the first page of a table or an index; nobody may have the store open."""
    with closing(sqlite3.connect(store)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [name]).fetchone()[0]
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(store, (page - 1) * PAGE_BYTES, b"\xff" * PAGE_BYTES)


def overwrite(file: Path, at: int, content: bytes) -> None:
    """Write over what the file holds there."""
    with file.open("r+b") as opened:
        opened.seek(at)
        opened.write(content)


def flip(store: Path, text: bytes) -> int:
    """Change a bit of each place where the file holds the text but the last; how many were changed."""
    content = store.read_bytes()
    places = [at for at in range(len(content)) if content.startswith(text, at)]
    for at in places[:-1]:
        overwrite(store, at, bytes([content[at] ^ 1]))
    return len(places) - 1
