"""A replica of the store on PostgreSQL, which answers what only reads. Whoever asks has read in the store itself how
new the answer must be, and the replica is asked only in a snapshot that shows that it is as new: at least at that
change of the business, at this program's step of the tables, and of the same store. So whatever was written before a
request is in its answer, and within a request time never goes back. Where the replica lags, is away or does not fit,
the store itself is asked, and a line of the log says so when that begins and when it ends."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from domain.model import Business
from persistence.database.condition import is_damaged
from persistence.database.failures import describe_trouble
from persistence.database.silence import expect_answer
from persistence.database.steps import find_head
from persistence.tables.businesses import business as table

REST_SECONDS = 5.0
"""How long a replica that is away or does not fit is left alone."""
ANSWERED, BEHIND, AWAY = "replica", "behind", "away"
"""Who answered: the replica, or the store as the replica is behind it, or cannot be asked."""
log = logging.getLogger("segments")


def ignore(outcome: str) -> None:
    """Where nobody counts."""


@dataclass(slots=True)
class Replica:
    """Its connections; `tell` is told of each unit who answered."""

    engine: AsyncEngine
    tell: Callable[[str], None] = ignore
    _rests_until: float = field(default=0.0, init=False)
    _trouble: str = field(default="", init=False)

    @asynccontextmanager
    async def connect(self, business: Business) -> AsyncIterator[AsyncConnection | None]:
        """A transaction on the replica that is new enough for the request; None where the store must be asked."""
        freshness = business.freshness
        if freshness is None or freshness.from_store:
            yield None
            return
        async with AsyncExitStack() as held:
            connection = await self._open(business, held)
            if connection is None:
                # From here on all of the request is the store's, which is newer than what it has read.
                freshness.from_store = True
                yield None
                return
            try:
                yield connection
            except DBAPIError as error:
                # A statement that is wrong, or has a sum too large, says nothing of the replica.
                if describe_trouble(error) is not None or is_damaged(error):
                    self._rest(f"it broke off: {type(error).__name__}")
                raise
            finally:
                if not connection.invalidated:
                    await connection.rollback()

    async def _open(self, business: Business, held: AsyncExitStack) -> AsyncConnection | None:
        assert business.freshness is not None
        if time.monotonic() < self._rests_until:
            self.tell(AWAY)
            return None
        try:
            async with expect_answer():
                connection = await held.enter_async_context(self.engine.connect())
                await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                at = text("(SELECT version_num FROM alembic_version)")
                columns = select(table.c.change_number, table.c.digest_key, at).where(table.c.id == business.id)
                row = (await connection.execute(columns)).one_or_none()
        except (DBAPIError, PoolTimeout, OSError) as error:
            self._rest(f"it cannot be asked: {type(error).__name__}")
            self.tell(AWAY)
            return None
        number, secret, step = (-1, business.secret, find_head()) if row is None else row
        if secret != business.secret or step != find_head():
            self._rest("it is of another store" if secret != business.secret else f"its tables are at step {step}")
            self.tell(AWAY)
            return None
        if self._trouble:
            log.warning("the replica is asked again")
            self._trouble = ""
        if number < business.freshness.change_number:
            self.tell(BEHIND)
            return None
        business.freshness.change_number = number
        self.tell(ANSWERED)
        return connection

    def _rest(self, trouble: str) -> None:
        self._rests_until = time.monotonic() + REST_SECONDS
        if trouble != self._trouble:
            log.warning("the store is asked instead of its replica, as %s", trouble)
            self._trouble = trouble
