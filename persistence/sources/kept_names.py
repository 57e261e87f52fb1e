"""The names that a source gives its customers, the last of each, in a temporary file that SQLite removes by itself."""

import sqlite3
from collections.abc import Iterable, Iterator


class KeptNames:
    """Names by customer id."""

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.execute("CREATE TABLE named (customer TEXT PRIMARY KEY, name TEXT) WITHOUT ROWID")
        self.file.execute("BEGIN")

    def keep(self, names: Iterable[tuple[str, str]]) -> None:
        """Remember them."""
        self.file.executemany("INSERT OR REPLACE INTO named VALUES (?, ?)", names)

    def clear(self) -> None:
        """Forget all."""
        self.file.execute("DELETE FROM named")

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from self.file.execute("SELECT customer, name FROM named ORDER BY customer")

    def close(self) -> None:
        """Remove the file."""
        self.file.close()
