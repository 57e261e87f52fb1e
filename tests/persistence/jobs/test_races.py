"""Two workers, and everything that can change members, all at once: when nothing waits any more, every segment has the
members that its rule asks for. Readers meanwhile see the old set or the new one, never a mixture, and its count."""

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

import pytest

from domain.errors import AlreadyRunning
from domain.jobs.model import JobStatus
from domain.model import Business, NewCustomer
from domain.pages import PageRequest
from domain.segments.model import Definition, Segment
from domain.store import MemberList
from gql.composition import Services
from persistence.database.engines import Database
from tests.conftest import SetClock, sample_cases
from tests.drivers.interrupted import before_writing
from tests.drivers.working import ACTOR, Working
from tests.persistence.jobs.conftest import DAY, over, uses
from tests.shops.factories import purchase

pytestmark = pytest.mark.anyio
SPENT = {"Ada": 5_000}
CUSTOMERS = 8
MANY = 60
LEVELS = ("GOLD", "SILVER")
STEPS = 30
THRESHOLDS = (10, 30, 60)
LOWEST = (20, 50)


@pytest.mark.parametrize("change", ["deleted", "defined anew"])
async def test_one_customer_enters_no_segment_that_was_changed_meanwhile(
    change: str, working: Working, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, changed = await working.segment("kept", over(10)), await working.segment("changed", over(10))

    async def meanwhile() -> None:
        if change == "deleted":
            await services.segments.delete(working.business, changed.id, ACTOR)
        else:
            await working.redefine(changed, over(99))

    before_writing(monkeypatch, meanwhile)
    entered, left = await working.recalculations.recalculate_customer(working.business, 1, ACTOR)

    assert ([segment.key for segment in entered], left) == (["kept"], [])
    assert await working.members(kept) == ["Ada"]
    assert await working.members(changed) == []


@pytest.mark.parametrize("seed", sample_cases(range(3), 0))
async def test_whatever_changes_while_two_workers_run_the_members_agree_in_the_end(
    seed: int, database: Database, services: Services, shop: Business, clock: SetClock
) -> None:
    chance = random.Random(seed)
    names = [f"C{n}" for n in range(1, CUSTOMERS + 1)]
    await services.purchases.record(shop, [purchase(name, name, DAY, 500) for name in names], ACTOR)
    workers = [Working.of(database, clock, shop, f"worker {n}") for n in range(2)]
    working = workers[0]
    hand, base = await working.by_hand("hand"), await working.segment("z-base", over(10))
    user = await working.segment("m-user", {"and": [uses("z-base"), {"!": uses("hand")}]})
    last = await working.segment("a-last", {"!": uses("m-user")})
    low = await working.segment("low", {"and": [{"==": [{"var": "spending_label"}, "Low Value"]}, uses("z-base")]})
    spent, inside, threshold, lowest = dict.fromkeys(names, 5), set[str](), 10, 10_000

    async def work(worker: Working) -> None:
        while not enough.is_set():
            if not await worker.worker.run_once(shop):
                await worker.feed.wait_work(0.01)

    enough = asyncio.Event()
    tasks = [asyncio.create_task(work(worker)) for worker in workers]
    await working.recalculations.start_all(shop, ACTOR)
    for step in range(STEPS):
        number = chance.randrange(CUSTOMERS)
        match chance.randrange(6):
            case 0:
                threshold = chance.choice(THRESHOLDS)
                await working.redefine(base, over(threshold))
            case 1:
                await services.memberships.assign(shop, hand.id, [number + 1], ACTOR)
                inside.add(names[number])
            case 2:
                await services.memberships.remove(shop, hand.id, [number + 1], ACTOR)
                inside.discard(names[number])
            case 3:
                await services.purchases.record(shop, [purchase(names[number], f"S{step}", DAY, 1_700)], ACTOR)
                spent[names[number]] += 17
            case 4:
                lowest = chance.choice(LOWEST)
                await services.business_changes.set_settings("shop", {"low_lifetime": lowest}, ACTOR)
            case _:
                with suppress(AlreadyRunning):
                    await working.recalculations.start_all(shop, ACTOR)
        await asyncio.sleep(chance.random() / 50)
    enough.set()
    await asyncio.gather(*tasks)
    while await working.worker.run_once(shop):
        pass

    bases = {name for name in names if spent[name] > threshold}
    users = bases - inside
    assert await working.members(hand) == sorted(inside)
    assert await working.members(base) == sorted(bases)
    assert await working.members(user) == sorted(users)
    assert await working.members(last) == sorted(set(names) - users)
    assert await working.members(low) == sorted(name for name in bases if spent[name] <= lowest)
    async with working.store.read(shop) as unit:
        newest = await unit.jobs.find_newest([each.id for each in (base, user, last, low)])
    assert {job.status for job in newest.values()} == {JobStatus.SUCCEEDED}


async def seen(working: Working, segment: Segment) -> tuple[int, frozenset[int]]:
    """The count and the members in one state of the store."""
    async with working.store.read(working.business) as unit:
        held = (await unit.segments.find_by_ids([segment.id]))[segment.id]
        page = await unit.members.load_page(MemberList(segment.id), PageRequest(MANY))
    return held.member_count, frozenset(record.customer.id for record, _ in page.items)


async def test_a_reader_sees_the_old_set_or_the_new_one(working: Working, services: Services) -> None:
    items = [NewCustomer(f"C{n}", loyalty_level=LEVELS[n % 2]) for n in range(MANY)]
    await services.customers.upsert(working.business, items, ACTOR)
    rules = [{"==": [{"var": "loyalty_level"}, level]} for level in LEVELS]
    segment = await working.segment("level", rules[0])
    await working.calculate(segment)
    sets = {await seen(working, segment)}
    stop = asyncio.Event()

    async def read() -> set[tuple[int, frozenset[int]]]:
        found = set()
        while not stop.is_set():
            found.add(await seen(working, segment))
        return found

    readers = [asyncio.create_task(read()) for _ in range(3)]
    for turn in range(1, 9):
        async with working.store.write(working.business) as unit:
            held = (await unit.segments.find_by_ids([segment.id]))[segment.id]
            defined = Definition(rules=rules[turn % 2])
            await unit.segments.change(replace(held, definition=defined, defined_at=unit.instant))
        job = await working.calculate(segment)
        assert (job.entered, job.left) == (MANY // 2, MANY // 2)
        sets.add(await seen(working, segment))
    stop.set()

    assert len(sets) == 2
    assert {count for count, _ in sets} == {MANY // 2}
    assert set.union(*await asyncio.gather(*readers)) == sets
