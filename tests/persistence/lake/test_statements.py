"""Statements at a cluster: each ends with whoever waits for it, whatever became of others."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, local
from typing import Any

import pyarrow as pa
import pytest

from domain.calendar import Span
from persistence.lake import spark
from persistence.lake.engines import CopyTables
from persistence.lake.manifest import COLUMNS, REPLACED, UNREADABLE, Manifest, NoCopy, Part
from persistence.lake.places import Folder
from persistence.lake.spark import SparkEngine
from persistence.reports.reports import select_quintiles
from tests.drivers.server import wait_until

STATEMENT = select_quintiles(1, Span(700_000, 700_089))
LONG = 20.0
"""Seconds after which a statement that nobody ended is over."""


@dataclass
class Session:
    """A session at a cluster, whose statements run until they are interrupted by their tag, or it breaks."""

    running: dict[str, Event] = field(default_factory=dict)
    interrupted: list[str] = field(default_factory=list)
    broken: bool = False
    deaf: Event | None = None
    """Until that is set, whatever is asked is not answered."""
    stopped: int = 0
    here: Any = field(default_factory=local)

    def addTag(self, tag: str) -> None:
        self.here.tag = tag

    def removeTag(self, tag: str) -> None:
        del self.here.tag

    def sql(self, text: str, args: dict[str, Any]) -> "Session":
        return self

    def toArrow(self) -> pa.Table:
        if self.broken:
            raise ConnectionError
        tag = self.here.tag
        self.running[tag] = Event()
        if self.running[tag].wait(LONG):
            raise RuntimeError("OPERATION_CANCELED")
        return pa.table({"sum": [1]})

    def interruptTag(self, tag: str) -> list[str]:
        if self.deaf is not None:
            self.deaf.wait(LONG)
        if tag in self.running:
            self.interrupted.append(tag)
            self.running.pop(tag).set()
        return [tag]

    def stop(self) -> None:
        self.stopped += 1


@dataclass
class Cluster:
    """An engine, and the sessions that it has begun."""

    place: Folder
    engine: SparkEngine = field(default_factory=lambda: SparkEngine("sc://cluster"))
    sessions: list[Session] = field(default_factory=list)

    def open(self) -> Any:
        engine: Any = self.engine
        if engine._session is None:
            self.sessions.append(Session())
            engine._session = self.sessions[-1]
        return engine._session

    @property
    def tables(self) -> CopyTables:
        files: dict[str, tuple[str, ...]] = dict.fromkeys(COLUMNS, ())
        return CopyTables(Manifest("store", "epoch", 1, "generation", Part(1, 1, 1, 1, files)), self.place, {})

    async def ask(self, count: int) -> list[asyncio.Task[Any]]:
        """So many statements that run now."""
        before = self.count()
        asked = [asyncio.create_task(self.engine.run(self.tables, STATEMENT)) for _ in range(count)]

        async def have_begun() -> bool:
            return self.count() == before + count

        await wait_until(have_begun, LONG / 2)
        return asked

    def count(self) -> int:
        return sum(len(session.running) for session in self.sessions)


Scenario = Callable[[Cluster], Awaitable[None]]
Run = Callable[[Scenario], None]


async def end(*asked: asyncio.Task[Any]) -> None:
    """Nobody waits for them any more; they end long before they would by themselves."""
    for task in asked:
        task.cancel()
    ended, _ = await asyncio.wait(asked, timeout=LONG / 2)
    assert [task.cancelled() for task in ended] == [True] * len(asked)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Do it in an event loop of its own that has a single thread to spare."""
    cluster = Cluster(Folder(tmp_path))
    monkeypatch.setattr(cluster.engine, "_open", cluster.open)

    async def work(scenario: Scenario) -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        await scenario(cluster)
        await cluster.engine.close()
        assert [session.stopped > 0 for session in cluster.sessions] == [True] * len(cluster.sessions)

    return lambda scenario: asyncio.run(work(scenario))


def test_each_statement_ends_with_whoever_waits_for_it(run: Run) -> None:
    async def scenario(cluster: Cluster) -> None:
        one, other = await cluster.ask(2)

        await end(one)
        assert (len(cluster.sessions[0].interrupted), cluster.count()) == (1, 1)
        await end(other)

        await end(*await cluster.ask(1))
        assert [len(session.interrupted) for session in cluster.sessions] == [3]
        assert [session.stopped for session in cluster.sessions] == [0]

    run(scenario)


def test_statements_that_take_every_thread_end_too(run: Run) -> None:
    async def scenario(cluster: Cluster) -> None:
        await end(*await cluster.ask(12))

    run(scenario)


def test_a_cluster_that_says_nothing_any_more_holds_nobody_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "END_SECONDS", 0.1)

    async def scenario(cluster: Cluster) -> None:
        asked = await cluster.ask(3)
        cluster.sessions[0].deaf = deaf = Event()

        await end(*asked)

        assert (cluster.count(), await asyncio.to_thread(int, "1")) == (3, 1)
        deaf.set()

    run(scenario)


def test_a_disk_that_is_full_at_the_upload_does_not_break_the_copy(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(place: Folder, name: str, write: object) -> None:
        raise OSError(errno.ENOSPC, "")

    monkeypatch.setattr(Folder, "put", fail)

    async def scenario(cluster: Cluster) -> None:
        touched = {REPLACED: pa.table({"customer_id": [1]})}
        with pytest.raises(NoCopy, match=UNREADABLE):
            await cluster.engine.run(replace(cluster.tables, touched=touched), STATEMENT)

    run(scenario)


def test_a_session_that_broke_is_left_and_stopped_when_nothing_runs_there(run: Run) -> None:
    async def scenario(cluster: Cluster) -> None:
        (before,) = await cluster.ask(1)
        cluster.sessions[0].broken = True

        (after,) = await cluster.ask(1)
        assert [session.stopped for session in cluster.sessions] == [0, 0]
        await end(before)
        assert [session.stopped for session in cluster.sessions] == [1, 0]
        assert [len(session.interrupted) for session in cluster.sessions] == [1, 0]
        await end(after)

    run(scenario)
