"""What happens without being asked: memberships that follow purchases, segments that rank, and schedules, also over a
night on which the clock is changed."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from domain.jobs.model import JobReason, JobStatus
from domain.model import Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.handler import RecalculationHandler
from domain.segments.model import MembershipSource, Segment
from domain.store import Agenda
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock
from tests.drivers.working import ACTOR, Working
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
DAY = "2024-06-01"
OVER_10 = {">": [{"var": "total_revenue"}, 10]}
TOP = {"==": [{"var": "monetary_score"}, 5]}


@pytest.fixture
async def working(database: Database, services: Services, shop: Business, clock: SetClock) -> Working:
    """A worker on a shop in which C1 spent 5 and C2 20, and everything was followed."""
    items = [purchase("C1", "O1", DAY, 500), purchase("C2", "O2", DAY, 2000)]
    await services.purchases.record(shop, items, ACTOR)
    made = Working.of(database, clock, shop)
    await made.worker.run_once(shop)
    return made


async def runs(working: Working, segment: Segment) -> list[JobReason]:
    """Why the segment was ever recalculated."""
    async with working.store.read(working.business) as unit:
        page = await unit.jobs.load_page(PageRequest(50), segment_id=segment.id)
    return [job.reason for job in page.items]


async def test_dynamic_memberships_follow_purchases_without_a_run_or_a_snapshot(
    working: Working, services: Services
) -> None:
    segment = await working.segment("big", OVER_10)
    fixed = await working.segment("fixed", OVER_10, dynamic=False)
    user = await working.segment("user", {"in": ["big", {"var": "segments"}]})
    await services.purchases.record(working.business, [purchase("C1", "O3", DAY, 600)], ACTOR)
    await services.purchases.record(working.business, [purchase("C3", "O4", DAY, 900)], ACTOR)

    await working.worker.run_once(working.business)

    assert await working.members(segment) == await working.members(user) == ["C1"]
    assert await working.members(fixed) == []
    assert await runs(working, segment) == []
    async with working.store.read(working.business) as unit:
        assert await unit.snapshots.count_by_segment([segment.id]) == {segment.id: 0}
    await services.purchases.delete(working.business, ["O3"], ACTOR)
    await working.worker.run_once(working.business)
    assert await working.members(segment) == await working.members(user) == []


async def test_nothing_is_written_when_nothing_changed(working: Working, services: Services) -> None:
    await working.segment("big", OVER_10)
    before = (await services.businesses.open("shop")).change_number

    assert not await working.worker.run_once(working.business)

    assert (await services.businesses.open("shop")).change_number == before


async def test_a_look_at_a_business_without_anything_to_do_is_one_statement(working: Working) -> None:
    seen: list[str] = []
    engines = {working.store.database.reader.sync_engine, working.store.database.writer.sync_engine}

    def watch(conn: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    for engine in engines:
        event.listen(engine, "before_cursor_execute", watch)
    await working.worker.run_once(working.business)
    for engine in engines:
        event.remove(engine, "before_cursor_execute", watch)

    looks = [statement for statement in seen if not statement.startswith(("BEGIN", "SET"))]
    assert len(looks) == 1 and looks[0].startswith("SELECT")


async def test_memberships_follow_the_customers_fields_too(working: Working, services: Services) -> None:
    segment = await working.segment("gold", {"==": [{"var": "loyalty_level"}, "GOLD"]})
    await services.customers.upsert(working.business, [NewCustomer("C1", loyalty_level="GOLD")], ACTOR)

    await working.worker.run_once(working.business)

    assert await working.members(segment) == ["C1"]


async def test_following_can_be_switched_off(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    async with working.store.write(working.business) as unit:
        await unit.save_settings({"settings": {"follow_purchases": False}})
    business = await services.businesses.open("shop")
    await services.purchases.record(business, [purchase("C1", "O3", DAY, 600)], ACTOR)

    await working.worker.run_once(business)

    assert await working.members(segment) == []
    assert (await working.store.load_agenda(business, working.clock.now)).changed is False


async def test_memberships_by_hand_are_left_alone(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(segment.id, [1], unit.instant, MembershipSource.IMPORT, "old system")
    await services.purchases.record(working.business, [purchase("C1", "O3", DAY, 1)], ACTOR)

    await working.worker.run_once(working.business)

    assert await working.members(segment) == ["C1"]


async def test_segments_that_rank_are_calculated_whole_and_at_most_once_in_ten_minutes(
    working: Working, services: Services, clock: SetClock
) -> None:
    segment = await working.segment("top", TOP, ranks=True)
    user = await working.segment("user", {"in": ["top", {"var": "segments"}]})

    for number in range(3):
        await services.purchases.record(working.business, [purchase("C3", f"O{10 + number}", DAY, 9000)], ACTOR)
        await working.worker.run_once(working.business)

    assert await runs(working, segment) == [JobReason.FOLLOW]
    assert await working.members(segment) == await working.members(user)
    planned = (await working.again(segment)).next_run_at
    assert planned is not None and timedelta(0) < planned - clock.now <= timedelta(minutes=10, seconds=1)
    clock.now += timedelta(minutes=10, seconds=1)
    await working.worker.run_once(working.business)
    assert await runs(working, segment) == [JobReason.SCHEDULE, JobReason.FOLLOW]


async def test_many_customers_follow_in_portions(working: Working, services: Services) -> None:
    segment = await working.segment("big", OVER_10)
    for start in range(0, 4500, 900):
        items = [purchase(f"N{n}", f"N{n}", DAY, 1100) for n in range(start, start + 900)]
        await services.purchases.record(working.business, items, ACTOR)

    await working.worker.run_once(working.business)

    assert (await working.again(segment)).member_count == 4500


async def schedule(working: Working, segment: Segment, cron: str | None, next_run_at: datetime | None) -> None:
    async with working.store.write(working.business) as unit:
        await unit.segments.change(replace(segment, schedule=cron, next_run_at=next_run_at))


async def test_a_schedule_that_is_due_runs_once_however_many_times_were_missed(
    working: Working, clock: SetClock
) -> None:
    segment = await working.segment("big", OVER_10)
    await schedule(working, segment, "0 * * * *", clock.now - timedelta(days=3))

    await working.worker.run_once(working.business)
    await working.worker.run_once(working.business)

    assert await runs(working, segment) == [JobReason.SCHEDULE]
    assert await working.members(segment) == ["C2"]
    assert (await working.again(segment)).next_run_at == datetime(2024, 6, 15, 13, 0, tzinfo=UTC)


async def test_in_the_repeated_hour_a_nightly_time_begins_one_run_and_an_hourly_one_runs_each_hour(
    database: Database, services: Services, clock: SetClock
) -> None:
    # From 00:00 to 02:00 UTC the clocks of Berlin show the hour from 02:00 to 03:00 twice.
    clock.now = datetime(2024, 10, 26, 23, 55, tzinfo=UTC)
    berlin = await services.businesses.create("berlin", "Berlin", "Europe/Berlin", "EUR")
    working = Working.of(database, clock, berlin)
    nightly, hourly = [await working.segment(key, OVER_10) for key in ("nightly", "hourly")]
    await schedule(working, nightly, "15 2 * * *", datetime(2024, 10, 27, 0, 15, tzinfo=UTC))
    await schedule(working, hourly, "0 * * * *", datetime(2024, 10, 27, 0, 0, tzinfo=UTC))

    for _ in range(36):
        clock.now += timedelta(minutes=5)
        await working.worker.run_once(berlin)

    assert await runs(working, nightly) == [JobReason.SCHEDULE]
    assert await runs(working, hourly) == [JobReason.SCHEDULE] * 3
    assert (await working.again(nightly)).next_run_at == datetime(2024, 10, 28, 1, 15, tzinfo=UTC)


async def test_two_workers_begin_a_due_schedule_once(working: Working, database: Database, clock: SetClock) -> None:
    segment = await working.segment("big", OVER_10)
    await schedule(working, segment, None, clock.now - timedelta(minutes=1))
    other = Working.of(database, clock, working.business, "other")

    await working.handler.begin_due(working.business)
    await other.handler.begin_due(working.business)
    await other.worker.run_once(working.business)

    assert await runs(working, segment) == [JobReason.SCHEDULE]
    assert (await working.again(segment)).next_run_at == datetime(2024, 6, 16, 2, 15, tzinfo=UTC)


async def test_a_manual_segment_gets_a_nightly_snapshot_where_it_changed(working: Working, clock: SetClock) -> None:
    segment = await working.by_hand("vip")
    async with working.store.write(working.business) as unit:
        await unit.memberships.add(segment.id, [1, 2], unit.instant, MembershipSource.MANUAL, "tester")

    for _ in range(2):
        await schedule(working, await working.again(segment), None, clock.now)
        clock.now += timedelta(days=1)
        await working.worker.run_once(working.business)

    async with working.store.read(working.business) as unit:
        (only,) = (await unit.snapshots.load_newest([segment.id], 10))[segment.id]
    assert (only.member_count, only.created_by) == (2, "schedule")


async def test_a_clock_that_goes_back_starts_nothing_twice(working: Working, clock: SetClock) -> None:
    segment = await working.segment("big", OVER_10)
    await schedule(working, segment, "0 * * * *", clock.now)
    await working.worker.run_once(working.business)

    clock.now -= timedelta(hours=5)
    await working.worker.run_once(working.business)

    assert await runs(working, segment) == [JobReason.SCHEDULE]


async def test_a_failed_scheduled_run_does_not_stop_the_next(working: Working, clock: SetClock) -> None:
    segment = await working.segment("odd", {"in": ["nowhere", {"var": "segments"}]})
    for _ in range(2):
        await schedule(working, await working.again(segment), "0 * * * *", clock.now)
        clock.now += timedelta(hours=1)
        await working.worker.run_once(working.business)

    async with working.store.read(working.business) as unit:
        page = await unit.jobs.load_page(PageRequest(50), segment_id=segment.id)
    assert [(job.status, job.reason) for job in page.items] == [(JobStatus.FAILED, JobReason.SCHEDULE)] * 2


async def test_a_purchase_counts_from_its_instant_on_though_nobody_asks(
    working: Working, services: Services, clock: SetClock
) -> None:
    segment = await working.segment("recent", {"<": [{"var": "days_since_last_purchase"}, 5]})
    ahead = replace(purchase("C3", "O3", DAY, 500), purchased_at=clock.now + timedelta(minutes=1))
    await services.purchases.record(working.business, [ahead], ACTOR)
    await working.worker.run_once(working.business)
    assert await working.members(segment) == []

    clock.now += timedelta(minutes=1)
    await working.worker.run_once(working.business)

    assert await working.members(segment) == ["C3"]
    assert not await working.worker.run_once(working.business)
    agenda = await working.store.load_agenda(working.business, clock.now)
    assert (agenda.purchases_due, agenda.changed, agenda.due) == (False, False, False)


async def test_a_scheduled_run_counts_the_purchases_whose_instant_has_passed(
    working: Working, services: Services, clock: SetClock
) -> None:
    segment = await working.segment("recent", {"<": [{"var": "days_since_last_purchase"}, 5]}, dynamic=False)
    ahead = replace(purchase("C3", "O3", DAY, 500), purchased_at=clock.now + timedelta(minutes=1))
    await services.purchases.record(working.business, [ahead], ACTOR)
    await schedule(working, segment, "* * * * *", clock.now + timedelta(minutes=1))

    clock.now += timedelta(minutes=1)
    await working.worker.run_once(working.business)

    assert await working.members(segment) == ["C3"]
    assert await runs(working, segment) == [JobReason.SCHEDULE]


async def test_of_two_workers_one_counts_what_has_become_due(
    working: Working, services: Services, database: Database, clock: SetClock
) -> None:
    ahead = replace(purchase("C3", "O3", DAY, 500), purchased_at=clock.now + timedelta(minutes=1))
    await services.purchases.record(working.business, [ahead], ACTOR)
    other = Working.of(database, clock, working.business, "other")
    (before,) = await working.store.load_businesses()

    clock.now += timedelta(minutes=1)
    await asyncio.gather(*(each.worker.run_once(working.business) for each in (working, other)))

    (after,) = await working.store.load_businesses()
    async with working.store.read(working.business) as unit:
        record = await unit.customers.find_by_external_id("C3")
    assert record is not None and record.totals.order_count == 1
    assert after.data_version == before.change_number + 1


async def test_a_worker_goes_on_with_other_businesses_where_one_is_in_trouble_and_ends_when_it_is_told_to(
    working: Working, services: Services, clock: SetClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = await services.businesses.create("another", None, "UTC", "EUR")
    there = Working.of(working.store.database, clock, other)
    segment = await working.segment("big", OVER_10)
    job = await working.recalculations.start(working.business, segment.id, ACTOR)
    broken = await there.recalculations.start(other, (await there.segment("big", OVER_10)).id, ACTOR)

    @dataclass(frozen=True)
    class Troubled(RecalculationHandler):
        async def work(self, business: Business, agenda: Agenda) -> bool:
            if business.id == other.id:
                raise ConnectionError("trouble with one of them")
            return await super().work(business, agenda)

    handler = Troubled(working.store, clock, working.feed, working.runner)
    task = asyncio.create_task(replace(working.worker, handlers=(handler,)).run_forever())
    async with asyncio.timeout(20):
        async for state in working.recalculations.follow(working.business, job.id):
            ended = state
    task.cancel()
    await asyncio.wait({task}, timeout=5)

    assert task.cancelled()
    assert ended.status is JobStatus.SUCCEEDED
    assert (await there.job(broken.id)).status is JobStatus.QUEUED
    assert f"RECALCULATION of business {other.id} failed" in caplog.text
