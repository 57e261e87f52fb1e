"""Erasure: what names a customer goes, what happened stays. In place of the external id stands its keyed hash, so that
the same customer is known, and refused, when it comes again. The key is made with the business's first erasure."""

import hmac
import secrets
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import to_micros
from domain.imports.columns import cells_of
from domain.model import ERASED_TEXT
from persistence.erased_names import Names, forget_in_events, forget_in_rejects
from persistence.tables import MISSING_TEXT, business, customer, customer_metrics, customer_term

PREFIX, END = "erased:", "erased;"
"""What begins the hashes, and the first text after all of them."""
ERASED_REASON = "the customer was erased"
BLANK_REFUSED = "UPDATE rejected SET text = :text WHERE reason = :reason"
BLANK = "UPDATE rejected SET text = :text WHERE line = :line"
KNOWN_AGAIN = "UPDATE buyer SET id = :id, erased = true, fresh = false WHERE customer = :customer"


def digest(key: str, external_id: str) -> str:
    """What stands in place of an external id."""
    return PREFIX + hmac.digest(key.encode(), external_id.encode(), "sha256").hex()


def mark_erased(connection: Connection, business_id: int) -> None:
    """Among the `buyer`s who seem new, know those who were erased. Nothing is hashed before the first erasure."""
    key = connection.execute(select(business.c.erasure_key).where(business.c.id == business_id)).scalar_one_or_none()
    if key is None:
        return
    gone = {row[0]: row[1] for row in connection.execute(_marks(business_id).add_columns(customer.c.id))}
    fresh = connection.execute(text("SELECT customer FROM buyer WHERE fresh")).scalars()
    found = [{"customer": name, "id": gone[mark]} for name in fresh if (mark := digest(key, name)) in gone]
    if found:
        connection.execute(text(KNOWN_AGAIN), found)


def hide_rejects(connection: Connection, business_id: int, known: int = 0) -> int:
    """Blank those of the `rejected` rows that tell of somebody who was erased; how many were erased so far. Where that
    is the number that is `known`, it is done already. It takes a second for 20,000 rows, so not under the lock."""
    key = connection.execute(select(business.c.erasure_key).where(business.c.id == business_id)).scalar_one_or_none()
    if key is None:
        return 0
    gone = set(connection.execute(_marks(business_id)).scalars())
    if len(gone) == known:
        return known
    connection.execute(text(BLANK_REFUSED), {"reason": ERASED_REASON, "text": ERASED_TEXT})
    statement = text("SELECT line, text FROM rejected WHERE reason <> :reason AND text <> ''")
    statement = statement.execution_options(yield_per=1000)
    with closing(connection.execute(statement, {"reason": ERASED_REASON})) as rows:
        told = [row.line for row in rows if any(digest(key, cell) in gone for cell in cells_of(row.text))]
    if told:
        connection.execute(text(BLANK), [{"line": line, "text": ERASED_TEXT} for line in told])
    return len(gone)


def _marks(business_id: int) -> Select[str]:
    return select(customer.c.external_id).where(
        customer.c.business_id == business_id, customer.c.external_id >= PREFIX, customer.c.external_id < END
    )


async def erased_among(connection: AsyncConnection, business_id: int, external_ids: Iterable[str]) -> set[str]:
    """Those of the external ids whose customer was erased."""
    statement = select(business.c.erasure_key).where(business.c.id == business_id)
    key = (await connection.execute(statement)).scalar_one_or_none()
    if key is None:
        return set()
    marks = {digest(key, name): name for name in external_ids}
    found = select(customer.c.external_id).where(
        customer.c.business_id == business_id, customer.c.external_id.in_(marks), customer.c.erased
    )
    return {marks[mark] for mark in (await connection.execute(found)).scalars()}


class ErasureStore:
    """On one connection, of one business."""

    def __init__(self, connection: AsyncConnection, business_id: int) -> None:
        self.connection = connection
        self.business_id = business_id

    async def erase(self, customer_id: int, at: datetime) -> None:
        """Take every name of a customer who is there away."""
        mine = (customer.c.business_id == self.business_id, customer.c.id == customer_id)
        columns = (customer.c.external_id, customer.c.name, customer.c.email)
        row = (await self.connection.execute(select(*columns).where(*mine))).one()
        hashed = digest(await self._key(), row.external_id)
        values: dict[str, Any] = {"name": None, "email": None, "name_sort": MISSING_TEXT, "erased": True}
        await self.connection.execute(update(customer).where(*mine).values(external_id=hashed, **values))
        of_term = (customer_term.c.business_id == self.business_id, customer_term.c.customer_id == customer_id)
        await self.connection.execute(delete(customer_term).where(*of_term))
        # A run that has evaluated the customer already must look again.
        await self.connection.execute(
            update(customer_metrics)
            .where(customer_metrics.c.business_id == self.business_id, customer_metrics.c.customer_id == customer_id)
            .values(changed_at=to_micros(at))
        )
        names = Names(frozenset(name for name in row if name))
        await forget_in_rejects(self.connection, self.business_id, names)
        await forget_in_events(self.connection, self.business_id, names)

    async def _key(self) -> str:
        mine = business.c.id == self.business_id
        made = func.coalesce(business.c.erasure_key, secrets.token_hex(32))
        statement = update(business).where(mine).values(erasure_key=made).returning(business.c.erasure_key)
        return str((await self.connection.execute(statement)).scalar_one())
