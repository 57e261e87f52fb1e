"""Whether the process lives and whether it can serve; nobody needs a token for that, and nobody is told more."""

import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

READY_SECONDS = 1.0


class Operations:
    """The two probes."""

    def __init__(self, is_ready: Callable[[], Awaitable[bool]]) -> None:
        self.is_ready = is_ready
        self.draining = False
        self.known: tuple[float, bool] | None = None

    async def healthz(self, request: Request) -> Response:
        """The process answers; depends on nothing."""
        return JSONResponse({"status": "ok"})

    async def readyz(self, request: Request) -> Response:
        """The store is reachable and migrated; asked at most once a second."""
        now = time.monotonic()
        if self.known is None or now - self.known[0] > READY_SECONDS:
            self.known = (now, await self.is_ready())
        ready = self.known[1] and not self.draining
        return JSONResponse({"status": "ready" if ready else "unavailable"}, 200 if ready else 503)

    def routes(self) -> list[Route]:
        """Where they answer."""
        return [Route("/healthz", self.healthz), Route("/readyz", self.readyz)]
