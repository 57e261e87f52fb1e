"""What the Python servers of the benchmark read: pages of our own store by text statements on one connection of
aiosqlite, and the forms that ids, instants and amounts have in our answers. It is loaded by Pythons that have no
package of ours."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiosqlite

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATUSES = ("COMPLETED", "PARTIAL", "PENDING", "REFUNDED", "CANCELLED")
CUSTOMERS = """
    SELECT c.id, c.external_id, c.name, c.email, c.registered_at, m.order_count, m.revenue, m.first_at, m.last_at,
        m.first_day, m.last_day, c.registered_day
    FROM customer AS c JOIN customer_metrics AS m ON m.business_id = c.business_id AND m.customer_id = c.id
    WHERE c.business_id = 1 AND c.merged_into IS NULL AND c.external_id > ? ORDER BY c.external_id LIMIT ?
"""
PURCHASES = """
    SELECT customer_id, id, external_id, purchased_at, amount, status FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY customer_id ORDER BY purchased_at DESC, id DESC) AS place
        FROM purchase WHERE business_id = 1 AND customer_id IN (SELECT value FROM json_each(?)))
    WHERE place <= ? ORDER BY customer_id, place
"""


def make_id(kind: str, *numbers: int) -> str:
    """A global id."""
    return base64.urlsafe_b64encode(f"{kind}:{'.'.join(map(str, numbers))}".encode()).decode().rstrip("=")


def make_cursor(name: str) -> str:
    """A cursor behind a customer."""
    return base64.urlsafe_b64encode(name.encode()).decode()


def read_cursor(cursor: str | None) -> str:
    """The customer that a page begins after."""
    return base64.urlsafe_b64decode(cursor).decode() if cursor else ""


def make_instant(microseconds: int | None) -> datetime | None:
    """An instant of the store."""
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def write_instant(microseconds: int | None) -> str | None:
    """An instant of the store as answers have it."""
    at = make_instant(microseconds)
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def write_amount(cents: int) -> str:
    """An amount as answers have it."""
    return f"{cents // 100}.{cents % 100:02}"


async def connect(store: str) -> aiosqlite.Connection:
    """The store, to be read."""
    return await aiosqlite.connect(f"file:{store}?mode=ro", uri=True, isolation_level=None)


async def load_customers(connection: aiosqlite.Connection, first: int, after: str | None) -> tuple[list[Any], bool]:
    """The rows of a page, and whether there are more."""
    rows = list(await connection.execute_fetchall(CUSTOMERS, (read_cursor(after), first + 1)))
    return rows[:first], len(rows) > first


async def load_purchases(connection: aiosqlite.Connection, keys: Sequence[tuple[int, int]]) -> list[list[Any]]:
    """The rows of the newest purchases of each customer; a key is the customer and how many."""
    found: dict[int, list[Any]] = {customer: [] for customer, _ in keys}
    for row in await connection.execute_fetchall(PURCHASES, (json.dumps(list(found)), keys[0][1])):
        found[row[0]].append(row)
    return [found[customer] for customer, _ in keys]
