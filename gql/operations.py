"""Whether the process lives and whether it can serve; nobody needs a token for that, and nobody is told more."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gql.execution import within
from gql.schema.errors import log_surprise

READY_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
HEADERS = {"Cache-Control": "no-store"}


class Operations:
    """The two probes."""

    def __init__(self, is_ready: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.is_ready = is_ready
        self.draining = False
        self._known: tuple[float, bool] | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def healthz(self, request: Request) -> Response:
        """The process answers; depends on nothing."""
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def readyz(self, request: Request) -> Response:
        """The store is reachable and migrated, and the process is not ending."""
        ready = not self.draining and await self._is_ready()
        return JSONResponse({"status": "ready" if ready else "unavailable"}, 200 if ready else 503, HEADERS)

    async def _is_ready(self) -> bool:
        """Asked at most once a second, by one for all."""
        if self._known is not None and time.monotonic() - self._known[0] < READY_SECONDS:
            return self._known[1]
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        try:
            ready = await within(PATIENCE_SECONDS, self.is_ready())
        except Exception as error:
            log_surprise(error, "readyz")
            ready = False
        self._known = (time.monotonic(), ready)
        self._asking = None
        return ready

    def routes(self) -> list[Route]:
        """Where they answer."""
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz)]
