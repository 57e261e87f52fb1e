"""What does not fit memory while a source is read, in temporary files that SQLite removes by itself: what it says of
each customer, what the rows of each order have said of its amount, and how often equal rows stand in it."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domain.imports.orders import StatedAmount


class CustomerProfiles:
    """What is said of customers, texts by field; of what is said of a field the last counts."""

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.execute("CREATE TABLE said (customer TEXT PRIMARY KEY, fields TEXT) WITHOUT ROWID")
        self.file.execute("BEGIN")

    def keep(self, profiles: Mapping[str, Mapping[str, str]]) -> None:
        """Add what is said of these customers."""
        self.file.executemany(
            """INSERT INTO said VALUES (?, ?)
            ON CONFLICT DO UPDATE SET fields = json_patch(fields, excluded.fields)""",
            [(customer, json.dumps(fields)) for customer, fields in profiles.items()],
        )

    def clear(self) -> None:
        self.file.execute("DELETE FROM said")

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for customer, fields in self.file.execute("SELECT customer, fields FROM said ORDER BY customer"):
            yield customer, json.loads(fields)

    def close(self) -> None:
        self.file.close()


class OrderAmounts:
    """Implements StatedAmounts for one reading of a source."""

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.execute("PRAGMA synchronous = OFF")
        self.file.execute("CREATE TABLE stated (id TEXT PRIMARY KEY, amount INTEGER, carried INTEGER) WITHOUT ROWID")
        self.file.execute("BEGIN")

    def load_stated(self, orders: Sequence[str]) -> Mapping[str, StatedAmount]:
        """What was said of these orders before."""
        rows = self.file.execute(
            "SELECT id, amount, carried FROM stated WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(orders),),
        )
        return {key: StatedAmount(amount, frozenset(_list_places(carried))) for key, amount, carried in rows}

    def keep(self, stated: Mapping[str, StatedAmount]) -> None:
        self.file.executemany(
            "INSERT OR REPLACE INTO stated VALUES (?, ?, ?)",
            [(key, one.amount, sum(1 << rank for rank in one.carried)) for key, one in stated.items()],
        )

    def close(self) -> None:
        self.file.close()


class CountedRows:
    """Implements RowPlaces for one reading of a source."""

    def __init__(self) -> None:
        self.file = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.file.execute("PRAGMA journal_mode = OFF")
        self.file.execute("PRAGMA synchronous = OFF")
        self.file.execute("CREATE TABLE counted (key TEXT PRIMARY KEY, rows INTEGER) WITHOUT ROWID")
        self.file.execute("BEGIN")

    def count(self, keys: Sequence[str]) -> list[int]:
        """For each key how many rows there were of it before."""
        known = self.file.execute(
            "SELECT key, rows FROM counted WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(keys),)
        )
        counts = dict(known)
        before = []
        for key in keys:
            before.append(counts.get(key, 0))
            counts[key] = before[-1] + 1
        self.file.executemany("INSERT OR REPLACE INTO counted VALUES (?, ?)", list(counts.items()))
        return before

    def close(self) -> None:
        self.file.close()


def _list_places(bits: int) -> Iterator[int]:
    return (place for place in range(bits.bit_length()) if bits >> place & 1)
