"""Requests with an Idempotency-Key: a row a key, written in three steps. A claim, in a transaction of its own, before
anything is done; what the mutation did, in the transaction that does it; and the answer, before it is given. The last
two are for whoever holds the claim, so that of two requests with one key one has an effect, however slow the other was;
and a process may die between any two of the steps. Rows live for a day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.calendar import to_micros
from domain.errors import KeyInUse
from domain.model import Actor
from domain.store import Claim
from persistence.database.dialects import make_insert
from persistence.tables.requests import IdempotentRequestRow, idempotent_request

LIFETIME = timedelta(hours=24)
column = idempotent_request.c


@dataclass(slots=True)
class IdempotentRequestStore:
    """On one connection, of one business."""

    connection: AsyncConnection
    business_id: int

    async def claim(self, actor: Actor, digest: str, now: datetime, until: datetime) -> Claim:
        """Take the actor's request, and drop those that are older than a day. Whoever makes the row works on it, and
        whoever finds one that is neither answered nor held any more."""
        assert actor.key is not None
        expired = (column.business_id == self.business_id, column.created_at <= to_micros(now - LIFETIME))
        await self.connection.execute(delete(idempotent_request).where(*expired))
        holder = {"owner": actor.request_id, "leased_until": to_micros(until)}
        row = {"subject": actor.name, "key": actor.key, "digest": digest, "created_at": to_micros(now), **holder}
        free = and_(column.digest == digest, column.answer.is_(None), column.leased_until < to_micros(now))
        statement = (
            make_insert(self.connection.dialect.name, IdempotentRequestRow)
            .values(business_id=self.business_id, **row)
            .on_conflict_do_update(index_elements=["business_id", "subject", "key"], set_=holder, where=free)
        )
        await self.connection.execute(statement)
        held = (await self.connection.execute(idempotent_request.select().where(*self._is_of_key(actor)))).one()
        return Claim(actor.key, held.owner == actor.request_id, held.digest, held.effect, held.answer)

    async def mark_done(self, actor: Actor, effect: Mapping[str, object]) -> None:
        """Keep what the request did, where it still holds its claim; KeyInUse otherwise."""
        statement = update(idempotent_request).where(*self._is_held_by(actor), column.effect.is_(None))
        if not (await self.connection.execute(statement.values(effect=dict(effect)))).rowcount:
            raise KeyInUse("Another request with this Idempotency-Key is being worked on. Try again in a moment.")

    async def keep_answer(self, actor: Actor, until: datetime, answer: str) -> None:
        """Keep the answer, unless somebody else holds the claim, or an erasure has ended it meanwhile: the answer may
        name whoever was erased."""
        mine = (*self._is_held_by(actor), column.leased_until == to_micros(until))
        await self.connection.execute(update(idempotent_request).where(*mine).values(answer=answer))

    async def release(self, actor: Actor) -> None:
        """There is no answer to keep: forget a request that did nothing, let go of one that did."""
        mine = self._is_held_by(actor)
        await self.connection.execute(delete(idempotent_request).where(*mine, column.effect.is_(None)))
        unanswered = update(idempotent_request).where(*mine, column.answer.is_(None))
        await self.connection.execute(unanswered.values(leased_until=0))

    async def forget_answers(self) -> None:
        """Answers may name anybody. Those of requests that did something are made anew, of what they did; those that
        are being made are not kept."""
        mine = column.business_id == self.business_id
        await self.connection.execute(update(idempotent_request).where(mine).values(answer=None, leased_until=0))

    def _is_of_key(self, actor: Actor) -> tuple[ColumnElement[bool], ...]:
        return column.business_id == self.business_id, column.subject == actor.name, column.key == actor.key

    def _is_held_by(self, actor: Actor) -> tuple[ColumnElement[bool], ...]:
        return *self._is_of_key(actor), column.owner == actor.request_id
