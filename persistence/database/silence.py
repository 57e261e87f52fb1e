"""How long a short question waits for a PostgreSQL that is connected and says nothing, as one that is frozen or behind
a network that drops what is sent: where others wait for the answer, or can be asked instead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

SECONDS = 2.0
PARTING_SECONDS = 0.5
"""For the driver to break the question off in order."""


@asynccontextmanager
async def expect_answer() -> AsyncIterator[None]:
    """TimeoutError where what is asked within it is not answered in time. At the first interruption the driver tells
    the server to break the question off and would wait up to ten seconds for that; at the second it closes the
    connection."""
    async with asyncio.timeout(SECONDS + PARTING_SECONDS), asyncio.timeout(SECONDS):
        yield
