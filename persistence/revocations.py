"""Tokens that were revoked: written one by one within a write of their business, and read business by business, of
which only the newest instant is asked for often. Within a business it rises with every commit, so it says all that
changed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.calendar import from_micros, to_micros
from domain.model import Revocation
from persistence.tables.businesses import business
from persistence.tables.columns import to_optional_instant, to_optional_micros
from persistence.tables.requests import RevokedTokenRow, revoked_token

OF_BUSINESS = business.c.id == revoked_token.c.business_id


@dataclass(frozen=True, slots=True)
class RevocationStore:
    """On one connection, of one business."""

    session: AsyncSession
    business_id: int

    async def add(self, revocation: Revocation, at: datetime, ends_at: datetime) -> None:
        """Keep it until it ends; those that have ended go."""
        mine = revoked_token.c.business_id == self.business_id
        await self.session.execute(delete(RevokedTokenRow).where(mine, revoked_token.c.ends_at <= to_micros(at)))
        self.session.add(
            RevokedTokenRow(
                business_id=self.business_id,
                revoked_at=to_micros(at),
                token_id=revocation.token_id,
                subject=revocation.subject,
                issued_before=to_optional_micros(revocation.issued_before),
                ends_at=to_micros(ends_at),
            )
        )
        await self.session.flush()


async def find_newest_revocations(engine: AsyncEngine) -> dict[str, datetime]:
    """When tokens were last revoked, by key of business."""
    newest = func.max(revoked_token.c.revoked_at)
    statement = select(business.c.key, newest).where(OF_BUSINESS).group_by(business.c.key)
    async with engine.connect() as connection:
        return {key: from_micros(at) for key, at in (await connection.execute(statement)).all()}


async def load_revocations(engine: AsyncEngine, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
    """What is revoked, by key of business."""
    held = revoked_token.c
    statement = select(business.c.key, held.token_id, held.subject, held.issued_before).where(
        OF_BUSINESS, business.c.key.in_(keys)
    )
    found: dict[str, list[Revocation]] = defaultdict(list)
    async with engine.connect() as connection:
        for key, token_id, subject, before in await connection.execute(statement):
            found[key].append(Revocation(token_id, subject, to_optional_instant(before)))
    return found
