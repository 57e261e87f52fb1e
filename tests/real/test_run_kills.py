"""Workers that are killed in the middle of a run: the store holds the old set or the new one, never a mixture, and the
run is taken up by another worker and ends."""

import asyncio
import signal
import sys
from datetime import timedelta

import pytest

from domain.jobs.model import JobStatus
from domain.model import Business
from domain.segments.model import MembershipSource, Segment
from gql.composition import Services
from persistence.database.engines import Database
from persistence.soundness.checks import find_broken_rules
from tests.conftest import SetClock, sample_cases, sqlite_alone
from tests.drivers.working import ACTOR, Working
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
DAY = "2024-06-01"
OVER_10 = {">": [{"var": "total_revenue"}, 10]}
OLD, NEW = ["C2"], ["C1", "C3"]
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
    "UPDATE segment SET last_calculated",
]
# Of the statements that end or take a run, the first takes the whole run.
PARTS = [
    ("UPDATE job SET status", 2, 0),
    ("INSERT INTO evaluated", 1, 0),
    ("INSERT INTO snapshot", 1, 0),
    ("UPDATE job SET status", 4, 1),
    ("INSERT INTO membership (", 2, 1),
    ("UPDATE job SET status", 6, 2),
]
FOLLOWING = ["UPDATE business SET change_number", "INSERT INTO membership (", "UPDATE business SET followed_at"]


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


async def kill_worker(working: Working, work: str, place: int, statement: str) -> None:
    """A worker dies before that statement comes for the time of that number; what it leaves is sound."""
    url = working.store.database.bulk.url.render_as_string(hide_password=False)
    command = (sys.executable, "-m", "tests.drivers.dying", url, work, str(place), statement)
    dying = await asyncio.create_subprocess_exec(*command)
    assert await asyncio.wait_for(dying.wait(), 60) == -signal.SIGKILL
    assert list(find_broken_rules(working.store.database)) == []


@sqlite_alone
@pytest.mark.parametrize("stage", sample_cases(STAGES, "INSERT INTO evaluated"))
async def test_a_worker_that_is_killed_leaves_the_old_set_and_a_run_that_ends(
    stage: str, working: Working, clock: SetClock
) -> None:
    async with working.store.read(working.business) as unit:
        segment = (await unit.segments.find_by_keys(["big"]))["big"]
    job = await working.recalculations.start(working.business, segment.id, ACTOR)

    await kill_worker(working, "runs", 1, stage)

    assert await working.members(segment) == OLD
    assert (await working.job(job.id)).status in (JobStatus.QUEUED, JobStatus.RUNNING)
    async with working.store.read(working.business) as unit:
        assert await unit.snapshots.count_by_segment([segment.id]) == {segment.id: 1}
    clock.now += timedelta(seconds=31)
    assert await working.runner.run_next(working.business)
    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.left) == (JobStatus.SUCCEEDED, 2, 1)
    assert await working.members(segment) == NEW


async def snapshots(working: Working, segment: Segment) -> int:
    """How many snapshots the segment has."""
    async with working.store.read(working.business) as unit:
        return (await unit.snapshots.count_by_segment([segment.id]))[segment.id]


@sqlite_alone
@pytest.mark.parametrize(("statement", "place", "done"), sample_cases(PARTS, PARTS[1]))
async def test_a_worker_that_is_killed_between_parts_leaves_whole_ones_and_none_is_done_twice(
    statement: str, place: int, done: int, working: Working, clock: SetClock
) -> None:
    async with working.store.read(working.business) as unit:
        base = (await unit.segments.find_by_keys(["big"]))["big"]
    user = await working.segment("a-user", {"in": ["big", {"var": "segments"}]})
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(user.id, [2], unit.instant, MembershipSource.RULE, "before")
    job = await working.recalculations.start_all(working.business, ACTOR)

    await kill_worker(working, "runs", place, statement)

    assert [await working.members(each) for each in (base, user)] == [NEW] * done + [OLD] * (2 - done)
    assert [await snapshots(working, each) for each in (base, user)] == [1 + (done > 0), int(done > 1)]
    assert (await working.job(job.id)).status is JobStatus.RUNNING
    clock.now += timedelta(seconds=31)
    assert await working.runner.run_next(working.business)
    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.left) == (JobStatus.SUCCEEDED, 4, 2)
    assert [await working.members(each) for each in (base, user)] == [NEW, NEW]
    assert [await snapshots(working, each) for each in (base, user)] == [2, 1]
    assert not await working.runner.run_next(working.business)


@pytest.mark.parametrize("statement", sample_cases(FOLLOWING, "INSERT INTO membership ("))
async def test_a_worker_that_is_killed_while_memberships_follow_leaves_the_old_ones(
    statement: str, working: Working
) -> None:
    async with working.store.read(working.business) as unit:
        segment = (await unit.segments.find_by_keys(["big"]))["big"]

    await kill_worker(working, "follow", 1, statement)

    assert await working.members(segment) == OLD
    assert (await working.store.load_agenda(working.business, working.clock.now)).changed
    assert await working.handler.follow(working.business) == 3
    assert await working.members(segment) == NEW
    assert not (await working.store.load_agenda(working.business, working.clock.now)).changed
