"""The probes: whether the process lives and whether it can serve. Nobody needs a token for that, and nobody is told
more; however many ask, the store is asked once a second."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gql.http.middleware import run_with_deadline
from gql.schema.errors import log_surprise

READY_SECONDS = 1.0
"""How long what the store answered holds."""
PATIENCE_SECONDS = 2.0
"""A store that does not answer in this time is not ready."""
HEADERS = {"Cache-Control": "no-store"}


class Health:
    """Answers /healthz and /readyz; `is_ready` asks the store, and `draining` is set when the process begins to end."""

    def __init__(self, is_ready: Callable[[], Coroutine[Any, Any, bool]]) -> None:
        self.is_ready = is_ready
        self.draining = False
        self._last: tuple[float, bool] | None = None
        self._asking: asyncio.Task[bool] | None = None

    async def answer_healthz(self, request: Request) -> Response:
        """The process answers; depends on nothing."""
        return JSONResponse({"status": "ok"}, headers=HEADERS)

    async def answer_readyz(self, request: Request) -> Response:
        """The store is reachable and migrated, and the process is not ending."""
        ready = not self.draining and await self._store_is_ready()
        return JSONResponse({"status": "ready" if ready else "unavailable"}, 200 if ready else 503, HEADERS)

    async def _store_is_ready(self) -> bool:
        if self._last is not None and time.monotonic() - self._last[0] < READY_SECONDS:
            return self._last[1]
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_store())
        return await asyncio.shield(self._asking)

    async def _ask_store(self) -> bool:
        try:
            ready = await run_with_deadline(PATIENCE_SECONDS, self.is_ready())
        except Exception as error:
            log_surprise(error, "readyz")
            ready = False
        self._last = (time.monotonic(), ready)
        self._asking = None
        return ready

    def make_routes(self) -> list[Route]:
        """The addresses of the probes."""
        return [Route("/healthz", self.answer_healthz), Route("/readyz", self.answer_readyz)]
