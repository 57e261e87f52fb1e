"""Workers that are killed in the middle of a run: the store holds the old set or the new one, never a mixture, and the
run is taken up by another worker and ends."""

import asyncio
import signal
import sys
from datetime import timedelta

import pytest

from domain.model import Business
from domain.segment_model import JobStatus
from gql.services import Services
from persistence.database import Database
from tests.conftest import SetClock
from tests.factories import purchase
from tests.storage.working import ACTOR, Working

pytestmark = pytest.mark.anyio
DAY = "2024-06-01"
OVER_10 = {">": [{"var": "total_revenue"}, 10]}
STAGES = [
    "UPDATE job SET status",
    "UPDATE job SET phase",
    "INSERT INTO evaluated",
    "UPDATE business SET",
    "DELETE FROM evaluated WHERE",
    "UPDATE membership",
    "INSERT INTO membership (",
    "INSERT INTO membership_change",
    "UPDATE segment SET member_count",
    "INSERT INTO snapshot",
    "UPDATE segment SET name",
]


@pytest.fixture
async def working(database: Database, services: Services, shop: Business, clock: SetClock) -> Working:
    """A worker on a shop with a segment that C2 is in, of which C2 must leave and C1 and C3 must enter."""
    items = [purchase("C1", "O1", DAY, 500), purchase("C2", "O2", DAY, 2000), purchase("C3", "O3", DAY, 900)]
    await services.purchases.record(shop, items, ACTOR)
    made = Working.of(database, clock, shop)
    await made.calculate(await made.segment("big", OVER_10))
    await services.purchases.delete(shop, ["O2"], ACTOR)
    items = [purchase("C1", "O4", DAY, 5000), purchase("C3", "O5", DAY, 5000)]
    await services.purchases.record(shop, items, ACTOR)
    return made


@pytest.mark.parametrize("stage", STAGES)
async def test_a_worker_that_is_killed_leaves_the_old_set_and_a_run_that_ends(
    stage: str, working: Working, clock: SetClock
) -> None:
    async with working.store.read(working.business) as unit:
        segment = (await unit.segments.by_keys(["big"]))["big"]
    job = await working.recalculations.start(working.business, segment.id, ACTOR)
    url = working.store.database.bulk.url.render_as_string(hide_password=False)

    dying = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.real.dying", url, stage)

    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL
    assert await working.members(segment) == ["C2"]
    assert (await working.job(job.id)).status in (JobStatus.QUEUED, JobStatus.RUNNING)
    async with working.store.read(working.business) as unit:
        assert await unit.snapshots.count(segment.id) == 1
    clock.now += timedelta(seconds=31)
    assert await working.runner.once(working.business)
    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.left) == (JobStatus.SUCCEEDED, 2, 1)
    assert await working.members(segment) == ["C1", "C3"]
