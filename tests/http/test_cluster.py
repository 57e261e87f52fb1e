"""What nobody waits for any more ends at the cluster, too: the client went away, or the time is up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Select, func, select, true

from domain.calendar import Span
from gql.composition import Services
from gql.settings import Settings
from persistence.database.engines import Database
from persistence.lake.spark import SparkEngine
from persistence.reports import reports
from persistence.reports.reports import select_quintiles
from persistence.tables.purchases import purchase
from tests.conftest import SetClock
from tests.drivers.face import SECRET, Face, code_of, presenting
from tests.drivers.sail import serve_sail
from tests.drivers.server import wait_until
from tests.persistence.lake.test_engines import LAST, copy

pytestmark = pytest.mark.anyio
QUERY = '{ customers(filter: {report: {segmentCode: "R1F1M2"}}) { totalCount } }'
BOUGHT = 5_000
SHORT = 3.0
"""Seconds in which a question gets there, and which are soon over."""


@pytest.fixture(scope="module")
def sail() -> Iterator[str]:
    """The address of a cluster."""
    with serve_sail() as address:
        yield address


@dataclass
class Asking:
    """A client of the application, whose questions take hours at the cluster. `begun` is set when one goes there, and
    `ended` has the operations that the cluster said it has interrupted."""

    face: Face
    token: str
    begun: asyncio.Event
    ended: list[str]

    async def ask(self) -> httpx.Response:
        return await self.face.post(QUERY, token=self.token)

    async def require_ended(self) -> None:
        """The cluster was told, and whoever waited for it has given his connection back."""
        pool: Any = self.face.database.reader.pool

        async def is_quiet() -> bool:
            return pool.checkedout() == 0

        await wait_until(is_quiet)
        assert self.ended


@pytest.fixture
async def asking(
    request: pytest.FixtureRequest,
    sail: str,
    fresh_sqlite: Database,
    clock: SetClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Asking]:
    copied = await copy(Services(fresh_sqlite, clock), fresh_sqlite, clock, tmp_path, BOUGHT)
    engine = SparkEngine(sail)
    # Its client takes seconds to be loaded.
    assert await copied.run(engine, select_quintiles(copied.business.id, Span(LAST - 89, LAST)))
    await engine.close()
    begun, ended, opened = asyncio.Event(), list[str](), SparkEngine._open

    def select_endlessly(*given: Any) -> Select[Any]:
        begun.set()
        one, other, third = (purchase.alias() for _ in range(3))
        every = one.join(other.join(third, true()), true())
        return select(func.sum(one.c.amount + other.c.amount * third.c.amount)).select_from(every)

    def open_watched(engine: SparkEngine) -> Any:
        session: Any = opened(engine)
        interrupt = type(session).interruptTag
        session.interruptTag = lambda tag: ended.extend(interrupt(session, tag))
        return session

    monkeypatch.setattr(reports, "select_reported", select_endlessly)
    monkeypatch.setattr(SparkEngine, "_open", open_watched)
    limits = dict.fromkeys(("deadline_seconds", "report_deadline_seconds"), getattr(request, "param", 60.0))
    lake = Settings(data=tmp_path, lake=str(tmp_path / "lake"), lake_minimum_purchases=1, engine=sail)
    settings = replace(lake, jwt_secret=SECRET, answer_memory=0, **limits)
    async with presenting(fresh_sqlite, clock, settings) as face:
        yield Asking(face, face.token(business=copied.business.key), begun, ended)


async def test_a_client_that_goes_away_ends_its_question_at_the_cluster(asking: Asking) -> None:
    question = asyncio.create_task(asking.ask())
    await asyncio.wait_for(asking.begun.wait(), 30)
    # It may take a moment until the cluster has begun.
    await asyncio.sleep(0.5)

    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(question, 30)

    await asking.require_ended()


@pytest.mark.slow
@pytest.mark.parametrize("asking", [SHORT], indirect=True)
async def test_a_question_whose_time_is_up_ends_at_the_cluster(asking: Asking) -> None:
    late = await asyncio.wait_for(asking.ask(), 30)

    assert code_of(late) == "TIMEOUT"
    assert asking.begun.is_set()
    await asking.require_ended()
