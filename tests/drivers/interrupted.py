"""A worker in the middle of whose run something else happens, at the same place every time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import pytest

from domain.model import Business
from domain.segments.runner import Runner
from persistence.evaluation import SqlEvaluation
from persistence.jobs import JobStore
from persistence.store import SqlStore
from persistence.unit import Unit
from tests.drivers.working import Working

ACQUIRING, EVALUATING, WRITING = 1, 2, 3
"""Heartbeats of a run of a small segment: when it is acquired, before it evaluates, and when it has evaluated."""


@dataclass(frozen=True, kw_only=True)
class Interrupted(SqlStore):
    """Does `meanwhile` right before the heartbeat of that number."""

    place: int
    meanwhile: Callable[[], Awaitable[object]]
    signs: Iterator[int] = field(default_factory=lambda: count(1))

    @asynccontextmanager
    async def open_heartbeats(self, business: Business, seconds: float | None = None) -> AsyncIterator[JobStore]:
        if next(self.signs) == self.place:
            await self.meanwhile()
        async with super().open_heartbeats(business, seconds) as jobs:
            yield jobs


def make_interrupted(working: Working, place: int, meanwhile: Callable[[], Awaitable[object]], owner: str) -> Runner:
    """A worker of its own on the store."""
    store = Interrupted(working.store.database, working.clock, place=place, meanwhile=meanwhile)
    return Runner(store, working.clock, working.feed, owner)


def before_writing(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Do `meanwhile` whenever something has been evaluated and is about to be written."""
    write = SqlEvaluation.write

    @asynccontextmanager
    async def write_later(evaluation: SqlEvaluation) -> AsyncIterator[Unit]:
        await meanwhile()
        async with write(evaluation) as unit:
            yield unit

    monkeypatch.setattr(SqlEvaluation, "write", write_later)
