"""Changes of segments that meet, on both databases: one of them wins whole, the others are told why they did not; and
of members: whatever the order, the count, the members and the log agree at every moment."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import func, select

from domain.classification.rfm import RfmScheme
from domain.errors import InvalidInput
from domain.jobs.model import JobStatus
from domain.model import Actor, Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import ChangeList, Definition, Segment, SegmentKind
from domain.segments.segments import Change
from domain.segments.validation import Draft
from domain.store import MemberList
from gql.composition import Services
from persistence.database.engines import Database
from persistence.store import SqlStore
from persistence.tables.segments import membership, membership_change
from tests.conftest import SetClock

pytestmark = pytest.mark.anyio
ACTOR = Actor("tester")
RICH = {">": [{"var": "total_revenue"}, 1000]}
TIMES = 12


def uses(key: str) -> Definition:
    return Definition({"in": [key, {"var": "segments"}]})


async def met(*calls: Awaitable[Any]) -> tuple[list[Any], list[str]]:
    """What the calls answered that succeeded, and the codes of the others."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failed = [one for one in answers if isinstance(one, BaseException)]
    assert all(isinstance(one, InvalidInput) for one in failed), failed
    codes = [one.problems[0].code for one in failed if isinstance(one, InvalidInput)]
    return [one for one in answers if not isinstance(one, BaseException)], codes


async def all_names(services: Services, shop: Business) -> list[str]:
    return [segment.name for segment in await services.read(shop, lambda unit: unit.segments.load_all())]


async def kept(services: Services, shop: Business, segment: int) -> Segment:
    """The segment as it is, deleted or not."""
    return (await services.read(shop, lambda unit: unit.segments.find_by_ids([segment], deleted=True)))[segment]


async def test_of_many_segments_of_one_name_one_is_created(services: Services, shop: Business) -> None:
    drafts = [Draft(name, definition=Definition(RICH)) for name in ("Gold", "GOLD", "gold ") * (TIMES // 3)]

    made, codes = await met(*(services.segments.create(shop, draft, ACTOR) for draft in drafts))

    assert (len(made), codes) == (1, ["TAKEN"] * (TIMES - 1))
    assert await all_names(services, shop) == [made[0][0].name]


async def test_names_that_make_the_same_key_get_keys_of_their_own(services: Services, shop: Business) -> None:
    drafts = [Draft(f"Gold{'!' * number}", SegmentKind.MANUAL) for number in range(TIMES)]

    made, codes = await met(*(services.segments.create(shop, draft, ACTOR) for draft in drafts))

    assert codes == []
    assert {segment.key for segment, _ in made} == {"gold", *(f"gold-{number}" for number in range(2, TIMES + 1))}
    assert len({segment.id for segment, _ in made}) == TIMES


@pytest.mark.parametrize("field", ["rules", "name", "description", "schedule"])
async def test_of_many_editors_of_one_version_one_wins(field: str, services: Services, shop: Business) -> None:
    segment, _ = await services.segments.create(shop, Draft("Gold", definition=Definition(RICH)), ACTOR)
    values: dict[str, Callable[[int], object]] = {
        "rules": lambda number: {">": [{"var": "order_count"}, number]},
        "name": lambda number: f"Gold {number}",
        "description": lambda number: f"Written by {number}",
        "schedule": lambda number: f"{number} 4 * * *",
    }
    changes = [Change(segment.id, {field: values[field](number)}, expected_version=1) for number in range(TIMES)]

    made, codes = await met(*(services.segments.update(shop, change, ACTOR) for change in changes))

    assert (len(made), codes) == (1, ["CONFLICT"] * (TIMES - 1))
    assert await kept(services, shop, segment.id) == made[0][0]
    assert made[0][0].version == 2


async def test_edits_without_a_version_all_count_and_leave_one_active_run(services: Services, shop: Business) -> None:
    segment, _ = await services.segments.create(shop, Draft("Gold", definition=Definition(RICH)), ACTOR)
    changes = [Change(segment.id, {"rules": {">": [{"var": "order_count"}, number]}}) for number in range(TIMES)]

    made, codes = await met(*(services.segments.update(shop, change, ACTOR) for change in changes))

    now = await kept(services, shop, segment.id)
    jobs = (await services.read(shop, lambda unit: unit.jobs.load_page(PageRequest(250), segment_id=segment.id))).items
    assert (len(made), codes, now.version) == (TIMES, [], TIMES + 1)
    assert [job.status for job in jobs] == [JobStatus.QUEUED] + [JobStatus.CANCELLED] * TIMES


async def test_a_segment_is_never_deleted_while_another_begins_to_use_it(services: Services, shop: Business) -> None:
    vip, _ = await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    user = Draft("User", definition=uses("vip"))

    deleting, using = services.segments.delete(shop, vip.id, ACTOR), services.segments.create(shop, user, ACTOR)
    _, codes = await met(deleting, using)

    left = await all_names(services, shop)
    assert (left, codes) in ((["User", "VIP"], ["IN_USE"]), ([], ["UNKNOWN_VARIABLE"]))


async def test_two_segments_never_begin_to_use_each_other(services: Services, shop: Business) -> None:
    drafts = [Draft(name, definition=Definition(RICH)) for name in ("A", "B")]
    made = [(await services.segments.create(shop, draft, ACTOR))[0] for draft in drafts]

    changes = [Change(one.id, {"rules": uses(key).rules}) for one, key in zip(made, "ba", strict=True)]
    changed, codes = await met(*(services.segments.update(shop, change, ACTOR) for change in changes))

    assert (len(changed), codes) == (1, ["CIRCULAR_REFERENCE"])


async def test_standard_segments_are_made_once_by_many(services: Services, shop: Business) -> None:
    calls = [services.segments.create_standard(shop, RfmScheme.EIGHT_SEGMENT, ACTOR) for _ in range(TIMES)]
    made, codes = await met(*calls)

    assert codes == []
    assert all([one.key for one in each] == [one.key for one in made[0]] for each in made)
    assert len(await all_names(services, shop)) == 8


async def test_deleting_ends_memberships_and_keeps_their_history(
    services: Services, shop: Business, database: Database, clock: SetClock
) -> None:
    vip, _ = await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    await services.customers.upsert(shop, [NewCustomer(name) for name in ("a", "b", "c")], ACTOR)
    await services.memberships.assign(shop, vip.id, [1, 2, 3], ACTOR)
    await services.memberships.remove(shop, vip.id, [3], ACTOR)

    await services.segments.delete(shop, vip.id, Actor("anna"))

    now = await kept(services, shop, vip.id)
    assert now.member_count == 0
    assert not any((await services.read(shop, lambda unit: unit.memberships.find_open_memberships([1, 2, 3]))).values())
    async with SqlStore(database, clock).read(shop) as unit:
        changes = (await unit.history.load_change_pages([(ChangeList(vip.id), PageRequest())]))[0].items
    at = {change.at for change in changes if change.by == "anna"}
    assert at == {now.deleted_at}
    assert sorted((one.customer_id, one.kind) for one in changes if one.by == "anna") == [(1, "LEFT"), (2, "LEFT")]
    assert len(changes) == 6


async def test_deleting_ends_the_run_and_keeps_the_definition(services: Services, shop: Business) -> None:
    segment, job = await services.segments.create(shop, Draft("Gold", definition=Definition(RICH)), ACTOR)
    assert job is not None

    await services.segments.delete(shop, segment.id, ACTOR)

    now = await kept(services, shop, segment.id)
    ended = (await services.read(shop, lambda unit: unit.jobs.find_by_ids([job.id])))[job.id]
    assert (now.name, now.definition, now.next_run_at) == ("Gold", segment.definition, None)
    assert now.deleted_at is not None
    assert (ended.status, ended.error_code) == (JobStatus.CANCELLED, "DELETED")


async def test_assigning_against_removing_while_others_read(
    database: Database, clock: SetClock, services: Services, shop: Business
) -> None:
    await services.customers.upsert(shop, [NewCustomer(f"C{number:02d}") for number in range(1, 21)], ACTOR)
    store = SqlStore(database, clock)
    await services.segments.create(shop, Draft("VIP", SegmentKind.MANUAL), ACTOR)
    ended = asyncio.Event()
    moments: list[tuple[int, int, int]] = []

    async def move(place: int) -> int:
        some = [1 + (place * 3 + step) % 20 for step in range(7)]
        change = services.memberships.remove if place % 3 == 2 else services.memberships.assign
        _, count = await change(shop, 1, some, ACTOR)
        return -count if place % 3 == 2 else count

    async def watch() -> None:
        while not ended.is_set():
            async with store.read(shop) as unit:
                page = await unit.members.load_page(MemberList(1), PageRequest(250))
                kept = (await unit.segments.find_by_ids([1]))[1].member_count
                moves = select(func.sum(membership_change.c.entered - membership_change.c.left_count))
                logged = (await unit.connection.execute(moves)).scalar_one() or 0
            moments.append((len(page.items), kept, int(logged)))

    watchers = [asyncio.create_task(watch()) for _ in range(2)]
    changes = await asyncio.gather(*(move(place) for place in range(30)))
    ended.set()
    await asyncio.gather(*watchers)

    assert [moment for moment in moments if len(set(moment)) != 1] == []
    assert len(moments) > 2
    async with store.read(shop) as unit:
        page = await unit.members.load_page(MemberList(1), PageRequest(250))
        negative = select(func.count()).where(membership.c.left_at <= membership.c.entered_at)
        assert (await unit.connection.execute(negative)).scalar_one() == 0
        newest = select(membership_change.c.member_count).order_by(membership_change.c.at.desc()).limit(1)
        assert sum(changes) == len(page.items) == (await unit.connection.execute(newest)).scalar_one()
