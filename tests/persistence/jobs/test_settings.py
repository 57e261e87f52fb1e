"""Settings that measure labels and scores: segments whose rules use these are calculated again when they change, also
while a run evaluates or memberships follow."""

from functools import partial

import pytest

from domain.businesses.changes import MEASURES
from domain.businesses.settings import BY_NAME
from domain.classification.labels import ClassificationSettings
from domain.jobs.model import JobReason, JobStatus
from gql.composition import Services
from tests.drivers.interrupted import WRITING, make_interrupted
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import uses
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"C1": 500, "C2": 20_000}
LOW = {"==": [{"var": "spending_label"}, "Low Value"]}
RECENT = {"==": [{"var": "recency_score"}, 5]}


async def queued(working: Working) -> list[tuple[int | None, JobReason, str | None]]:
    """The runs that wait."""
    async with working.store.read(working.business) as unit:
        every = await unit.jobs.find_active([segment.id for segment in await unit.segments.load_all()])
    return sorted((job.segment_id, job.reason, job.requested_by) for job in every.values())


async def test_segments_by_labels_and_scores_follow_the_settings_that_measure_them(
    working: Working, services: Services
) -> None:
    low = await working.segment("low", LOW)
    other = await working.segment("not-low", {"!": uses("low")})
    recent = await working.segment("recent", RECENT, ranks=True)
    fixed = await working.segment("fixed", LOW, dynamic=False)
    for segment in (low, recent, fixed):
        await working.calculate(segment)
    await working.worker.run_once(working.business)
    assert await working.members(low) == await working.members(recent) == ["C1", "C2"]

    await services.business_changes.set_settings("shop", {"low_lifetime": 100}, ACTOR)

    assert await queued(working) == [(low.id, JobReason.FOLLOW, "settings")]
    await working.worker.run_once(working.business)
    assert await working.members(low) == ["C1"]
    assert await working.members(other) == ["C2"]
    assert await working.members(fixed) == ["C1", "C2"]
    await services.business_changes.set_settings("shop", {"rfm_days": 30}, ACTOR)
    assert await queued(working) == [(recent.id, JobReason.FOLLOW, "settings")]
    await working.worker.run_once(working.business)
    assert await working.members(recent) == []


async def test_other_settings_and_values_that_stay_queue_nothing(working: Working, services: Services) -> None:
    for key, rule in (("low", LOW), ("recent", RECENT)):
        await working.segment(key, rule)

    await services.business_changes.set_settings("shop", {"inactive_days": 30, "low_lifetime": 10_000}, ACTOR)

    assert await queued(working) == []


async def test_settings_that_change_while_a_run_evaluates_are_those_it_is_written_by(
    working: Working, services: Services
) -> None:
    segment = await working.segment("low", LOW)

    meanwhile = partial(services.business_changes.set_settings, "shop", {"low_lifetime": 100}, ACTOR)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)
    await make_interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    ended = await working.job(job.id)
    assert (ended.status, ended.entered, ended.attempts) == (JobStatus.SUCCEEDED, 1, 1)
    assert await working.members(segment) == ["C1"]
    assert await queued(working) == []


async def test_the_days_of_another_zone_are_those_a_run_is_written_by(working: Working, services: Services) -> None:
    await services.purchases.record(working.business, [purchase("C3", "O3", "2024-06-15T11:00:00Z", 500)], ACTOR)
    segment = await working.segment("today", {"==": [{"var": "days_since_last_purchase"}, 0]}, dynamic=False)

    zone = {"name": None, "time_zone": "Pacific/Kiritimati", "currency": None}
    meanwhile = partial(services.business_changes.change, "shop", ACTOR, **zone)
    await working.recalculations.start(working.business, segment.id, ACTOR)
    await make_interrupted(working, WRITING, meanwhile, "worker").run_next(working.business)

    assert await working.members(segment) == ["C3"]


def test_every_threshold_of_the_labels_is_among_the_settings_that_measure() -> None:
    thresholds = {"festive_periods" if name == "festive" else name for name in ClassificationSettings.__slots__}

    assert {*thresholds, "rfm_days"} == MEASURES.keys() <= BY_NAME.keys()
