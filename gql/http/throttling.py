"""How much one caller may ask for: a bucket of cost, in objects, which is filled again as time goes by. What an
operation may come to is taken out before it runs and what it did not come to is given back; an empty bucket refuses
before any work. A bucket is kept in the process as the instant at which it is full again, and settled with those of the
other workers at most once a second: never by a write for a request. Tokens that do not hold have buckets by address."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar

from graphql import DocumentNode
from starlette.requests import HTTPConnection

from domain.errors import DomainError
from domain.model import Viewer
from gql.auth import Unauthenticated
from gql.counters import THROTTLED
from gql.http.strangers import find_group, find_host, find_stranger
from gql.logs import activity
from gql.schema.context import Cost
from gql.schema.cost import count_objects
from gql.schema.limits import MAXIMUM_COST

MINIMUM_COST = 10
"""What a request costs that comes to less: reading it is work, too."""
FAILED_TOKENS, FAILED_TOKENS_RATE = 100, 1
"""Tokens of one address that may not hold, at once, and how many more a second."""
SETTLE_SECONDS = 1.0
"""The least time between two settlements; what is not restored within as long is settled."""
MOST_HELD = 10_000
"""Buckets of a kind, and tokens that held, at most; a full bucket need not be held."""
K = TypeVar("K")
Caller = tuple[str, str]
"""The key of a business and the subject of a token of it."""


class Throttled(DomainError):
    """More was asked for than the bucket holds; `cost` is what an answer says of it."""

    code = "THROTTLED"

    def __init__(self, message: str, wait: float, cost: Mapping[str, int] | None = None) -> None:
        super().__init__(message)
        self.retry_seconds = max(1, math.ceil(wait))
        self.cost = cost

    @property
    def headers(self) -> Mapping[str, str]:
        """When the client may try again."""
        return {"Retry-After": str(self.retry_seconds)}


class SharedBuckets(Protocol):
    """Where workers settle what they took."""

    async def add(self, taken: Mapping[Caller, float], longest: float) -> Mapping[Caller, float]:
        """Take that much from the buckets, in seconds until it is restored; how long they all take to be full again,
        which is never longer than `longest` unless a clock was set. Empty where they are out of reach."""
        ...


class Buckets(Generic[K]):
    """Buckets of one size, of which `rate` a second is restored."""

    def __init__(self, size: int, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.size, self.rate, self.clock = size, rate, clock
        self._full_at: dict[K, float] = {}

    def read(self, key: K) -> float:
        """What is in the bucket; below zero where more was taken than there was."""
        return self.size - max(0.0, self._full_at.get(key, 0.0) - self.clock()) * self.rate

    def find_wait(self, key: K, amount: float) -> float:
        """Seconds until so much is in the bucket, or until it is full."""
        return (min(amount, self.size) - self.read(key)) / self.rate

    def take(self, key: K, amount: float) -> None:
        """Take it out, or give back what is below zero."""
        self.put(key, max(self._full_at.get(key, 0.0), self.clock()) + amount / self.rate)

    def put(self, key: K, full_at: float) -> None:
        """Set when the bucket is full again, in seconds of the clock."""
        self._full_at[key] = full_at
        if len(self._full_at) > MOST_HELD:
            now = self.clock()
            self._full_at = {held: at for held, at in self._full_at.items() if at > now}
            while len(self._full_at) > MOST_HELD:
                del self._full_at[next(iter(self._full_at))]


class Throttle:
    """The buckets of callers, and their settlement; with a size of 0 nobody is throttled."""

    def __init__(
        self, size: int, rate: int, shared: SharedBuckets | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.buckets: Buckets[Caller] = Buckets(size, rate, clock)
        self._shared = shared
        self._pending: dict[Caller, float] = {}
        """Seconds of restoration that the other workers have not heard of."""
        self._settled_at = float("-inf")
        self._settling: asyncio.Task[None] | None = None

    def open(self, viewer: Viewer) -> Cost:
        """The cost of an operation that begins; Throttled where the bucket is empty."""
        self.check(viewer)
        return Bill(throttle=self, viewer=viewer) if self.buckets.size else Cost()

    def check(self, viewer: Viewer, cost: int = MINIMUM_COST) -> None:
        """Throttled where the bucket holds less; a full one lets through what is larger than itself."""
        if self.buckets.size and (wait := self.buckets.find_wait(_name(viewer), cost)) > 0:
            THROTTLED.labels("cost").inc()
            left = self.describe(viewer)
            message = f"This costs {cost} and {left['available']} are left. Try again in {math.ceil(wait)} s."
            raise Throttled(message, wait, {"requested": cost, "actual": 0, **left})

    def charge(self, viewer: Viewer, cost: int) -> None:
        """Take it out of the bucket; Throttled where it holds less."""
        self.check(viewer, cost)
        self.take(viewer, cost)

    def take(self, viewer: Viewer, amount: float) -> None:
        """Take it out, or give back what is below zero."""
        if not self.buckets.size or not amount:
            return
        caller = _name(viewer)
        self.buckets.take(caller, amount)
        if self._shared is not None:
            self._pending[caller] = self._pending.get(caller, 0.0) + amount / self.buckets.rate
            if self._settling is None and _is_large(self._pending[caller]):
                self._settling = asyncio.create_task(self._settle(self._shared))

    def give_back(self, viewer: Viewer, cost: Mapping[str, int]) -> None:
        """Give back what an answer came to that was made for others."""
        self.take(viewer, -cost["actual"])

    def settle_shared(self, bill: Cost, cost: Mapping[str, int]) -> Mapping[str, int] | None:
        """The same of an answer that was made for another caller, who was told that it came to this cost; Throttled
        where this one has not as much for the first."""
        if isinstance(bill, Bill):
            if not bill.requested:
                self.charge(bill.viewer, cost["requested"])
                bill.requested = bill.taken = cost["requested"]
            bill.count = lambda data: cost["actual"]
        return bill.settle({})

    def describe(self, viewer: Viewer) -> dict[str, int]:
        """What is left, and how much a second is restored."""
        return {"available": max(0, int(self.buckets.read(_name(viewer)))), "restoreRate": self.buckets.rate}

    def close(self) -> None:
        """What is not settled yet is forgotten."""
        if self._settling is not None:
            self._settling.cancel()

    async def _settle(self, shared: SharedBuckets) -> None:
        try:
            while any(map(_is_large, self._pending.values())):
                await asyncio.sleep(max(0.0, self._settled_at + SETTLE_SECONDS - time.monotonic()))
                self._settled_at = time.monotonic()
                taken = {caller: seconds for caller, seconds in self._pending.items() if _is_large(seconds)}
                for caller in taken:
                    del self._pending[caller]
                # Where they are out of reach it is forgotten, or it would be held against the caller hours later.
                longest = 2 * (self.buckets.size + MAXIMUM_COST) / self.buckets.rate
                for caller, seconds in (await shared.add(taken, longest)).items():
                    self.buckets.put(caller, self.buckets.clock() + seconds + self._pending.get(caller, 0.0))
        finally:
            self._settling = None


def _name(viewer: Viewer) -> Caller:
    return viewer.business, viewer.subject


def _is_large(seconds: float) -> bool:
    """Whether others need to hear of it; what is less is settled when it has come to as much."""
    return abs(seconds) >= SETTLE_SECONDS


@dataclass(slots=True, kw_only=True)
class Bill(Cost):
    """The cost of one operation, taken from its caller's bucket."""

    throttle: Throttle
    viewer: Viewer
    taken: int = 0
    count: Callable[[Mapping[str, Any]], int] | None = None

    def repeat(self, requested: int, actual: int) -> dict[str, int]:
        """Take out what was requested, as `charge` does, and give back what it does not come to."""
        self.throttle.charge(self.viewer, requested)
        self.throttle.take(self.viewer, actual - requested)
        self.requested = requested
        return self._describe(actual)

    def charge(self, requested: int, document: DocumentNode, operation_name: str | None) -> None:
        """Take it out; Throttled where there is less."""
        requested = max(requested, MINIMUM_COST)
        self.throttle.charge(self.viewer, requested)
        self.requested = self.taken = requested
        self.document = document
        self.count = partial(count_objects, document, operation_name)

    def settle(self, data: Mapping[str, Any] | None) -> dict[str, int]:
        """Take what an answer came to, or give back what it did not come to; what is said of it. Each further answer of
        a subscription is taken as it comes."""
        actual = MINIMUM_COST
        if self.requested > MINIMUM_COST and self.count is not None and data is not None:
            actual = max(MINIMUM_COST, min(self.count(data), self.requested))
        self.throttle.take(self.viewer, actual - self.taken)
        self.taken = 0
        return self._describe(actual)

    def keep(self) -> dict[str, int]:
        """Nothing is given back of an operation that was stopped, or goes on without its caller."""
        return self._describe(self.requested)

    def _describe(self, actual: int) -> dict[str, int]:
        return {"requested": self.requested, "actual": actual, **self.throttle.describe(self.viewer)}


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets in whoever shows a token that holds, and counts by address those that do not. Of the ones that did hold the
    newest are known by their digests: whoever shares an address with an attacker is let in all the same."""

    authenticate: Callable[[str], Awaitable[Viewer]]
    failed: Buckets[str] = field(default_factory=lambda: Buckets(FAILED_TOKENS, FAILED_TOKENS_RATE))
    held: dict[bytes, None] = field(default_factory=dict)

    async def admit(self, connection: HTTPConnection, token: str) -> Viewer:
        """Whose token it is; Unauthenticated where it does not hold, Throttled, without a look at it, where too many of
        the same address did not."""
        group, digest = find_group(find_host(connection)), sha256(token.encode("utf-8", "replace")).digest()
        if (wait := self.failed.find_wait(group, 1)) > 0 and digest not in self.held:
            THROTTLED.labels("tokens").inc()
            raise Throttled("Too many tokens from this address did not hold. Try again in a moment.", wait)
        try:
            viewer = await self.authenticate(token)
        except Unauthenticated:
            self.failed.take(group, 1)
            raise
        self.held.pop(digest, None)
        self.held[digest] = None
        if len(self.held) > MOST_HELD:
            del self.held[next(iter(self.held))]
        recognise(connection, viewer.business)
        return viewer


def recognise(connection: HTTPConnection, business: str = "") -> None:
    """The connection belongs to somebody who is known, and what is done for it is of the business."""
    doing = activity.get()
    if doing is not None:
        doing.business = business
    stranger = find_stranger(connection)
    if stranger is not None:
        stranger.recognise()
