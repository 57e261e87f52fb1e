"""Whole answers that this process keeps: a query that was answered is answered so again, without being executed, until
its business changes, its day ends or ten minutes have passed. Whether the business has changed is known of the store
before each answer, never of a message; an answer is kept for its document, its variables, its business and its
permissions, and for whoever asked where it shows that. Of whichever business has most, what was asked longest ago goes
first, so nobody pushes out the answers of others."""

import asyncio
import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from sys import getsizeof

from graphql import DocumentNode, GraphQLSchema

from domain.businesses.businesses import Businesses
from domain.calendar import Clock, load_zone, to_local_date
from domain.errors import DomainError, Unavailable
from domain.json_text import WrittenNumber
from domain.model import Business, Viewer
from gql.counters import ANSWERS
from gql.schema.keeping import UNKEPT, Keeping, find_keeping
from gql.schema.limits import CACHED_DOCUMENTS

SECONDS = 600.0
"""How old what an answer says may be, reports that were kept before it included."""
LARGEST_PART = 8
"""No answer takes more than such a part of the memory."""
OVERHEAD = 1_000
"""Bytes beside the texts of an answer, about."""
HIT, MISS = ANSWERS.labels("hit"), ANSWERS.labels("miss")
Document = tuple[str, str | None]
"""A document and the name of the operation."""
Key = tuple[Document, str, str, frozenset[str], Viewer | None]
State = tuple[int, int, datetime | None, date]
"""What an answer is of: the business, its change number, the instant of its newest write and its date."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The `data` of an answer as JSON. `requested` and `actual` are what it costs, `reports` how many it holds that are
    kept by themselves, too, and `age` how old the oldest was; `state` is None where nothing of the business is in
    it."""

    data: bytes
    requested: int
    actual: int
    reports: int
    age: float
    state: State | None = None
    made_at: float = 0.0
    size: int = 0


@dataclass(slots=True)
class _Share:
    """What is kept of one business, and its bytes; the answers that were asked for longest ago come first."""

    answers: OrderedDict[Key, KeptAnswer] = field(default_factory=OrderedDict)
    size: int = 0


class AnswerMemory:
    """At most `maximum` bytes of answers, and where that is 0 none. The business is opened with every answer, so that
    whatever waits for its instant is counted."""

    def __init__(
        self,
        schema: GraphQLSchema,
        businesses: Businesses,
        clock: Clock,
        maximum: int,
        count_seconds: Callable[[], float] = time.monotonic,
        unkept: frozenset[str] = UNKEPT,
    ) -> None:
        self._schema = schema
        self._businesses = businesses
        self.clock = clock
        self._maximum = maximum
        self._count_seconds = count_seconds
        self._unkept = unkept
        self._keepings: OrderedDict[Document, Keeping] = OrderedDict()
        self._shares: dict[str, _Share] = {}
        """By the keys of the businesses."""
        self.size = 0

    def find_key(self, viewer: Viewer, document: Document, variables: object) -> Key | None:
        """What an answer would be kept under; None where it would not, or the document has not been executed yet."""
        keeping = self._keepings.get(document)
        if keeping is None or keeping is Keeping.NOBODY:
            return None
        given = json.dumps(mark_numbers(variables), separators=(",", ":")) if variables else ""
        whose = viewer if keeping is Keeping.VIEWER else None
        return document, given, viewer.business, viewer.permissions, whose

    def find(self, key: Key) -> KeptAnswer | None:
        """What was answered last, which may hold no more."""
        share = self._shares.get(key[2])
        kept = None if share is None else share.answers.get(key)
        if kept is None:
            MISS.inc()
        return kept

    async def open_business(self, key: Key, seconds: float) -> Business | None:
        """The business that an answer is of; None where there is none: the operation says so. Unavailable where the
        store does not answer, which nobody asks twice; TimeoutError where it takes longer."""
        held = self._businesses.find_held(key[2])
        if held is not None:
            return held
        try:
            async with asyncio.timeout(seconds):
                return await self._businesses.open(key[2])
        except Unavailable:
            raise
        except DomainError:
            return None

    def use(self, key: Key, kept: KeptAnswer, business: Business | None) -> float | None:
        """How old what the answer says is, in seconds; None where it holds no more, of the business as it is now."""
        age = self._count_seconds() - kept.made_at + kept.age
        now = None if business is None else _build_state(business, self.clock())
        if age > SECONDS or now != kept.state:
            MISS.inc()
            return None
        share = self._shares.get(key[2])
        if share is not None and key in share.answers:
            share.answers.move_to_end(key)
        HIT.inc()
        return age

    def learn(self, name: Document, document: DocumentNode) -> None:
        """The document is valid; from now on its answers may be kept."""
        if self._maximum and name not in self._keepings:
            self._keepings[name] = find_keeping(self._schema, document, name[1], self._unkept)
            if len(self._keepings) > CACHED_DOCUMENTS:
                self._keepings.popitem(last=False)

    def add(self, key: Key, business: Business | None, began: datetime, answer: KeptAnswer) -> None:
        """Keep what was answered from `began` on, with the business as it was read first, None where it was not. All
        else was read after it: whatever was written meanwhile, or a day that began, is of a later state, which this
        answer is not found for."""
        state = None if business is None else _build_state(business, began)
        size = sum(map(getsizeof, (answer.data, *key[0], key[1]))) + OVERHEAD
        if size * LARGEST_PART > self._maximum:
            return
        self._drop(key)
        share = self._shares.setdefault(key[2], _Share())
        share.answers[key] = replace(answer, state=state, made_at=self._count_seconds(), size=size)
        share.size += size
        self.size += size
        while self.size > self._maximum:
            fullest = max(self._shares.values(), key=lambda each: each.size)
            self._drop(next(iter(fullest.answers)))

    def _drop(self, key: Key) -> None:
        share = self._shares.get(key[2])
        dropped = None if share is None else share.answers.pop(key, None)
        if share is None or dropped is None:
            return
        share.size -= dropped.size
        self.size -= dropped.size
        if not share.answers:
            del self._shares[key[2]]


def mark_numbers(value: object) -> object:
    """The same for a key: as JSON it differs wherever a digit does, which doubles need not. A number with a fraction is
    as it was written, behind half of a character, which no text of a caller holds."""
    if isinstance(value, WrittenNumber):
        return f"\ud800{value}"
    if isinstance(value, dict):
        return {name: mark_numbers(inner) for name, inner in value.items()}
    return [mark_numbers(inner) for inner in value] if isinstance(value, list | tuple) else value


def _build_state(business: Business, now: datetime) -> State:
    today = to_local_date(now, load_zone(business.time_zone))
    return business.id, business.change_number, business.last_instant, today
