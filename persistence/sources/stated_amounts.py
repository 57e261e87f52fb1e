"""What the rows of each order have said of its amount, in a temporary file that SQLite removes by itself: memory does
not grow with the orders of an import."""

import json
import sqlite3
from collections.abc import Mapping, Sequence

from domain.import_order_amounts import StatedAmount


class KeptAmounts:
    """Implements StatedAmounts for one reading of a source."""

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.execute("PRAGMA synchronous = OFF")
        self.file.execute(
            "CREATE TABLE stated (id TEXT PRIMARY KEY, amount INTEGER, q INTEGER, o INTEGER) WITHOUT ROWID"
        )
        self.file.execute("BEGIN")

    def known(self, orders: Sequence[str]) -> Mapping[str, StatedAmount]:
        """What was said of these orders before."""
        found = self.file.execute(
            "SELECT id, amount, q, o FROM stated WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(orders),)
        )
        return {row[0]: StatedAmount(row[1], bool(row[2]), bool(row[3])) for row in found}

    def keep(self, stated: Mapping[str, StatedAmount]) -> None:
        """Remember it."""
        self.file.executemany(
            "INSERT OR REPLACE INTO stated VALUES (?, ?, ?, ?)",
            [(key, one.amount, one.qualifying, one.other) for key, one in stated.items()],
        )

    def close(self) -> None:
        """Forget it all."""
        self.file.close()
