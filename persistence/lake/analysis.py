"""Where repositories have statements run that read all purchases of a business: over a columnar copy where one may
answer, else in the store. What copies need is loaded where a store has some."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from persistence.lake.manifest import NoCopy

if TYPE_CHECKING:
    from persistence.lake.engines import Statement
    from persistence.lake.reading import Lake

Rows = Sequence[Sequence[Any]]


@dataclass(slots=True)
class Analysis:
    """Of one business, in the state that the connection's transaction sees."""

    connection: AsyncConnection
    business_id: int
    lake: "Lake | None" = None

    async def run(self, statement: "Statement") -> Rows:
        """The rows. Unavailable where the engine is a cluster that is away."""
        copied = await self.ask_copy(statement)
        if copied is not None:
            return copied
        rows: Rows = (await self.connection.execute(statement)).all()
        return rows

    async def ask_copy(self, statement: "Statement") -> Rows | None:
        """The same; None where no copy answers, for whoever asks the store another way."""
        if self.lake is None:
            return None
        try:
            return await self.lake.answer(self.connection, self.business_id, statement)
        except NoCopy as reason:
            self.lake.note(self.business_id, str(reason))
            return None
