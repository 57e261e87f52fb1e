"""Where repositories have statements run that read all purchases of a business: over a columnar copy where one may
answer, else in the store. What copies need is loaded where a store has some."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, CursorResult, Executable

from persistence.lake.manifest import SLOW, NoCopy

if TYPE_CHECKING:
    from persistence.lake.engines import Rows as CopiedRows
    from persistence.lake.engines import Statement
    from persistence.lake.reading import Lake
    from persistence.lake.rows import Asked

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class BlockingAsked:
    """A connection of a thread that has no event loop."""

    connection: Connection

    async def execute(self, statement: Executable, /) -> CursorResult[Any]:
        return self.connection.execute(statement)


@dataclass(slots=True)
class Analysis:
    """Of one business, in the state that the connection's transaction sees."""

    connection: "Asked"
    business_id: int
    lake: "Lake | None" = None

    async def run(self, statement: "Statement") -> Rows:
        """The rows. Unavailable where the engine is a cluster that is away."""
        copied = await self.ask_copy(statement)
        if copied is not None:
            return copied
        rows: Rows = (await self.connection.execute(statement)).all()
        return rows

    async def ask_copy(self, statement: "Statement") -> "CopiedRows | None":
        """The same; None where no copy answers, for whoever asks the store another way."""
        if self.lake is None:
            return None
        try:
            return await self.lake.answer(self.connection, self.business_id, statement)
        except NoCopy as reason:
            self.lake.note(self.business_id, str(reason))
            return None


def wait_for_copy(
    connection: Connection, business_id: int, lake: "Lake | None", statement: "Statement"
) -> "CopiedRows | None":
    """The same for a thread that has no event loop; None also where it takes longer than statements may."""
    if lake is None:
        return None
    try:
        return asyncio.run(Analysis(BlockingAsked(connection), business_id, lake).ask_copy(statement))
    except TimeoutError:
        lake.note(business_id, SLOW)
        return None
