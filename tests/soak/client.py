"""What clients of the soak have in common: a request that is repeated until it was answered, a socket that is opened
anew, and the record of what went wrong. A failure is explained where something was killed or restarted while it was on
its way; every other one is a finding."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from gql.http.idempotency import LEASE_SECONDS
from gql.http.websocket import PROTOCOL

PATIENCE = 90.0
"""Seconds after which an answer that does not come is a finding."""
PAUSE = 0.3
AFTER_KILL, AFTER_RESTART = 4.0, 20.0
"""Seconds for which a killed worker or a restarted database explains failures."""
IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
AFTER_CLAIM = LEASE_SECONDS + 2.0
"""Seconds for which the key of a request is held that a killed worker was at."""
PASSING = {"UNAVAILABLE", "TIMEOUT", IN_PROGRESS}
"""Codes that a client tries again after, while something that explains them goes on."""
BROKEN = (httpx.TransportError, OSError, websockets.WebSocketException, TimeoutError)


@dataclass(slots=True)
class Trouble:
    """When something was killed or restarted, and until when that explains failures, in seconds of the monotonic
    clock."""

    what: str
    since: float
    until: float


@dataclass(slots=True)
class Record:
    """What happened, told by every client."""

    answered: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    findings: list[str] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def is_explained(self, began: float) -> bool:
        """Whether something was killed or restarted while a request that began then was on its way."""
        now = time.monotonic()
        return any(one.since <= now and began <= one.until for one in self.troubles)

    def note(self, who: str, what: str, began: float) -> None:
        """A failure of a request that began then."""
        if self.is_explained(began - (AFTER_CLAIM if IN_PROGRESS in what else 0)):
            self.explained[f"{who}: {what}"] += 1
        else:
            self.find(f"{who}: {what} after {time.monotonic() - began:.1f} s")

    def find(self, finding: str) -> None:
        self.findings.append(finding)

    @property
    def slowest_health(self) -> tuple[float, float]:
        """The 99th percentile and the longest of the seconds that /healthz took."""
        seconds = sorted(wait for _, wait in self.waits) or [0.0]
        return seconds[int(len(seconds) * 0.99) - 1], seconds[-1]


class Ended(Exception):
    """The time of the soak is over."""


@dataclass(slots=True)
class Client:
    """One client of the server; each has a subject of its own, so that each has a budget of its own."""

    who: str
    url: str
    token: str
    record: Record
    ending: asyncio.Event
    http: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        self.http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE)

    async def ask(self, query: str, variables: object = None, *, key: str | None = None) -> Any:
        """The data of an operation, sent again until it was answered; user errors are findings. Refused where it
        has none."""
        body = {"query": query, "variables": variables}
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = await self.send("POST", "/graphql", json=body, headers=headers)
        data = answer.json().get("data")
        if data is None:
            raise Refused(answer.text[:300])
        for name, payload in data.items():
            if isinstance(payload, dict) and payload.get("userErrors"):
                self.record.find(f"{self.who}: {name} answered {payload['userErrors']}")
        return data

    async def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """The answer of a request, sent again while what fails may pass."""
        while True:
            began = time.monotonic()
            try:
                answer = await self.http.request(method, path, **given)
            except BROKEN as error:
                self.record.note(self.who, type(error).__name__, began)
                await self.pause()
                continue
            codes = read_codes(answer)
            if answer.status_code == 429:
                self.record.throttled += 1
                await self.pause(float(answer.headers.get("Retry-After", 1)))
            elif "INTERNAL" in codes:
                self.record.find(f"{self.who}: {answer.status_code} {answer.text[:300]}")
                await self.pause()
            elif answer.status_code >= 500 or codes & PASSING:
                self.record.note(self.who, f"{answer.status_code} {' '.join(sorted(codes))}", began)
                await self.pause()
            else:
                if codes or answer.status_code >= 400:
                    self.record.find(f"{self.who}: {answer.status_code} {answer.text[:300]}")
                self.record.answered[self.who.rstrip("0123456789")] += 1
                return answer

    async def pause(self, seconds: float = PAUSE) -> None:
        """Wait before the next try; Ended where nothing is tried any more."""
        if self.ending.is_set():
            raise Ended
        await asyncio.sleep(seconds)

    @asynccontextmanager
    async def open_socket(self) -> AsyncIterator[ClientConnection]:
        """A socket whose token was accepted."""
        address = self.url.replace("http", "ws", 1) + "/graphql"
        async with websockets.connect(address, subprotocols=[PROTOCOL], proxy=None, compression=None) as socket:  # type: ignore[list-item]
            await socket.send(
                json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}})
            )
            if json.loads(await socket.recv())["type"] != "connection_ack":
                raise OSError("the token was not accepted")
            yield socket

    async def follow(self, query: str, variables: object) -> AsyncIterator[Any]:
        """The data of each message of a subscription until it ends; OSError and others where the socket breaks."""
        async with self.open_socket() as socket:
            payload = {"query": query, "variables": variables}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            while True:
                message = json.loads(await socket.recv())
                if message["type"] == "complete":
                    return
                if message["type"] == "error" or message["payload"].get("errors"):
                    raise Refused(json.dumps(message["payload"])[:300])
                yield message["payload"]["data"]


class Refused(Exception):
    """A subscription ended with an error."""


def read_codes(answer: httpx.Response) -> set[str]:
    """The codes of the errors of an answer; none where it is a file."""
    if "json" not in answer.headers.get("content-type", ""):
        return set()
    body = answer.json()
    errors = body.get("errors", []) if isinstance(body, dict) else []
    return {error["extensions"]["code"] for error in errors}
