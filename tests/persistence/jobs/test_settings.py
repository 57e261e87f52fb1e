"""Settings that measure labels and scores: segments whose rules use these are calculated again when they change, also
while a run evaluates or memberships follow."""

import pytest

from domain.businesses.businesses import MEASURES
from domain.businesses.settings import BY_NAME
from domain.classification.labels import ClassificationSettings
from domain.jobs.model import JobReason, JobStatus
from domain.model import Business
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.interrupted import WRITING, interrupted
from tests.drivers.working import ACTOR, Working
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
DAY = "2024-06-01"
LOW = {"==": [{"var": "spending_label"}, "Low Value"]}
RECENT = {"==": [{"var": "recency_score"}, 5]}


@pytest.fixture
async def working(database: Database, services: Services, shop: Business, clock: SetClock) -> Working:
    """A worker on a shop in which C1 spent 5 and C2 200 two weeks ago, and everything was followed."""
    await services.purchases.record(shop, [purchase("C1", "O1", DAY, 500), purchase("C2", "O2", DAY, 20_000)], ACTOR)
    made = Working.of(database, clock, shop)
    await made.worker.run_once(shop)
    return made


async def queued(working: Working) -> list[tuple[int | None, JobReason, str | None]]:
    """The runs that wait."""
    async with working.store.read(working.business) as unit:
        every = await unit.jobs.find_active([segment.id for segment in await unit.segments.load_all()])
    return sorted((job.segment_id, job.reason, job.requested_by) for job in every.values())


async def test_segments_by_labels_and_scores_follow_the_settings_that_measure_them(
    working: Working, services: Services
) -> None:
    low = await working.segment("low", LOW)
    other = await working.segment("not-low", {"!": {"in": ["low", {"var": "segments"}]}})
    recent = await working.segment("recent", RECENT, ranks=True)
    fixed = await working.segment("fixed", LOW, dynamic=False)
    for segment in (low, recent, fixed):
        await working.calculate(segment)
    await working.worker.run_once(working.business)
    assert await working.members(low) == await working.members(recent) == ["C1", "C2"]

    await services.businesses.set_settings("shop", {"low_lifetime": 100}, ACTOR)

    assert await queued(working) == [(low.id, JobReason.FOLLOW, "settings")]
    await working.worker.run_once(working.business)
    assert await working.members(low) == ["C1"]
    assert await working.members(other) == ["C2"]
    assert await working.members(fixed) == ["C1", "C2"]
    await services.businesses.set_settings("shop", {"rfm_days": 30}, ACTOR)
    assert await queued(working) == [(recent.id, JobReason.FOLLOW, "settings")]
    await working.worker.run_once(working.business)
    assert await working.members(recent) == []


async def test_other_settings_and_values_that_stay_queue_nothing(working: Working, services: Services) -> None:
    for key, rule in (("low", LOW), ("recent", RECENT)):
        await working.segment(key, rule)

    await services.businesses.set_settings("shop", {"inactive_days": 30, "low_lifetime": 10_000}, ACTOR)

    assert await queued(working) == []


async def test_settings_that_change_while_a_run_evaluates_are_those_it_is_written_by(
    working: Working, services: Services
) -> None:
    segment = await working.segment("low", LOW)

    async def meanwhile() -> None:
        await services.businesses.set_settings("shop", {"low_lifetime": 100}, ACTOR)

    job = await working.recalculations.start(working.business, segment.id, ACTOR)
    await interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.attempts) == (JobStatus.SUCCEEDED, 1, 1)
    assert await working.members(segment) == ["C1"]
    assert await queued(working) == []


async def test_the_days_of_another_zone_are_those_a_run_is_written_by(working: Working, services: Services) -> None:
    await services.purchases.record(working.business, [purchase("C3", "O3", "2024-06-15T11:00:00Z", 500)], ACTOR)
    segment = await working.segment("today", {"==": [{"var": "days_since_last_purchase"}, 0]}, dynamic=False)

    async def meanwhile() -> None:
        zone = {"name": None, "time_zone": "Pacific/Kiritimati", "currency": None}
        await services.businesses.change("shop", ACTOR, **zone)

    await working.recalculations.start(working.business, segment.id, ACTOR)
    await interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    assert await working.members(segment) == ["C3"]


def test_every_threshold_of_the_labels_is_among_the_settings_that_measure() -> None:
    thresholds = {"festive_periods" if name == "festive" else name for name in ClassificationSettings.__slots__}

    assert {*thresholds, "rfm_days"} == MEASURES.keys() <= BY_NAME.keys()
