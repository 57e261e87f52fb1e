"""The store: units of work, and what is asked of it beside them. A read unit is one read transaction; a write unit is
the one write transaction of its business and begins by raising its change number, so that change order is commit order.
What only some commands need is loaded with the first question to it."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.calendar import Clock, from_micros, to_micros
from domain.errors import AlreadyTaken
from domain.model import Actor, AuditOutcome, AuditTarget, Business, Revocation
from persistence.database.engines import Database
from persistence.database.kept_businesses import KeptBusinesses, StoredBusiness, load_business
from persistence.database.steps import find_current, find_head
from persistence.database.transactions import (
    begin_briefly,
    begin_writing,
    choose_reading,
    letting_go,
    open_session,
    raise_change_in_time,
    require_step,
    to_business,
    translate_errors,
)
from persistence.tables.businesses import BusinessRow
from persistence.tables.businesses import business as business_table
from persistence.unit import Unit

if TYPE_CHECKING:
    from domain.store import Agenda
    from persistence.evaluation import SqlEvaluation, SqlMemberStaging
    from persistence.idempotency import IdempotentRequestStore
    from persistence.jobs import JobStore
    from persistence.lake.reading import Lake


@dataclass(frozen=True, slots=True)
class SqlStore:
    """Every business's data in one database; businesses are read anew each time unless they are kept, and what only
    reads asks no columnar copies unless there is a lake of them."""

    database: Database
    clock: Clock
    kept: KeptBusinesses | None = None
    lake: "Lake | None" = None

    @asynccontextmanager
    async def read(self, business: Business) -> AsyncIterator[Unit]:
        """One state of the business, its members those of `business.as_of` where that is set; nothing is written. Where
        the request may be answered by a replica and that is as new as it must be, it is the replica's."""
        replica = self.database.replica
        with translate_errors():
            async with nullcontext() if replica is None else replica.connect(business) as connection:
                if connection is not None:
                    yield Unit(connection, business, self.clock(), self.lake)
                    return
            async with self.database.reader.connect() as connection:
                await connection.execution_options(**choose_reading(self.database.dialect), postgresql_readonly=True)
                async with letting_go(connection):
                    yield Unit(connection, business, self.clock(), self.lake)

    @asynccontextmanager
    async def write(self, business: Business) -> AsyncIterator[Unit]:
        """All of it is committed, or nothing."""
        with translate_errors():
            async with begin_writing(self.database) as connection:
                row = await raise_change_in_time(connection, business.id, self.clock())
                yield Unit(connection, to_business(row), from_micros(row.last_instant))
        for tell in self.database.listeners:
            tell()

    async def watch_commits(self, tell: Callable[[], None]) -> None:
        """Call it after whatever is committed by this process or another one, until it is cancelled."""
        from persistence.database.commits import watch_commits

        await watch_commits(self.database, tell)

    async def audit(
        self,
        business_id: int,
        actor: Actor,
        action: str,
        subject: AuditTarget | None,
        detail: Mapping[str, object],
        *,
        outcome: AuditOutcome = AuditOutcome.DONE,
    ) -> None:
        """Keep what changes no data, in a short transaction of its own."""
        from persistence.audit import append_event

        event = (business_id, to_micros(self.clock()), actor, action, subject, detail, outcome)
        with translate_errors():
            async with begin_writing(self.database) as connection:
                await connection.run_sync(append_event, *event)

    async def load_businesses(self) -> list[Business]:
        """All, by key."""
        with translate_errors():
            async with open_session(self.database.reader) as session:
                rows = await session.scalars(select(BusinessRow).order_by(business_table.c.key))
                return [to_business(row) for row in rows]

    async def find_business(self, key: str) -> tuple[Business, bool] | None:
        """The business of that key, and whether purchases wait to be counted."""
        with translate_errors():
            found = await (load_business(self.database, key) if self.kept is None else self.kept.find(key))
        return self._describe(found)

    def find_held_business(self, key: str) -> tuple[Business, bool] | None:
        """The same without waiting; None where the store has to be asked."""
        return self._describe(None if self.kept is None else self.kept.find_held(key))

    def _describe(self, found: StoredBusiness | None) -> tuple[Business, bool] | None:
        if found is None:
            return None
        waits = found.matures_at is not None and found.matures_at <= to_micros(self.clock())
        return found.business, waits and not self.database.condition.read_only

    async def create_business(self, business: Business, now: datetime) -> Business:
        """Add a tenant; AlreadyTaken where the key is in use."""
        row = BusinessRow(
            key=business.key,
            name=business.name,
            currency=business.currency,
            time_zone=business.time_zone,
            settings=dict(business.settings.stored),
            created_at=to_micros(now),
            digest_key=secrets.token_hex(32),
        )
        with translate_errors():
            try:
                async with open_session(self.database.writer) as session:
                    session.add(row)
                    await session.commit()
            except IntegrityError as error:
                raise AlreadyTaken(f"A business with the key {business.key} exists already.") from error
        return to_business(row)

    async def is_ready(self) -> bool:
        """Whether the store answers, has the tables that this program needs, and never answered that it is damaged."""
        try:
            async with self.database.reader.connect() as connection:
                newest = await connection.run_sync(find_current) == find_head()
                return newest and not self.database.condition.damaged
        except (DBAPIError, PoolTimeout, OSError):
            return False

    def evaluate(self, business: Business) -> AbstractAsyncContextManager["SqlEvaluation"]:
        """A run's connection; what it did not commit is gone with it."""
        from persistence.evaluation import open_evaluation

        return open_evaluation(self.database, business, self.clock)

    def stage_members(self, business: Business) -> AbstractAsyncContextManager["SqlMemberStaging"]:
        """A connection that has an empty list; what it did not commit is gone with it."""
        from persistence.evaluation import open_staging

        return open_staging(self.database, business, self.clock)

    async def load_agenda(self, business: Business, now: datetime) -> "Agenda":
        """What there is to do."""
        from persistence.agenda import load_agenda

        return await load_agenda(self.database.reader, business.id, now)

    async def find_newest_revocations(self) -> Mapping[str, datetime]:
        """When tokens were last revoked, by key of business."""
        from persistence.revocations import find_newest_revocations

        with translate_errors():
            return await find_newest_revocations(self.database.reader)

    async def load_revocations(self, keys: Sequence[str]) -> Mapping[str, list[Revocation]]:
        """What is revoked in the businesses of those keys."""
        from persistence.revocations import load_revocations

        with translate_errors():
            return await load_revocations(self.database.reader, keys)

    @asynccontextmanager
    async def open_heartbeats(self, business: Business, seconds: float | None = None) -> AsyncIterator["JobStore"]:
        """Leases, in a short transaction that changes no data of the business and waits no longer than it is said."""
        from persistence.jobs import JobStore

        database = self.database
        with translate_errors():
            async with begin_writing(database) if seconds is None else begin_briefly(database, seconds) as connection:
                await connection.run_sync(require_step)
                yield JobStore(open_session(connection), business.id)

    @asynccontextmanager
    async def open_requests(self, business: Business) -> AsyncIterator["IdempotentRequestStore"]:
        """Requests with an Idempotency-Key, in a short transaction that changes no data of the business."""
        from persistence.idempotency import IdempotentRequestStore

        with translate_errors():
            async with self.database.writer.begin() as connection:
                await connection.run_sync(require_step)
                yield IdempotentRequestStore(connection, business.id)
