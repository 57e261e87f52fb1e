"""Erasure: what names a customer goes, what happened stays. In place of the external id stands its keyed hash, so that
the same customer is known, and refused, when it comes again. The key is made with the business's first erasure."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, literal, select, text, update
from sqlalchemy import cast as as_type
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Text

from domain.calendar import to_micros
from domain.model import ERASED_TEXT
from persistence.columns import MISSING_TEXT
from persistence.import_tables import import_reject
from persistence.rule_sql_texts import Holds
from persistence.tables import audit_event, business, customer, customer_metrics, customer_term

PREFIX, END = "erased:", "erased;"
"""What begins the hashes, and the first text after all of them."""
KNOWN_AGAIN = "UPDATE buyer SET id = :id, erased = true, fresh = false WHERE customer = :customer"


def digest(key: str, external_id: str) -> str:
    """What stands in place of an external id."""
    return PREFIX + hmac.new(key.encode(), external_id.encode(), hashlib.sha256).hexdigest()


def mark_erased(connection: Connection, business_id: int) -> None:
    """Among the `buyer`s who seem new, know those who were erased. Nothing is hashed before the first erasure."""
    key = connection.execute(select(business.c.erasure_key).where(business.c.id == business_id)).scalar_one_or_none()
    if key is None:
        return
    statement = select(customer.c.external_id, customer.c.id).where(
        customer.c.business_id == business_id, customer.c.external_id >= PREFIX, customer.c.external_id < END
    )
    gone = {row[0]: row[1] for row in connection.execute(statement)}
    fresh = connection.execute(text("SELECT customer FROM buyer WHERE fresh")).scalars()
    found = [{"customer": name, "id": gone[mark]} for name in fresh if (mark := digest(key, name)) in gone]
    if found:
        connection.execute(text(KNOWN_AGAIN), found)


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
        for name in {name for name in row if name}:
            await self._forget(name)

    async def _key(self) -> str:
        mine = business.c.id == self.business_id
        made = func.coalesce(business.c.erasure_key, secrets.token_hex(32))
        statement = update(business).where(mine).values(erasure_key=made).returning(business.c.erasure_key)
        return str((await self.connection.execute(statement)).scalar_one())

    async def _forget(self, name: str) -> None:
        cells = literal(",") + import_reject.c.text + literal(",")
        await self.connection.execute(
            update(import_reject)
            .where(import_reject.c.business_id == self.business_id, Holds(cells, f",{name},"))
            .values(text=ERASED_TEXT)
        )
        written = as_type(audit_event.c.detail, Text)
        events = select(audit_event.c.id, audit_event.c.detail).where(
            audit_event.c.business_id == self.business_id, Holds(written, json.dumps(name))
        )
        for row in (await self.connection.execute(events)).all():
            await self.connection.execute(
                update(audit_event)
                .where(audit_event.c.business_id == self.business_id, audit_event.c.id == row.id)
                .values(detail=_without(row.detail, name))
            )


def _without(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _without(part, name) for key, part in value.items()}
    if isinstance(value, list):
        return [_without(part, name) for part in value]
    return ERASED_TEXT if value == name else value
